package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"lockstep/compat/internal/child"
)

// serveFlag makes this program a file server, as a process of its own whose CPU time can be told from its readers'.
const serveFlag = "serve-file"

// serveFile sends a file to whoever connects, over and over, with what Go's io.Copy makes of it (sendfile on Linux), and
// prints where it listens.
func serveFile(path string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			f, err := os.Open(path)
			if err != nil {
				return
			}
			defer f.Close()
			for {
				if _, err := io.Copy(c, f); err != nil {
					return // the reader has had enough
				}
				if _, err := f.Seek(0, io.SeekStart); err != nil {
					return
				}
			}
		}()
	}
}

// fileServer measures the bare file server with a reader that looks at nothing.
func fileServer(ctx context.Context, s *System) (values map[string]float64, err error) {
	err = scratch(func(f *os.File) error {
		b := noise(chunk)
		for range (256 << 20) / chunk {
			if _, err := f.Write(b); err != nil {
				return fmt.Errorf("write what is to be served: %w", err)
			}
		}
		values, err = readFrom(ctx, s, f.Name())
		return err
	})
	return values, err
}

func readFrom(ctx context.Context, s *System, path string) (map[string]float64, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-"+serveFlag, path)
	cmd.SysProcAttr = child.Attributes()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the file server: %w", err)
	}
	defer func() {
		_ = cmd.Process.Kill() // it serves until then
		_ = cmd.Wait()
	}()
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("ask the file server where it is: %w", err)
	}
	c, err := net.Dial("tcp", strings.TrimSpace(addr))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	before, err := usageOf(cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	start, bytes, into := time.Now(), 0, make([]byte, answer)
	for end := start.Add(s.Bench.Span(5*time.Second, 2*time.Second)); time.Now().Before(end); {
		n, err := io.ReadFull(c, into)
		bytes += n
		if err != nil {
			return nil, errors.Join(fmt.Errorf("read from the file server: %w", err), ctx.Err())
		}
	}
	took := time.Since(start).Seconds()
	after, err := usageOf(cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	rate := float64(bytes) / mb
	return map[string]float64{"throughput": rate / took, "per_core": rate / (after.CPU - before.CPU)}, nil
}
