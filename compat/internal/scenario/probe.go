package scenario

import (
	"context"
	"time"

	"lockstep/compat/internal/history"
	"lockstep/compat/internal/raw"
)

// Probe asks once over conn, which leads to node, and puts question, answer, batches and records into the history as the
// session's next probe, for the oracles to judge. A session is one reader: its probes come one after the other, on
// whatever nodes; sessions that ask at the same time need names of their own. It returns the answer with the records in
// it from the offset asked for on. The error tells of the connection, or of an answer that makes no sense; a partition's
// error code is in the answer.
func (c *Cell) Probe(ctx context.Context, session string, node int, conn *raw.Conn, f raw.Fetch) (*raw.Answer, []raw.Stored, error) {
	return c.probe(ctx, session, node, conn, f, true)
}

// probe is Probe; without the records in the batches where they are not wanted.
func (c *Cell) probe(ctx context.Context, session string, node int, conn *raw.Conn, f raw.Fetch, decode bool) (*raw.Answer, []raw.Stored, error) {
	at := history.Event{Handle: session, Node: node, Topic: f.Topic, Partition: f.Partition}
	probe := at
	probe.Kind, probe.Offset, probe.To, probe.Start = history.Probe, f.Offset, f.Offset, c.now().UnixNano()
	a, err := conn.Fetch(ctx, f)
	probe.At = c.now().UnixNano()
	if a == nil {
		probe.Error = err.Error()
		c.H.Append(probe)
		return nil, nil, err
	}
	probe.Answer = answered(a)
	var stored []raw.Stored
	if err == nil && a.Error == nil && decode {
		stored, err = raw.Decode(f.Topic, a, f.Offset)
	}
	if err != nil {
		probe.Error = err.Error()
	}
	if n := len(stored); n > 0 {
		probe.To = stored[n-1].Offset + 1
	}
	c.H.Append(probe)
	for _, b := range a.Batches {
		e := at
		e.Kind, e.At, e.Batch = history.Batch, probe.At, &b
		c.H.Append(e)
	}
	for _, r := range stored {
		e := at
		e.Kind, e.At, e.Offset, e.TimestampType, e.Record = history.Read, probe.At, r.Offset, r.TimestampType, r.Record
		c.H.Append(e)
	}
	return a, stored, err
}

// ProbeOnce is Probe over a connection of its own to addr.
func (c *Cell) ProbeOnce(ctx context.Context, session string, node int, addr string, f raw.Fetch) (*raw.Answer, []raw.Stored, error) {
	conn, err := raw.Dial(ctx, addr)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	return c.Probe(ctx, session, node, conn, f)
}

// Promise notes that a session is promised more than every reader is: history.PromisedLinearizable, or
// history.PromisedOwnWrites of a writer.
func (c *Cell) Promise(t Topic, session, what, writer string) {
	c.H.Append(history.Event{Kind: history.Promised, Handle: session, Name: what, Writer: writer, Topic: t.Name, Partition: t.Partition})
}

// MustResume notes that a reader or a writer has to go on within a bound after each fault of that name ("": any), counted
// from its injection (history.Fault: a quorum is left) or from its healing (history.Healed).
func (c *Cell) MustResume(handle, fault string, on history.Kind, within time.Duration) {
	c.H.Append(history.Event{Kind: history.MustResume, Handle: handle, Name: fault, On: on, Within: within.Nanoseconds()})
}

// answered is an answer as the history keeps it.
func answered(a *raw.Answer) *history.Answer {
	return &history.Answer{Code: a.Body.ErrorCode, HighWatermark: a.HighWatermark, LogStart: a.LogStart, Preferred: int32(a.Preferred),
		Leader: int32(a.CurrentLeader.ID), LeaderEpoch: a.CurrentLeader.Epoch}
}
