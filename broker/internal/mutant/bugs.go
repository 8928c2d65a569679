package mutant

// Bug is a planted bug; its text is what LOCKSTEP_MUTANT chooses it by.
type Bug string

// The planted bugs. Each is hooked in at exactly one place outside this package, and described in table.go.
const (
	ServeUncommitted  Bug = "serve-uncommitted"
	FlippedByte       Bug = "flipped-byte"
	Restamped         Bug = "restamped"
	EpochNotStamped   Bug = "epoch-not-stamped"
	SkipsHalfBatch    Bug = "skips-half-batch"
	AckBeforeQuorum   Bug = "ack-before-quorum"
	LosesTail         Bug = "loses-tail-on-restart"
	TruncatesTooMuch  Bug = "truncates-too-much"
	ForgetsHW         Bug = "forgets-hw-on-restart"
	RetryDuplicates   Bug = "retry-duplicates"
	ForgetsProducers  Bug = "forgets-producers"
	StalePreferred    Bug = "stale-preferred"
	PrefersItself     Bug = "prefers-itself"
	ServesWhenOff     Bug = "serves-when-off"
	SleepsThrough     Bug = "sleeps-through-commits"
	SlowCommits       Bug = "slow-commits"
	UnverifiedLeader  Bug = "unverified-leader"
	StaleLinearizable Bug = "stale-linearizable"
	OffsetsForgotten  Bug = "offsets-forgotten"
	CommitPlusOne     Bug = "commit-plus-one"
	OutOfOrder        Bug = "out-of-order"
	RebuiltForgets    Bug = "rebuilt-forgets-producers"
	HWStepsBack       Bug = "hw-steps-back"
	TimeOffByOne      Bug = "time-off-by-one"
	EpochsNeverEnd    Bug = "epochs-never-end"
)
