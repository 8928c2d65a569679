package protocol

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
)

// ErrExited is wrapped by the errors of all calls that a driver's end cut short.
var ErrExited = errors.New("the driver has exited")

// Spec says how to start a driver.
type Spec struct {
	Name   string   // in errors
	Args   []string // the command line
	Dir    string   // working directory; "" is the caller's
	Env    []string // added to the caller's environment
	Stderr string   // file that gets what the driver logs; it is cut to nothing first
	// OnEvent, where set, gets every event in place of the channel Events: one at a time, in order, and an answer before
	// the Do that waits for it returns. So whatever a driver told before it answered has been seen once Do is back.
	OnEvent func(Event)
}

// Process is a driver that runs. All methods may be called concurrently.
type Process struct {
	spec   Spec
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	send   *queue[[]byte] // lines; a stopped process must not block who talks to it
	events chan Event
	exited chan struct{} // closed when the process has ended and everything it wrote has been read
	err    error         // its end; set before exited is closed

	mu      sync.Mutex // guards lastID and waiting
	lastID  int64
	waiting map[int64]chan Event
}

// Start starts a driver. It lives until Close or Kill.
func Start(spec Spec) (*Process, error) {
	fail := func(err error) (*Process, error) { return nil, fmt.Errorf("start driver %s: %w", spec.Name, err) }
	if len(spec.Args) == 0 {
		return fail(errors.New("no command line"))
	}
	stderr, err := os.Create(spec.Stderr)
	if err != nil {
		return fail(err)
	}
	defer stderr.Close() // the child has its own
	cmd := exec.Command(spec.Args[0], spec.Args[1:]...)
	cmd.Dir, cmd.Stderr, cmd.Env = spec.Dir, stderr, append(os.Environ(), spec.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the suite, which then closes its drivers
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fail(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fail(err)
	}
	if err := cmd.Start(); err != nil {
		return fail(err)
	}
	p := &Process{spec: spec, cmd: cmd, stdin: stdin, send: newQueue[[]byte](), events: make(chan Event),
		exited: make(chan struct{}), waiting: map[int64]chan Event{}}
	told := newQueue[Event]()
	go p.write()
	go p.tell(told)
	go p.read(stdout, told)
	return p, nil
}

// Info asks the driver what it is.
func (p *Process) Info(ctx context.Context) (Info, error) {
	e, err := p.Do(ctx, Command{Op: OpInfo})
	return e.Info, err
}

// Send sends a command as it is and waits for nothing. What is sent to a driver that has exited is lost.
func (p *Process) Send(c Command) error {
	line, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("driver %s: encode %s: %w", p.spec.Name, c.Op, err)
	}
	return p.SendLine(line)
}

// SendLine sends bytes that need be no command, for tests of a driver's manners.
func (p *Process) SendLine(line []byte) error {
	if !p.send.put(append(line, '\n')) {
		return fmt.Errorf("driver %s: its stdin is closed", p.spec.Name)
	}
	return nil
}

// Do sends a command under a new id and waits for the answer. An "error" event is returned as an error.
func (p *Process) Do(ctx context.Context, c Command) (Event, error) {
	wait := p.Expect(&c)
	if err := p.Send(c); err != nil {
		return Event{}, err
	}
	return wait(ctx, c.Op+" "+c.Handle)
}

// Expect gives c a new id, and returns the function that waits for its answer: for whoever wants to send first and
// wait later. what is for the error's text.
func (p *Process) Expect(c *Command) func(ctx context.Context, what string) (Event, error) {
	answer := make(chan Event, 1)
	p.mu.Lock()
	p.lastID++
	id := p.lastID
	p.waiting[id] = answer
	p.mu.Unlock()
	c.ID = id
	return func(ctx context.Context, what string) (Event, error) {
		defer func() {
			p.mu.Lock()
			delete(p.waiting, id)
			p.mu.Unlock()
		}()
		fail := func(e Event, err error) (Event, error) {
			return e, fmt.Errorf("driver %s: %s: %w", p.spec.Name, strings.TrimSpace(what), err)
		}
		select {
		case e := <-answer:
			if e.Event == EventError {
				return fail(e, errors.New(e.Error))
			}
			return e, nil
		case <-ctx.Done():
			return fail(Event{}, context.Cause(ctx))
		case <-p.exited:
			return fail(Event{}, p.err)
		}
	}
}

// Events tells every event in order, answers included, and is closed after the last one. Nothing is lost or held up
// when it is read slowly or not at all. It stays empty with Spec.OnEvent.
func (p *Process) Events() <-chan Event { return p.events }

// Exited is closed once the process has ended and every event it wrote has been read.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Close closes the driver's stdin, after what was sent before, and waits for its end. The error is nil only if it
// exited with status 0. If ctx ends first the driver is killed.
func (p *Process) Close(ctx context.Context) error {
	p.send.close()
	select {
	case <-p.exited:
	case <-ctx.Done():
		p.Kill()
		<-p.exited
		return fmt.Errorf("driver %s did not exit when its stdin was closed: %w", p.spec.Name, context.Cause(ctx))
	}
	if p.cmd.ProcessState.Success() {
		return nil
	}
	return p.err
}

// Kill ends the driver and its children at once (SIGKILL).
func (p *Process) Kill() { p.signal(syscall.SIGKILL) }

// Pause stops the driver without a word (SIGSTOP); Resume lets it go on.
func (p *Process) Pause() { p.signal(syscall.SIGSTOP) }

// Resume is the end of Pause.
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

// signal reaches the whole process group. A process that has ended is let be: its id may be another's by now.
func (p *Process) signal(sig syscall.Signal) {
	select {
	case <-p.exited:
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, sig)
	}
}

func (p *Process) write() {
	defer p.stdin.Close()
	for {
		lines := p.send.take()
		if len(lines) == 0 {
			return
		}
		for _, line := range lines {
			if _, err := p.stdin.Write(line); err != nil {
				return // it has exited, and read tells how
			}
		}
	}
}

// read takes every event off the pipe, tells it, and reaps the process at the end.
func (p *Process) read(stdout io.Reader, told *queue[Event]) {
	r := bufio.NewReaderSize(stdout, 1<<16)
	var garbage error
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 1 {
			var e Event
			if bad := json.Unmarshal(line, &e); bad != nil || e.Event == "" {
				garbage = fmt.Errorf("it wrote what is no event: %.200q", line)
				p.Kill() // a driver that prints to stdout would only fail later and stranger
			} else {
				p.receive(e, told)
			}
		}
		if err != nil {
			break
		}
	}
	err := p.cmd.Wait()
	p.err = fmt.Errorf("driver %s: %w", p.spec.Name, errors.Join(ErrExited, err, garbage))
	if tail := lastLines(p.spec.Stderr, 5); tail != "" && (err != nil || garbage != nil) {
		p.err = fmt.Errorf("%w; it last logged:\n%s", p.err, tail)
	}
	p.send.close()
	told.close()
	close(p.exited)
}

func (p *Process) receive(e Event, told *queue[Event]) {
	if p.spec.OnEvent != nil {
		p.spec.OnEvent(e)
	} else {
		told.put(e)
	}
	if e.ID == 0 {
		return
	}
	p.mu.Lock()
	answer := p.waiting[e.ID]
	delete(p.waiting, e.ID) // one answer each
	p.mu.Unlock()
	if answer != nil {
		answer <- e
	}
}

// tell hands events from the queue to the channel. It outlives the process until they are read.
func (p *Process) tell(told *queue[Event]) {
	defer close(p.events)
	for {
		events := told.take()
		if len(events) == 0 {
			return
		}
		for _, e := range events {
			p.events <- e
		}
	}
}

// lastLines is the end of a file, for an error's text.
func lastLines(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
