package cluster

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kafka is Apache Kafka, the control: three nodes that are broker and controller at once, with the rack-aware replica
// selector. A check that fails on it is a wrong check or a difference to be written down.
//
// Peers talk over two links: raft-i-j carries the controllers' quorum and what broker i tells controller j, records-i-j what
// broker i fetches from broker j. (See kafka_links.go.)
type Kafka struct {
	Root string // of the repository
	// Stock is for measuring: the settings and the JVM's options that Kafka comes with, where the suite's own are small.
	Stock bool
	// JVM are options to use instead of those, if there are any.
	JVM []string
}

// Name implements Target.
func (Kafka) Name() string { return "kafka" }

// Features implements Target.
func (Kafka) Features() Features {
	return Features{AllInSync: true, Transfer: true, Reconfigure: true, Wipe: true, PeerLinks: true}
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
	options := []string{"-Xmx400m", "-XX:+UseSerialGC"}
	switch {
	case len(k.JVM) > 0:
		options = k.JVM
	case k.Stock:
		options = StockJVM()
	}
	return append(append(options, "-cp", filepath.Join(k.lib(), "*")), args...)
}

// StockJVM are the options that Kafka's kafka-server-start.sh and kafka-run-class.sh give its JVM when nothing is set.
func StockJVM() []string {
	return []string{"-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
		"-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15", "-Djava.awt.headless=true"}
}

func properties(n NodePlan) string { return filepath.Join(n.DataDir, "server.properties") }

// Args implements Target.
func (k Kafka) Args(n NodePlan) []string {
	args := k.java("kafka.Kafka", properties(n))
	if byName(n) {
		args = append([]string{"-Djdk.net.hosts.file=" + hostsFile(n)}, args...)
	}
	return args
}

// clusterID is any fixed id in Kafka's format: 16 bytes in base64.
const clusterID = "bG9ja3N0ZXAtY29tcGF0MQ"

// Prepare implements Target: it writes the configuration, and formats a log directory that is not.
func (k Kafka) Prepare(n NodePlan) error {
	if err := os.WriteFile(properties(n), []byte(k.config(n)), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(hostsFile(n), hosts(n.ID), 0o644); err != nil {
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

func (k Kafka) config(n NodePlan) string {
	var voters []string
	dialled := n.addresses()
	if byName(n) { // the voters are the same for all
		dialled[n.ID] = named(n.ID, n.Raft)
	}
	for _, id := range n.members() {
		addr := dialled[id]
		voters = append(voters, fmt.Sprintf("%d@%s", id, addr))
	}
	lines := []string{
		"process.roles=broker,controller",
		fmt.Sprintf("node.id=%d", n.ID),
		"controller.quorum.voters=" + strings.Join(voters, ","),
		"listeners=CLIENT://" + n.Kafka + ",REPLICATION://" + n.Local + ",CONTROLLER://" + n.Raft,
		"advertised.listeners=CLIENT://" + n.AdvertisedKafka + ",REPLICATION://" + n.AdvertisedLocal + ",CONTROLLER://" + dialled[n.ID],
		"listener.security.protocol.map=CLIENT:PLAINTEXT,REPLICATION:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name=REPLICATION",
		"controller.listener.names=CONTROLLER",
		"log.dirs=" + filepath.Join(n.DataDir, "log"),
		"broker.rack=" + n.Rack,
		rackAware,
	}
	lines = append(lines, replicated(len(n.members()))...)
	if !k.Stock {
		lines = append(lines, "offsets.topic.num.partitions=3", "group.initial.rebalance.delay.ms=0",
			"num.network.threads=2", "num.io.threads=4", "log.cleaner.enable=false",
			// Leaders go back to the preferred replica within seconds, as scenarios wait for it; the default is 5 minutes.
			"leader.imbalance.check.interval.seconds=5",
			// A broker that hears no controller when it starts gives up after this; the default is a minute.
			"initial.broker.registration.timeout.ms=600000")
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

// replicated has as many copies as there are nodes, of which all but one have to be there.
func replicated(nodes int) []string {
	all, most := fmt.Sprint(nodes), fmt.Sprint(max(nodes-1, 1))
	return []string{"default.replication.factor=" + all, "min.insync.replicas=" + most, "offsets.topic.replication.factor=" + all,
		"transaction.state.log.replication.factor=" + all, "transaction.state.log.min.isr=" + most}
}

const (
	rackAware = "replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector"
	// leaderOnly among a plan's Extra has no replica selector, so that consumers are sent to nobody but the leader.
	leaderOnly = "(leader only)"
)

// sameInMS are Kafka's properties, in ms, for what Lockstep's settings say as durations.
var sameInMS = map[string]string{
	"LOCKSTEP_REPLICA_LAG_MAX": "replica.lag.time.max.ms",
	// For how long a node counts that says nothing.
	"LOCKSTEP_LEASE":           "broker.session.timeout.ms",
	"LOCKSTEP_RETENTION_CHECK": "log.retention.check.interval.ms",
}

// smallestSegment is the least that Kafka takes, in bytes (KIP-1030).
const smallestSegment = 1 << 20

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
		case sameInMS[name] != "":
			d, err := time.ParseDuration(value)
			if err != nil {
				return nil, fmt.Errorf("%s=%s: %w", name, value, err)
			}
			out[sameInMS[name]] = fmt.Sprint(d.Milliseconds())
		case name == "LOCKSTEP_SEGMENT_BYTES":
			bytes, err := strconv.Atoi(value)
			if err != nil {
				return nil, fmt.Errorf("%s=%s: %w", name, value, err)
			}
			out["log.segment.bytes"] = fmt.Sprint(max(bytes, smallestSegment))
		default:
			return nil, fmt.Errorf("Kafka has nothing like %s: %w", name, ErrCannot)
		}
	}
	return out, nil
}
