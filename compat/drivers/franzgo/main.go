// Command franzgo is the compatibility suite's driver for franz-go. It speaks the protocol of compat/drivers/protocol.
//
// What this client is like:
//
//   - Errors. Produce promises carry the record's error. Fetch errors that it retries by itself are swallowed unless
//     KeepRetryableFetchErrors asks for them (it does here: they only become visible, the client acts the same); all
//     come out of PollFetches, each beside its partition. Connections that fail are only logged.
//   - Reset. With NoResetOffset an OFFSET_OUT_OF_RANGE is returned once and the partition is dead from then on. With any
//     other setting an ErrDataLoss tells of a log that was cut back under it (it validates with OffsetForLeaderEpoch
//     first, and then resumes where the logs part). Both become a notice "reset".
//   - Rack. kgo.Rack. It stays with a preferred replica for RecheckPreferredReplicaInterval (30 minutes by default; 5
//     seconds here), also over lost connections. One that falls silent is given up when a fetch has no answer within
//     max_wait and 10 more seconds (RequestTimeoutOverhead).
//   - Produce. Promises carry the offset; with acks=0 it is -1. Idempotence is on by default and needs acks=all. There is
//     one size, ProducerBatchMaxBytes, which is a batch's limit and so a record's: it is set from max_request_bytes, and
//     batch_bytes has no counterpart. RecordDeliveryTimeout counts from a record's own timestamp, so that one with an
//     old timestamp fails at once, and all that is buffered with it: the driver gives each record a context that ends in
//     its place. A produce whose fate the broker may have decided is not failed by either until the answer is known, to
//     keep the sequence numbers whole.
//   - Timestamps. A zero time means now, and Unix 0 can be sent; the driver keeps 0 for now, as the protocol says.
//   - Connecting. It opens with ApiVersions v5 and falls back by the range that the broker's error 35 tells. A connection
//     that is accepted and closed before its first answer it takes for a missing TLS, and fails what waited for it, records
//     of an idempotent producer too. A proxy before a dead broker looks like that, so AlwaysRetryEOF is set, which is its
//     authors' answer for clients that know their settings to be right.
package main

import (
	"fmt"
	"os"
	"runtime"

	"github.com/twmb/franz-go/pkg/kgo"

	"lockstep/compat/drivers/protocol"
)

func main() { protocol.Main(driver{}) }

type driver struct{}

func (driver) Info() protocol.Info {
	return protocol.Info{
		Client:   "franz-go",
		Version:  protocol.ModuleVersion("github.com/twmb/franz-go"),
		Runtime:  runtime.Version(),
		Features: protocol.Features,
		Codecs:   protocol.Codecs,
	}
}

func common(bootstrap []string) []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(bootstrap...),
		kgo.AlwaysRetryEOF(),
		kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelWarn, nil)),
	}
}

func codec(name string) (kgo.CompressionCodec, error) {
	switch name {
	case "", "none":
		return kgo.NoCompression(), nil
	case "gzip":
		return kgo.GzipCompression(), nil
	case "snappy":
		return kgo.SnappyCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "zstd":
		return kgo.ZstdCompression(), nil
	}
	return kgo.CompressionCodec{}, fmt.Errorf("unknown codec %q", name)
}
