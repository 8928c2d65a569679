package netlab

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A limit holds what leaves a node, what has left is counted, and nothing is left behind.
func TestLimit(t *testing.T) {
	l, err := Open(2)
	if errors.Is(err, ErrCannot) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	defer func() {
		if !closed {
			l.Close()
		}
	}()
	const bits, size = 80e6, 4 << 20
	if err := l.Limit(bits); err != nil {
		t.Fatal(err)
	}
	out, err := net.Listen("tcp", subnet+"254:0")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	host, port, _ := net.SplitHostPort(out.Addr().String())
	send := append(l.Enter(2), "bash", "-c", "head -c 4194304 /dev/zero > /dev/tcp/"+host+"/"+port)
	cmd := exec.Command(send[0], send[1:]...)
	if err := out.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(1); !errors.Is(err, ErrCannot) {
		t.Errorf("a second lab at the same time: %v", err)
	}
	before, err := l.Sent()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c, err := out.Accept()
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, c)
	took := time.Since(start)
	c.Close()
	if werr := cmd.Wait(); werr != nil || err != nil || n != size {
		t.Fatalf("%d bytes, %v, %v", n, err, werr)
	}
	// At the limit it takes 0.42 s; the bucket gives it some at once.
	if pace := float64(n) * 8 / took.Seconds(); pace > 1.2*bits {
		t.Errorf("%.0f bit/s through a limit of %.0f", pace, bits)
	}
	after, err := l.Sent()
	if err != nil || after[2]-before[2] < size || after[1]-before[1] > size/10 {
		t.Errorf("sent %v, before that %v, %v", after, before, err)
	}
	// Nodes reach each other, whatever this machine lets pass.
	ping := append(l.Enter(1), "bash", "-c", "exec 3<>/dev/tcp/"+l.IP(2)+"/1 || true")
	cmd = exec.Command(ping[0], ping[1:]...)
	if text, _ := cmd.CombinedOutput(); !strings.Contains(string(text), "refused") {
		t.Errorf("from node 1 to a closed port of node 2: %s", text)
	}
	closed = true
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir("/run/netns")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range left {
		if strings.HasPrefix(s.Name(), prefix) {
			t.Errorf("%s is left behind", s.Name())
		}
	}
	if present() {
		t.Errorf("link %s is left behind", prefix)
	}
}
