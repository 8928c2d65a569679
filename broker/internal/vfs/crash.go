package vfs

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
)

// sectorSize is what a disk writes whole or not at all, in bytes.
const sectorSize = 512

// Kill returns the file system as the next process finds it after kill -9:
// everything written is there, if not on the disk then in the page cache, and
// nothing is open or locked. m is unusable afterwards.
func (m *Mem) Kill() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = true
	after := NewMem()
	after.dirs = m.dirs // m does not touch them any more
	return after
}

// Crash returns the file system as it is found after a power loss, drawing
// from rng among everything that package vfs's documentation allows: each
// unsynced name change happened or not, each unsynced sector has one of the
// contents that it had since the last sync, and of the unsynced size changes a
// first few happened. m is unusable afterwards.
func (m *Mem) Crash(rng *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = true
	after := NewMem()
	for _, path := range slices.Sorted(maps.Keys(m.dirs)) { // so that a seed repeats
		names := m.dirs[path].crash(rng)
		files := map[string]*memNode{}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			p := names[name].crash(rng)
			files[name] = &memNode{live: p, disk: slices.Clone(p)}
		}
		after.dirs[path] = &memDir{live: files, disk: maps.Clone(files)}
	}
	return after
}

// crash picks which changes of names have reached the disk.
func (d *memDir) crash(rng *rand.Rand) map[string]*memNode {
	names := maps.Clone(d.disk)
	for _, op := range d.pending {
		if rng.IntN(2) == 0 {
			applyDirOp(names, op)
		}
	}
	return names
}

// crash picks one of the contents that the disk may hold.
func (n *memNode) crash(rng *rand.Rand) []byte {
	h := n.surviving(rng)
	// versions are the contents before and after each operation; each dirty
	// sector is taken from the one that is drawn for it.
	now := append([]byte(nil), n.disk...)
	versions := [][]byte{append([]byte(nil), now...)}
	dirty := map[int64]bool{}
	for _, op := range h.ops {
		now = op.applyTo(now)
		versions = append(versions, append([]byte(nil), now...))
		op.markSectors(dirty)
	}
	disk := make([]byte, h.size)
	copy(disk, now)
	for _, s := range slices.Sorted(maps.Keys(dirty)) {
		lo, hi := min(s*sectorSize, h.size), min((s+1)*sectorSize, h.size)
		first := 0
		if hi > h.cut {
			first = h.afterCut
		}
		clear(disk[lo:hi])
		if v := versions[first+rng.IntN(len(versions)-first)]; lo < int64(len(v)) {
			copy(disk[lo:hi], v[lo:])
		}
	}
	return disk
}

// history is what of a file's pending operations may have left a trace.
type history struct {
	ops  []fileOp
	size int64 // of the file
	// The file got shorter, to cut bytes: what lies beyond has only contents of
	// after that, which is after the first afterCut operations.
	cut      int64
	afterCut int
}

// surviving draws how many of the changes of the file's size reached the disk. A
// shrinking that did not hides what came after it: the blocks written then are
// not yet the file's.
func (n *memNode) surviving(rng *rand.Rand) history {
	type change struct {
		op           int
		before, size int64
	}
	var changes []change
	size := int64(len(n.disk))
	for i, op := range n.pending {
		if after := op.sizeAfter(size); after != size {
			changes = append(changes, change{i, size, after})
			size = after
		}
	}
	h := history{ops: n.pending, size: int64(len(n.disk)), cut: math.MaxInt64}
	kept := rng.IntN(len(changes) + 1)
	for i, c := range changes {
		switch {
		case i < kept:
			h.size = c.size
			if c.size < c.before {
				h.cut, h.afterCut = min(h.cut, c.size), c.op+1
			}
		case c.size < c.before:
			h.ops = n.pending[:c.op]
			return h
		}
	}
	return h
}

func (op fileOp) sizeAfter(size int64) int64 {
	if op.data == nil {
		return op.size
	}
	return max(size, op.off+int64(len(op.data)))
}

func (op fileOp) markSectors(dirty map[int64]bool) {
	if op.data == nil {
		return
	}
	for s := op.off / sectorSize; s*sectorSize < op.off+int64(len(op.data)); s++ {
		dirty[s] = true
	}
}
