package cluster

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lockstep/compat/internal/raw"
)

// Kafka is Apache Kafka, the control: three nodes that are broker and controller at once, with the rack-aware replica
// selector. A check that fails on it is a wrong check or a difference to be written down.
//
// Brokers replicate over a listener of their own, which is advertised to all peers alike: the edge local-N carries
// what the others fetch from node N, and raft-i-j carries the controllers' quorum only.
type Kafka struct {
	Root string // of the repository
}

// Name implements Target.
func (Kafka) Name() string { return "kafka" }

// Features implements Target.
func (Kafka) Features() Features {
	return Features{Reconfigure: true, Wipe: true}
}

// Binary implements Target.
func (k Kafka) Binary() (string, error) {
	if _, err := os.Stat(k.lib()); err != nil {
		return "", fmt.Errorf("no Apache Kafka to test: %w (java/setup.sh kafka-server brings it)", err)
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return "", fmt.Errorf("no java to run Apache Kafka with: %w", err)
	}
	return java, nil
}

func (k Kafka) lib() string { return filepath.Join(k.Root, "java", "kafka-server", "target", "lib") }

// Image implements Target.
func (Kafka) Image() string { return "" }

// Env implements Target.
func (Kafka) Env(NodePlan) []string { return nil }

func (k Kafka) java(args ...string) []string {
	return append([]string{"-Xmx400m", "-XX:+UseSerialGC", "-cp", filepath.Join(k.lib(), "*")}, args...)
}

func properties(n NodePlan) string { return filepath.Join(n.DataDir, "server.properties") }

// Args implements Target.
func (k Kafka) Args(n NodePlan) []string { return k.java("kafka.Kafka", properties(n)) }

// clusterID is any fixed id in Kafka's format: 16 bytes in base64.
const clusterID = "bG9ja3N0ZXAtY29tcGF0MQ"

// Prepare implements Target: it writes the configuration, and formats a log directory that is not.
func (k Kafka) Prepare(n NodePlan) error {
	if err := os.WriteFile(properties(n), []byte(k.config(n)), 0o644); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(n.DataDir, "log", "meta.properties")); err == nil {
		return nil
	}
	java, err := k.Binary()
	if err != nil {
		return err
	}
	format := exec.Command(java, k.java("kafka.tools.StorageTool", "format", "-t", clusterID, "-c", properties(n))...)
	if out, err := format.CombinedOutput(); err != nil {
		return fmt.Errorf("format Kafka's log directory: %w\n%s", err, out)
	}
	return nil
}

func (Kafka) config(n NodePlan) string {
	var voters []string
	for _, id := range Nodes() {
		addr := n.Raft
		if id != n.ID {
			addr = n.Peers[id]
		}
		voters = append(voters, fmt.Sprintf("%d@%s", id, addr))
	}
	lines := []string{
		"process.roles=broker,controller",
		fmt.Sprintf("node.id=%d", n.ID),
		"controller.quorum.voters=" + strings.Join(voters, ","),
		"listeners=CLIENT://" + n.Kafka + ",REPLICATION://" + n.Local + ",CONTROLLER://" + n.Raft,
		"advertised.listeners=CLIENT://" + n.AdvertisedKafka + ",REPLICATION://" + n.AdvertisedLocal,
		"listener.security.protocol.map=CLIENT:PLAINTEXT,REPLICATION:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name=REPLICATION",
		"controller.listener.names=CONTROLLER",
		"log.dirs=" + filepath.Join(n.DataDir, "log"),
		"broker.rack=" + n.Rack,
		rackAware,
		"default.replication.factor=3", "min.insync.replicas=2",
		"offsets.topic.replication.factor=3", "offsets.topic.num.partitions=3",
		"transaction.state.log.replication.factor=3", "transaction.state.log.min.isr=2",
		"group.initial.rebalance.delay.ms=0",
		"num.network.threads=2", "num.io.threads=4", "log.cleaner.enable=false",
	}
	for _, name := range slices.Sorted(maps.Keys(n.Extra)) {
		if name == leaderOnly {
			lines = slices.DeleteFunc(lines, func(line string) bool { return line == rackAware })
			continue
		}
		lines = append(lines, name+"="+n.Extra[name]) // of two the last one counts
	}
	return strings.Join(lines, "\n") + "\n"
}

const (
	rackAware = "replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector"
	// leaderOnly among a plan's Extra has no replica selector, so that consumers are sent to nobody but the leader.
	leaderOnly = "(leader only)"
)

// Settings implements Target: names without Lockstep's prefix are Kafka's own properties, of the others it has a few.
func (Kafka) Settings(env map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for name, value := range env {
		switch {
		case !strings.HasPrefix(name, "LOCKSTEP_"):
			out[name] = value
		case name == "LOCKSTEP_FETCH_FROM_FOLLOWERS" && value == "true":
		case name == "LOCKSTEP_FETCH_FROM_FOLLOWERS":
			out[leaderOnly] = "yes"
		case name == "LOCKSTEP_REPLICA_LAG_MAX":
			lag, err := time.ParseDuration(value)
			if err != nil {
				return nil, fmt.Errorf("%s=%s: %w", name, value, err)
			}
			out["replica.lag.time.max.ms"] = fmt.Sprint(lag.Milliseconds())
		default:
			return nil, fmt.Errorf("Kafka has nothing like %s: %w", name, ErrCannot)
		}
	}
	return out, nil
}

// PeerGreeting implements Target: controllers take questions for versions like any listener.
func (Kafka) PeerGreeting(int, int) raw.Greeting { return raw.KafkaGreeting() }

// Transfer implements Target.
func (Kafka) Transfer(context.Context, *Cluster, string, int32, int) error {
	return fmt.Errorf("hand leadership over: the suite does not ask Kafka for that: %w", ErrCannot)
}

// Ready implements Target: there is nothing that Kafka tells beside its metadata.
func (Kafka) Ready(ctx context.Context, c *Cluster) error { return allKnown(ctx, c) }

// Settled implements Target: Kafka moves leaders back every five minutes, which scenarios have to live with.
func (Kafka) Settled(context.Context, *Cluster) error { return nil }
