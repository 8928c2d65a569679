package rafttransport

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// TestFramesFromManyAtOnce: frames that are written by who sends them, by the writer, or partly by each because the
// socket was full, come whole and in the order of each sender.
func TestFramesFromManyAtOnce(t *testing.T) {
	const senders, each = 4, 3000
	near, far := tcpPair(t)
	var w wire
	m := New(Config{LocalID: 1, Peers: map[int32]string{1: "", 2: ""}})
	w.init(m, m.peers[2], urgent, near)
	if w.out.direct == nil {
		t.Skip("frames are never written directly here")
	}
	var written, sent sync.WaitGroup
	written.Go(w.writeLoop)
	for id := range senders {
		sent.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(id)))
			for n := range each {
				size := 12 + r.IntN(200)
				var tail []chunk
				switch r.IntN(10) {
				case 0:
					size += directFrame
				case 1:
					tail = []chunk{{bytes: make([]byte, r.IntN(64<<10))}}
				}
				frame := make([]byte, size)
				all := size
				for _, b := range tail {
					all += len(b.bytes)
				}
				binary.BigEndian.PutUint32(frame, uint32(all))
				binary.BigEndian.PutUint32(frame[4:], uint32(id))
				binary.BigEndian.PutUint32(frame[8:], uint32(n))
				w.out.push(frame, tail, all, 0)
			}
		})
	}
	var next [senders]uint32
	for range senders * each {
		var head [12]byte
		if _, err := io.ReadFull(far, head[:]); err != nil {
			t.Fatal(err)
		}
		size, id, n := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[8:])
		if id >= senders || n != next[id] {
			t.Fatalf("frame %d of sender %d, expected %v", n, id, next)
		}
		next[id]++
		if _, err := io.CopyN(io.Discard, far, int64(size)-12); err != nil {
			t.Fatal(err)
		}
	}
	sent.Wait()
	w.kill(io.EOF)
	written.Wait()
}

func tcpPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}
