package protocol

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newLines reads lines one at a time.
func newLines(r io.Reader) func() (string, bool) {
	scanner := bufio.NewScanner(r)
	return func() (string, bool) {
		ok := scanner.Scan()
		return scanner.Text(), ok
	}
}

// TestMain lets the test binary be a driver, so that Process has something real to start.
func TestMain(m *testing.M) {
	switch os.Getenv("LOCKSTEP_FAKE_DRIVER") {
	case "":
		os.Exit(m.Run())
	case "good":
		Main(newFake())
	case "chatty": // prints where only events belong
		fmt.Println("hello")
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "broken":
		fmt.Fprintln(os.Stderr, "the library is missing")
		os.Exit(3)
	case "deaf": // does not mind its stdin
		time.Sleep(time.Hour)
	}
}

func startFake(t *testing.T, kind string) *Process {
	t.Helper()
	p, err := Start(Spec{Name: kind, Args: []string{os.Args[0]}, Env: []string{"LOCKSTEP_FAKE_DRIVER=" + kind},
		Stderr: filepath.Join(t.TempDir(), "stderr")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestProcess(t *testing.T) {
	ctx := within(t, 30*time.Second)
	p := startFake(t, "good")
	info, err := p.Info(ctx)
	if err != nil || info.Client != "fake" {
		t.Fatalf("info: %+v, %v", info, err)
	}
	if _, err := p.Do(ctx, Command{Op: OpClose, Handle: "nobody"}); err == nil || !strings.Contains(err.Error(), `no handle "nobody"`) {
		t.Errorf("an error event is answered as %v", err)
	}
	if _, err := p.Do(ctx, Command{Op: OpOpenConsumer, Handle: "c", Topic: "t", Bootstrap: []string{"h:1"},
		ConsumerConfig: ConsumerConfig{Partitions: []int32{0}}}); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for e := range p.Events() {
		kinds = append(kinds, e.Event)
		if e.Event == EventNotice {
			break
		}
	}
	if got := strings.Join(kinds, " "); got != "info error opened notice" {
		t.Errorf("events: %s", got)
	}
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
	if _, err := p.Info(ctx); err == nil {
		t.Error("a closed driver answers")
	}
}

func TestPause(t *testing.T) {
	p := startFake(t, "good")
	if _, err := p.Info(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	p.Pause()
	// More than a pipe holds: whoever talks to a stopped driver must not be stopped as well.
	for range 100 {
		if err := p.SendLine(make([]byte, 10_000)); err != nil {
			t.Fatal(err)
		}
	}
	c := Command{Op: OpInfo}
	wait := p.Expect(&c)
	if err := p.Send(c); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := wait(short, "paused"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused driver: %v", err)
	}
	p.Resume()
	if _, err := p.Info(within(t, 10*time.Second)); err != nil {
		t.Errorf("a resumed driver: %v", err)
	}
}

func TestKill(t *testing.T) {
	p := startFake(t, "good")
	if _, err := p.Info(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	p.Pause()
	c := Command{Op: OpInfo}
	wait := p.Expect(&c)
	p.Kill()
	if _, err := wait(within(t, 10*time.Second), "killed"); !errors.Is(err, ErrExited) {
		t.Errorf("a killed driver: %v", err)
	}
	for range p.Events() { // ends
	}
	if err := p.Close(t.Context()); err == nil {
		t.Error("a killed driver is closed without an error")
	}
}

func TestBadDrivers(t *testing.T) {
	for kind, want := range map[string]string{
		"chatty": `it wrote what is no event: "hello\n"`,
		"broken": "it last logged:\nthe library is missing",
	} {
		if _, err := startFake(t, kind).Info(within(t, 10*time.Second)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	deaf := startFake(t, "deaf")
	if err := deaf.Close(within(t, 200*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("deaf: %v", err)
	}
	if _, err := Start(Spec{Name: "none", Args: []string{"/nonexistent"}, Stderr: filepath.Join(t.TempDir(), "e")}); err == nil {
		t.Error("what does not exist has been started")
	}
}
