package shard

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/raft"
	"github.com/twmb/franz-go/pkg/kbin"

	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/shardlog"
)

// errRefused is the result of a blob that came too late for its offsets; its
// batches are not in the log as far as readers are concerned.
var errRefused = errors.New("blob was stored in another term than it was stamped for")

// fsm is the shard as Raft's state machine. Raft calls it from one goroutine.
// An error in Apply means that the log says something that this version does
// not understand, or that the disk is broken: the node stops rather than go on
// with a state that others do not have.
type fsm struct{ s *Shard }

// ApplyBatch implements raft.BatchingFSM: readers are woken once for many
// entries.
func (f fsm) ApplyBatch(entries []*raft.Log) []any {
	results := make([]any, len(entries))
	for i, e := range entries {
		results[i] = f.s.apply(e)
	}
	f.s.brought = entries[len(entries)-1].Index
	f.s.applied(entries[len(entries)-1])
	return results
}

// Apply implements raft.FSM.
func (f fsm) Apply(e *raft.Log) any { return f.ApplyBatch([]*raft.Log{e})[0] }

// apply executes one entry, unless a replay has done so before.
func (s *Shard) apply(e *raft.Log) any {
	if e.Index <= s.appliedIndex.Load() || e.Type != raft.LogCommand || len(e.Data) == 0 {
		return nil
	}
	s.lastCommand = e.Index
	switch kind := e.Data[0]; kind {
	case partition.BlobKind:
		done, err := s.set.Apply(e.Index, e.Term, e.Data)
		if err != nil {
			s.fail(err)
			return err
		}
		s.sinceSnapshot += int64(len(e.Data))
		if done.Refused > 0 {
			s.log.Warn("refused a blob that was stamped in another term", "index", e.Index, "term", e.Term)
			return errRefused
		}
		return nil
	case ownKind:
		return s.applyOwn(e.Data[1:])
	default:
		m := s.machines[kind]
		if m == nil {
			err := fmt.Errorf("entry %d is of kind %d, which this version does not know", e.Index, kind)
			s.fail(err)
			return err
		}
		return m.Apply(e.Data[1:])
	}
}

// applied makes visible that everything up to e has been applied.
func (s *Shard) applied(e *raft.Log) {
	if e.Index <= s.appliedIndex.Load() {
		return
	}
	s.appliedIndex.Store(e.Index)
	s.logStore.NoteCommitted(e.Index)
	s.set.Flush()
	s.progress.wake()
	s.pushCommit(e)
	if s.sinceSnapshot > s.snapshotEvery {
		s.sinceSnapshot = 0
		s.wantSnapshot()
	}
}

// pushCommit tells the followers of a leader at once that e is committed,
// instead of with the next entries or after Raft's CommitTimeout.
func (s *Shard) pushCommit(e *raft.Log) {
	r := s.raftNow.Load()
	if r == nil || r.State() != raft.Leader || r.CurrentTerm() != e.Term {
		return
	}
	t := s.transport()
	for _, node := range s.replicas {
		if node != s.node {
			t.PushCommit(node, e.Term, e.Index, e.Term, e.Index)
		}
	}
}

// Kinds of the shard's own commands.
const (
	ownKind = 4

	cmdAdvance = 1 // topic id 16, partition i32, offset i64
	cmdDrop    = 2 // topic id 16, partition i32
)

func ownCommand(cmd int8, k partition.Key, offset int64) []byte {
	out := kbin.AppendInt8(nil, cmd)
	out = append(out, k.Topic[:]...)
	out = kbin.AppendInt32(out, k.Partition)
	return kbin.AppendInt64(out, offset)
}

// applyOwn executes one of the shard's own commands.
func (s *Shard) applyOwn(data []byte) any {
	r := kbin.Reader{Src: data}
	cmd := r.Int8()
	var k partition.Key
	copy(k.Topic[:], r.Span(16))
	k.Partition = r.Int32()
	offset := r.Int64()
	if !r.Ok() {
		return fmt.Errorf("command of %d bytes is cut short", len(data))
	}
	switch cmd {
	case cmdAdvance:
		return s.set.AdvanceLogStart(k, offset)
	case cmdDrop:
		s.set.Drop(k)
		return nil
	}
	return fmt.Errorf("unknown command %d", cmd)
}

// state is what a snapshot holds: the partitions' state and each machine's,
// all as of one index.
func (s *Shard) state() ([]byte, error) {
	out := kbin.AppendInt64(nil, int64(s.appliedIndex.Load()))
	out = kbin.AppendInt32(out, int32(1+len(s.machines)))
	out = kbin.AppendInt8(out, partition.BlobKind)
	out = kbin.AppendBytes(out, s.set.Snapshot())
	for kind, m := range s.machines {
		state, err := m.Snapshot()
		if err != nil {
			return nil, fmt.Errorf("snapshot of machine %d: %w", kind, err)
		}
		out = kbin.AppendInt8(out, int8(kind))
		out = kbin.AppendBytes(out, state)
	}
	return out, nil
}

// restoreState puts everything into the state of a snapshot (nil: empty).
func (s *Shard) restoreState(state []byte) error {
	sections := map[byte][]byte{}
	index := uint64(0)
	if len(state) > 0 {
		r := kbin.Reader{Src: state}
		index = uint64(r.Int64())
		for n := r.Int32(); n > 0 && r.Ok(); n-- {
			kind := byte(r.Int8())
			sections[kind] = r.Bytes()
		}
		if err := r.Complete(); err != nil {
			return fmt.Errorf("snapshot cannot be read: %w", err)
		}
	}
	if err := s.set.Restore(sections[partition.BlobKind]); err != nil {
		return err
	}
	for kind, m := range s.machines {
		if err := m.Restore(sections[kind]); err != nil {
			return fmt.Errorf("restore machine %d: %w", kind, err)
		}
	}
	if err := s.reindex(index); err != nil {
		return err
	}
	s.appliedIndex.Store(index)
	s.lastCommand = 0
	s.spare(s.needed())
	return nil
}

func (s *Shard) reindex(upTo uint64) error {
	var ranges []partition.SegmentRange
	for _, seg := range s.logStore.Segments() {
		ranges = append(ranges, partition.SegmentRange{ID: seg.ID, First: seg.First, Last: seg.Last, Sealed: seg.Sealed})
	}
	return s.set.Reindex(ranges, upTo, func(from, to uint64, fn func(index, term uint64, payload []byte) error) error {
		return s.logStore.Replay(from, to, func(e *raft.Log) error {
			if e.Type != raft.LogCommand || len(e.Data) == 0 || e.Data[0] != partition.BlobKind {
				return nil
			}
			return fn(e.Index, e.Term, e.Data)
		})
	})
}

// Restore implements raft.FSM: a snapshot from the leader takes the place of
// everything.
func (f fsm) Restore(rc io.ReadCloser) error {
	defer rc.Close()
	r, err := shardlog.StateReader(rc)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	state, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := f.s.restoreState(state); err != nil {
		return err
	}
	f.s.set.Flush()
	f.s.progress.wake()
	return nil
}

// errAhead says that the state is newer than what Raft would call it.
var errAhead = errors.New("what was replayed has not been brought again yet")

// Snapshot implements raft.FSM. Raft names the snapshot by the newest entry that
// it has brought: a state that knows later ones would miss their records when it
// is sent to another replica with the entries up to there.
func (f fsm) Snapshot() (raft.FSMSnapshot, error) {
	if f.s.brought < f.s.lastCommand {
		return nil, fmt.Errorf("entry %d, replayed %d: %w", f.s.brought, f.s.lastCommand, errAhead)
	}
	start := time.Now()
	state, err := f.s.state()
	if err != nil {
		return nil, err
	}
	f.s.log.Debug("took a snapshot", "bytes", len(state), "took", time.Since(start))
	return &snapshot{shard: f.s, state: state, needed: f.s.needed()}, nil
}

// snapshot is a state that is ready to be stored, and the oldest entry that it
// needs.
type snapshot struct {
	shard  *Shard
	state  []byte
	needed uint64
}

// Persist implements raft.FSMSnapshot.
func (p *snapshot) Persist(sink raft.SnapshotSink) error {
	if _, err := sink.Write(p.state); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	if err := sink.Close(); err != nil {
		return err
	}
	p.shard.spare(p.needed)
	return nil
}

// Release implements raft.FSMSnapshot.
func (*snapshot) Release() {}
