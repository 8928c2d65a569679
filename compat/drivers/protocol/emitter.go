package protocol

import (
	"bufio"
	"encoding/json"
	"io"
)

// emitter writes events one a line, from one goroutine, and flushes whenever none is waiting: prompt when there is
// little to tell, and few system calls when there is much. A full pipe holds up those who emit.
type emitter struct {
	events chan Event
	done   chan struct{}
}

func newEmitter(w io.Writer) *emitter {
	e := &emitter{events: make(chan Event, 1024), done: make(chan struct{})}
	go e.write(bufio.NewWriterSize(w, 1<<16))
	return e
}

func (e *emitter) emit(ev Event) {
	select {
	case e.events <- ev:
	case <-e.done: // closed: a library that is still being left behind may go on talking
	}
}

// write ends at the nil-kind event that close puts last. Errors are dropped: a reader who has gone away closes stdin
// as well, and that is what ends a driver.
func (e *emitter) write(w *bufio.Writer) {
	defer close(e.done)
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	for ev := range e.events {
		if ev.Event == "" {
			_ = w.Flush()
			return
		}
		_ = lines.Encode(ev)
		if len(e.events) == 0 {
			_ = w.Flush()
		}
	}
}

// close waits until all that was emitted before is written.
func (e *emitter) close() {
	e.emit(Event{})
	<-e.done
}
