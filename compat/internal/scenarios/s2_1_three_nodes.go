package scenarios

import (
	"context"
	"fmt"
	"sync"
	"time"

	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/scenario"
)

// 2.1: three nodes; a client writes 1000 records to the leader, in every codec it has, in small batches and large
// ones, and reads them all from each follower. Every replica then gives out the same bytes, among them batches that
// the suite itself made.
//
// Must be seen: all records, equal in key, value, headers, timestamp and offset; all of them served by followers,
// by the brokers' counters and by the bytes on the followers' links; raw equality and right CRCs.
func threeNodes() *scenario.Scenario {
	return &scenario.Scenario{ID: "2.1", Title: "1000 records to the leader, read from each follower", Limit: 3 * time.Minute, Run: runThreeNodes}
}

const (
	recordsPerCell = 1000
	rawPerBatch    = 12
)

func runThreeNodes(ctx context.Context, c *scenario.Cell) error {
	t, err := c.Topic(ctx, 1, nil)
	if err != nil {
		return err
	}
	client, err := c.StartUnderTest(ctx)
	if err != nil {
		return err
	}
	window, err := c.OpenWindow(ctx)
	if err != nil {
		return err
	}
	if err := writeEveryCodec(ctx, c, client, t, recordsPerCell); err != nil {
		return err
	}
	if _, err := c.ProduceRaw(ctx, t, rawPerBatch); err != nil {
		return c.UnlessMoved(ctx, t, err)
	}
	var readers []string
	for _, f := range t.Followers {
		handle := fmt.Sprintf("reader-%d", f)
		if err := client.OpenConsumer(ctx, handle, c.FromFollower(t, f)); err != nil {
			return fmt.Errorf("open %s: %w", handle, err)
		}
		readers = append(readers, handle)
	}
	end, err := c.ReadToEnd(ctx, t, 0, readers...)
	if err != nil {
		return err
	}
	if err := client.Close(ctx); err != nil {
		return err
	}
	return proveAndCompare(ctx, c, t, window, end)
}

// writeEveryCodec splits n records among the client's codecs and has a producer for each write its part, all at the
// same time: by turns in one batch a record, and in batches as large as they get.
func writeEveryCodec(ctx context.Context, c *scenario.Cell, client clients.Client, t scenario.Topic, n int) error {
	codecs := client.Info().Codecs
	if len(codecs) == 0 {
		return fmt.Errorf("%s names no codecs", c.Kind.Name)
	}
	rs := c.Records(0, n, client)
	var wg sync.WaitGroup
	for i, codec := range codecs {
		from, to := i*n/len(codecs), (i+1)*n/len(codecs)
		handle := "writer-" + codec
		o := clients.ProducerOptions{Bootstrap: c.Cluster.Bootstrap(), Topic: t.Name, Codec: codec, Idempotent: idempotent(client)}
		if i%2 == 1 {
			o.LingerMS, o.BatchBytes = 50, 512<<10
		}
		wg.Go(func() {
			if err := write(ctx, client, handle, o, t, int64(from), rs[from:to]); err != nil {
				c.Fail(fmt.Errorf("write with codec %s: %w", codec, err))
			}
		})
	}
	wg.Wait()
	if c.Failed() {
		return fmt.Errorf("not everything could be written")
	}
	return allAcked(c, codecs, n)
}
