package scenarios

import "lockstep/compat/internal/scenario"

// Differences are what targets are known to do otherwise than scenarios want: cells that show them pass, with that in the
// report. A reason names where the target says so: KIP-n is a Kafka Improvement Proposal, cwiki.apache.org/confluence/display/KAFKA.
// The README has the same as a table for readers.
func Differences() scenario.Differences {
	out := scenario.Differences{
		{Target: "kafka", Scenario: "1.3", Seen: `^node \d, version (11|12|17): error <nil>, \d+ records, leader -1`,
			What: "a follower serves whoever asks it from Fetch version 11 on, also when leaders send nobody there",
			Why:  "KIP-392: the replica selector is about where a leader sends consumers, not about what followers answer"},
		{Target: "kafka", Scenario: "1.6", Seen: `^with the follower cut off, asked from the rack of node \d for \S+, the leader still names node`,
			What: "a leader goes on sending readers to a follower that it does not hear, though the controllers do, for half a minute",
			Why:  "until replica.lag.time.max.ms is over the follower is in sync, and the replica selector (KIP-392) knows nothing else"},
		{Target: "kafka", Scenario: "5.3", Client: "franz-go|confluent-.*|java.*",
			Seen: `^the reader does not go on after black hole \[client-2\]: `, What: whatSent, Why: whySent},
		{Target: "kafka", Scenario: "5.4", Client: "confluent-.*|java.*|kcat",
			Seen: `^the reader does not go on after node 2 isolated by black holes: `, What: whatStays, Why: whyStays},
		{Target: "kafka", Scenario: "5.4", Client: "kafka-python-3", Rare: true,
			Seen: `^the reader does not go on after node 2 isolated by black holes: `, What: whatStays, Why: whyStays},
		{Target: "kafka", Scenario: "5.8", Rare: true, What: whatKept, Why: whyKept,
			Seen: `^the writer does not go on after pause node 1: |^oracle 7, late: \(writer\): .*"pause node 1"`},
		{Target: "kafka", Scenario: "5.10", Client: "confluent-.*|java.*|kcat",
			Seen: `^the reader does not go on after one way: node 2 does not reach node 1: `, What: whatStays, Why: whyStays},
		{Target: "kafka", Scenario: "5.10", Client: "kafka-python-3", Rare: true,
			Seen: `^the reader does not go on after one way: node 2 does not reach node 1: `, What: whatStays, Why: whyStays},
		{Target: "kafka", Scenario: "5.10", Rare: true,
			Seen: `^the reader does not go on after node 1 isolated`, What: whatHeld, Why: whyHeld},
		{Target: "kafka", Scenario: "5.10", Rare: true, What: whatKept, Why: whyKept,
			Seen: `^the writer does not go on after node 1 isolated|^oracle 7, late: \(writer\): .*"node 1 isolated`},
		{Target: "kafka", Scenario: "5.5", Seen: `^idle: the median record comes `, What: whatLate, Why: whyLate},
		{Target: "kafka", Scenario: "5.13", Rare: true,
			Seen: `^no progress of the writer with the old leader cut off: `, What: whatKept, Why: whyKept},
		{Target: "kafka", Scenario: "5.16", Seen: `^offset above the high watermark of a follower: .*: error OFFSET_OUT_OF_RANGE`,
			What: "a follower asked for an offset above the end of its log answers OFFSET_OUT_OF_RANGE at once, and does not wait",
			Why:  "KIP-392: a follower cannot tell an offset that it lacks from one that is not there; consumers then ask the leader"},
		{Target: "kafka", Scenario: "5.16", Seen: `^an older leader epoch is fenced: node \d names \{ID:-1 Epoch:-1\} as the leader`,
			What: "an answer that refuses does not name the leader below Fetch version 16",
			Why:  "KIP-951: the field is older, and brokers fill it from version 16 on"},
		{Target: "kafka", Scenario: "5.16", Seen: `^a question that a follower has held is answered as soon as its own high watermark moves: node \d answered`,
			What: whatLate, Why: whyLate},
		{Target: "kafka", Scenario: "5.19", Seen: `^node 2 does not answer after its restart: `,
			What: "a broker that starts where it reaches no controller takes no connections",
			Why:  "KIP-631: it opens its listeners for clients when it has the cluster's metadata and the controller has heard of it"},
	}
	// Of what raw sessions see beside the clients.
	for _, id := range []string{"5.12", "5.14", "5.15"} {
		out = append(out,
			scenario.Difference{Target: "kafka", Scenario: id, Seen: `^oracle 4, above-high-watermark:`, Rare: true, What: whatAbove, Why: whyAbove},
			scenario.Difference{Target: "kafka", Scenario: id, Seen: `^oracle 5, fell: .* the replica's high watermark fell`, Rare: true, What: whatFell, Why: whyFell},
			scenario.Difference{Target: "kafka", Scenario: id, Seen: `^oracle 5, out-of-range: .* is said to be out of range to a session`, Rare: true, What: whatBehind, Why: whyBehind})
	}
	out = append(out, scenario.Difference{Target: "kafka", Scenario: "5.13", Seen: `^oracle 5, fell: .* the replica's high watermark fell`, Rare: true,
		What: whatFell, Why: whyFell})
	// Where the follower is dead for longer than a client takes to ask who is there.
	for _, id := range []string{"5.4", "5.6", "5.12", "5.14", "5.19"} {
		out = append(out, scenario.Difference{Target: "kafka", Scenario: id, Client: "kafka-python-3", Rare: true, What: whatStranded, Why: whyStranded,
			Seen: `^no progress of the reader |^the reader does not go on after .* was healed: |^waiting for (offset \d+ of compat-.*|everything below offset \d+) \(reader,|^oracle 8, undelivered: .* \(reader\)|^oracle 7, .*the reader`})
	}
	return out
}

// What several scenarios show.
const (
	whatAbove = "an answer that is made while the high watermark moves names the older one, below records that it has"
	whyAbove  = "a broker takes the high watermark for the answer, and then reads the log up to what it is by then"
	whatFell  = "a replica's high watermark falls when it is started again, becomes the leader, or follows a new one that knows less, until that hears what is committed"
	whyFell   = "it is written down every 5 s (replica.high.watermark.checkpoint.interval.ms), and a new leader waits for its followers' fetches to raise it: KIP-207"

	whatBehind = "a replica that is behind answers OFFSET_OUT_OF_RANGE to a session that another replica has given more"
	whyBehind  = "KIP-392: the same as above; consumers ask the leader whether their offset is there"

	whatStays = "readers stay with a follower that is cut off from its leader, and get nothing, until their next metadata refresh (5 minutes)"
	whyStays  = "KIP-392: a follower does not tell readers that it hears nobody, it answers that there is nothing new; franz-go is set to ask the leader again every few seconds, and is told of another replica"

	whatSent = "the leader sends readers back to a follower that they cannot reach, for as long as it hears that follower itself"
	whySent  = "KIP-392: the replica selector knows racks and what is in sync, and nothing of who came back empty-handed"

	whatKept = "a leader that is cut off from its peers, or frozen, keeps writers waiting until their requests time out, some for more than a minute"
	whyKept  = "KRaft: a broker does not step down when it hears no controller; it takes records that it cannot commit, and names itself to whoever asks it for metadata"

	whatHeld = "readers that a leader has not sent to a follower yet when it is cut off from its peers stay with it, and get nothing, until their next metadata refresh"
	whyHeld  = "KRaft: as with writers; a new leader sends nobody to a follower (KIP-392) before that has fetched from it, and answers that there is nothing new"

	whatLate = "a follower hears what is committed with the answer to its next fetch, which the leader holds until there are records or half a second is over"
	whyLate  = "KAFKA-9952: leaders no longer answer as soon as the high watermark moves; replica.fetch.wait.max.ms bounds the delay"

	whatStranded = "kafka-python 3 reads nothing until its next metadata refresh (5 minutes) once its follower died and came back"
	whyStranded  = "metadata leaves dead brokers out; the leader sends the consumer to one that its metadata lacks, and kafka-python 3.0 asks the leader again instead of asking for newer metadata"
)
