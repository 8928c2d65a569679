package history

import "strings"

// Kind says what an Event tells. Which other fields are set depends on it.
type Kind string

const (
	// Sent: the suite handed a record to a producer: Handle, N, Topic, Partition, Record, Idempotent.
	Sent Kind = "sent"
	// Acked: the client said that it is stored: Handle, N, Partition, Offset (-1 where the client does not say).
	Acked Kind = "acked"
	// Failed: the client gave up on it; it may be stored or not: Handle, N, Error.
	Failed Kind = "failed"
	// Read: a client delivered a record: Handle, Topic, Partition, Offset, Record, TimestampType.
	Read Kind = "read"
	// Opened: a producer or consumer is there: Handle, Name (producer or consumer), Group for a member of a group,
	// Text with how it was opened.
	Opened Kind = "opened"
	// Sought: a consumer was told to go on from Offset of Partition.
	Sought Kind = "sought"
	// Expect: a reader was meant to read every acknowledged record in [Offset, To) of a partition.
	Expect Kind = "expect"
	// Notice: what a client library reported beside records: Handle, Name (error, reset, rebalance, eof), Error.
	Notice Kind = "notice"
	// Probe: the suite itself fetched once, as a client would, and this is the answer: Handle (the session), Node,
	// Topic, Partition, Offset asked for, To (one above the last record that came; Offset where none did), Start,
	// Answer (none where none came), Error where what came makes no sense, or nothing did. What came follows as Batch
	// events, Read events or both, with the same Handle and Node, before the session's next Probe. A session may ask
	// another node each time.
	Probe Kind = "probe"
	// Promised: the session Handle was promised more than every reader is, from here on. Name says what:
	// PromisedLinearizable (every Probe of it shows all that was acknowledged before it began, and never less than another
	// one before it), or PromisedOwnWrites (the same of what the producer named in Writer wrote).
	Promised Kind = "promised"
	// Batch: a batch as a replica stores it, fetched raw: Node, Topic, Partition, Batch; it belongs to the last RawRange
	// or Probe with the same Handle.
	Batch Kind = "batch"
	// RawRange: batches of [Offset, To) were fetched raw from Node, as Handle; Error where it answered with one, Answer
	// with what the last response said of the log (its high watermark, where known). The last ones of a partition are
	// its final copies: they are taken when nobody writes any more, from Offset on to the end of the log.
	RawRange Kind = "raw"
	// Wrote: a batch that the suite itself built and produced raw, as sent: Batch, and Offset where it was stored.
	Wrote Kind = "wrote"
	// Fault, Bitten, Healed, Gone: a fault was injected, was seen to bite, was taken back, was seen to be gone:
	// Name says which, Text what was seen.
	Fault  Kind = "fault"
	Bitten Kind = "bitten"
	Healed Kind = "healed"
	Gone   Kind = "gone"
	// MustResume: after every fault named Name (empty: after every fault) the producer or reader Handle has to go on
	// within Within, counted from On: Fault (a quorum is left, so it must find another way) or Healed. It says so of the
	// whole cell, wherever it stands. A handle that had nothing to do after a fault is a violation too: nothing was seen.
	MustResume Kind = "must-resume"
	// Wiped: Node's data directory was emptied: what it said of itself before binds it no longer.
	Wiped Kind = "wiped"
	// Served: who served how much, and what crossed the proxies, between two moments: Counts.
	Served Kind = "served"
	// Replica: a replica's state as its node tells it: Node, Topic, Partition, State.
	Replica Kind = "replica"
	// Retried: what came before showed nothing (Text says why), and the cell begins anew.
	Retried Kind = "retried"
	// Verdict: how the cell ended, as its last event: Name is the status that the scenario's own complaints make, Text
	// these complaints, Counts["violations"] how many the oracles found.
	Verdict Kind = "verdict"
	// Remark: a line of text worth keeping in its place in time.
	Remark Kind = "remark"
)

// What a session can be promised: Name of a Promised event.
const (
	PromisedLinearizable = "linearizable"
	PromisedOwnWrites    = "own-writes"
)

// Event is one thing that happened. Unused fields are left out of the file.
type Event struct {
	At        int64            `json:"at"`              // ns since 1970; of what takes time, when it ended
	Start     int64            `json:"start,omitempty"` // when it began, where that is known: Probe, Replica
	Kind      Kind             `json:"kind"`
	Cell      string           `json:"cell,omitempty"`   // scenario/client
	Handle    string           `json:"handle,omitempty"` // producer, consumer or raw fetch, unique in its cell
	Node      int              `json:"node,omitempty"`   // 1..3
	Name      string           `json:"name,omitempty"`
	Text      string           `json:"text,omitempty"`
	Error     string           `json:"error,omitempty"`
	Topic     string           `json:"topic,omitempty"`
	Partition int32            `json:"partition,omitempty"`
	N         int64            `json:"n,omitempty"` // which record of its producer
	Offset    int64            `json:"offset,omitempty"`
	To        int64            `json:"to,omitempty"` // end of a range, exclusive
	Record    *Record          `json:"record,omitempty"`
	Batch     *RawBatch        `json:"batch,omitempty"`
	State     *ReplicaState    `json:"state,omitempty"`
	Answer    *Answer          `json:"answer,omitempty"`
	Counts    map[string]int64 `json:"counts,omitempty"`
	// Idempotent: a record sent by a producer that promises no duplicates.
	Idempotent bool `json:"idempotent,omitempty"`
	// Group: a consumer whose offsets a group keeps, and which may see records again after a rebalance.
	Group bool `json:"group,omitempty"`
	// Writer: the producer whose writes a session must see (Promised).
	Writer string `json:"writer,omitempty"`
	// On is the event from which Within counts: Fault or Healed (MustResume).
	On Kind `json:"on,omitempty"`
	// Within is a bound in ns (MustResume).
	Within int64 `json:"within,omitempty"`
	// TimestampType is create or append for a record read.
	TimestampType string `json:"timestamp_type,omitempty"`
}

// Record is what is exchanged. Timestamp is in ms since 1970; -1 where it was left to the client.
type Record struct {
	Key       Bytes    `json:"key"`
	Value     Bytes    `json:"value"`
	Headers   []Header `json:"headers,omitempty"`
	Timestamp int64    `json:"timestamp"`
	// Partial: the client cannot show headers and timestamp (the console tools); they are not compared.
	Partial bool `json:"partial,omitempty"`
}

// Header of a record. Names may repeat, values may be null.
type Header struct {
	Name  string `json:"name"`
	Value Bytes  `json:"value"`
}

// RawBatch is a record batch (magic 2) as it lies in a replica's log.
type RawBatch struct {
	BaseOffset  int64  `json:"base_offset"`
	LastOffset  int64  `json:"last_offset"`
	LeaderEpoch int32  `json:"leader_epoch"`
	Length      int    `json:"length"` // whole batch, in bytes
	Attributes  int16  `json:"attributes"`
	CRC         uint32 `json:"crc"`      // as stored
	Computed    uint32 `json:"computed"` // CRC-32C of byte 21 to the end, computed by the suite
	Body        Bytes  `json:"body"`     // everything from byte 16 (magic) on
}

// Answer is what a Fetch response says of a partition, beside the records. A field that the version in use does not have,
// and whatever is not known, is -1.
type Answer struct {
	Code          int16 `json:"code"` // Kafka's error code; 0 is none
	HighWatermark int64 `json:"high_watermark"`
	LogStart      int64 `json:"log_start"`
	Preferred     int32 `json:"preferred"`    // replica to read from instead
	Leader        int32 `json:"leader"`       // current leader, where the answer names one
	LeaderEpoch   int32 `json:"leader_epoch"` // its epoch
}

// ReplicaState is a replica as its own node describes it.
type ReplicaState struct {
	Role          string `json:"role"`
	Leader        int    `json:"leader"`
	Epoch         int32  `json:"epoch"`
	LogStart      int64  `json:"log_start"`
	HighWatermark int64  `json:"high_watermark"`
	LogEnd        int64  `json:"log_end"`
	LagRecords    int64  `json:"lag_records"`
}

// Differs names the first field in which two records differ, "" when none does. Fields that either side cannot
// show (Partial, a timestamp of -1) are left out.
func (r *Record) Differs(o *Record) string {
	switch {
	case !r.Key.Equal(o.Key):
		return "key"
	case !r.Value.Equal(o.Value):
		return "value"
	case r.Partial || o.Partial:
		return ""
	case r.Timestamp != o.Timestamp && r.Timestamp != -1 && o.Timestamp != -1:
		return "timestamp"
	case len(r.Headers) != len(o.Headers):
		return "number of headers"
	}
	for i, h := range r.Headers {
		if h.Name != o.Headers[i].Name {
			return "header name"
		}
		if !h.Value.Equal(o.Headers[i].Value) {
			return "value of header " + h.Name
		}
	}
	return ""
}

// String shows a record to a person.
func (r *Record) String() string {
	if r == nil {
		return "none"
	}
	var b strings.Builder
	b.WriteString("key " + r.Key.String() + ", value " + r.Value.String())
	for _, h := range r.Headers {
		b.WriteString(", header " + h.Name + "=" + h.Value.String())
	}
	return b.String()
}

// Size is the payload in bytes: key, value and headers.
func (r *Record) Size() int64 {
	n := int64(r.Key.Len() + r.Value.Len())
	for _, h := range r.Headers {
		n += int64(len(h.Name) + h.Value.Len())
	}
	return n
}
