// Package protocol is how the compatibility suite talks to a client library: JSON lines over the standard streams of
// one process, the driver.
//
// It is for three readers: the suite, which starts drivers ([Start], [Process]); the two Go drivers, which only have
// to implement [Driver] and call [Main]; and whoever wants to put a client of their own, in any language, under the
// suite. For the last of them this page is the whole contract.
//
// # A driver
//
// A driver is one process with one client library in it. It reads one JSON command a line on stdin and writes one JSON
// event a line on stdout, flushed whenever nothing more is waiting to be written; what it logs goes to stderr. When
// stdin closes it closes all it has open and exits with status 0, within [ShutdownGrace].
//
// One driver may hold several producers and consumers, each under a handle that the suite chooses. The commands of one
// handle take effect in the order they were given; those of different handles, and their events, may overtake one
// another, and a handle that is stuck (a producer whose broker is gone) holds up no other. Every event names the handle
// it belongs to, and an answer names the id of its command.
//
// Lines are UTF-8 and as long as they need to be: a driver must be ready for several MiB. Bytes are standard base64
// with padding; null stays null, and "" is an empty value, which is not the same thing. Times called "at" are Unix
// nanoseconds by the driver's clock, taken when the library handed the fact over; "timestamp" is a record's own, in
// Unix milliseconds.
//
// # Commands and their answers
//
//	{"op":"info","id":1}
//	→ {"event":"info","id":1,"client":"kafka-python","version":"3.0.12","runtime":"CPython 3.11.7",
//	   "features":["rack","group"],"codecs":["none","gzip","snappy","lz4","zstd"]}
//
// What the driver is; see [Features]. A driver that lacks a feature or a codec is not asked for it.
//
//	{"op":"open_producer","id":2,"handle":"p1","bootstrap":["127.0.0.1:9092"],"topic":"t","acks":"all","codec":"none",
//	 "idempotent":true,"linger_ms":5,"batch_bytes":16384,"delivery_timeout_ms":120000,"max_request_bytes":1048576}
//	→ {"event":"opened","id":2,"handle":"p1"}
//
// acks is all, 1 or 0 (absent: all). codec is none, gzip, snappy, lz4 or zstd (absent: none). idempotent absent is
// false; linger_ms absent is 0; any other number that is absent or 0 is left at the library's default. "opened" does
// not mean that a broker was reached: most libraries connect later.
//
//	{"op":"send","handle":"p1","partition":0,"first":0,"records":[
//	   {"key":"aw==","value":null,"headers":[["h","dg=="],["h",null]],"timestamp":1700000000000}]}
//	→ {"event":"acked","handle":"p1","n":0,"partition":0,"offset":5,"at":…}      or
//	→ {"event":"failed","handle":"p1","n":0,"partition":0,"error":"…","at":…}
//
// Sends the records, numbered first, first+1, …, to that very partition. Each is answered once, when its fate is known:
// acked, with the offset it got (-1 where the client cannot know it: acks 0, and Java for a duplicate of an old batch);
// or failed, which means that the client gave up, and not that the record is absent from the log. A record without a
// timestamp, or with 0, is stamped by the client. headers may be absent; their order and duplicates are kept.
//
//	{"op":"flush","id":3,"handle":"p1"}
//	→ {"event":"flushed","id":3,"handle":"p1"}
//
// Answered after the acked or failed of every record of that handle that was sent before it; what is sent after it is
// not waited for. A flush does not shorten the linger time.
//
//	{"op":"open_consumer","id":4,"handle":"c1","bootstrap":["127.0.0.1:9092"],"topic":"t","partitions":[0],
//	 "offsets":[0],"group":"","rack":"r2","max_wait_ms":500,"fetch_max_bytes":52428800,"isolation":"read_uncommitted"}
//	→ {"event":"opened","id":4,"handle":"c1"}, then for each record, in order within a partition,
//	→ {"event":"record","handle":"c1","partition":0,"offset":5,"timestamp":…,"timestamp_type":"create",
//	   "key":…,"value":…,"headers":[…],"at":…}
//
// Without a group the partitions are assigned by hand, each from its offset; absent offsets are "earliest". With a
// group the topic is subscribed, offsets are the group's, and where it has none consumption starts at the earliest.
// rack absent: the client tells none. isolation absent: read_uncommitted. timestamp_type is create or append.
// Always: CRC checks on; no automatic commits; and without a group no automatic reset, so that one is seen (below).
// All else stays at the library's defaults: nothing is set to make a broker look good.
//
// In between come notices, which need no answer:
//
//	→ {"event":"notice","handle":"c1","kind":"error","error":"…","at":…}
//
// kind is reset (the library found its position out of range or the log cut back), rebalance (a group's assignment
// came or went; error tells which), error (whatever else it reports, also what it retries by itself). A notice that only
// repeats the handle's last one is told at most once a second.
//
//	{"op":"seek","id":5,"handle":"c1","partition":0,"offset":3}  → {"event":"sought","id":5,"handle":"c1"}
//
// The next record of that partition after "sought" has that offset or a higher one.
//
//	{"op":"commit","id":6,"handle":"c1"}                         → {"event":"committed","id":6,"handle":"c1"}
//
// Commits the group's position, which is after the last record told, and waits for the coordinator's answer.
//
//	{"op":"close","id":7,"handle":"c1"}                          → {"event":"closed","id":7,"handle":"c1"}
//
// A producer first gets [CloseGrace] to deliver what is under way; what is left then is failed. A group's consumer
// leaves the group. The handle may be opened again.
//
// # Errors
//
//	→ {"event":"error","id":8,"handle":"c1","fatal":false,"error":"commit: …"}
//
// answers a command that the library refused; the handle stays as it was (an open that is refused leaves none). With
// "fatal":true the command itself made no sense (no JSON, an unknown op, a handle that is not open or opened twice):
// a mistake of the sender's, that the suite fails on. The driver goes on after either.
package protocol
