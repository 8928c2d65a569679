package protocol

import (
	"runtime/debug"
	"time"
)

// Driver is what a client library written in Go must be wrapped in; [Serve] does the rest.
type Driver interface {
	Info() Info
	OpenProducer(bootstrap []string, topic string, c ProducerConfig) (Producer, error)
	// OpenConsumer gets a Listener for what the library tells outside of Poll (it may keep it, and call it from any
	// goroutine until Close has returned).
	OpenConsumer(bootstrap []string, topic string, c ConsumerConfig, l Listener) (Consumer, error)
}

// Producer is one open producer. One goroutine calls its methods.
type Producer interface {
	// Send hands over one record. It may block while the library's buffers are full. done must be called exactly once,
	// from whichever goroutine, when the record's fate is known; offset is -1 where it cannot be known.
	Send(partition int32, r Record, done func(offset int64, err error))
	// Close delivers what it can within the grace and fails the rest; when it returns every done has been called.
	Close(grace time.Duration)
}

// Consumer is one open consumer. One goroutine calls its methods, so that no record polled before a Seek can be told
// after it.
type Consumer interface {
	// Poll waits up to the timeout for records, and tells the listener of them and of errors as soon as there are any.
	Poll(timeout time.Duration)
	Seek(partition int32, offset int64) error
	// Commit commits the group's position and waits for the answer.
	Commit() error
	Close() error
}

// Listener is told what a consumer reads and meets.
type Listener interface {
	Record(partition int32, offset int64, timestampType string, r Record)
	Notice(kind, text string) // kind is one of the Notice constants
}

// ModuleVersion is the version of a Go module that this binary was built with: for Info, so that go.mod is the one place that pins it.
func ModuleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "unknown"
}
