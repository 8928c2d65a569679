package scenarios

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"lockstep/compat/drivers/protocol"
	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/records"
	"lockstep/compat/internal/scenario"
)

func idempotent(c clients.Client) bool {
	return slices.Contains(c.Info().Features, protocol.FeatureIdempotence)
}

// write opens a producer, sends rs in a few pieces, the first record alone, and closes it when the fate of all is known.
func write(ctx context.Context, client clients.Client, handle string, o clients.ProducerOptions, t scenario.Topic, first int64, rs []records.Record) error {
	if err := client.OpenProducer(ctx, handle, o); err != nil {
		return err
	}
	const piece = 100
	for i := 0; i < len(rs); {
		size := min(piece, len(rs)-i)
		if i == 0 {
			size = 1
		}
		if err := client.Send(handle, t.Partition, first+int64(i), rs[i:i+size]); err != nil {
			return err
		}
		i += size
	}
	if err := client.Flush(ctx, handle); err != nil {
		return err
	}
	return client.CloseHandle(ctx, handle)
}

// allAcked makes a failed record a complaint: nothing was broken that would excuse it.
func allAcked(c *scenario.Cell, codecs []string, n int) error {
	var acked int64
	for _, codec := range codecs {
		x := c.H.Tally("writer-" + codec)
		acked += x.Acked
		if x.Failed > 0 {
			return fmt.Errorf("%d records failed with codec %s though nothing was broken (the history has the errors)", x.Failed, codec)
		}
	}
	if acked != int64(n) {
		return fmt.Errorf("%d of %d records were acknowledged", acked, n)
	}
	return nil
}

// proveAndCompare fetches [0, end) raw from every replica, and shows that each of the topic's followers has served it
// once since the window. The clients must have ended.
func proveAndCompare(ctx context.Context, c *scenario.Cell, t scenario.Topic, w scenario.Window, end int64) error {
	// Before the raw copies, which are counted like any other reading.
	served := c.ServedSince(ctx, w)
	stored, err := c.CompareReplicas(ctx, t, 0, end)
	if err != nil {
		return err
	}
	down := map[cluster.Edge]int64{}
	for _, f := range t.Followers {
		down[c.FollowerEdge(f)] = stored
	}
	return c.UnlessMoved(ctx, t, c.ProveFollowers(ctx, w, served, scenario.Reading{
		Records: end * int64(len(t.Followers)), Down: down, Leader: cluster.ClientEdge(t.Leader)}))
}

// diff compares two texts line by line as diff(1) would be asked to: "" when they are equal, else the first line that
// differs.
func diff(want, got []byte) string {
	if bytes.Equal(want, got) {
		return ""
	}
	w, g := bytes.Split(want, []byte{'\n'}), bytes.Split(got, []byte{'\n'})
	for i := range min(len(w), len(g)) {
		if !bytes.Equal(w[i], g[i]) {
			return fmt.Sprintf("line %d: expected %.100q, got %.100q", i+1, w[i], g[i])
		}
	}
	return fmt.Sprintf("expected %d lines, got %d", len(w)-1, len(g)-1)
}
