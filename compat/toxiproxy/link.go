package main

import (
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// Link carries so much in one direction for all connections together. They take turns, a chunk (up to 32 KiB) each.
type Link struct {
	Rate int64 `json:"rate"` // kB/s, of 1000 bytes; 0 and less: no limit

	mu   sync.Mutex
	free time.Time // when all that it was given will have passed
}

func init() { toxics.Register("link", new(Link)) }

const (
	// linkCatchesUp is how much of the time that nobody used may be used later: timers wake up a little late, and a link
	// that forgot that would be narrower than its rate.
	linkCatchesUp = 20 * time.Millisecond
	// handOver bounds how long a chunk that is on its way may take when the toxic is taken away.
	handOver = 5 * time.Second
)

// Pipe implements toxics.Toxic: it runs once for each connection, at the same time.
func (l *Link) Pipe(stub *toxics.ToxicStub) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk == nil {
				stub.Close()
				return
			}
			if !l.carry(stub, chunk) {
				return
			}
		}
	}
}

// carry passes a chunk on when its turn is over. It is false when the toxic was taken away meanwhile; the chunk is not lost.
func (l *Link) carry(stub *toxics.ToxicStub, chunk *stream.StreamChunk) bool {
	turn := time.NewTimer(l.turn(len(chunk.Data)))
	defer turn.Stop()
	select {
	case <-turn.C:
		stub.Output <- chunk
		return true
	case <-stub.Interrupt:
		// Whoever is to take it may be gone; then so is the connection.
		_ = stub.WriteOutput(chunk, handOver)
		return false
	}
}

// turn is how long it takes until n bytes more will have passed.
func (l *Link) turn(n int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Rate <= 0 {
		return 0
	}
	now := time.Now()
	if earliest := now.Add(-linkCatchesUp); l.free.Before(earliest) {
		l.free = earliest
	}
	l.free = l.free.Add(time.Duration(n) * time.Millisecond / time.Duration(l.Rate))
	return l.free.Sub(now)
}
