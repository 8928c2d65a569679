package shardlog

import "github.com/hashicorp/raft"

// entryOverhead is what an entry costs in memory besides its bytes.
const entryOverhead = 128

// recent holds the newest entries of the log, without a gap. Readers get the
// entries' own bytes, which are never written again; what is evicted stays alive
// for as long as a reader holds it.
type recent struct {
	limit int64 // bytes
	bytes int64
	first uint64     // index of the first of logs[head:]
	logs  []raft.Log // logs[:head] is evicted and zero
	head  int
}

func (r *recent) len() int { return len(r.logs) - r.head }

// get returns nil when the entry is not here.
func (r *recent) get(index uint64) *raft.Log {
	if index < r.first || index-r.first >= uint64(r.len()) {
		return nil
	}
	return &r.logs[r.head+int(index-r.first)]
}

// add appends entries; they follow what is there, or replace it.
func (r *recent) add(logs []*raft.Log) {
	if r.len() == 0 || logs[0].Index != r.first+uint64(r.len()) {
		r.clear()
		r.first = logs[0].Index
	}
	for _, e := range logs {
		r.logs = append(r.logs, *e)
		r.bytes += cost(e)
	}
	for r.bytes > r.limit && r.len() > 1 {
		r.evict()
	}
	r.compact()
}

func (r *recent) evict() {
	r.bytes -= cost(&r.logs[r.head])
	r.logs[r.head] = raft.Log{} // let the bytes go
	r.head++
	r.first++
}

// compact moves the entries down before the evicted ones take half the slice.
func (r *recent) compact() {
	if r.head < 64 || r.head < len(r.logs)/2 {
		return
	}
	n := copy(r.logs, r.logs[r.head:])
	clear(r.logs[n:])
	r.logs, r.head = r.logs[:n], 0
}

// dropBefore evicts what is below index.
func (r *recent) dropBefore(index uint64) {
	for r.len() > 0 && r.first < index {
		r.evict()
	}
	r.compact()
}

// cutAfter evicts what is above last.
func (r *recent) cutAfter(last uint64) {
	for r.len() > 0 && r.first+uint64(r.len())-1 > last {
		end := len(r.logs) - 1
		r.bytes -= cost(&r.logs[end])
		r.logs[end] = raft.Log{}
		r.logs = r.logs[:end]
	}
}

func (r *recent) clear() { *r = recent{limit: r.limit} }

func cost(e *raft.Log) int64 { return int64(len(e.Data)+len(e.Extensions)) + entryOverhead }
