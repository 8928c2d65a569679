package protocol

import (
	"fmt"
	"sync"
	"time"
)

// runProducer is the goroutine of one producer's handle, from its open to its close.
func (s *session) runProducer(open Command, q *queue[Command]) {
	p, err := s.driver.OpenProducer(open.Bootstrap, open.Topic, open.ProducerConfig)
	if err != nil {
		s.forget(open, q)
		s.fail(open, false, fmt.Errorf("open a producer: %w", err))
		return
	}
	s.answer(open, EventOpened)
	pending := newFlushes()
	for {
		commands := q.take()
		if len(commands) == 0 { // stdin has closed
			p.Close(CloseGrace)
			return
		}
		for i, c := range commands {
			switch c.Op {
			case OpSend:
				s.send(p, pending, c)
			case OpFlush:
				pending.flush(func() { s.answer(c, EventFlushed) })
			case OpClose:
				p.Close(CloseGrace)
				s.end(c, q, commands[i+1:])
				return
			default:
				s.misplaced(c, "producer")
			}
		}
	}
}

func (s *session) send(p Producer, pending *flushes, c Command) {
	for i, r := range c.Records {
		n, group := c.First+int64(i), pending.begin()
		p.Send(c.Partition, r, func(offset int64, err error) {
			e := Event{Event: EventAcked, Handle: c.Handle, N: n, Partition: c.Partition, Offset: offset, At: now()}
			if err != nil {
				e.Event, e.Error = EventFailed, err.Error()
			}
			s.out.emit(e)
			pending.end(group)
		})
	}
}

// runConsumer is the goroutine of one consumer's handle: commands between polls, polls between commands.
func (s *session) runConsumer(open Command, q *queue[Command]) {
	consumer, err := s.driver.OpenConsumer(open.Bootstrap, open.Topic, open.ConsumerConfig,
		&listener{out: s.out, handle: open.Handle})
	if err != nil {
		s.forget(open, q)
		s.fail(open, false, fmt.Errorf("open a consumer: %w", err))
		return
	}
	s.answer(open, EventOpened)
	for {
		commands, shut := q.poll()
		for i, c := range commands {
			switch c.Op {
			case OpSeek:
				s.report(c, EventSought, consumer.Seek(c.Partition, c.Offset))
			case OpCommit:
				s.report(c, EventCommitted, consumer.Commit())
			case OpClose:
				if err := consumer.Close(); err != nil {
					s.fail(c, false, fmt.Errorf("close a consumer: %w", err))
				}
				s.end(c, q, commands[i+1:])
				return
			default:
				s.misplaced(c, "consumer")
			}
		}
		if shut {
			_ = consumer.Close() // nobody is left to tell
			return
		}
		consumer.Poll(pollTimeout)
	}
}

// end answers a close, after which the handle may be opened again, and refuses what was queued behind it.
func (s *session) end(c Command, q *queue[Command], late []Command) {
	s.forget(c, q)
	s.answer(c, EventClosed)
	for _, l := range late {
		s.fail(l, true, fmt.Errorf("%s: handle %q is closed", l.Op, l.Handle))
	}
}

func (s *session) report(c Command, event string, err error) {
	if err != nil {
		s.fail(c, false, fmt.Errorf("%s: %w", c.Op, err))
		return
	}
	s.answer(c, event)
}

// flushes answers each flush when all that was sent before it has ended. Records are counted in groups, of which the
// last is open and each other waits, in order, to be answered. mu guards all of it.
type flushes struct {
	mu     sync.Mutex
	groups []*flushGroup
}

type flushGroup struct {
	pending int
	answer  func()
}

func newFlushes() *flushes { return &flushes{groups: []*flushGroup{{}}} }

func (f *flushes) begin() *flushGroup {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.groups[len(f.groups)-1]
	g.pending++
	return g
}

func (f *flushes) end(g *flushGroup) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g.pending--
	f.advance()
}

func (f *flushes) flush(answer func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.groups[len(f.groups)-1].answer = answer
	f.groups = append(f.groups, &flushGroup{})
	f.advance()
}

func (f *flushes) advance() {
	for len(f.groups) > 1 && f.groups[0].pending == 0 {
		f.groups[0].answer()
		f.groups = f.groups[1:]
	}
}

// listener turns what a consumer tells into events. mu guards the last notice.
type listener struct {
	out    *emitter
	handle string

	mu   sync.Mutex
	last Event
}

func (l *listener) Record(partition int32, offset int64, timestampType string, r Record) {
	l.out.emit(Event{Event: EventRecord, Handle: l.handle, Partition: partition, Offset: offset,
		TimestampType: timestampType, Record: r, At: now()})
}

// Notice tells a notice, unless it repeats the last one within a second: some libraries report a lasting error at
// every poll.
func (l *listener) Notice(kind, text string) {
	e := Event{Event: EventNotice, Handle: l.handle, Kind: kind, Error: text, At: now()}
	l.mu.Lock()
	repeated := l.last.Kind == kind && l.last.Error == text && e.At-l.last.At < int64(time.Second)
	if !repeated {
		l.last = e
	}
	l.mu.Unlock()
	if !repeated {
		l.out.emit(e)
	}
}

func now() int64 { return time.Now().UnixNano() }
