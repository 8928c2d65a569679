package protocol

import "encoding/json"

// The values of Event.Event.
const (
	EventInfo      = "info"
	EventOpened    = "opened"
	EventAcked     = "acked"
	EventFailed    = "failed"
	EventFlushed   = "flushed"
	EventRecord    = "record"
	EventNotice    = "notice"
	EventSought    = "sought"
	EventCommitted = "committed"
	EventClosed    = "closed"
	EventError     = "error"
)

// The values of Event.Kind in a notice.
const (
	NoticeError     = "error"
	NoticeReset     = "reset"
	NoticeRebalance = "rebalance"
)

// The features that a driver may name in its info.
const (
	FeatureRack             = "rack"               // rack works: the client tells it, and follows a preferred replica
	FeatureIdempotence      = "idempotence"        // idempotent works
	FeatureGroup            = "group"              // group, commit
	FeatureNullHeaderValues = "null-header-values" // can send a header whose value is null
	FeatureEmptyHeaderValue = "empty-header-value" // can send a header whose value is empty, and it stays so
	FeatureNullRecords      = "null-records"       // can send a record with neither key nor value
)

// Features lists them all, in the order in which reports show them.
var Features = []string{
	FeatureRack, FeatureIdempotence, FeatureGroup, FeatureNullHeaderValues, FeatureEmptyHeaderValue, FeatureNullRecords,
}

// Codecs lists the names of all compression codecs, as in ProducerConfig.Codec and Info.Codecs.
var Codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// Info says what a driver is.
type Info struct {
	Client   string   `json:"client,omitempty"`  // the library: franz-go, confluent-kafka-python, …
	Version  string   `json:"version,omitempty"` // the library's, and librdkafka's where there is one
	Runtime  string   `json:"runtime,omitempty"` // language and version
	Features []string `json:"features,omitempty"`
	Codecs   []string `json:"codecs,omitempty"`
}

// Event is a line from a driver to the suite: all events' fields in one struct, of which Event says which count.
type Event struct {
	Event  string `json:"event"`
	ID     int64  `json:"id,omitempty"` // of the command that this answers; 0 in acked, failed, record and notice
	Handle string `json:"handle,omitempty"`
	At     int64  `json:"at,omitempty"` // Unix ns, driver's clock: acked, failed, record, notice

	Info // info

	N         int64  `json:"n"`              // acked, failed: the record's number
	Partition int32  `json:"partition"`      // acked, failed, record
	Offset    int64  `json:"offset"`         // acked, record
	Kind      string `json:"kind,omitempty"` // notice
	Error     string `json:"error,omitempty"`
	Fatal     bool   `json:"fatal,omitempty"` // error: the command made no sense

	TimestampType string `json:"timestamp_type,omitempty"` // record: create or append
	Record               // record
}

// MarshalJSON writes exactly the fields that belong to the kind of event: those that are zero, too.
func (e Event) MarshalJSON() ([]byte, error) {
	type head struct {
		Event  string `json:"event"`
		ID     int64  `json:"id,omitempty"`
		Handle string `json:"handle,omitempty"`
	}
	h := head{e.Event, e.ID, e.Handle}
	switch e.Event {
	case EventAcked:
		return json.Marshal(struct {
			head
			N         int64 `json:"n"`
			Partition int32 `json:"partition"`
			Offset    int64 `json:"offset"`
			At        int64 `json:"at"`
		}{h, e.N, e.Partition, e.Offset, e.At})
	case EventFailed:
		return json.Marshal(struct {
			head
			N         int64  `json:"n"`
			Partition int32  `json:"partition"`
			Error     string `json:"error"`
			At        int64  `json:"at"`
		}{h, e.N, e.Partition, e.Error, e.At})
	case EventRecord:
		return json.Marshal(struct {
			head
			Partition     int32  `json:"partition"`
			Offset        int64  `json:"offset"`
			TimestampType string `json:"timestamp_type"`
			Record
			At int64 `json:"at"`
		}{h, e.Partition, e.Offset, e.TimestampType, e.Record, e.At})
	case EventNotice:
		return json.Marshal(struct {
			head
			Kind  string `json:"kind"`
			Error string `json:"error"`
			At    int64  `json:"at"`
		}{h, e.Kind, e.Error, e.At})
	case EventError:
		return json.Marshal(struct {
			head
			Fatal bool   `json:"fatal"`
			Error string `json:"error"`
		}{h, e.Fatal, e.Error})
	case EventInfo:
		return json.Marshal(struct {
			head
			Info
		}{h, e.Info})
	}
	return json.Marshal(h)
}
