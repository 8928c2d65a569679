package cluster

import (
	"context"

	"lockstep/compat/internal/raw"
)

// Target is a kind of broker.
type Target interface {
	// Name as on the command line: lockstep, kafka.
	Name() string
	// Features says what scenarios may ask of it.
	Features() Features
	// Env and Args are how a node is told its plan.
	Env(NodePlan) []string
	Args(NodePlan) []string
	// Prepare is called before a node starts as a process, with its data directory in place.
	Prepare(NodePlan) error
	// Binary is the program for the process runtime, an absolute path; the error says how to get it.
	Binary() (string, error)
	// Image is the image for the docker runtime; its entry point takes Env and Args. "": there is none.
	Image() string
	// Ready asks whether the cluster can be used: nil when every node serves and every replica follows. The error says
	// what is missing.
	Ready(ctx context.Context, c *Cluster) error
	// Settings turns settings, as Lockstep's environment variables have them, into what a plan's Extra is for this
	// target. The error wraps ErrCannot for those that the target has nothing of the kind for.
	Settings(env map[string]string) (map[string]string, error)
	// PeerGreeting is what a stranger may send to node to where its peers dial in, so that it answers.
	PeerGreeting(from, to int) raw.Greeting
	// Transfer has a partition led by another node. It returns when that is under way.
	Transfer(ctx context.Context, c *Cluster, topic string, partition int32, to int) error
	// Beyond tells whether a node's own log of a partition holds more than the node knows to be committed, and what it saw.
	Beyond(ctx context.Context, c *Cluster, node int, topic string, partition int32) (bool, string, error)
	// Settled asks whether leaders will stay where they are if nothing happens: nil when the target is done with moving
	// them about. Scenarios choose followers by their leader, so they begin on a settled cluster.
	Settled(ctx context.Context, c *Cluster) error
}

// Features of a target in a runtime. What is missing makes cells that need it skips, with that reason.
type Features struct {
	// Of the target.
	LocalListener bool // a listener on which a follower calls itself the leader
	Counters      bool // counts of records served by role
	Linearizable  bool // followers' reads can be had linearizable
	Replicas      bool // the state of every replica over HTTP
	Transfer      bool // leadership can be handed over on request
	HandsBack     bool // leadership that was handed over goes back by itself soon
	Reconfigure   bool // nodes can be started again with other settings
	AllInSync     bool // a record is committed when every replica in sync has it, and not when most have
	PeerLinks     bool // each pair of nodes replicates over edges of its own
	Wipe          bool // a node's data can be taken away
	// Of the runtime.
	Processes bool // nodes can be killed, stopped, paused and started
	Proxies   bool // toxiproxy is before the nodes
	Traffic   bool // what crosses a client's edge is the clients', for the suite itself has another way
}

// ours are the features of a target in a cluster that the suite started.
func (f Features) ours() Features {
	f.Processes, f.Proxies, f.Traffic = true, true, true
	return f
}
