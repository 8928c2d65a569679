package clients

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"lockstep/compat/drivers/protocol"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/records"
)

// driverClient is a client behind the driver protocol.
type driverClient struct {
	p    *protocol.Process
	cell *history.Cell
	info protocol.Info

	mu      sync.Mutex // guards handles
	handles map[string]opened
}

// opened is what a handle was opened with.
type opened struct {
	topic      string
	idempotent bool
}

func startDriver(o Options, command []string) (Client, error) {
	d := &driverClient{cell: o.Cell, handles: map[string]opened{}}
	p, err := protocol.Start(protocol.Spec{Name: o.Name, Args: command, Dir: o.Root,
		Stderr: filepath.Join(o.LogDir, o.Name+".log"), OnEvent: d.note})
	if err != nil {
		return nil, err
	}
	d.p = p
	return d, nil
}

func (d *driverClient) greet(ctx context.Context) error {
	info, err := d.p.Info(ctx)
	d.info = info
	return err
}

func (d *driverClient) Info() protocol.Info { return d.info }

func (d *driverClient) find(handle string) opened {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.handles[handle]
}

func (d *driverClient) remember(handle string, o opened) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.handles[handle] = o
}

// note turns a driver's events into the history's.
func (d *driverClient) note(e protocol.Event) {
	h := history.Event{At: e.At, Handle: e.Handle, Topic: d.find(e.Handle).topic, Partition: e.Partition}
	switch e.Event {
	case protocol.EventAcked:
		h.Kind, h.N, h.Offset = history.Acked, e.N, e.Offset
	case protocol.EventFailed:
		h.Kind, h.N, h.Error = history.Failed, e.N, e.Error
	case protocol.EventRecord:
		h.Kind, h.Offset, h.TimestampType, h.Record = history.Read, e.Offset, e.TimestampType, records.ForHistory(e.Record)
	case protocol.EventNotice:
		h.Kind, h.Name, h.Error = history.Notice, e.Kind, e.Error
	case protocol.EventError:
		h.Kind, h.Name, h.Error = history.Notice, "refused", e.Error
	default:
		return // answers, which whoever asked gets
	}
	d.cell.Append(h)
}

func (d *driverClient) OpenProducer(ctx context.Context, handle string, o ProducerOptions) error {
	d.remember(handle, opened{o.Topic, o.Idempotent})
	d.cell.Append(history.Event{Kind: history.Opened, Name: "producer", Handle: handle, Topic: o.Topic,
		Text: fmt.Sprintf("codec %s, idempotent %v, linger %d ms, batch %d bytes", o.Codec, o.Idempotent, o.LingerMS, o.BatchBytes)})
	_, err := d.p.Do(ctx, protocol.Command{Op: protocol.OpOpenProducer, Handle: handle, Bootstrap: o.Bootstrap, Topic: o.Topic,
		ProducerConfig: protocol.ProducerConfig{Acks: "all", Codec: o.Codec, Idempotent: o.Idempotent, LingerMS: o.LingerMS,
			BatchBytes: o.BatchBytes, MaxRequestBytes: maxRequestBytes}})
	return err
}

func (d *driverClient) Send(handle string, partition int32, first int64, rs []records.Record) error {
	noteSent(d.cell, handle, d.find(handle), partition, first, rs)
	return d.p.Send(protocol.Command{Op: protocol.OpSend, Handle: handle, Partition: partition, First: first, Records: rs})
}

// noteSent puts records into the history before they are sent, so that no fate is older than its record.
func noteSent(cell *history.Cell, handle string, o opened, partition int32, first int64, rs []records.Record) {
	for i, r := range rs {
		cell.Append(history.Event{Kind: history.Sent, Handle: handle, N: first + int64(i), Topic: o.topic, Partition: partition,
			Record: records.ForHistory(r), Idempotent: o.idempotent})
	}
}

func (d *driverClient) Flush(ctx context.Context, handle string) error {
	_, err := d.p.Do(ctx, protocol.Command{Op: protocol.OpFlush, Handle: handle})
	return err
}

func (d *driverClient) OpenConsumer(ctx context.Context, handle string, o ConsumerOptions) error {
	d.remember(handle, opened{topic: o.Topic})
	noteConsumer(d.cell, handle, o)
	c := protocol.Command{Op: protocol.OpOpenConsumer, Handle: handle, Bootstrap: o.Bootstrap, Topic: o.Topic,
		ConsumerConfig: protocol.ConsumerConfig{Group: o.Group, Rack: o.Rack}}
	if o.Group == "" {
		c.Partitions, c.Offsets = []int32{o.Partition}, []int64{o.Offset}
	}
	_, err := d.p.Do(ctx, c)
	return err
}

func noteConsumer(cell *history.Cell, handle string, o ConsumerOptions) {
	cell.Append(history.Event{Kind: history.Opened, Name: "consumer", Handle: handle, Topic: o.Topic, Partition: o.Partition,
		Group: o.Group != "", Text: fmt.Sprintf("rack %q, bootstrap %v, group %q, offset %d", o.Rack, o.Bootstrap, o.Group, o.Offset)})
}

func (d *driverClient) Commit(ctx context.Context, handle string) error {
	_, err := d.p.Do(ctx, protocol.Command{Op: protocol.OpCommit, Handle: handle})
	return err
}

func (d *driverClient) CloseHandle(ctx context.Context, handle string) error {
	_, err := d.p.Do(ctx, protocol.Command{Op: protocol.OpClose, Handle: handle})
	return err
}

func (d *driverClient) Close(ctx context.Context) error { return d.p.Close(ctx) }

func (d *driverClient) Kill() { d.p.Kill() }
