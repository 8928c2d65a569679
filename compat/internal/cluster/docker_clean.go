package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/moby/moby/client"
)

// removeLeftOvers removes what a run left that was killed before it could clean up.
func (r *containers) removeLeftOvers(ctx context.Context) error {
	return r.removeLabelled(ctx, func(labels map[string]string) bool {
		pid, err := strconv.Atoi(labels[labelPID])
		return err != nil || pid == os.Getpid() || syscall.Kill(pid, 0) != nil
	})
}

func (r *containers) removeLabelled(ctx context.Context, ours func(labels map[string]string) bool) error {
	labelled := client.Filters{}.Add("label", labelSuite)
	list, err := r.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: labelled})
	if err != nil {
		return fmt.Errorf("look for containers: %w", err)
	}
	var errs []error
	for _, c := range list.Items {
		if ours(c.Labels) {
			_, err := r.docker.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
			errs = append(errs, err)
		}
	}
	volumes, err := r.docker.VolumeList(ctx, client.VolumeListOptions{Filters: labelled})
	errs = append(errs, err)
	for _, v := range volumes.Items {
		if ours(v.Labels) {
			_, err := r.docker.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true})
			errs = append(errs, err)
		}
	}
	nets, err := r.docker.NetworkList(ctx, client.NetworkListOptions{Filters: labelled})
	errs = append(errs, err)
	for _, n := range nets.Items {
		if ours(n.Labels) {
			_, err := r.docker.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// closeWithin bounds the removal of all containers.
const closeWithin = 60 * time.Second

func (*containers) able(f Features) Features { return f.ours() }

func (r *containers) close() error {
	if r.docker == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	mine := strconv.Itoa(os.Getpid())
	err := r.removeLabelled(ctx, func(labels map[string]string) bool { return labels[labelPID] == mine })
	r.tails.Wait()
	return errors.Join(err, r.docker.Close())
}
