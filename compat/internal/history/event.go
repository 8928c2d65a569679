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
	// Batch: a batch as a replica stores it, fetched raw: Node, Topic, Partition, Batch; Handle names the fetch.
	Batch Kind = "batch"
	// RawRange: batches of [Offset, To) were fetched raw from Node, as Handle; Error where it answered with one.
	RawRange Kind = "raw"
	// Wrote: a batch that the suite itself built and produced raw, as sent: Batch, and Offset where it was stored.
	Wrote Kind = "wrote"
	// Fault, Bitten, Healed, Gone: a fault was injected, was seen to bite, was taken back, was seen to be gone:
	// Name says which, Text what was seen.
	Fault  Kind = "fault"
	Bitten Kind = "bitten"
	Healed Kind = "healed"
	Gone   Kind = "gone"
	// Served: who served how much, and what crossed the proxies, between two moments: Counts.
	Served Kind = "served"
	// Replica: a replica's state as its node tells it: Node, Topic, Partition, State.
	Replica Kind = "replica"
	// Retried: what came before showed nothing (Text says why), and the cell begins anew.
	Retried Kind = "retried"
	// Remark: a line of text worth keeping in its place in time.
	Remark Kind = "remark"
)

// Event is one thing that happened. Unused fields are left out of the file.
type Event struct {
	At        int64            `json:"at"` // ns since 1970
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
	Counts    map[string]int64 `json:"counts,omitempty"`
	// Idempotent: a record sent by a producer that promises no duplicates.
	Idempotent bool `json:"idempotent,omitempty"`
	// Group: a consumer whose offsets a group keeps, and which may see records again after a rebalance.
	Group bool `json:"group,omitempty"`
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
