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

// maxResponse bounds what is read into memory for one response, in bytes.
const maxResponse = 128 << 20

// Conn is a connection to one broker (or a proxy before it). Not for concurrent use.
type Conn struct {
	c        net.Conn
	r        *bufio.Reader
	format   *kmsg.RequestFormatter
	next     int32
	versions map[int16]kmsg.ApiVersionsResponseApiKey
}

// Dial connects and asks which versions are served. ctx bounds both.
func Dial(ctx context.Context, addr string) (*Conn, error) {
	d := net.Dialer{}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	conn := &Conn{c: c, r: bufio.NewReaderSize(c, 64<<10), format: kmsg.NewRequestFormatter(kmsg.FormatterClientID("lockstep-compat"))}
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version = 3
	req.ClientSoftwareName, req.ClientSoftwareVersion = "lockstep-compat", "1"
	resp, err := conn.do(ctx, req)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("ask %s for its versions: %w", addr, err)
	}
	conn.versions = map[int16]kmsg.ApiVersionsResponseApiKey{}
	for _, k := range resp.(*kmsg.ApiVersionsResponse).ApiKeys {
		conn.versions[k.ApiKey] = k
	}
	return conn, nil
}

// Close ends the connection.
func (c *Conn) Close() { c.c.Close() }

// Versions is the range of an API key that the broker advertised; ok is false when it did not.
func (c *Conn) Versions(key int16) (lowest, highest int16, ok bool) {
	k, ok := c.versions[key]
	return k.MinVersion, k.MaxVersion, ok
}

// Do sends req at the newest version that both sides know, and not above atMost when that is ≥ 0, and waits for
// the answer.
func (c *Conn) Do(ctx context.Context, req kmsg.Request, atMost int16) (kmsg.Response, error) {
	lowest, highest, ok := c.Versions(req.Key())
	if !ok {
		return nil, fmt.Errorf("%s is not advertised by the broker", kmsg.NameForKey(req.Key()))
	}
	version := min(highest, req.MaxVersion())
	if atMost >= 0 {
		version = min(version, atMost)
	}
	if version < lowest {
		return nil, fmt.Errorf("%s: the broker serves from version %d, wanted at most %d", kmsg.NameForKey(req.Key()), lowest, version)
	}
	req.SetVersion(version)
	return c.do(ctx, req)
}

// do is one request and its response at the version that req carries.
func (c *Conn) do(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	// The context's end is the only deadline, so that what it cuts short always carries its error.
	if err := c.c.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.c.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	c.next++
	if _, err := c.c.Write(c.format.AppendRequest(nil, req, c.next)); err != nil {
		return nil, fmt.Errorf("send %s: %w", kmsg.NameForKey(req.Key()), err)
	}
	if p, ok := req.(*kmsg.ProduceRequest); ok && p.Acks == 0 {
		return nil, nil // there will be no answer
	}
	body, err := c.read(req)
	if err != nil {
		return nil, fmt.Errorf("await %s response: %w", kmsg.NameForKey(req.Key()), errors.Join(err, ctx.Err()))
	}
	resp := req.ResponseKind()
	if err := resp.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("read %s v%d response: %w", kmsg.NameForKey(req.Key()), req.GetVersion(), err)
	}
	return resp, nil
}

// read takes one response frame and strips its header: a correlation id, and in flexible versions the tags, which
// ApiVersions responses never have.
func (c *Conn) read(req kmsg.Request) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return nil, err
	}
	size := int32(binary.BigEndian.Uint32(head[:4]))
	if size < 4 || size > maxResponse {
		return nil, fmt.Errorf("a frame of %d bytes", size)
	}
	if id := int32(binary.BigEndian.Uint32(head[4:])); id != c.next {
		return nil, fmt.Errorf("correlation id %d, not %d", id, c.next)
	}
	body := make([]byte, size-4)
	if _, err := io.ReadFull(c.r, body); err != nil {
		return nil, err
	}
	if !req.IsFlexible() || req.Key() == int16(kmsg.ApiVersions) {
		return body, nil
	}
	return skipTags(body)
}

// skipTags drops a response header's tagged fields (KIP-482): a count, then id, length, bytes of each.
func skipTags(p []byte) ([]byte, error) {
	short := errors.New("the response header ends early")
	count, n := binary.Uvarint(p)
	if n <= 0 {
		return nil, short
	}
	p = p[n:]
	for range count {
		_, idLen := binary.Uvarint(p)
		if idLen <= 0 {
			return nil, short
		}
		size, n := binary.Uvarint(p[idLen:])
		if n <= 0 || uint64(len(p)-idLen-n) < size {
			return nil, short
		}
		p = p[idLen+n+int(size):]
	}
	return p, nil
}
