package drivers

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// TestTools runs Apache Kafka's own command line tools, from the class path that the Java driver's build leaves, against
// the broker at LOCKSTEP_TEST_BOOTSTRAP.
func TestTools(t *testing.T) {
	bootstrap := os.Getenv("LOCKSTEP_TEST_BOOTSTRAP")
	if bootstrap == "" {
		t.Skip("LOCKSTEP_TEST_BOOTSTRAP does not name a broker to run against")
	}
	java := Clients[len(Clients)-1]
	if err := java.Ready(root); err != nil {
		t.Skip(err)
	}
	topic := createTopic(t, bootstrap)
	tool := func(stdin, mainClass string, args ...string) string {
		t.Helper()
		line := JavaArgs(mainClass, append([]string{"--bootstrap-server", bootstrap}, args...)...)
		cmd := exec.CommandContext(deadline(t), line[0], line[1:]...)
		var stderr bytes.Buffer
		cmd.Dir, cmd.Stdin, cmd.Stderr = root, strings.NewReader(stdin), &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", mainClass, args, err, &stderr)
		}
		return string(out)
	}
	var lines strings.Builder
	for i := range 1000 {
		lines.WriteString("line " + strconv.Itoa(i) + "\n")
	}
	tool(lines.String(), "org.apache.kafka.tools.ConsoleProducer", "--topic", topic)
	read := tool("", "org.apache.kafka.tools.consumer.ConsoleConsumer", "--topic", topic, "--from-beginning",
		"--max-messages", "1000", "--group", "g-"+topic)
	if read != lines.String() {
		t.Errorf("the console tools read what they had not written: %d bytes of %d", len(read), lines.Len())
	}
	if out := tool("", "org.apache.kafka.tools.TopicCommand", "--describe", "--topic", topic); !strings.Contains(out, "Leader: ") {
		t.Errorf("kafka-topics describes the topic as %q", out)
	}
	groups := tool("", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", "--describe", "--group", "g-"+topic)
	if !strings.Contains(groups, topic) {
		t.Errorf("kafka-consumer-groups describes the group as %q", groups)
	}
}
