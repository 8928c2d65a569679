package protocol

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// fake is a library whose records are acknowledged when the test says so, and whose consumer reads from a channel.
type fake struct {
	sent    chan func(int64, error) // the done of each record, in order
	records chan Record
	stuck   chan struct{} // what a send of a record without a value waits for
}

func newFake() *fake {
	return &fake{sent: make(chan func(int64, error), 100), records: make(chan Record, 100), stuck: make(chan struct{})}
}

func (f *fake) Info() Info { return Info{Client: "fake"} }

func (f *fake) OpenProducer(_ []string, topic string, _ ProducerConfig) (Producer, error) {
	if topic == "refused" {
		return nil, errors.New("no such topic")
	}
	return f, nil
}

func (f *fake) Send(_ int32, r Record, done func(int64, error)) {
	if r.Value == nil {
		<-f.stuck
	}
	f.sent <- done
}

// Close fails what is left, as the contract demands.
func (f *fake) Close(time.Duration) {
	for {
		select {
		case done := <-f.sent:
			done(-1, errors.New("closed"))
		default:
			return
		}
	}
}

type fakeConsumer struct {
	f    *fake
	next int64
	l    Listener
}

func (f *fake) OpenConsumer(_ []string, _ string, _ ConsumerConfig, l Listener) (Consumer, error) {
	return &fakeConsumer{f: f, l: l}, nil
}

func (c *fakeConsumer) Poll(timeout time.Duration) {
	select {
	case r := <-c.f.records:
		c.l.Record(0, c.next, "create", r)
		c.next++
	case <-time.After(timeout):
		c.l.Notice(NoticeError, "nothing")
	}
}
func (c *fakeConsumer) Seek(_ int32, offset int64) error { c.next = offset; return nil }
func (c *fakeConsumer) Commit() error                    { return errors.New("no group") }
func (c *fakeConsumer) Close() error                     { return nil }

// conversation is a Serve under test.
type conversation struct {
	t     *testing.T
	in    *io.PipeWriter
	out   <-chan string
	ended chan error
}

func converse(t *testing.T, d Driver) *conversation {
	in, w := io.Pipe()
	r, out := io.Pipe()
	lines := make(chan string, 1000)
	c := &conversation{t: t, in: w, out: lines, ended: make(chan error, 1)}
	go func() {
		c.ended <- Serve(in, out, d)
		_ = out.Close()
	}()
	go func() {
		all := newLines(r)
		for line, ok := all(); ok; line, ok = all() {
			lines <- line
		}
		close(lines)
	}()
	return c
}

func (c *conversation) say(lines ...string) {
	for _, l := range lines {
		if _, err := io.WriteString(c.in, l+"\n"); err != nil {
			c.t.Fatal(err)
		}
	}
}

// hear checks the next lines, each by a part of it. A notice is passed over where none is expected.
func (c *conversation) hear(parts ...string) {
	c.t.Helper()
	for _, part := range parts {
		for {
			line := c.line()
			if strings.Contains(line, part) {
				break
			}
			if !strings.Contains(line, `"notice"`) {
				c.t.Fatalf("heard %q in place of …%s…", line, part)
			}
		}
	}
}

func (c *conversation) line() string {
	c.t.Helper()
	select {
	case line := <-c.out:
		return line
	case <-time.After(10 * time.Second):
		c.t.Fatal("heard nothing")
		return ""
	}
}

func (c *conversation) end() {
	c.t.Helper()
	_ = c.in.Close()
	if err := <-c.ended; err != nil {
		c.t.Error(err)
	}
	if line, more := <-c.out; more {
		c.t.Errorf("heard %q at the end", line)
	}
}

const openP = `{"op":"open_producer","id":1,"handle":"p","topic":"t","bootstrap":["h:1"]}`

// TestFlush checks that a flush waits for what was sent before it and for nothing else.
func TestFlush(t *testing.T) {
	f := newFake()
	c := converse(t, f)
	c.say(openP, `{"op":"flush","id":2,"handle":"p"}`)
	c.hear(`"opened","id":1`, `"flushed","id":2`)
	c.say(`{"op":"send","handle":"p","first":7,"records":[{"value":"MQ=="},{"value":"Mg=="}]}`, `{"op":"flush","id":3,"handle":"p"}`,
		`{"op":"flush","id":4,"handle":"p"}`, `{"op":"send","handle":"p","first":9,"records":[{"value":"Mw=="}]}`,
		`{"op":"flush","id":5,"handle":"p"}`)
	first, second, third := <-f.sent, <-f.sent, <-f.sent
	third(12, nil) // out of order: its flush must still come last
	c.hear(`"acked","handle":"p","n":9,"partition":0,"offset":12`)
	second(11, nil)
	c.hear(`"acked","handle":"p","n":8,"partition":0,"offset":11`)
	first(-1, errors.New("lost"))
	c.hear(`"failed","handle":"p","n":7,"partition":0,"error":"lost"`, `"id":3`, `"id":4`, `"id":5`)
	c.end()
}

// TestStuckHandle checks that a producer whose library blocks holds up neither another handle nor the reading of
// commands, and that what it was sent is failed at the end.
func TestStuckHandle(t *testing.T) {
	f := newFake()
	c := converse(t, f)
	c.say(openP, `{"op":"send","handle":"p","records":[{"value":null}]}`)
	c.hear(`"opened","id":1`)
	f.records <- Record{Value: []byte("v")}
	c.say(`{"op":"open_consumer","id":2,"handle":"c","topic":"t","bootstrap":["h:1"],"partitions":[0]}`)
	c.hear(`"opened","id":2`, `"record","handle":"c","partition":0,"offset":0`)
	c.say(`{"op":"close","id":3,"handle":"c"}`)
	c.hear(`"closed","id":3`)
	close(f.stuck)
	_ = c.in.Close()
	c.hear(`"failed","handle":"p","n":0`)
	c.end()
}

// TestUnreadEvents checks that a driver ends in time although nobody reads what it tells.
func TestUnreadEvents(t *testing.T) {
	f := newFake()
	_, unread := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- serve(strings.NewReader(openP+"\n"+strings.Repeat(`{"op":"info","id":1}`+"\n", 500)), unread, f, 100*time.Millisecond)
	}()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it hangs")
	}
}

func TestConsumer(t *testing.T) {
	f := newFake()
	c := converse(t, f)
	c.say(`{"op":"open_consumer","id":1,"handle":"c","topic":"t","bootstrap":["h:1"],"group":"g"}`)
	c.hear(`"opened"`, `"notice","handle":"c","kind":"error","error":"nothing"`)
	c.say(`{"op":"seek","id":2,"handle":"c","offset":40}`, `{"op":"commit","id":3,"handle":"c"}`)
	c.hear(`"sought","id":2`, `"error","id":3,"handle":"c","fatal":false,"error":"commit: no group"`)
	f.records <- Record{Key: []byte("k")}
	c.hear(`"offset":40,"timestamp_type":"create","key":"aw==","value":null`)
	c.say(`{"op":"send","id":4,"handle":"c","records":[]}`)
	c.hear(`"error","id":4,"handle":"c","fatal":true`)
	c.say(`{"op":"close","id":5,"handle":"c"}`)
	c.hear(`"closed","id":5`)
	c.end()
}

// TestNotices checks that a notice is not repeated within a second, and that another one is told at once.
func TestNotices(t *testing.T) {
	out := &emitter{events: make(chan Event, 10)}
	l := &listener{out: out, handle: "c"}
	for _, text := range []string{"a", "a", "b", "a", "a"} {
		l.Notice(NoticeError, text)
	}
	l.Notice(NoticeReset, "a")
	l.last.At -= int64(time.Second)
	l.Notice(NoticeReset, "a")
	var told []string
	for len(out.events) > 0 {
		e := <-out.events
		told = append(told, e.Kind+" "+e.Error)
	}
	if got, want := strings.Join(told, ", "), "error a, error b, error a, reset a, reset a"; got != want {
		t.Errorf("told %s in place of %s", got, want)
	}
}

func TestNonsense(t *testing.T) {
	c := converse(t, newFake())
	for _, test := range []struct{ say, hear string }{
		{`nonsense`, `"error","fatal":true,"error":"read a command: `},
		{`{"op":"dance","id":1}`, `"error","id":1,"fatal":true,"error":"unknown op \"dance\""`},
		{`{"op":"close","id":2,"handle":"p"}`, `"id":2,"handle":"p","fatal":true,"error":"close: no handle \"p\" is open"`},
		{`{"op":"open_producer","id":3,"handle":"p","topic":"refused","bootstrap":["h:1"]}`, `"id":3,"handle":"p","fatal":false,"error":"open a producer: no such topic"`},
		{openP, `"opened"`}, // the refused open left no handle
		{openP, `"fatal":true,"error":"open_producer: handle \"p\" is open already"`},
		{`{"op":"seek","id":4,"handle":"p"}`, `"id":4,"handle":"p","fatal":true,"error":"seek: handle \"p\" is a producer"`},
		{`{"op":"close","id":5,"handle":"p"}`, `"closed","id":5`},
		{openP, `"opened"`},
		{`{"op":"info","id":6}`, `"info","id":6,"client":"fake"`},
	} {
		c.say(test.say)
		c.hear(test.hear)
	}
	c.end()
}
