package raw

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Pong is how an exchange over a fresh connection went.
type Pong struct {
	Took time.Duration // from dialling to the last answer's last byte
	// Bytes of all answers, and in how many pieces they came off the socket.
	Bytes, Pieces int
}

// Greeting is what a stranger may send to a listener, and what it owes for an answer.
type Greeting struct {
	Ask []byte
	// Answer is the answer's length in bytes; 0: it has a length of its own in its first four, as Kafka's have.
	Answer int
}

// KafkaGreeting asks for the versions served: the smallest exchange that every Kafka listener takes from strangers.
func KafkaGreeting() Greeting {
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version = 3
	req.ClientSoftwareName, req.ClientSoftwareVersion = "lockstep-compat", "1"
	return Greeting{Ask: kmsg.NewRequestFormatter(kmsg.FormatterClientID("lockstep-compat")).AppendRequest(nil, req, 1)}
}

// Ping dials addr, sends a greeting so many times in one go, and takes as many answers. ctx bounds it all; what it cuts
// short carries its error.
func Ping(ctx context.Context, addr string, g Greeting, times int) (Pong, error) {
	var p Pong
	start := time.Now()
	d := net.Dialer{}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return p, errors.Join(err, ctx.Err())
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var ask []byte
	for range times {
		ask = append(ask, g.Ask...)
	}
	if _, err := c.Write(ask); err != nil {
		return p, fmt.Errorf("send a greeting to %s: %w", addr, errors.Join(err, ctx.Err()))
	}
	pieces := &pieces{r: c}
	r := bufio.NewReaderSize(pieces, 64<<10)
	for range times {
		n, err := g.skip(r)
		p.Bytes += n
		if err != nil {
			return p, fmt.Errorf("await the answer of %s: %w", addr, errors.Join(err, ctx.Err()))
		}
	}
	p.Took, p.Pieces = time.Since(start), pieces.n
	return p, nil
}

// skip reads one answer and returns its size in bytes.
func (g Greeting) skip(r *bufio.Reader) (int, error) {
	if g.Answer > 0 {
		return r.Discard(g.Answer)
	}
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, err
	}
	size := int32(binary.BigEndian.Uint32(head[:]))
	if size < 4 || size > maxResponse {
		return len(head), fmt.Errorf("a frame of %d bytes", size)
	}
	n, err := r.Discard(int(size))
	return len(head) + n, err
}

// pieces counts the reads that brought something.
type pieces struct {
	r io.Reader
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if n > 0 {
		p.n++
	}
	return n, err
}
