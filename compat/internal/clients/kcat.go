package clients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strings"

	"lockstep/compat/drivers/protocol"
	"lockstep/compat/internal/history"
)

// kcat is the command line client over librdkafka.
type kcat struct{}

var kcatVersion = regexp.MustCompile(`Version (\S+) .*librdkafka (\S+)`)

func (kcat) info() protocol.Info {
	i := protocol.Info{Client: "kcat", Version: "?", Runtime: "C",
		Features: []string{protocol.FeatureRack, protocol.FeatureGroup}, Codecs: protocol.Codecs}
	out, _ := exec.Command("kcat", "-V").CombinedOutput() // its version is for the report only
	if m := kcatVersion.FindSubmatch(out); m != nil {
		i.Version = fmt.Sprintf("%s (librdkafka %s)", m[1], m[2])
	}
	return i
}

func (kcat) produce(o ProducerOptions, partition int32) []string {
	args := []string{"kcat", "-P", "-b", strings.Join(o.Bootstrap, ","), "-t", o.Topic, "-p", fmt.Sprint(partition), "-K", "\t",
		"-z", o.Codec, "-X", "acks=all", "-X", fmt.Sprintf("linger.ms=%d", o.LingerMS)}
	if o.Idempotent {
		args = append(args, "-X", "enable.idempotence=true")
	}
	return args
}

func (kcat) consume(o ConsumerOptions) []string {
	// -u: unbuffered output; -J: one JSON object a record; errors do not end it.
	args := []string{"kcat", "-b", strings.Join(o.Bootstrap, ","), "-u", "-J", "-E", "-q", "-X", "check.crcs=true"}
	if o.Rack != "" {
		args = append(args, "-X", "client.rack="+o.Rack)
	}
	if o.Group != "" {
		return append(args, "-X", "auto.offset.reset=earliest", "-G", o.Group, o.Topic)
	}
	return append(args, "-X", "auto.offset.reset=error", "-C", "-t", o.Topic, "-p", fmt.Sprint(o.Partition), "-o", fmt.Sprint(o.Offset))
}

// kcatLine is what -J prints.
type kcatLine struct {
	Partition int32   `json:"partition"`
	Offset    int64   `json:"offset"`
	Key       *string `json:"key"`
	Payload   *string `json:"payload"`
}

func (kcat) parse(line []byte, _ ConsumerOptions) (toolRecord, bool) {
	var l kcatLine
	if err := json.Unmarshal(line, &l); err != nil {
		return toolRecord{}, false
	}
	text := func(s *string) history.Bytes {
		if s == nil {
			return history.Of(nil)
		}
		return history.Text(*s)
	}
	return toolRecord{l.Partition, l.Offset,
		&history.Record{Key: text(l.Key), Value: text(l.Payload), Timestamp: -1, Partial: true}}, true
}

func (kcat) failed(stderr []byte) bool {
	return bytes.Contains(stderr, []byte("Delivery failed")) || bytes.Contains(stderr, []byte("ERROR"))
}
