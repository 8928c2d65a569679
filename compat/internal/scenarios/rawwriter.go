package scenarios

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/records"
	"lockstep/compat/internal/scenario"

	"github.com/twmb/franz-go/pkg/kerr"
)

// rawWriter is an idempotent writer of the suite's own, past all proxies, that writes one record after the other: what
// became of each it finds out, whoever leads. Not for concurrent use.
type rawWriter struct {
	c      *scenario.Cell
	t      scenario.Topic
	handle string
	by     raw.Producer
	n      int64
	batch  []byte // the last one written …
	at     int64  // … and its offset
}

// openRawWriter gets the writer a producer id, from any node, before ctx ends. To give one, nodes have to commit something.
func openRawWriter(ctx context.Context, c *scenario.Cell, t scenario.Topic, handle string) (*rawWriter, error) {
	w := &rawWriter{c: c, t: t, handle: handle}
	err := errors.New("not asked yet")
	for i := 0; err != nil; i++ {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s: get a producer id: %w", handle, err)
		}
		w.by, err = askAny(ctx, c, 1+i%cluster.Size, func(ctx context.Context, c *raw.Conn) (raw.Producer, error) { return c.InitProducer(ctx) })
	}
	return w, nil
}

// write sends the next record to nodes, one after the other, until it is acknowledged, and returns its offset. Its fate has
// to be known, so that it goes on for a while when ctx is cancelled.
func (w *rawWriter) write(ctx context.Context, nodes ...int) (int64, error) {
	r := records.Record{Key: fmt.Appendf(nil, "%s-%d", w.handle, w.n), Value: fmt.Appendf(nil, "written by %s: %d", w.handle, w.n), Timestamp: time.Now().UnixMilli()}
	w.by.Sequence = int32(w.n)
	var err error
	if w.batch, err = raw.BuildAs(w.by, "none", []records.Record{r}); err != nil {
		return 0, err
	}
	e := history.Event{Handle: w.handle, N: w.n, Topic: w.t.Name, Partition: w.t.Partition}
	w.n++
	sent := e
	sent.Kind, sent.Record, sent.Idempotent = history.Sent, records.ForHistory(r), true
	w.c.H.Append(sent)
	offset, err := w.again(ctx, nodes...)
	if err != nil {
		e.Kind, e.Error = history.Failed, err.Error()
		w.c.H.Append(e)
		return 0, fmt.Errorf("%s: record %d: %w", w.handle, e.N, err)
	}
	e.Kind, e.Offset = history.Acked, offset
	w.c.H.Append(e)
	w.at = offset
	return offset, nil
}

// storedOnce sends the last record once more: whoever leads has to know that it is there.
func (w *rawWriter) storedOnce(ctx context.Context, nodes ...int) error {
	again, err := w.again(ctx, nodes...)
	if err != nil {
		return fmt.Errorf("%s: record %d, sent again: %w", w.handle, w.n-1, err)
	}
	if again != w.at {
		return fmt.Errorf("%s: record %d was acknowledged at offset %d, and stored twice when it was sent again: at offset %d", w.handle, w.n-1, w.at, again)
	}
	return nil
}

// again sends the last record until it is acknowledged, and returns the offset that it is said to have.
func (w *rawWriter) again(ctx context.Context, nodes ...int) (int64, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resumeWithin)
	defer cancel()
	for i := 0; ; i++ {
		got, err := askAny(ctx, w.c, nodes[i%len(nodes)], func(ctx context.Context, c *raw.Conn) (*raw.Produced, error) {
			return c.Produce(ctx, raw.Produce{Topic: w.t.Name, Partition: w.t.Partition, Acks: -1, Timeout: time.Second, Batches: w.batch})
		})
		switch {
		case err == nil && got.Error == nil:
			return got.BaseOffset, nil
		case err == nil && !kerr.IsRetriable(got.Error):
			return 0, got.Error
		}
		if err := hold(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// leaderFirst are all nodes, a topic's leader first.
func leaderFirst(t scenario.Topic) []int { return append([]int{t.Leader}, cluster.Others(t.Leader)...) }
