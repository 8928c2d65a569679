package main

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// connection runs a toxic for one connection.
func connection(link *toxics.ToxicWrapper) (in, out chan *stream.StreamChunk, stub *toxics.ToxicStub) {
	in, out = make(chan *stream.StreamChunk), make(chan *stream.StreamChunk)
	stub = toxics.NewToxicStub(in, out)
	go stub.Run(link)
	return in, out, stub
}

func wrapped(rate int64) *toxics.ToxicWrapper {
	w := &toxics.ToxicWrapper{Type: "link", Toxicity: 1}
	toxics.New(w).(*Link).Rate = rate
	return w
}

// However many connections there are, together they get what the link carries, and each its part.
func TestConnectionsShareALink(t *testing.T) {
	const rate, chunk, chunks = 1000, 10_000, 20 // of each: 200 ms at the rate
	for _, n := range []int{1, 3} {
		link := wrapped(rate)
		took := make([]time.Duration, n)
		start := time.Now()
		var wg sync.WaitGroup
		for i := range n {
			in, out, _ := connection(link)
			go func() {
				for range chunks {
					in <- &stream.StreamChunk{Data: make([]byte, chunk)}
				}
				close(in)
			}()
			wg.Go(func() {
				for range out {
				}
				took[i] = time.Since(start)
			})
		}
		wg.Wait()
		want := time.Duration(n*chunks*chunk/rate) * time.Millisecond
		for i, d := range took {
			// A busy machine may be late, never early.
			if d < want*8/10-linkCatchesUp {
				t.Errorf("of %d connections, number %d was through after %v; all together need %v", n, i+1, d, want)
			}
		}
	}
}

// What is on its way when the toxic is taken away arrives.
func TestALinkLosesNothingWhenItGoes(t *testing.T) {
	in, out, stub := connection(wrapped(1))
	want := bytes.Repeat([]byte("x"), 60_000) // a minute
	in <- &stream.StreamChunk{Data: want}
	interrupted := make(chan bool, 1)
	go func() { interrupted <- stub.InterruptToxic() }()
	select {
	case got := <-out:
		if !bytes.Equal(got.Data, want) {
			t.Errorf("%d bytes arrived, not %d", len(got.Data), len(want))
		}
	case <-time.After(handOver):
		t.Fatal("the chunk was lost")
	}
	if !<-interrupted {
		t.Error("the toxic did not end")
	}
}
