package rafttransport

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// pipelineLag is how many entries a follower may be behind the commit index to
// be served by a pipeline; it is raft's default MaxAppendEntries.
//
// In a pipeline, Raft sends one request of at most MaxAppendEntries each time
// something is appended or CommitTimeout passes: a follower that is farther
// behind when writes pause would be given that many entries a second. Outside a
// pipeline it sends until nothing is left, and the transport cuts what it sends
// into parts that are in flight together. So a follower far behind gets no
// pipeline, and loses the one it has.
const pipelineLag = 64

// isBehind reports whether a follower that has the entries up to last is too
// far behind.
func (t *ShardTransport) isBehind(last uint64) bool {
	return last+pipelineLag < uint64(t.commit.Load())
}

// pipeline is a raft.AppendPipeline bound to one connection: if that ends, so
// does the pipeline, and Raft starts another from what was acknowledged.
//
// Raft calls AppendEntries from one goroutine and takes answers in another,
// which stops taking them after the first that is not a success. AppendEntries
// must fail then rather than wait for room that nobody makes: hence broken.
type pipeline struct {
	shard *ShardTransport
	cl    *client

	slots  chan struct{}      // a token for each request in flight
	queue  chan *appendFuture // those requests, in order
	done   chan raft.AppendFuture
	bytes  atomic.Int64  // payload in flight
	freed  chan struct{} // capacity 1: bytes went down
	broken chan struct{} // closed after an answer that is not a success
	closed chan struct{}

	closeOnce, breakOnce sync.Once
}

// appendFuture is a raft.AppendFuture.
type appendFuture struct {
	start time.Time
	args  *raft.AppendEntriesRequest
	resp  *raft.AppendEntriesResponse
	calls []*call
	size  int64

	finished chan struct{}
	err      error
}

// Error waits for the answer; nil means Response is valid.
func (f *appendFuture) Error() error                          { <-f.finished; return f.err }
func (f *appendFuture) Start() time.Time                      { return f.start }
func (f *appendFuture) Request() *raft.AppendEntriesRequest   { return f.args }
func (f *appendFuture) Response() *raft.AppendEntriesResponse { return f.resp }

// AppendEntriesPipeline implements raft.Transport. It fails at once if the peer
// is unreachable; Raft then goes on without a pipeline.
func (t *ShardTransport) AppendEntriesPipeline(_ raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	p, err := t.mux.peerNamed(target)
	if err != nil {
		return nil, err
	}
	cl := p.links[bulk].get()
	if cl == nil {
		return nil, t.noConnection(p.links[bulk])
	}
	if t.isBehind(t.followers[p.id].match.Load()) {
		return nil, raft.ErrPipelineReplicationNotSupported // the one error that Raft does not log
	}
	depth := t.mux.cfg.PipelineDepth
	pl := &pipeline{shard: t, cl: cl, slots: make(chan struct{}, depth), queue: make(chan *appendFuture, depth),
		done: make(chan raft.AppendFuture, depth), freed: make(chan struct{}, 1),
		broken: make(chan struct{}), closed: make(chan struct{})}
	if !t.mux.goRun(pl.deliver) {
		return nil, ErrClosed
	}
	return pl, nil
}

// AppendEntries implements raft.AppendPipeline: it waits while as much is in
// flight as is allowed.
func (pl *pipeline) AppendEntries(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	f := &appendFuture{start: time.Now(), args: args, resp: resp, finished: make(chan struct{})}
	for _, e := range args.Entries {
		f.size += int64(len(e.Data) + len(e.Extensions))
	}
	storeMax(&pl.shard.commit, int64(args.LeaderCommitIndex))
	if last := args.PrevLogEntry + uint64(len(args.Entries)); pl.shard.isBehind(last) {
		return nil, fmt.Errorf("shard %d: leaving the pipeline to let node %d catch up: it is sent entry %d, committed is %d",
			pl.shard.id, pl.cl.peer.id, last, pl.shard.commit.Load())
	}
	if err := pl.reserve(f.size); err != nil {
		return nil, err
	}
	calls, err := pl.shard.startAppend(pl.cl, typeAppend, pl.shard.mux.cfg.AppendTimeout, args)
	if err != nil {
		return nil, err
	}
	f.calls = calls
	pl.queue <- f // does not block: there are as many places as slots
	return f, nil
}

// reserve takes a slot and room for size bytes.
func (pl *pipeline) reserve(size int64) error {
	select {
	case <-pl.broken:
		return pl.ended("after a failure")
	default:
	}
	select {
	case pl.slots <- struct{}{}:
	case <-pl.broken:
		return pl.ended("after a failure")
	case <-pl.closed:
		return pl.ended("by raft")
	case <-pl.shard.closed:
		return pl.ended("with the shard")
	}
	for {
		now := pl.bytes.Load()
		if now == 0 || now+size <= int64(pl.shard.mux.cfg.PipelineBytes) {
			pl.bytes.Add(size)
			return nil
		}
		select {
		case <-pl.freed:
		case <-pl.broken:
			return pl.ended("after a failure")
		case <-pl.closed:
			return pl.ended("by raft")
		case <-pl.shard.closed:
			return pl.ended("with the shard")
		}
	}
}

func (pl *pipeline) ended(how string) error {
	return fmt.Errorf("shard %d, node %d: %w %s", pl.shard.id, pl.cl.peer.id, raft.ErrPipelineShutdown, how)
}

// deliver completes the futures in order, until the pipeline or the shard is
// closed.
func (pl *pipeline) deliver() {
	for {
		select {
		case f := <-pl.queue:
			f.err = pl.shard.awaitAppend(pl.cl, f.calls, f.resp, pl.closed)
			if f.err != nil || !f.resp.Success {
				pl.breakOnce.Do(func() { close(pl.broken) })
			}
			close(f.finished)
			pl.bytes.Add(-f.size)
			select {
			case pl.freed <- struct{}{}:
			default:
			}
			<-pl.slots
			select {
			case pl.done <- f:
			case <-pl.closed:
			case <-pl.shard.closed:
			}
		case <-pl.closed:
			pl.abandon()
			return
		case <-pl.shard.closed:
			pl.abandon()
			return
		}
	}
}

// abandon fails what is still queued.
func (pl *pipeline) abandon() {
	for {
		select {
		case f := <-pl.queue:
			f.err = pl.ended("with requests in flight")
			close(f.finished)
		default:
			return
		}
	}
}

// Consumer implements raft.AppendPipeline.
func (pl *pipeline) Consumer() <-chan raft.AppendFuture { return pl.done }

// Close implements raft.AppendPipeline. What is in flight may still arrive.
func (pl *pipeline) Close() error {
	pl.closeOnce.Do(func() { close(pl.closed) })
	return nil
}
