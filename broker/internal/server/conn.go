package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/api"
	"lockstep/broker/internal/mutant"
	"lockstep/broker/internal/shardlog"
	"lockstep/broker/internal/vfs"
)

const (
	// maxPending bounds the requests of one connection that are started and
	// not answered. Clients keep 1 to 5 in flight unless told otherwise.
	maxPending = 64
	// readBuffer is enough for several requests of the small kind.
	readBuffer = 16 << 10
	// A client must take writeChunk bytes of a response in writeTime, or it is
	// given up.
	writeChunk = 256 << 10
	writeTime  = 60 * time.Second
	// keepBuffer is the largest response buffer kept for the next response.
	keepBuffer = 16 << 20
)

// buffers holds response buffers between uses.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// pending is a request that was started.
type pending struct {
	req  *api.Request
	wait api.Wait
}

// conn is one client's connection.
type conn struct {
	server *Server
	kind   api.Listener
	nc     net.Conn
	host   string
	life   *lifetimes
	queue  chan pending
	memory *api.Conn

	client api.Client      // of the newest request
	ctx    context.Context // life.parked with client
}

func newConn(s *Server, life *lifetimes, kind api.Listener, nc net.Conn) *conn {
	host, _, err := net.SplitHostPort(nc.RemoteAddr().String())
	if err != nil {
		host = nc.RemoteAddr().String()
	}
	c := &conn{server: s, kind: kind, nc: nc, host: host, life: life.child(), queue: make(chan pending, maxPending), memory: api.NewConn()}
	c.client = api.Client{Host: host}
	c.ctx = api.WithClient(c.life.parked, c.client)
	return c
}

// run serves the connection until the client or the server ends it.
func (c *conn) run() {
	defer c.nc.Close()
	defer c.life.end()
	// Whatever ends the lifetime also unblocks a stuck read or write.
	stop := context.AfterFunc(c.life.gone, func() { c.nc.Close() })
	defer stop()

	var writer sync.WaitGroup
	writer.Go(c.write)
	if err := c.read(); err != nil {
		c.server.Log.Warn("closing connection", "listener", c.kind.String(), "host", c.host, "client", c.client.ID, "err", err)
	}
	close(c.queue)
	c.life.release() // what is still parked is answered now
	writer.Wait()
	c.memory.End()
}

// stopReading makes the reader end as if the client had nothing more to say.
func (c *conn) stopReading() { c.nc.SetReadDeadline(time.Unix(1, 0)) }

// read starts requests as they arrive. It returns nil when the client has
// closed the connection or the server stops, an error when the client has sent
// what cannot be answered.
func (c *conn) read() error {
	in := bufio.NewReaderSize(c.nc, readBuffer)
	for {
		frame, err := readFrame(in, c.server.Config.MaxRequestBytes)
		if err != nil {
			return c.readError(err)
		}
		req, err := api.ParseRequest(frame)
		if err != nil {
			return err
		}
		req.Recycle, req.Streams = func() { frames.put(frame) }, true
		req.Listener, req.ClientHost, req.Conn, req.Gone = c.kind, c.host, c.memory, c.life.gone.Done()
		if req.ClientID != c.client.ID {
			c.client.ID = req.ClientID
			c.ctx = api.WithClient(c.life.parked, c.client)
		}
		wait, err := c.server.API.Start(c.ctx, req)
		if err != nil {
			return err
		}
		select {
		case c.queue <- pending{req, wait}:
		case <-c.life.gone.Done():
			return nil
		}
	}
}

// readError decides what the end of reading means.
func (c *conn) readError(err error) error {
	switch {
	case errors.Is(err, errFrameSize):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil // stopReading
	}
	// The client is gone, and with it every reason to answer.
	c.life.end()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("client left in the middle of a request: %w", err)
	}
	return nil
}

// write sends the answers in the order of the requests. After an error it only
// waits for the rest of what was started.
func (c *conn) write() {
	for p := range c.queue {
		if mutant.Is(mutant.OutOfOrder) {
			if next, ok := mutant.Overtaking(c.queue); ok {
				c.answer(next)
			}
		}
		c.answer(p)
	}
}

// answer waits for one answer and sends it.
func (c *conn) answer(p pending) {
	resp := p.wait()
	if c.life.gone.Err() != nil {
		return
	}
	if resp != nil {
		if err := c.send(p.req, resp); err != nil {
			level := slog.LevelDebug // the client is gone
			if errors.Is(err, vfs.ErrSource) {
				level = slog.LevelError
			}
			c.server.Log.Log(c.life.gone, level, "sending failed", "listener", c.kind.String(), "host", c.host, "client", p.req.ClientID, "api", p.req.Name(), "err", err)
			c.life.end()
		}
	}
	if p.req.HangUp {
		c.life.end()
	}
}

// send writes one frame.
func (c *conn) send(req *api.Request, resp kmsg.Response) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	chunks, frame, length := api.Encode(append((*buf)[:0], 0, 0, 0, 0), req, resp)
	if cap(frame) <= keepBuffer {
		*buf = frame[:0]
	}
	if err := putLength(frame, length-4); err != nil {
		return err
	}
	sections, err := openSections(chunks)
	defer func() {
		for _, s := range sections {
			s.Close()
		}
	}()
	if err != nil {
		return fmt.Errorf("answer %s: %w", req.Name(), err)
	}
	for _, chunk := range chunks {
		if chunk.Part == nil {
			err = c.writeBytes(chunk.Bytes)
		} else {
			err = sections[0].SendTo(c.nc, c.renewDeadline)
			sections[0].Close()
			sections = sections[1:]
		}
		if err != nil {
			return fmt.Errorf("write answer to %s: %w", req.Name(), err)
		}
	}
	return nil
}

// openSections finds the records that are still in the log before anything is
// sent: once a frame has begun, there is no way to say that they are gone.
func openSections(chunks []api.Chunk) (sections []*shardlog.Section, err error) {
	for _, chunk := range chunks {
		if chunk.Part == nil {
			continue
		}
		s, err := chunk.Part.Open()
		if err != nil {
			if !errors.Is(err, raft.ErrLogNotFound) { // or retention has just taken them
				err = fmt.Errorf("%w: %w", vfs.ErrSource, err)
			}
			return sections, err
		}
		sections = append(sections, s)
	}
	return sections, nil
}

func (c *conn) writeBytes(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), writeChunk)
		if err := c.renewDeadline(); err != nil {
			return err
		}
		if _, err := c.nc.Write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

func (c *conn) renewDeadline() error {
	if err := c.nc.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return fmt.Errorf("set write deadline: %w", err)
	}
	return nil
}
