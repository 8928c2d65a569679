/**
 * The compatibility suite's driver for Apache Kafka's own Java client.
 *
 * <p>It takes JSON commands on stdin and tells JSON events on stdout; the contract is the package documentation of
 * compat/drivers/protocol (doc.go). Read {@link lockstep.driver.Driver} first: it reads the commands and deals them out
 * to {@link lockstep.driver.Handle}s, of which {@link lockstep.driver.ProducerHandle} and
 * {@link lockstep.driver.ConsumerHandle} are the two kinds, each with a thread of its own.
 *
 * <p>What this client is like:
 *
 * <ul>
 *   <li>Errors. A send's callback carries the record's error. The consumer retries nearly everything without a word but
 *       log lines; what poll throws it throws again at each poll.
 *   <li>Reset. With auto.offset.reset=none poll throws OffsetOutOfRangeException, and LogTruncationException (a subclass)
 *       where OffsetForLeaderEpoch shows that the log was cut back; NoOffsetForPartitionException where a position was
 *       never set. All three are a notice "reset".
 *   <li>Rack. client.rack. A preferred replica is kept until metadata.max.age.ms (5 minutes), and given up when its
 *       connection fails. One that falls silent is given up after request.timeout.ms (30 s).
 *   <li>CRC. check.crcs is on by default.
 *   <li>Produce. Callbacks carry the offset, or -1 where the client cannot know it: acks=0, and an idempotent batch that the
 *       broker took for a duplicate that it no longer remembers. Idempotence is on by default and needs acks=all.
 *       batch.size is where a batch is full; a larger record goes alone, up to max.request.size, which is set from
 *       max_request_bytes. send blocks for metadata, up to max.block.ms (a minute). delivery.timeout.ms must be at
 *       least linger.ms + request.timeout.ms (30 s), or the producer is not made: request.timeout.ms is lowered with it.
 *   <li>Timestamps. Any from 0 on can be sent; the driver keeps 0 for "now" as the protocol says.
 *   <li>Threads. A consumer belongs to one thread.
 * </ul>
 */
package lockstep.driver;
