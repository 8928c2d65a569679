package clients

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

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
	// Acks: it tells the fate of every record while it runs. Tools do not.
	Acks bool
	// Optional: where it is not installed its cells are skips; of the others they are failures.
	Optional bool
	// need is a file that must be there, or a program on the PATH when it has no slash; get says how to get it.
	need, get string
	start     func(o Options) (Client, error)
}

// Options is what a client is started with.
type Options struct {
	Root   string // of the repository
	LogDir string // what it logs goes to a file there
	Cell   *history.Cell
	// Name tells this process from others of its cell.
	Name string
}

// All are the known kinds, in the order of the matrix.
func All() []Kind {
	const drivers, python, java = "make drivers", "python/setup.sh", "java/setup.sh"
	return []Kind{
		driver("franz-go", ".build/driver-franzgo", drivers, ".build/driver-franzgo"),
		optional(driver("confluent-kafka-go", ".build/driver-confluentgo", drivers+", with a C compiler", ".build/driver-confluentgo")),
		driver("confluent-kafka", ".venv-confluent/bin/python", python, ".venv-confluent/bin/python", "python/confluent_driver.py"),
		driver("kafka-python-3", ".venv-kafka-python-3/bin/python", python, ".venv-kafka-python-3/bin/python", "python/kafka_python_driver.py"),
		local(driver("kafka-python-2", ".venv-kafka-python-2/bin/python", python, ".venv-kafka-python-2/bin/python", "python/kafka_python_driver.py")),
		driver("java", "java/target/classes/lockstep", java, javaCommand("lockstep.driver.Driver")...),
		{Name: "java-console", Plain: true, need: "java/target/lib", get: java,
			start: func(o Options) (Client, error) { return newTool(o, console{o.Root}) }},
		{Name: "kcat", Plain: true, Optional: true, need: "kcat", get: "apt-get install kcat, brew install kcat",
			start: func(o Options) (Client, error) { return newTool(o, kcat{}) }},
	}
}

// Default is the client that does for others what they cannot, such as telling the fate of each record.
func Default() Kind { return All()[0] }

// javaCommand starts a class of java/target. The flags keep a short-lived JVM small and quick to start.
func javaCommand(class string, args ...string) []string {
	path := "java/target/classes" + string(os.PathListSeparator) + "java/target/lib/*"
	return append([]string{"java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", path, class}, args...)
}

// driver is a kind that speaks the driver protocol. The command's relative paths are from the repository's root.
func driver(name, need, get string, command ...string) Kind {
	return Kind{Name: name, Acks: true, need: need, get: get,
		start: func(o Options) (Client, error) { return startDriver(o, command) }}
}

func optional(k Kind) Kind { k.Optional = true; return k }

func local(k Kind) Kind { k.Local = true; return k }

// Missing says what the kind lacks here and how to get it; nil when it can be started.
func (k Kind) Missing(root string) error {
	var err error
	if filepath.Base(k.need) == k.need {
		_, err = exec.LookPath(k.need)
	} else {
		_, err = os.Stat(filepath.Join(root, k.need))
	}
	if err != nil {
		return fmt.Errorf("%s is not here (%s); to get it: %s", k.Name, k.need, k.get)
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
