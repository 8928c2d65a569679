package node

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lockstep/broker/internal/config"
	"lockstep/broker/internal/controller"
)

// freeAddr is an address that nobody listens on, below the ports that systems
// give to outgoing connections: else one of those may have taken it when the
// node opens.
func freeAddr(t testing.TB) string {
	t.Helper()
	const lowest, count = 12_000, 19_000
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(count)))
		if err != nil {
			continue
		}
		defer l.Close()
		return l.Addr().String()
	}
	t.Fatal("no free port on the loopback address")
	return ""
}

// alone is the configuration of one node on free addresses.
func alone(t testing.TB, dir string) *config.Config {
	t.Helper()
	c := config.Default()
	c.DataDir, c.Shards, c.FsyncAlways = dir, 2, false
	c.Listen, c.LocalListen, c.RaftListen, c.HTTPListen = freeAddr(t), freeAddr(t), freeAddr(t), freeAddr(t)
	return c
}

func silent(string) *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestOpenDataDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "when missing")
	c := &config.Config{NodeID: 1, Shards: 6, DataDir: dir}
	lock, err := openDataDir(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openDataDir(c); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("twice: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		c    config.Config
		want string // in the error; "" for none
	}{
		{"as before", config.Config{NodeID: 1, Shards: 6, DataDir: dir}, ""},
		{"another node", config.Config{NodeID: 2, Shards: 6, DataDir: dir}, "holds the data of node 1, not of node 2"},
		{"other shards", config.Config{NodeID: 1, Shards: 7, DataDir: dir}, "--shards 6"},
		{"a file", config.Config{NodeID: 1, Shards: 6, DataDir: file}, "cannot be made"},
	} {
		lock, err := openDataDir(&test.c)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v", test.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %v", test.name, err)
		}
		if lock != nil {
			lock.Close()
		}
	}
	if err := os.WriteFile(filepath.Join(dir, identityFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openDataDir(c); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("damaged: %v", err)
	}
}

func TestOpenOnATakenAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, set := range map[string]func(c *config.Config, addr string){
		"LOCKSTEP_RAFT_ADDR":       func(c *config.Config, addr string) { c.RaftListen = addr },
		"LOCKSTEP_HTTP_ADDR":       func(c *config.Config, addr string) { c.HTTPListen = addr },
		"LOCKSTEP_LISTENERS":       func(c *config.Config, addr string) { c.Listen = addr },
		"LOCKSTEP_LOCAL_LISTENERS": func(c *config.Config, addr string) { c.LocalListen = addr },
	} {
		dir := t.TempDir()
		c := alone(t, dir)
		set(c, taken.Addr().String())
		_, err := Open(c, "test", silent)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, want := range []string{name, taken.Addr().String()} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error does not say %q: %v", name, want, err)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %v", name, err)
		}
		// What Open had taken it has given back.
		lock, err := openDataDir(c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		lock.Close()
	}
}

func TestAdvertised(t *testing.T) {
	for _, test := range []struct {
		address, listening string
		want               controller.Endpoint
		fails              bool
	}{
		{"", "", controller.Endpoint{}, false},
		{"h:1", "", controller.Endpoint{}, false}, // no listener, nothing to tell
		{"", ":9092", controller.Endpoint{Host: "localhost", Port: 9092}, false},
		{"", "0.0.0.0:9092", controller.Endpoint{Host: "localhost", Port: 9092}, false},
		{"", "[::]:9092", controller.Endpoint{Host: "localhost", Port: 9092}, false},
		{"", "10.1.2.3:9092", controller.Endpoint{Host: "10.1.2.3", Port: 9092}, false},
		{"broker.example:29092", "0.0.0.0:9092", controller.Endpoint{Host: "broker.example", Port: 29092}, false},
		{"[2001:db8::1]:9092", ":9092", controller.Endpoint{Host: "2001:db8::1", Port: 9092}, false},
		{"broker.example", ":9092", controller.Endpoint{}, true},
		{"broker.example:0", ":9092", controller.Endpoint{}, true},
		{"broker.example:65536", ":9092", controller.Endpoint{}, true},
		{"broker.example:kafka", ":9092", controller.Endpoint{}, true},
	} {
		got, err := advertised(test.address, test.listening)
		if got != test.want || (err != nil) != test.fails {
			t.Errorf("advertised(%q, %q) = %+v, %v", test.address, test.listening, got, err)
		}
	}
}

// TestRun starts a node, waits until it says that it is ready, and stops it;
// twice on the same data.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	var clusterID string
	for round := range 2 {
		c := alone(t, dir)
		n, err := Open(c, "test", silent)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(alone(t, dir), "test", silent); err == nil || !strings.Contains(err.Error(), "in use") {
			t.Errorf("a second process: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- n.Run(ctx) }()
		url := "http://" + c.HTTPListen
		ready := false
		for deadline := time.Now().Add(15 * time.Second); !ready && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			ready = get(url+"/health/ready", nil) == nil
		}
		if !ready {
			t.Fatalf("not ready: %v", get(url+"/health/ready", nil))
		}
		var replicas, metrics string
		if err := get(url+"/replicas", &replicas); err != nil || !strings.Contains(replicas, `"cluster_id"`) {
			t.Errorf("replicas: %v, %s", err, replicas)
		}
		if err := get(url+"/metrics", &metrics); err != nil || !strings.Contains(metrics, `lockstep_leader{shard="1"} 1`) {
			t.Errorf("metrics: %v", err)
		}
		if err := get(url+"/health/live", nil); err != nil {
			t.Errorf("live: %v", err)
		}
		if round == 0 {
			clusterID = n.control.ClusterID()
		} else if got := n.control.ClusterID(); got != clusterID || got == "" {
			t.Errorf("cluster id %q, before the restart %q", got, clusterID)
		}
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it does not stop")
		}
	}
}

// get fetches a URL; the error tells of any other status than 200.
func get(url string, body *string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, data)
	}
	if body != nil {
		*body = string(data)
	}
	return nil
}
