package clients

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"lockstep/compat/drivers"
	"lockstep/compat/internal/history"
)

// Kind is a client that can be put under test.
type Kind struct {
	// Name in the matrix, and what CLIENT is matched with.
	Name string
	// Local: it knows nothing of racks and reads from a follower through its local-read listener.
	Local bool
	// Plain: it carries lines of text only, and does not show headers or timestamps.
	Plain bool
	// Clings: told by a follower that it is no leader, it asks for metadata, and stays with that follower while the leader
	// is the one it knew (librdkafka 2.0, which Debian's kcat has; 2.15 does not), until its lease of five minutes ends.
	Clings bool
	// Acks: it tells the fate of every record while it runs. Tools do not.
	Acks bool
	// Optional: where it is not installed its cells are skips; of the others they are failures.
	Optional bool
	// missing says what it lacks in the repository at root, and how to get it.
	missing func(root string) error
	start   func(o Options) (Client, error)
}

// Options is what a client is started with.
type Options struct {
	Root   string // of the repository
	LogDir string // what it logs goes to a file there
	Cell   *history.Cell
	// Name tells this process from others of its cell.
	Name string
}

// All are the known kinds, in the order of the matrix: every client that has a driver, then the tools.
func All() []Kind {
	var all []Kind
	for _, d := range drivers.Clients {
		k := Kind{Name: d.Name, Acks: true,
			missing: func(root string) error { return howToGet(d.Ready(root), strings.Join(d.SetUp, " ")) },
			start:   func(o Options) (Client, error) { return startDriver(o, d.Args(o.Root)) },
		}
		switch d.Name {
		case "kafka-python-2":
			k.Local = true
		case "confluent-kafka-go":
			k.Optional = true // it takes a C compiler to build
		}
		all = append(all, k)
	}
	return append(all,
		Kind{Name: "java-console", Plain: true,
			missing: func(root string) error {
				_, err := os.Stat(filepath.Join(root, "java", "target", "stamp"))
				return howToGet(err, "java/setup.sh driver")
			},
			start: func(o Options) (Client, error) { return newTool(o, console{o.Root}), nil }},
		Kind{Name: "kcat", Plain: true, Optional: true, Clings: true,
			missing: func(string) error {
				_, err := exec.LookPath("kcat")
				return howToGet(err, "apt-get install kcat, brew install kcat")
			},
			start: func(o Options) (Client, error) { return newTool(o, kcat{}), nil }},
	)
}

func howToGet(err error, how string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; to get it: %s", err, how)
}

// Default is the client that does for others what they cannot, such as telling the fate of each record.
func Default() Kind { return All()[0] }

// Missing says what the kind lacks here and how to get it; nil when it can be started.
func (k Kind) Missing(root string) error {
	if err := k.missing(root); err != nil {
		return fmt.Errorf("%s cannot be started: %w", k.Name, err)
	}
	return nil
}

// Start starts a client process.
func (k Kind) Start(ctx context.Context, o Options) (Client, error) {
	if err := k.Missing(o.Root); err != nil {
		return nil, err
	}
	c, err := k.start(o)
	if err != nil {
		return nil, err
	}
	if d, ok := c.(*driverClient); ok {
		if err := d.greet(ctx); err != nil {
			c.Kill()
			return nil, err
		}
	}
	return c, nil
}
