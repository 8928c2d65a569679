package main

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"lockstep/compat/internal/raw"
	"lockstep/compat/internal/records"

	"github.com/twmb/franz-go/pkg/kfake"
)

// A steady load sends what is due whatever happens, every counted record is acknowledged and read once, and its latency
// counts from when it was due.
func TestSteady(t *testing.T) {
	const topic, rate = "t", 1000
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, topic))
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := newReader(ctx, fake.ListenAddrs(), topic)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	cl, err := client(fake.ListenAddrs(), noLinger())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var acks atomic.Int64
	load := steady{topic: topic, rate: rate, size: 100, lead: 200 * time.Millisecond, span: 500 * time.Millisecond}
	sent, failed, err := load.produce(ctx, cl, func(due, at time.Time) {
		if acks.Add(1); at.Before(due) {
			t.Errorf("acknowledged %v before it was due", due.Sub(at))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if sent != rate/2 || failed != 0 || acks.Load() != sent {
		t.Errorf("%d sent, %d refused, %d acknowledged", sent, failed, acks.Load())
	}
	if err := r.await(ctx, sent); err != nil {
		t.Fatal(err)
	}
	if got := r.late.count(); got != sent || r.late.ms(50) <= 0 {
		t.Errorf("%d were read, half of them within %v ms", got, r.late.ms(50))
	}
}

func TestBehind(t *testing.T) {
	batch, err := raw.Build("none", []records.Record{{Value: []byte("a")}, {Value: []byte("b")}, {Value: []byte("c")}})
	if err != nil {
		t.Fatal(err)
	}
	second := append([]byte(nil), batch...)
	second[7] = 3 // its base offset
	both := append(append([]byte(nil), batch...), second...)
	for _, c := range []struct {
		name string
		p    []byte
		want int64
	}{{"nothing", nil, 9}, {"one batch", batch, 3}, {"two", both, 6}, {"the second cut off", both[:len(both)-1], 3}} {
		if got := behind(c.p, 9); got != c.want {
			t.Errorf("%s: %d, not %d", c.name, got, c.want)
		}
	}
}

// The client's time without acknowledgements ends where its longest silence after the kill does.
func TestRecovered(t *testing.T) {
	now := time.Now()
	at := func(ms int) time.Time { return now.Add(time.Duration(ms) * time.Millisecond) }
	x := trialOf{killed: at(-9000), acks: []time.Time{at(-20000), at(-9001)}}
	if x.recovered() == nil {
		t.Error("recovered without an acknowledgement")
	}
	x.acks = append(x.acks, at(-8990), at(-5000)) // what was still on its way, then the new leader's first
	if x.recovered() == nil {
		t.Error("recovered while the silence may still be the longest")
	}
	for ms := -4900; ms <= 0; ms += 100 {
		x.acks = append(x.acks, at(ms))
	}
	if err := x.recovered(); err != nil || x.client != 4*time.Second {
		t.Errorf("after %v, %v", x.client, err)
	}
	if ts, ys := x.timeline(); len(ts) != len(ys) || len(ts) != 60 {
		t.Errorf("a timeline of %d points", len(ts))
	}
}

func TestQuantiles(t *testing.T) {
	for _, c := range []struct {
		values []float64
		q      float64
		want   float64
	}{{[]float64{3, 1, 2}, 0, 1}, {[]float64{3, 1, 2}, 0.5, 2}, {[]float64{3, 1, 2}, 1, 3}, {[]float64{7}, 0.99, 7}} {
		if got := quantile(c.values, c.q); got != c.want {
			t.Errorf("quantile %v of %v: %v", c.q, c.values, got)
		}
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median: %v", got)
	}
}

func TestRecordsPerSecond(t *testing.T) {
	const out = `100 records sent, 20.0 records/sec (0.02 MB/sec), 3.0 ms avg latency, 9.0 ms max latency.
600000 records sent, 75623.9 records/sec (73.85 MB/sec), 2.88 ms avg latency, 305.00 ms max latency, 1 ms 50th, 2 ms 95th, 40 ms 99th, 90 ms 99.9th.
`
	if got, err := recordsPerSecond(out); err != nil || got != 75623.9 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := recordsPerSecond("nothing"); err == nil {
		t.Error("a rate out of nothing")
	}
}

func TestJavaTools(t *testing.T) {
	bytes, seconds, err := fetched("some log line\n2026-01-01 10:00:00:000, 2026-01-01 10:00:04:000, 953.6743, 238.4186, 1000000, 250000.0, 1500, 2500, 381.4697, 400000.0\n")
	if err != nil || bytes != 953.6743*(1<<20) || seconds != 2.5 {
		t.Errorf("%v bytes in %v s, %v", bytes, seconds, err)
	}
	if _, _, err := fetched("nothing"); err == nil {
		t.Error("something fetched out of nothing")
	}
	got, err := endToEndOf("0\t12.5\nAvg latency: 1.2500 ms\n\nPercentiles: 50th = 1, 99th = 4, 99.9th = 9\n")
	if err != nil || got["mean"] != 1.25 || got["p50"] != 1 || got["p99"] != 4 {
		t.Errorf("%v, %v", got, err)
	}
}
