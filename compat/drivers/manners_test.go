package drivers

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"lockstep/compat/drivers/protocol"
)

// TestManners starts every driver that is set up and checks what needs no broker: what it is, what it says to nonsense,
// and that it goes when its stdin closes.
func TestManners(t *testing.T) {
	for _, c := range Clients {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			ctx := deadline(t)
			d := start(t, c)
			info, err := d.Info(ctx)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", info)
			if info.Client == "" || info.Version == "" || strings.Contains(info.Version, "unknown") || info.Runtime == "" {
				t.Errorf("info is incomplete: %+v", info)
			}
			for _, f := range info.Features {
				if !slices.Contains(protocol.Features, f) {
					t.Errorf("feature %q is not in the protocol", f)
				}
			}
			if !slices.Equal(info.Codecs, protocol.Codecs) {
				t.Errorf("codecs are %v", info.Codecs)
			}
			for _, nonsense := range []string{
				`nonsense`, `[]`, `{"op":"info"`, `{"op":"dance","id":9}`,
				`{"op":"send","handle":"nobody","records":[]}`,
				`{"op":"open_producer","id":9,"handle":"p"}`,
				`{"op":"open_consumer","id":9,"handle":"c","topic":"t","bootstrap":["127.0.0.1:1"]}`,
				`{"op":"open_consumer","id":9,"handle":"c","topic":"t","bootstrap":["127.0.0.1:1"],"group":"g","partitions":[0]}`,
				`{"op":"open_consumer","id":9,"handle":"c","topic":"t","bootstrap":["127.0.0.1:1"],"partitions":[0],"offsets":[1,2]}`,
			} {
				if err := d.SendLine([]byte(nonsense)); err != nil {
					t.Fatal(err)
				}
				// One answer each, and it is the first after the last one's.
				d.mu.Lock()
				n := len(d.events)
				d.mu.Unlock()
				d.wait(ctx, nonsense, n+1, func(protocol.Event) bool { return true })
				if e := d.last(); e.Event != protocol.EventError || !e.Fatal || e.Error == "" {
					t.Errorf("%s: answered with %+v", nonsense, e)
				}
			}
			if _, err := d.Info(ctx); err != nil {
				t.Errorf("after nonsense: %v", err)
			}
			if err := d.Close(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestGoneBroker checks that a driver with handles open on a broker that is not there answers what it can, fails what
// it was sent, and still exits in time.
func TestGoneBroker(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := []string{l.Addr().String()}
	_ = l.Close() // now connections to it are refused
	for _, c := range Clients {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			ctx := deadline(t)
			d := start(t, c)
			// Whether an open succeeds without a broker is the library's affair; that it is answered is ours, though
			// not that this comes before stdin closes.
			for _, cmd := range []protocol.Command{
				{Op: protocol.OpOpenProducer, ID: 101, Handle: "p", Topic: "t", Bootstrap: nobody},
				{Op: protocol.OpOpenConsumer, ID: 102, Handle: "c", Topic: "t", Bootstrap: nobody,
					ConsumerConfig: protocol.ConsumerConfig{Partitions: []int32{0}}},
				{Op: protocol.OpSend, Handle: "p", Records: []protocol.Record{{Value: []byte("v")}}},
			} {
				if err := d.Send(cmd); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := d.Info(ctx); err != nil {
				t.Errorf("a handle that hangs holds up the driver: %v", err)
			}
			begun := time.Now()
			if err := d.Close(ctx); err != nil {
				t.Error(err)
			}
			if took := time.Since(begun); took > protocol.ShutdownGrace {
				t.Errorf("it took %v to exit", took)
			}
			if acked := d.count(of(protocol.EventAcked, "p")); acked != 0 {
				t.Errorf("%d records acknowledged by nobody", acked)
			}
		})
	}
}
