package clients

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"lockstep/compat/drivers/protocol"
	"lockstep/compat/internal/child"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/records"
)

// tool says how a command line tool is called and how its output is read.
type tool interface {
	info() protocol.Info
	produce(o ProducerOptions, partition int32) []string
	consume(o ConsumerOptions) []string
	// parse reads a line of the consumer's output. ok is false for a line that is no record.
	parse(line []byte, o ConsumerOptions) (r toolRecord, ok bool)
	// failed tells from what the producer logged whether it gave up on a record.
	failed(stderr []byte) bool
}

// toolRecord is a record as a tool shows it.
type toolRecord struct {
	partition int32
	offset    int64
	record    *history.Record
}

// toolClient runs a tool once for each handle.
type toolClient struct {
	o    Options
	tool tool

	mu      sync.Mutex // guards handles
	handles map[string]*toolHandle
}

// toolHandle is one run of a tool. A producer starts when the first records say which partition they are for.
type toolHandle struct {
	name     string
	opened   opened
	producer *ProducerOptions
	cmd      *exec.Cmd
	stdin    io.WriteCloser
	stderr   string // path
	sent     []sentRange
	ended    chan struct{}
	err      error // how it ended; set before ended is closed
}

type sentRange struct {
	partition int32
	first     int64
	count     int
}

func newTool(o Options, t tool) Client {
	return &toolClient{o: o, tool: t, handles: map[string]*toolHandle{}}
}

func (c *toolClient) Info() protocol.Info { return c.tool.info() }

func (c *toolClient) handle(name string) (*toolHandle, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.handles[name]
	if h == nil {
		return nil, fmt.Errorf("%s: no handle %q is open", c.o.Name, name)
	}
	return h, nil
}

// OpenProducer implements Client. Tools cannot be told to be idempotent in the same words; those that are by default
// say so in their info.
func (c *toolClient) OpenProducer(_ context.Context, name string, o ProducerOptions) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handles[name] = &toolHandle{name: name, producer: &o, opened: opened{o.Topic, o.Idempotent}}
	c.o.Cell.Append(history.Event{Kind: history.Opened, Name: "producer", Handle: name, Topic: o.Topic, Text: "codec " + o.Codec})
	return nil
}

// Send implements Client. Records go in as lines, key, tab, value: the tool stamps them itself.
func (c *toolClient) Send(name string, partition int32, first int64, rs []records.Record) error {
	h, err := c.handle(name)
	if err != nil {
		return err
	}
	if h.cmd == nil {
		if err := c.start(h, c.tool.produce(*h.producer, partition), nil); err != nil {
			return err
		}
	}
	var lines bytes.Buffer
	for i, r := range rs {
		fmt.Fprintf(&lines, "%s\t%s\n", r.Key, r.Value)
		c.o.Cell.Append(history.Event{Kind: history.Sent, Handle: name, N: first + int64(i), Topic: h.opened.topic, Partition: partition,
			Record: partial(r.Key, r.Value), Idempotent: h.opened.idempotent})
	}
	h.sent = append(h.sent, sentRange{partition, first, len(rs)})
	_, err = h.stdin.Write(lines.Bytes())
	return err
}

func partial(key, value []byte) *history.Record {
	return &history.Record{Key: history.Of(key), Value: history.Of(value), Timestamp: -1, Partial: true}
}

// start runs the tool; each line of its output goes to onLine.
func (c *toolClient) start(h *toolHandle, args []string, onLine func([]byte)) error {
	h.stderr = filepath.Join(c.o.LogDir, c.o.Name+"-"+h.name+".log")
	log, err := os.Create(h.stderr)
	if err != nil {
		return err
	}
	defer log.Close()
	h.cmd = exec.Command(args[0], args[1:]...)
	h.cmd.Dir, h.cmd.Stderr = c.o.Root, log
	h.cmd.SysProcAttr = child.Attributes()
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if h.producer != nil {
		if h.stdin, err = h.cmd.StdinPipe(); err != nil {
			return err
		}
	}
	fmt.Fprintln(log, "#", strings.Join(args, " "))
	if err := h.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", args[0], err)
	}
	h.ended = make(chan struct{})
	go func() {
		lines := bufio.NewReaderSize(stdout, 1<<16)
		for {
			line, err := lines.ReadBytes('\n')
			if onLine != nil && len(line) > 0 && line[len(line)-1] == '\n' {
				onLine(line[:len(line)-1])
			}
			if err != nil {
				break
			}
		}
		h.err = h.cmd.Wait()
		close(h.ended)
	}()
	return nil
}

// Flush implements Client: it ends the producer's input and waits for the tool's own verdict, which is for all records
// or for none.
func (c *toolClient) Flush(ctx context.Context, name string) error {
	h, err := c.handle(name)
	if err != nil {
		return err
	}
	return c.flush(ctx, h)
}

func (c *toolClient) flush(ctx context.Context, h *toolHandle) error {
	if h.stdin == nil {
		return nil // nothing was sent since
	}
	if err := h.stdin.Close(); err != nil {
		return err
	}
	h.stdin = nil
	select {
	case <-h.ended:
	case <-ctx.Done():
		return fmt.Errorf("%s did not end with its input: %w", c.o.Name, ctx.Err())
	}
	log, err := os.ReadFile(h.stderr)
	if err != nil {
		return err
	}
	kind, why := history.Acked, ""
	if h.err != nil || c.tool.failed(log) {
		kind, why = history.Failed, fmt.Sprintf("%s ended with %v and logged:\n%.2000s", c.o.Name, h.err, log)
	}
	for _, s := range h.sent {
		for i := range s.count {
			c.o.Cell.Append(history.Event{Kind: kind, Handle: h.name, N: s.first + int64(i), Topic: h.opened.topic, Partition: s.partition,
				Offset: -1, Error: why})
		}
	}
	h.sent = nil
	return nil
}

// OpenConsumer implements Client.
func (c *toolClient) OpenConsumer(_ context.Context, name string, o ConsumerOptions) error {
	h := &toolHandle{name: name, opened: opened{topic: o.Topic}}
	noteConsumer(c.o.Cell, name, o)
	plain, err := os.Create(filepath.Join(c.o.LogDir, c.o.Name+"-"+name+".out"))
	if err != nil {
		return err
	}
	onLine := func(line []byte) {
		_, _ = plain.Write(append(bytes.Clone(line), '\n')) // kept for the reader of a failure only
		if r, ok := c.tool.parse(line, o); ok {
			c.o.Cell.Append(history.Event{Kind: history.Read, Handle: name, Topic: o.Topic, Partition: r.partition, Offset: r.offset, Record: r.record})
		} else {
			c.o.Cell.Append(history.Event{Kind: history.Notice, Handle: name, Name: "error", Error: fmt.Sprintf("not a record: %.200q", line)})
		}
	}
	if err := c.start(h, c.tool.consume(o), onLine); err != nil {
		plain.Close()
		return err
	}
	go func() {
		<-h.ended
		plain.Close()
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handles[name] = h
	return nil
}

// Commit implements Client: tools commit by themselves.
func (c *toolClient) Commit(context.Context, string) error { return nil }

// CloseHandle implements Client: a producer is flushed, a consumer gets SIGTERM, as Ctrl-C would be.
func (c *toolClient) CloseHandle(ctx context.Context, name string) error {
	h, err := c.handle(name)
	if err != nil {
		return err
	}
	c.mu.Lock()
	delete(c.handles, name)
	c.mu.Unlock()
	if h.producer != nil {
		return c.flush(ctx, h)
	}
	select {
	case <-h.ended:
		return fmt.Errorf("%s ended by itself: %v (its log: %s)", c.o.Name, h.err, h.stderr)
	default:
	}
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-h.ended: // its status tells of the signal
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s did not end on SIGTERM: %w", c.o.Name, ctx.Err())
	}
}

// Close implements Client.
func (c *toolClient) Close(ctx context.Context) error {
	c.mu.Lock()
	var names []string
	for name := range c.handles {
		names = append(names, name)
	}
	c.mu.Unlock()
	var errs []error
	for _, name := range names {
		errs = append(errs, c.CloseHandle(ctx, name))
	}
	return errors.Join(errs...)
}

// Kill implements Client.
func (c *toolClient) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.handles {
		if h.cmd != nil {
			_ = syscall.Kill(-h.cmd.Process.Pid, syscall.SIGKILL) // an error means that it has ended
		}
	}
}
