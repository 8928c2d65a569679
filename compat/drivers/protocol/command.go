package protocol

import (
	"encoding/json"
	"fmt"
	"time"
)

const (
	// ShutdownGrace is how long a driver may take to exit after its stdin has closed.
	ShutdownGrace = 15 * time.Second
	// CloseGrace is how long a producer that is being closed goes on trying to deliver.
	CloseGrace = 10 * time.Second
)

// The values of Command.Op.
const (
	OpInfo         = "info"
	OpOpenProducer = "open_producer"
	OpSend         = "send"
	OpFlush        = "flush"
	OpOpenConsumer = "open_consumer"
	OpSeek         = "seek"
	OpCommit       = "commit"
	OpClose        = "close"
)

// Command is a line from the suite to a driver: all operations' fields in one struct, of which Op says which count.
type Command struct {
	Op     string `json:"op"`
	ID     int64  `json:"id,omitempty"`     // > 0 where an answer is wanted; send has none
	Handle string `json:"handle,omitempty"` // all but info

	ProducerConfig // open_producer
	ConsumerConfig // open_consumer

	// Both kinds of open.
	Bootstrap []string `json:"bootstrap,omitempty"` // host:port
	Topic     string   `json:"topic,omitempty"`

	Partition int32    `json:"partition,omitempty"` // send, seek
	First     int64    `json:"first,omitempty"`     // send: the first record's number
	Records   []Record `json:"records,omitempty"`   // send
	Offset    int64    `json:"offset,omitempty"`    // seek
}

// ProducerConfig is what open_producer can set. A zero number leaves the library's default, except for LingerMS.
type ProducerConfig struct {
	Acks              string `json:"acks,omitempty"`  // all (also ""), 1, 0
	Codec             string `json:"codec,omitempty"` // none (also ""), gzip, snappy, lz4, zstd
	Idempotent        bool   `json:"idempotent,omitempty"`
	LingerMS          int    `json:"linger_ms,omitempty"`
	BatchBytes        int    `json:"batch_bytes,omitempty"` // where a batch is full; see each driver for what it does to larger records
	DeliveryTimeoutMS int    `json:"delivery_timeout_ms,omitempty"`
	MaxRequestBytes   int    `json:"max_request_bytes,omitempty"` // the largest record, roughly
}

// ConsumerConfig is what open_consumer can set. A zero number leaves the library's default.
type ConsumerConfig struct {
	Partitions    []int32 `json:"partitions,omitempty"`
	Offsets       []int64 `json:"offsets,omitempty"` // as many as Partitions, or none: earliest
	Group         string  `json:"group,omitempty"`
	Rack          string  `json:"rack,omitempty"`
	MaxWaitMS     int     `json:"max_wait_ms,omitempty"`
	FetchMaxBytes int     `json:"fetch_max_bytes,omitempty"` // of a whole response
	Isolation     string  `json:"isolation,omitempty"`       // read_uncommitted (also ""), read_committed
}

// Record is what is sent, and what of a record read is the sender's. A nil Key, Value or header value is null; an
// empty one is empty.
type Record struct {
	Key       []byte   `json:"key"`
	Value     []byte   `json:"value"`
	Headers   []Header `json:"headers,omitempty"`
	Timestamp int64    `json:"timestamp"` // Unix milliseconds; to send, 0 is the client's own clock
}

// Header is a record's header. On the wire it is the pair [name, base64 or null].
type Header struct {
	Name  string
	Value []byte
}

// MarshalJSON writes the pair.
func (h Header) MarshalJSON() ([]byte, error) { return json.Marshal([]any{h.Name, h.Value}) }

// UnmarshalJSON reads the pair and keeps null apart from empty.
func (h *Header) UnmarshalJSON(p []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(p, &pair); err != nil {
		return fmt.Errorf("read a header: %w", err)
	}
	if len(pair) != 2 {
		return fmt.Errorf("read a header: %d elements in place of [name, value]", len(pair))
	}
	if err := json.Unmarshal(pair[0], &h.Name); err != nil {
		return fmt.Errorf("read a header's name: %w", err)
	}
	h.Value = nil
	if err := json.Unmarshal(pair[1], &h.Value); err != nil {
		return fmt.Errorf("read the value of header %q: %w", h.Name, err)
	}
	return nil
}
