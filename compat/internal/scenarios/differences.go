package scenarios

import "lockstep/compat/internal/scenario"

// Differences are what targets are known to do otherwise than scenarios want: cells that show them pass, with that in the
// report. A reason names where the target says so: KIP-n is a Kafka Improvement Proposal, cwiki.apache.org/confluence/display/KAFKA.
// The README has the same as a table for readers.
func Differences() scenario.Differences {
	return scenario.Differences{
		{Target: "kafka", Scenario: "1.3", Seen: `^node \d, version (11|12|17): error <nil>, 100 records, leader -1`,
			What: "a follower serves whoever asks it from Fetch version 11 on, also when leaders send nobody there",
			Why:  "KIP-392: the replica selector is about where a leader sends consumers, not about what followers answer"},
		{Target: "kafka", Scenario: "5.15", Seen: `^oracle 4, above-high-watermark:`, Rare: true,
			What: whatAbove, Why: whyAbove},
		{Target: "kafka", Scenario: "5.15", Seen: `^oracle 5, fell: .* the replica's high watermark fell`, Rare: true,
			What: whatFell, Why: whyFell},
		{Target: "kafka", Scenario: "5.16", Seen: `^offset above the high watermark of a follower: .*: error OFFSET_OUT_OF_RANGE`,
			What: "a follower asked for an offset above the end of its log answers OFFSET_OUT_OF_RANGE at once, and does not wait",
			Why:  "KIP-392: a follower cannot tell an offset that it lacks from one that is not there; consumers then ask the leader"},
	}
}

// What several scenarios show.
const (
	whatAbove = "an answer that is made while the high watermark moves names the older one, below records that it has"
	whyAbove  = "a broker takes the high watermark for the answer, and then reads the log up to what it is by then"
	whatFell  = "a replica's high watermark falls when it is started again or becomes the leader, until it hears what is committed"
	whyFell   = "it is written down every 5 s (replica.high.watermark.checkpoint.interval.ms), and a new leader waits for its followers' fetches to raise it: KIP-207"
)
