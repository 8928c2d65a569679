// Command confluentgo is the compatibility suite's driver for confluent-kafka-go, that is librdkafka (the static library
// that the module brings; cgo and a C compiler are needed to build it). It speaks the protocol of
// compat/drivers/protocol.
//
// What this client is like:
//
//   - Errors. A delivery report carries the message's error in TopicPartition.Error. Everything else comes as an Error
//     event out of Poll: also what is retried by itself (a broker that refuses the connection is _TRANSPORT, all of them
//     down _ALL_BROKERS_DOWN). An error of one partition comes as a Message whose TopicPartition.Error is set.
//   - Reset. With auto.offset.reset=error an out-of-range position is _AUTO_OFFSET_RESET, once, and the partition is not
//     fetched again until it is assigned anew: even a seek is refused (_STATE). With any
//     other setting the reset is silent but for a log line. It is a notice "reset".
//   - Rack. client.rack. A preferred replica is kept for 5 minutes (fixed), and given up when its connection fails. One that
//     falls silent is given up after socket.timeout.ms: a minute.
//   - CRC. Checked only with check.crcs=true, which is set here.
//   - Produce. Reports carry the offset; -1 where the broker did not tell (acks=0). Idempotence is off by default and
//     needs acks=all. batch.size is where a batch is full; a larger message goes alone, up to message.max.bytes, which is
//     set from max_request_bytes.
//   - Timestamps. 0 means now, so 0 cannot be sent.
package main

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"lockstep/compat/drivers/protocol"
)

func main() { protocol.Main(driver{}) }

type driver struct{}

func (driver) Info() protocol.Info {
	_, librdkafka := kafka.LibraryVersion()
	return protocol.Info{
		Client:   "confluent-kafka-go",
		Version:  protocol.ModuleVersion("github.com/confluentinc/confluent-kafka-go/v2") + " (librdkafka " + librdkafka + ")",
		Runtime:  runtime.Version(),
		Features: protocol.Features,
		Codecs:   protocol.Codecs,
	}
}

// config starts a configuration; set leaves out what is at its zero value, so that the library's default holds.
type config kafka.ConfigMap

func newConfig(bootstrap []string) config {
	return config{"bootstrap.servers": strings.Join(bootstrap, ",")}
}

func (c config) set(key string, value int) {
	if value > 0 {
		c[key] = value
	}
}

func text(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// notice sorts an error of the library's.
func notice(l protocol.Listener, where string, err kafka.Error) {
	kind := protocol.NoticeError
	if err.Code() == kafka.ErrAutoOffsetReset || err.Code() == kafka.ErrOffsetOutOfRange {
		kind = protocol.NoticeReset
	}
	l.Notice(kind, strings.TrimSpace(fmt.Sprintf("%s %s: %s", where, err.Code(), err.Error())))
}
