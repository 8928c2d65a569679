//go:build mutants

package mutant

// described is what is wrong with each bug, and after the colon what a user would suffer.
var described = []struct {
	bug  Bug
	text string
}{
	{ServeUncommitted, "a follower takes all that it has stored for committed: readers get records that a new leader then replaces"},
	{FlippedByte, "a follower flips one byte in every third answer: clients refuse the batch, or read garbage if they do not check"},
	{Restamped, "a follower rewrites a batch's time and makes the CRC fit: records come with other timestamps than were acknowledged"},
	{EpochNotStamped, "the leader does not write its epoch into batches: clients cannot see that a log was truncated"},
	{SkipsHalfBatch, "a fetch inside a batch begins with the next one: who resumes there misses records"},
	{AckBeforeQuorum, "a leader acknowledges what only it has stored: writes are lost with it"},
	{LosesTail, "opening the log cuts one entry too many: acknowledged writes are lost when all nodes are killed"},
	{TruncatesTooMuch, "cutting a conflicting suffix takes one entry too many, and the log begins anew there: a replica loses what it held"},
	{ForgetsHW, "a restarted replica does not know what was committed until its leader tells it: readers see it go back"},
	{RetryDuplicates, "sequence numbers are not checked: a retried batch is stored twice"},
	{ForgetsProducers, "a new leader does not know the producers of its predecessor: what is retried across a failover is stored twice"},
	{StalePreferred, "a leader sends readers to a follower whatever its state: readers hang on one that is cut off or behind"},
	{PrefersItself, "a follower names itself as preferred replica beside the records: clients throw them away and ask again for ever"},
	{ServesWhenOff, "followers serve although reads from followers are switched off"},
	{SleepsThrough, "a waiting fetch is not woken by a commit: readers wait for max_wait every time"},
	{SlowCommits, "followers learn of a commit only with the next entries or heartbeat: their readers are half a second late"},
	{UnverifiedLeader, "a linearizable read does not verify leadership: a deposed leader answers with old state"},
	{StaleLinearizable, "linearizable reads do not ask the leader: a session does not see its own writes on a follower"},
	{OffsetsForgotten, "a new coordinator begins without the committed offsets: groups start over when it moves"},
	{CommitPlusOne, "committed offsets are stored one too high: each restart of a consumer skips a record"},
	{RebuiltForgets, "a snapshot is restored without the producers in it: a replica that was rebuilt stores retried batches twice once it leads"},
	{HWStepsBack, "a follower now and then names an earlier high watermark: readers see the log's end go back, and may wait below it"},
	{TimeOffByOne, "a time's offset is that of the first record after it, not at it: who begins at a record's time misses it"},
	{EpochsNeverEnd, "every epoch is said to end at the high watermark: clients do not notice that records they hold were replaced"},
	{OutOfOrder, "a later request on a connection is answered before an earlier one: clients mistake one answer for another"},
}
