package drivers

import (
	"fmt"
	"os"
	"path/filepath"
)

// Client is a client library that has a driver.
type Client struct {
	Name string // as in scenarios' and reports' columns
	// SetUp is the command line, run at the repository's top, that makes the driver ready. It is quick when that has
	// been done already.
	SetUp []string
	// args is the driver's command line; its needs are files that must be there before it can start. Paths are relative to
	// the repository's top.
	args, needs []string
}

// Clients lists them all.
var Clients = []Client{
	goClient("franz-go", "franzgo"),
	goClient("confluent-kafka-go", "confluentgo"),
	pythonClient("confluent-kafka-python", "confluent", "confluent_driver.py"),
	pythonClient("kafka-python-3", "kafka-python-3", "kafka_python_driver.py"),
	pythonClient("kafka-python-2", "kafka-python-2", "kafka_python_driver.py"),
	{
		Name:  "java",
		SetUp: []string{"java/setup.sh", "driver"},
		args:  JavaArgs("lockstep.driver.Driver"),
		needs: []string{"java/target/stamp"},
	},
}

// JavaArgs is the command line, at the repository's top, of one of the main classes that java/target holds: the driver, or
// one of Apache Kafka's tools. Its flags are for short lives: they halve the time to start.
func JavaArgs(mainClass string, args ...string) []string {
	return append([]string{"java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx256m",
		"-cp", "java/target/classes:java/target/lib/*", mainClass}, args...)
}

func goClient(name, folder string) Client {
	binary := filepath.Join(".build", "driver-"+folder)
	return Client{
		Name:  name,
		SetUp: []string{"go", "build", "-o", binary, "./compat/drivers/" + folder},
		args:  []string{binary},
		needs: []string{binary},
	}
}

func pythonClient(name, venv, script string) Client {
	python := filepath.Join(".venv-"+venv, "bin", "python")
	return Client{
		Name:  name,
		SetUp: []string{"python/setup.sh", venv},
		args:  []string{python, "python/" + script},
		needs: []string{python, filepath.Join(".venv-"+venv, "stamp")},
	}
}

// Args is the driver's command line, to be started in the folder root, the repository's top.
func (c Client) Args(root string) []string {
	args := append([]string(nil), c.args...)
	if filepath.Base(args[0]) != args[0] {
		args[0] = filepath.Join(root, args[0])
	}
	return args
}

// Ready says whether the driver has been set up; the error names what is missing.
func (c Client) Ready(root string) error {
	for _, need := range c.needs {
		if _, err := os.Stat(filepath.Join(root, need)); err != nil {
			return fmt.Errorf("client %s is not set up: %w", c.Name, err)
		}
	}
	return nil
}
