package shardlog

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

// model is what the log must hold. It is driven by random operations, crashes
// in the middle of them included, and compared with the log after each.
type model struct {
	t      *testing.T
	rng    *rand.Rand
	mem    *vfs.Mem
	log    *Log
	sync   bool
	budget int // file operations until the crash; -1: none
	trace  []string

	first, last uint64 // of the entries; last == first-1 when there are none
	logs        map[uint64]*raft.Log
	term        uint64
	noted       uint64 // NoteCommitted
	unsure      bool   // whether the last NoteCommitted was written
	durable     uint64 // what a power loss cannot take
}

var errPowerLoss = errors.New("power loss")

var crashSeeds = flag.Int("crashes", 300, "how many seeds TestCrash runs")

func TestCrash(t *testing.T) {
	for seed := range *crashSeeds {
		for _, sync := range []bool{true, false} {
			t.Run(fmt.Sprintf("seed=%d,sync=%v", seed, sync), func(t *testing.T) {
				m := &model{
					t: t, rng: rand.New(rand.NewPCG(uint64(seed), 1)), mem: vfs.NewMem(), sync: sync, budget: -1,
					first: 1, logs: map[uint64]*raft.Log{}, term: 1,
				}
				m.open()
				for range 40 {
					m.step()
				}
				m.log.Close()
			})
		}
	}
}

func (m *model) note(format string, args ...any) {
	m.trace = append(m.trace, fmt.Sprintf(format, args...))
}

func (m *model) fatal(format string, args ...any) {
	m.t.Helper()
	for _, line := range m.trace {
		m.t.Log(line)
	}
	m.t.Fatalf(format, args...)
}

func (m *model) open() {
	fsys := vfs.Faulty(m.mem, func(vfs.Op) vfs.Fault {
		if m.budget == 0 {
			return vfs.Fault{Err: errPowerLoss, Written: m.rng.IntN(2000)}
		}
		if m.budget > 0 {
			m.budget--
		}
		return vfs.Fault{}
	})
	o := Options{Dir: testDir, FS: fsys, SegmentBytes: 4 << 10, Sync: m.sync, CacheBytes: 2000, Rand: newSeeded(m.rng.Uint64()), sealInline: true}
	l, err := Open(o)
	if m.accept(err, "open") {
		m.log = l
	}
}

// step does one operation; in one of three it crashes within it.
func (m *model) step() {
	crash := m.rng.IntN(3) == 0
	if crash {
		m.budget = m.rng.IntN(12)
	}
	switch n := m.rng.IntN(20); {
	case n < 12:
		m.append()
	case n < 14:
		m.cut()
	case n < 15:
		m.drop()
	case n < 16:
		m.gap()
	case n < 19:
		if m.last >= m.first && m.noted < m.last {
			m.noted += 1 + m.rng.Uint64N(m.last-m.noted)
			m.note("note committed %d", m.noted)
			m.log.NoteCommitted(m.noted)
			m.unsure = m.budget == 0
		}
	default:
		m.note("reopen")
		if m.accept(m.log.Close(), "close") {
			m.durable = m.last
			m.open()
		}
	}
	if crash {
		m.crash()
	}
	m.check()
}

// accept tells whether an operation may have failed.
func (m *model) accept(err error, what string) bool {
	if err != nil && m.budget != 0 {
		m.fatal("%s: %v", what, err)
	}
	return err == nil
}

func (m *model) append() {
	if m.rng.IntN(4) == 0 {
		m.term++
	}
	var logs []*raft.Log
	for range 1 + m.rng.IntN(5) {
		size := m.rng.IntN(400)
		if m.rng.IntN(15) == 0 {
			size = m.rng.IntN(6000)
		}
		logs = append(logs, entry(m.last+1+uint64(len(logs)), m.term, size))
	}
	m.note("append %d to %d", logs[0].Index, logs[len(logs)-1].Index)
	ok := m.accept(m.log.StoreLogs(logs), "append")
	for _, e := range logs {
		m.logs[e.Index] = e
	}
	if ok && m.sync {
		m.durable = logs[len(logs)-1].Index
	}
	m.last = logs[len(logs)-1].Index
	m.settle()
}

func (m *model) cut() {
	low := max(m.first, m.noted+1)
	if low > m.last {
		return
	}
	from := low + m.rng.Uint64N(m.last-low+1)
	m.note("cut from %d", from)
	if m.accept(m.log.DeleteRange(from, m.last), "cut") {
		m.last = from - 1
	}
	m.durable = min(m.durable, from-1)
	m.settle()
}

func (m *model) drop() {
	if m.last < m.first {
		return
	}
	before := m.first + m.rng.Uint64N(m.last-m.first+2)
	m.note("drop before %d", before)
	m.accept(m.log.DropBefore(before), "drop")
	if f, _ := m.log.FirstIndex(); f > m.first {
		if f > before {
			m.fatal("dropped to %d", f)
		}
	}
	m.settle()
}

func (m *model) gap() {
	at := m.last + 2 + m.rng.Uint64N(10)
	m.note("gap: append %d", at)
	e := entry(at, m.term, m.rng.IntN(300))
	if m.accept(m.log.StoreLog(e), "gap") {
		m.logs = map[uint64]*raft.Log{at: e}
		m.first, m.last, m.noted = at, at, max(m.noted, 0)
		if m.durable = 0; m.sync {
			m.durable = at
		}
		return
	}
	m.logs[at] = e
	m.durable = 0 // either log may be there
	m.settle()
}

// settle takes over from the log what an interrupted operation has left open,
// as far as it is allowed: fewer entries than were appended, never below what
// is durable.
func (m *model) settle() {
	f, _ := m.log.FirstIndex()
	l, _ := m.log.LastIndex()
	if m.budget == 0 {
		return // the crash is to come
	}
	if l == 0 {
		if m.last >= m.first {
			m.fatal("log is empty, want %d to %d", m.first, m.last)
		}
		return
	}
	if l != m.last {
		m.fatal("last is %d, want %d", l, m.last)
	}
	m.first = f
}

func (m *model) crash() {
	power := m.rng.IntN(2) == 0
	m.budget = -1
	if power {
		m.note("power loss, durable %d", m.durable)
		m.mem = m.mem.Crash(m.rng)
	} else {
		m.note("kill")
		m.mem = m.mem.Kill()
	}
	m.log.Close() // of the process that is gone: only its goroutine is left
	m.open()
	f, _ := m.log.FirstIndex()
	l, _ := m.log.LastIndex()
	m.note("found %d to %d, committed %d", f, l, m.log.Committed())
	if l == 0 {
		// An empty log remembers where it begins, if it ever held anything.
		m.last = m.log.tail().last
		if m.durable > m.last {
			m.fatal("lost everything up to %d", m.durable)
		}
		m.first = m.last + 1
		m.noted, m.durable, m.unsure = m.log.Committed(), m.log.Durable(), false
		return
	}
	if l < m.durable {
		m.fatal("lost entries %d to %d", l+1, m.durable)
	}
	if power && m.log.Committed() > m.noted || m.log.Committed() > l {
		m.fatal("committed is %d, noted was %d, last is %d", m.log.Committed(), m.noted, l)
	}
	if !power && !m.unsure && m.log.Committed() < min(m.noted, l) {
		m.fatal("committed is %d after a kill, noted was %d", m.log.Committed(), m.noted)
	}
	m.first, m.last, m.noted = f, l, m.log.Committed()
	if m.durable = m.log.Durable(); m.sync {
		m.durable = l // found in the page cache is not enough
	}
	m.unsure = false
}

// check compares every entry that is there.
func (m *model) check() {
	next := m.first
	if m.last < m.first {
		return
	}
	err := m.log.Replay(m.first, m.last, func(e *raft.Log) error {
		want := m.logs[next]
		if want == nil {
			return fmt.Errorf("entry %d was never stored", next)
		}
		next++
		return sameEntry(e, want)
	})
	if err != nil {
		m.fatal("%v", err)
	}
	for range 3 {
		i := m.first + m.rng.Uint64N(m.last-m.first+1)
		var e raft.Log
		if err := m.log.GetLog(i, &e); err != nil {
			m.fatal("entry %d: %v", i, err)
		}
		if err := sameEntry(&e, m.logs[i]); err != nil {
			m.fatal("%v", err)
		}
	}
}
