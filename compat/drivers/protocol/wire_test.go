package protocol

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestWire pins the JSON of every kind of line, and that it is read back as it was.
func TestWire(t *testing.T) {
	record := Record{Key: []byte{}, Headers: []Header{{"a", []byte("1")}, {"a", nil}, {"", []byte{}}}, Timestamp: 7}
	for _, test := range []struct {
		line any
		want string
	}{
		{Command{Op: OpInfo, ID: 1}, `{"op":"info","id":1}`},
		{Command{Op: OpSend, Handle: "p", First: 3, Partition: 2, Records: []Record{record}},
			`{"op":"send","handle":"p","partition":2,"first":3,"records":[{"key":"","value":null,"headers":[["a","MQ=="],["a",null],["",""]],"timestamp":7}]}`},
		{Command{Op: OpOpenProducer, ID: 2, Handle: "p", Bootstrap: []string{"h:1"}, Topic: "t",
			ProducerConfig: ProducerConfig{Acks: "all", Codec: "zstd", Idempotent: true, LingerMS: 5}},
			`{"op":"open_producer","id":2,"handle":"p","acks":"all","codec":"zstd","idempotent":true,"linger_ms":5,"bootstrap":["h:1"],"topic":"t"}`},
		{Command{Op: OpOpenConsumer, ID: 3, Handle: "c", ConsumerConfig: ConsumerConfig{Partitions: []int32{0}, Offsets: []int64{0}, Rack: "r2"}},
			`{"op":"open_consumer","id":3,"handle":"c","partitions":[0],"offsets":[0],"rack":"r2"}`},
		{Event{Event: EventInfo, ID: 1, Info: Info{Client: "c", Features: []string{"rack"}}},
			`{"event":"info","id":1,"client":"c","features":["rack"]}`},
		{Event{Event: EventAcked, Handle: "p", At: 9}, `{"event":"acked","handle":"p","n":0,"partition":0,"offset":0,"at":9}`},
		{Event{Event: EventFailed, Handle: "p", N: 1, Error: "e", At: 9}, `{"event":"failed","handle":"p","n":1,"partition":0,"error":"e","at":9}`},
		{Event{Event: EventRecord, Handle: "c", Offset: 5, TimestampType: "create", Record: record, At: 9},
			`{"event":"record","handle":"c","partition":0,"offset":5,"timestamp_type":"create","key":"","value":null,"headers":[["a","MQ=="],["a",null],["",""]],"timestamp":7,"at":9}`},
		{Event{Event: EventNotice, Handle: "c", Kind: NoticeReset, Error: "e", At: 9}, `{"event":"notice","handle":"c","kind":"reset","error":"e","at":9}`},
		{Event{Event: EventError, ID: 4, Error: "e"}, `{"event":"error","id":4,"fatal":false,"error":"e"}`},
		{Event{Event: EventClosed, ID: 5, Handle: "c"}, `{"event":"closed","id":5,"handle":"c"}`},
	} {
		got, err := json.Marshal(test.line)
		if err != nil || string(got) != test.want {
			t.Errorf("%+v\n is %s (%v)\nnot %s", test.line, got, err, test.want)
		}
		back := reflect.New(reflect.TypeOf(test.line))
		if err := json.Unmarshal([]byte(test.want), back.Interface()); err != nil || !reflect.DeepEqual(back.Elem().Interface(), test.line) {
			t.Errorf("%s\n is read as %+v (%v)", test.want, back.Elem(), err)
		}
	}
}

func TestHeaderRefusesWhatIsNoPair(t *testing.T) {
	for _, bad := range []string{`["a"]`, `["a","MQ==","x"]`, `[1,"MQ=="]`, `["a","%"]`, `{}`} {
		var h Header
		if err := json.Unmarshal([]byte(bad), &h); err == nil {
			t.Errorf("%s is read as %+v", bad, h)
		}
	}
}
