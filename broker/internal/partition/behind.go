package partition

import "sort"

// Above is how much of this partition lies above a Raft index: what a replica
// that has acknowledged that index lacks of what this one has applied. Bytes of
// a sealed segment whose index cannot be read are left out.
func (p *Partition) Above(index uint64) (records, bytes int64) {
	records = max(p.HighWatermark()-p.EndAt(index), 0)
	if records == 0 {
		return 0, 0
	}
	p.mu.RLock()
	sealed, bytes := p.sealed, bytesAbove(p.runs, index)
	p.mu.RUnlock()
	for i := len(sealed) - 1; i >= 0; i-- {
		if runs, err := readRuns(p.log, sealed[i]); err == nil { // not through the cache, which is the readers'
			bytes += bytesAbove(runs, index)
		}
		if sealed[i].segment <= index {
			break // a segment is named by its first index
		}
	}
	return records, bytes
}

func bytesAbove(runs []run, index uint64) (sum int64) {
	for _, r := range runs[sort.Search(len(runs), func(i int) bool { return runs[i].index > index }):] {
		sum += int64(r.size)
	}
	return sum
}
