package clients

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"lockstep/compat/drivers"
	"lockstep/compat/drivers/protocol"
)

// console is Apache Kafka's console producer and consumer: the main classes that kafka-console-*.sh start.
type console struct{ root string }

func (t console) info() protocol.Info {
	version := "?"
	const jar = "kafka-tools-"
	if found, _ := filepath.Glob(filepath.Join(t.root, "java", "target", "lib", jar+"*.jar")); len(found) > 0 {
		version = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]), jar), ".jar")
	}
	return protocol.Info{Client: "kafka-console-*", Version: version, Runtime: "java",
		Features: []string{protocol.FeatureRack, protocol.FeatureGroup, protocol.FeatureIdempotence}, Codecs: protocol.Codecs}
}

// produce leaves the partition to the tool: it cannot be told one, and topics made for it have only one.
func (t console) produce(o ProducerOptions, _ int32) []string {
	return drivers.JavaArgs("org.apache.kafka.tools.ConsoleProducer",
		"--bootstrap-server", strings.Join(o.Bootstrap, ","), "--topic", o.Topic, "--compression-codec", o.Codec,
		"--reader-property", "parse.key=true", "--reader-property", "key.separator=\t")
}

func (t console) consume(o ConsumerOptions) []string {
	args := []string{"--bootstrap-server", strings.Join(o.Bootstrap, ","), "--topic", o.Topic}
	for _, p := range []string{"print.key=true", "print.partition=true", "print.offset=true"} {
		args = append(args, "--formatter-property", p)
	}
	if o.Rack != "" {
		args = append(args, "--command-property", "client.rack="+o.Rack)
	}
	if o.Group != "" {
		args = append(args, "--group", o.Group, "--from-beginning")
	} else {
		args = append(args, "--partition", fmt.Sprint(o.Partition), "--offset", fmt.Sprint(o.Offset))
	}
	return drivers.JavaArgs("org.apache.kafka.tools.consumer.ConsoleConsumer", args...)
}

// parse reads Partition:0, Offset:5, key and value, with tabs between.
func (t console) parse(line []byte, _ ConsumerOptions) (toolRecord, bool) {
	fields := bytes.SplitN(line, []byte{'\t'}, 4)
	if len(fields) != 4 {
		return toolRecord{}, false
	}
	partition, ok1 := number(fields[0], "Partition:")
	offset, ok2 := number(fields[1], "Offset:")
	return toolRecord{int32(partition), offset, partial(fields[2], fields[3])}, ok1 && ok2
}

func number(field []byte, prefix string) (int64, bool) {
	text, found := strings.CutPrefix(string(field), prefix)
	n, err := strconv.ParseInt(text, 10, 64)
	return n, found && err == nil
}

// failed: the console producer exits with 0 whatever becomes of the records; it only logs.
func (t console) failed(stderr []byte) bool {
	return bytes.Contains(stderr, []byte("Error when sending message"))
}
