package clients

import (
	"context"

	"lockstep/compat/drivers/protocol"
	"lockstep/compat/internal/records"
)

// Client is one running client. What it reads, acknowledges and reports goes into the history under the handles that
// the scenario chose; a call that returns has been seen there. Methods may be called concurrently for different handles.
type Client interface {
	// Info says what it is and what it can do.
	Info() protocol.Info
	OpenProducer(ctx context.Context, handle string, o ProducerOptions) error
	// Send hands over records numbered from first on; their fates come later.
	Send(handle string, partition int32, first int64, rs []records.Record) error
	// Flush waits until the fate of everything sent is known. Tools learn that only when they end: for them, Flush ends
	// the producer.
	Flush(ctx context.Context, handle string) error
	OpenConsumer(ctx context.Context, handle string, o ConsumerOptions) error
	// Commit commits a group's position.
	Commit(ctx context.Context, handle string) error
	CloseHandle(ctx context.Context, handle string) error
	// Close ends the process in an orderly way; an error says how it did not.
	Close(ctx context.Context) error
	// Kill ends it at once. It may be called at any time.
	Kill()
}

// ProducerOptions is how a producer is opened. Acks are all.
type ProducerOptions struct {
	Bootstrap  []string
	Topic      string
	Codec      string // none, gzip, snappy, lz4, zstd
	Idempotent bool
	LingerMS   int
	BatchBytes int // 0: the library's default
}

// ConsumerOptions is how a consumer is opened: with a group, or on one partition from an offset.
type ConsumerOptions struct {
	Bootstrap []string
	Topic     string
	Partition int32
	Offset    int64
	Group     string
	Rack      string
}

// maxRequestBytes is the limit that producers are given: Kafka's default for a broker.
const maxRequestBytes = 1 << 20
