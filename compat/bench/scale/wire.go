package scale

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The versions that both Lockstep and Kafka 4 serve and that name topics by name.
const (
	produceVersion = 9
	fetchVersion   = 12
)

// pipe is a connection over which requests go out without waiting for the answers to earlier ones, which come in
// order. send and receive may be called by a goroutine each.
type pipe struct {
	c      net.Conn
	r      *bufio.Reader
	format *kmsg.RequestFormatter
	next   int32
	buf    []byte
}

func openPipe(ctx context.Context, addr string) (*pipe, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	return &pipe{c: c, r: bufio.NewReaderSize(c, 256<<10), format: kmsg.NewRequestFormatter(kmsg.FormatterClientID("scale"))}, nil
}

// greet asks for the versions served, and waits for the answer: by then the broker has accepted the connection.
func (p *pipe) greet() error {
	if err := p.send(kmsg.NewPtrApiVersionsRequest()); err != nil {
		return err
	}
	_, err := p.receive(nil)
	return err
}

func (p *pipe) send(req kmsg.Request) error {
	p.next++
	p.buf = p.format.AppendRequest(p.buf[:0], req, p.next)
	_, err := p.c.Write(p.buf)
	return err
}

// receive reads one answer's frame, without its length; the next call overwrites it.
func (p *pipe) receive(into []byte) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(p.r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n < 5 || n > 256<<20 {
		return nil, fmt.Errorf("an answer of %d bytes", n)
	}
	if cap(into) < n {
		into = make([]byte, n)
	}
	into = into[:n]
	_, err := io.ReadFull(p.r, into)
	return into, err
}
