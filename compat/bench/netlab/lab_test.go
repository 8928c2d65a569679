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
	closed = true
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	links, err := os.ReadDir("/sys/class/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if strings.HasPrefix(link.Name(), prefix) {
			t.Errorf("%s is left behind", link.Name())
		}
	}
}
