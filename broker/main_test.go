package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/peterbourgon/ff/v3"

	"lockstep/broker/internal/config"
)

// configured reads flags as main does.
func configured(args ...string) (*config.Config, error) {
	c, raw := config.Default(), &texts{}
	flags, _ := settings(c, raw)
	if err := ff.Parse(flags, args, ff.WithEnvVarPrefix("LOCKSTEP")); err != nil {
		return nil, err
	}
	return c, raw.parse(c)
}

func TestNothingConfiguredIsOneNode(t *testing.T) {
	c, err := configured()
	want := config.Default()
	want.Peers = map[int32]string{}
	if err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v, %v; want %+v", c, err, want)
	}
}

// TestEachSetting gives every flag a value of its own, once as a flag and once
// as a variable.
func TestEachSetting(t *testing.T) {
	values := map[string]string{
		"node-id": "2", "data-dir": "d", "rack": "r", "listeners": "l:1", "advertised-listeners": "al:1", "local-listeners": "ll:1",
		"advertised-local-listeners": "all:1", "raft-addr": "ra:1", "http-addr": "ha:1", "peers": "1@h:1,2@h:2", "shards": "9", "fsync": "os",
		"fetch-from-followers": "false", "read-consistency": "linearizable, local=committed,normal=linearizable", "cut-off-empty": "true", "lease": "7s", "replica-lag-max": "8s",
		"replica-lag-max-entries": "9", "default-partitions": "10", "auto-create-topics": "false", "max-message-bytes": "2000",
		"max-request-bytes": "3000", "segment-bytes": "70000", "retention-ms": "11", "retention-bytes": "12", "retention-check": "13s", "log": "debug",
	}
	want := &config.Config{
		NodeID: 2, DataDir: "d", Rack: "r", Listen: "l:1", Advertised: "al:1", LocalListen: "ll:1", AdvertisedLocal: "all:1", RaftListen: "ra:1",
		HTTPListen: "ha:1", Peers: map[int32]string{1: "h:1", 2: "h:2"}, Shards: 9, ReadConsistency: "linearizable", ListenerConsistency: map[string]string{"local": "committed", "normal": "linearizable"}, CutOffEmpty: true,
		Lease: 7 * time.Second, LagMaxTime: 8 * time.Second, LagMaxEntries: 9, DefaultPartitions: 10, MaxMessageBytes: 2000, MaxRequestBytes: 3000,
		SegmentBytes: 70000, RetentionMS: 11, RetentionBytes: 12, RetentionCheck: 13 * time.Second, Log: "debug",
	}
	var args []string
	for name, value := range values {
		args = append(args, "--"+name+"="+value)
	}
	if c, err := configured(args...); err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("flags: got %+v, %v; want %+v", c, err, want)
	}
	for name, value := range values {
		t.Setenv("LOCKSTEP_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_")), value)
	}
	if c, err := configured(); err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("variables: got %+v, %v; want %+v", c, err, want)
	}
	if c, err := configured("--rack=flag"); err != nil || c.Rack != "flag" {
		t.Errorf("a flag goes before a variable: %+v, %v", c, err)
	}
}

func TestWrongSettings(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"--node-id=0", "--node-id 0"},
		{"--node-id=x", "node-id"},
		{"--node-id=2147483648", "node-id"},
		{"--data-dir=", "--data-dir"},
		{"--shards=0", "--shards 0"},
		{"--shards=257", "--shards 257"},
		{"--fsync=never", "--fsync"},
		{"--read-consistency=eventual", "--read-consistency"},
		{"--read-consistency=", "--read-consistency"},
		{"--read-consistency=committed,linearizable", "more than one default"},
		{"--read-consistency=local=eventual", "local=\"eventual\""},
		{"--read-consistency=public=linearizable", "no listener \"public\""},
		{"--read-consistency=local=committed,local=linearizable", "named twice"},
		{"--local-listeners= --read-consistency=local=linearizable", "no local-read listener"},
		{"--lease=0s", "--lease"},
		{"--lease=3", "lease"},
		{"--replica-lag-max=-1s", "--replica-lag-max"},
		{"--segment-bytes=65535", "--segment-bytes 65535"},
		{"--segment-bytes=1073741825", "--segment-bytes"},
		{"--retention-ms=-2", "--retention-ms -2"},
		{"--retention-bytes=-2", "--retention-bytes -2"},
		{"--retention-check=0s", "--retention-check"},
		{"--default-partitions=0", "--default-partitions"},
		{"--max-message-bytes=10", "--max-message-bytes"},
		{"--max-request-bytes=2000", "--max-request-bytes"},
		{"--listeners=here", "--listeners"},
		{"--raft-addr=here", "--raft-addr"},
		{"--peers=2@h:1", "--peers"},
		{"--peers=1@h", "--peers"},
		{"--peers=1@h:1,1@h:2", "named twice"},
		{"--unknown=1", "unknown"},
	} {
		_, err := configured(strings.Fields(test.args)...)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(oneLine(err), "\n") {
			t.Errorf("%s: %v", test.args, err)
		}
	}
}

func TestParsePeers(t *testing.T) {
	for _, test := range []struct {
		text string
		want map[int32]string // nil: an error
	}{
		{"", map[int32]string{}},
		{"1@a:1", map[int32]string{1: "a:1"}},
		{" 1@a:1 , 2@b:2,", map[int32]string{1: "a:1", 2: "b:2"}},
		{"3@[::1]:9", map[int32]string{3: "[::1]:9"}},
		{"a:1", nil}, {"@a:1", nil}, {"1@", nil}, {"0@a:1", nil}, {"-1@a:1", nil}, {"x@a:1", nil}, {"9999999999@a:1", nil}, {"1@a:1,1@a:1", nil},
	} {
		got, err := parsePeers(test.text)
		if !maps.Equal(got, test.want) || (err == nil) != (test.want != nil) {
			t.Errorf("parsePeers(%q) = %v, %v", test.text, got, err)
		}
	}
}

func TestLogs(t *testing.T) {
	var out bytes.Buffer
	l, err := newLogs(&out, "warn, shard=debug,api=error")
	if err != nil {
		t.Fatal(err)
	}
	for component, want := range map[string]slog.Level{"node": slog.LevelWarn, "shard": slog.LevelDebug, "api": slog.LevelError} {
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			if got := l.component(component).Enabled(context.Background(), level); got != (level >= want) {
				t.Errorf("%s logs %v: %v", component, level, got)
			}
		}
	}
	l.component("shard").Debug("text")
	if !strings.Contains(out.String(), "component=shard") {
		t.Errorf("logged: %s", out.String())
	}
	for _, spec := range []string{"", "loud", "shard=", "shard=loud", "info,,"} {
		if _, err := newLogs(&out, spec); err == nil || !strings.Contains(err.Error(), "--log") {
			t.Errorf("%q: %v", spec, err)
		}
	}
}

func TestHealthCommand(t *testing.T) {
	status := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health/ready" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		http.Error(w, "shard 3 has no leader", status)
	}))
	addr := s.Listener.Addr().String()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{addr, ":" + port, "0.0.0.0:" + port} {
		if err := command(context.Background(), []string{"--http-addr", a, "health"}); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	status = http.StatusServiceUnavailable
	if err := command(context.Background(), []string{"--http-addr", addr, "health"}); err == nil || !strings.Contains(err.Error(), "shard 3 has no leader") {
		t.Errorf("not ready: %v", err)
	}
	s.Close()
	if err := command(context.Background(), []string{"--http-addr", addr, "health"}); err == nil || !strings.Contains(err.Error(), addr) {
		t.Errorf("nobody there: %v", err)
	}
	if err := command(context.Background(), []string{"helth"}); err == nil || !strings.Contains(err.Error(), "helth") {
		t.Errorf("no such command: %v", err)
	}
	if got := oneLine(errors.Join(errors.New("a"), errors.New("b"))); got != "a; b" {
		t.Errorf("one line: %q", got)
	}
}
