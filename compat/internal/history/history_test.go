package history

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestBytesSurviveJSON(t *testing.T) {
	long := bytes.Repeat([]byte{0, 255, 7}, 1000)
	other := bytes.Clone(long)
	other[2999]++
	for _, p := range [][]byte{nil, {}, []byte("a"), {0, 1, 255}, long} {
		b := Of(p)
		j, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		var back Bytes
		if err := json.Unmarshal(j, &back); err != nil {
			t.Fatal(err)
		}
		if !back.Equal(b) || back.Len() != len(p) || back.IsNull() != (p == nil) {
			t.Errorf("%s: came back as %s", b, back)
		}
	}
	if Of(long).Equal(Of(other)) {
		t.Error("two long values that differ in the last byte are equal")
	}
	if Of(nil).Equal(Of([]byte{})) {
		t.Error("null equals empty")
	}
}

func TestWaitSeesPastAndComing(t *testing.T) {
	log := New(time.Now)
	c := log.Cell("2.1/x")
	c.Append(Event{Kind: Acked, Offset: 1})
	go func() {
		log.Cell("another").Append(Event{Kind: Acked, Offset: 9})
		c.Append(Event{Kind: Acked, Offset: 2})
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var sum int64
	err := c.Wait(ctx, "two acks", func(e Event) bool { sum += e.Offset; return sum == 3 })
	if err != nil {
		t.Fatal(err, sum)
	}
	cancel()
	if err := c.Wait(ctx, "nothing", func(Event) bool { return false }); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestSavedHistoryLoads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.jsonl")
	log, err := Create(path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	c := log.Cell("2.1/x")
	want := Record{Key: Of(nil), Value: Text("v"), Headers: []Header{{"h", Of([]byte{})}, {"h", Of(nil)}}, Timestamp: 5}
	c.Append(Event{Kind: Sent, Handle: "p", N: 3, Record: &want})
	c.Drop()
	if len(c.Events()) != 0 {
		t.Error("dropped events are still there")
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	events, err := Load(f)
	if err != nil || len(events) != 1 {
		t.Fatal(events, err)
	}
	if d := events[0].Record.Differs(&want); d != "" {
		t.Errorf("differs in %s", d)
	}
}

func TestDiffers(t *testing.T) {
	base := Record{Key: Text("k"), Value: Text("v"), Headers: []Header{{"a", Text("1")}, {"a", Text("2")}}, Timestamp: 7}
	tests := []struct {
		name   string
		change func(*Record)
		want   string
	}{
		{"same", func(*Record) {}, ""},
		{"null key", func(r *Record) { r.Key = Of(nil) }, "key"},
		{"value", func(r *Record) { r.Value = Text("V") }, "value"},
		{"timestamp", func(r *Record) { r.Timestamp++ }, "timestamp"},
		{"timestamp left to the client", func(r *Record) { r.Timestamp = -1 }, ""},
		{"a header fewer", func(r *Record) { r.Headers = r.Headers[:1] }, "number of headers"},
		{"headers swapped", func(r *Record) { r.Headers = []Header{{"a", Text("2")}, {"a", Text("1")}} }, "value of header a"},
		{"partial", func(r *Record) { r.Partial, r.Headers, r.Timestamp = true, nil, 0 }, ""},
	}
	for _, tt := range tests {
		o := base
		tt.change(&o)
		if got := base.Differs(&o); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestUntilCountsByHandle(t *testing.T) {
	c := New(time.Now).Cell("2.1/x")
	go func() {
		c.Append(Event{Kind: Read, Handle: "other", Offset: 50})
		for _, offset := range []int64{0, 2, 1} {
			c.Append(Event{Kind: Read, Handle: "c", Offset: offset})
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := c.Until(ctx, "three records", "c", func(t Tally) bool { return t.Read == 3 }); err != nil {
		t.Fatal(err)
	}
	if got := c.Tally("c"); got.Next != 3 {
		t.Errorf("%+v", got)
	}
}

func TestRestartLeavesOutWhatCameBefore(t *testing.T) {
	now := int64(100)
	c := New(func() time.Time { return time.Unix(0, now) }).Cell("5.13/x")
	c.Append(Event{Kind: Sent, Handle: "w"})
	now = 200
	c.Restart("nothing was shown")
	c.Append(Event{At: 150, Kind: Acked, Handle: "w"}) // said by a client of the first try
	c.Append(Event{At: 250, Kind: Acked, Handle: "w"})
	events := c.Events()
	if len(events) != 2 || events[0].Kind != Retried || events[1].At != 250 {
		t.Errorf("got %+v", events)
	}
	if got := c.Tally("w"); got.Sent != 0 || got.Acked != 1 {
		t.Errorf("got %+v", got)
	}
}
