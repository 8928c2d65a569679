package vfs

import (
	"bytes"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"
)

// TestSendTo sends parts of files, by the system and by copying, to a reader that
// is slower than the sender.
func TestSendTo(t *testing.T) {
	data := make([]byte, 3<<20)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	for _, c := range []struct {
		name string
		fs   FS
		dir  string
		pipe bool // instead of a TCP connection
	}{
		{"system", OS(), t.TempDir(), false},
		{"system, no socket", OS(), t.TempDir(), true},
		{"memory", NewMem(), "dir", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.fs.MkdirAll(c.dir); err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(c.dir, "file")
			if err := WriteFile(c.fs, name, data); err != nil {
				t.Fatal(err)
			}
			f, err := c.fs.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			from, to := connected(t, c.pipe)
			received := make(chan []byte)
			go func() {
				all, _ := io.ReadAll(to)
				received <- all
			}()
			renewed := 0
			renew := func() error { renewed++; return nil }
			var want []byte
			for _, part := range []struct{ off, n int }{{0, len(data)}, {17, 1 << 20}, {len(data) - 1, 1}, {5, 0}} {
				if err := SendTo(from, f, int64(part.off), part.n, renew); err != nil {
					t.Fatal(err)
				}
				want = append(want, data[part.off:part.off+part.n]...)
			}
			if renewed < 12+4+1 {
				t.Errorf("the deadline was renewed %d times", renewed)
			}
			if err := SendTo(from, f, int64(len(data))-10, 11, renew); !errors.Is(err, ErrSource) {
				t.Errorf("beyond the end: %v", err)
			}
			stop := errors.New("stop")
			if err := SendTo(from, f, 0, 1, func() error { return stop }); !errors.Is(err, stop) {
				t.Errorf("without a deadline: %v", err)
			}
			from.Close()
			got := <-received
			if len(got) > len(want) { // of the part that ended early
				got = got[:len(want)]
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%d bytes arrived, not the %d that were sent", len(got), len(want))
			}
			if err := SendTo(from, f, 0, 1<<20, renew); err == nil || errors.Is(err, ErrSource) {
				t.Errorf("to a closed connection: %v", err)
			}
		})
	}
}

func connected(t *testing.T, pipe bool) (from, to net.Conn) {
	t.Helper()
	if pipe {
		return net.Pipe()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if from, err = net.Dial("tcp", l.Addr().String()); err == nil {
		to, err = l.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	return from, to
}
