package rafttransport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// logBuffer collects log lines.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) has(all ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.buf.String()) {
		found := 0
		for _, s := range all {
			if strings.Contains(line, s) {
				found++
			}
		}
		if found == len(all) {
			return true
		}
	}
	return false
}

// TestAddressMixUp gives node 1 the address of node 3 for node 2.
func TestAddressMixUp(t *testing.T) {
	var at1, at3 logBuffer
	l3 := listen(t)
	running(t, New(Config{LocalID: 3, Listener: l3, Peers: map[int32]string{1: "127.0.0.1:1"}, Logger: slog.New(slog.NewTextHandler(&at3, nil))}))
	m := running(t, New(Config{LocalID: 1, Listener: listen(t), Peers: map[int32]string{2: l3.Addr().String()}, Logger: slog.New(slog.NewTextHandler(&at1, nil))}))
	eventually(t, 5*time.Second, "both nodes say who was looked for and who answered", func() bool {
		return at1.has("level=ERROR", "node 2 expected", "node 3 answers") && at3.has("node 1 was looking for node 2", "this is node 3")
	})
	_, err := m.Call(context.Background(), 2, 0, nil)
	if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "node 3 answers there") {
		t.Errorf("a call to the wrong node: %v", err)
	}
}

// TestRefusals says hello by hand.
func TestRefusals(t *testing.T) {
	var logs logBuffer
	l := listen(t)
	running(t, New(Config{LocalID: 1, Listener: l, Peers: map[int32]string{2: "127.0.0.1:1"}, Logger: slog.New(slog.NewTextHandler(&logs, nil))}))
	ok := hello{version: protocolVersion, lane: bulk, sender: 2, receiver: 1}
	for _, tt := range []struct {
		name string
		send []byte
		want helloStatus // helloAsk: no answer
		log  string
	}{
		{"garbage", bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 2), helloAsk, "not a Lockstep node"},
		{"unknown sender", hello{version: protocolVersion, sender: 9, receiver: 1}.encode(), helloUnknown, "node 9 is not among"},
		{"own id", hello{version: protocolVersion, sender: 1, receiver: 1}.encode(), helloUnknown, "or is this node itself"},
		{"another version", hello{version: 9, sender: 2, receiver: 1}.encode(), helloVersion, "speaks version 9"},
		{"wrong receiver", hello{version: protocolVersion, sender: 2, receiver: 5}.encode(), helloWrong, "looking for node 5"},
		{"a broken frame", append(ok.encode(), make([]byte, headerLen)...), helloOK, "header checksum"},
		{"a response", append(ok.encode(), sealed(header{typ: typeVote | responseBit})...), helloOK, "from the asking side"},
		{"a heartbeat with a commit", append(ok.encode(), sealed(header{typ: typeHeartbeat}, joined(encodeAppend(appendRequests["commit"], nil))...)...), helloOK, "AppendEntries under type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nc, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			_ = nc.SetDeadline(time.Now().Add(5 * time.Second))
			if _, err := nc.Write(tt.send); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(nc) // the node must close it; what is unread makes that a reset
			if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
				t.Fatal("the connection was left open")
			}
			if tt.want != helloAsk {
				if h, err := decodeHello(answer[:min(len(answer), helloLen)]); err != nil || h.status != tt.want || h.sender != 1 {
					t.Errorf("answer %+v (%v), want %v", h, err, tt.want)
				}
			} else if len(answer) > 0 {
				t.Errorf("answer %x", answer)
			}
			eventually(t, 5*time.Second, "the log says "+tt.log, func() bool { return logs.has(tt.log) })
		})
	}
}

func sealed(h header, body ...byte) []byte {
	frame := append(newFrame(len(body)), body...)
	seal(frame, h, nil)
	return frame
}
