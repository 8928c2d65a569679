package partition

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"sort"
	"sync"
)

// The index of a sealed segment lies beside it, as the sidecar "index":
//
//	+-------+---------+-------+----------------------+-----------+-------+
//	| magic | format  | count | count × reference    | runs      | CRC   |
//	| u32   | u32     | u32   | 72 bytes, by key     | 32 bytes  | 32C   |
//	+-------+---------+-------+----------------------+-----------+-------+
//
//	reference: topic id 16 | partition i32 | runs u32 | position u64 |
//	           first i64 | end i64 | max timestamp i64 | index u64 | bytes u64
//	run:       base i64 | index u64 | max timestamp i64 | pos u32 | size u32
//
// Integers are big-endian; position is that of the reference's first run in
// the file, index that run's entry, bytes what the batches of all its runs take.
// An index holds all runs of its own segment that were accepted, also those that
// nobody can read any more, and no others. The index only repeats what the segment says: without it, or if
// it is damaged, it is made again from the log.
const (
	sidecarName  = "index"
	indexMagic   = 0x4c4b5349 // "LKSI"
	indexFormat  = 2
	indexHeader  = 12
	referenceLen = 72
	runLen       = 32
)

var errIndex = errors.New("damaged index")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealedRuns refers to a partition's runs in a sealed segment's index.
type sealedRuns struct {
	segment    uint64
	first, end int64 // offsets: of the first run, after the last
	maxTS      int64
	index      uint64 // of the first run's entry
	bytes      int64  // of batches
	position   uint64
	count      uint32
}

// A finished segment gets no more runs. While its index cannot be written its
// runs, and those of all later segments, stay in memory.
type finished struct {
	segment, next uint64             // its first index, and the next segment's
	parts         map[Key]*Partition // with runs in it
}

// enterSegment notes that index is about to be applied. If it begins a new
// segment, the runs of the one before go to its sidecar.
func (s *Set) enterSegment(index uint64) {
	id, ok := s.log.SegmentOf(index)
	if !ok || id == s.segment {
		return
	}
	s.finish(id)
	s.segment = id
}

// finish ends the present segment: next is the first index of one after it. It
// writes the index of it and of all before that have none yet, and drops their
// runs from memory.
func (s *Set) finish(next uint64) {
	if len(s.dirty) > 0 {
		s.unwritten = append(s.unwritten, finished{segment: s.segment, next: next, parts: s.dirty})
		s.dirty = map[Key]*Partition{}
	}
	s.segment = 0
	for len(s.unwritten) > 0 {
		f := s.unwritten[0]
		data, refs := encodeIndex(f)
		err := s.log.WriteSidecar(f.segment, sidecarName, data)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return // the disk does not take it: again with the next segment
		}
		// A segment that is not there any more had only what nobody can read.
		for k, ref := range refs {
			f.parts[k].replaceRuns(ref, f.next, err == nil)
		}
		s.unwritten = s.unwritten[1:]
	}
}

// replaceRuns takes the runs below a Raft index from memory, and with keep puts
// a reference in their place.
func (p *Partition) replaceRuns(ref sealedRuns, next uint64, keep bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if keep && ref.end > p.logStart.Load() {
		p.sealed = append(p.sealed, ref)
	}
	p.runs = append([]run(nil), p.runs[runsBelow(p.runs, next):]...)
}

// runsBelow counts the runs in entries below a Raft index.
func runsBelow(runs []run, index uint64) int {
	return sort.Search(len(runs), func(i int) bool { return runs[i].index >= index })
}

// encodeIndex lays out a finished segment's runs, which are the oldest in memory.
func encodeIndex(f finished) ([]byte, map[Key]sealedRuns) {
	runs := make(map[Key][]run, len(f.parts))
	keys := make([]Key, 0, len(f.parts))
	total := 0
	for k, p := range f.parts {
		if n := runsBelow(p.runs, f.next); n > 0 {
			keys, runs[k] = append(keys, k), p.runs[:n]
			total += n
		}
	}
	sort.Slice(keys, func(i, j int) bool { return keyLess(keys[i], keys[j]) })
	refs := make(map[Key]sealedRuns, len(keys))
	out := make([]byte, 0, indexHeader+referenceLen*len(keys)+runLen*total+4)
	out = binary.BigEndian.AppendUint32(out, indexMagic)
	out = binary.BigEndian.AppendUint32(out, indexFormat)
	out = binary.BigEndian.AppendUint32(out, uint32(len(keys)))
	position := uint64(indexHeader + referenceLen*len(keys))
	for _, k := range keys {
		ref := refer(f.segment, runs[k], position)
		ref.end = f.parts[k].end
		if later := f.parts[k].runs[len(runs[k]):]; len(later) > 0 {
			ref.end = later[0].base
		}
		refs[k] = ref
		out = appendReference(out, k, ref)
		position += uint64(runLen * len(runs[k]))
	}
	for _, k := range keys {
		for _, r := range runs[k] {
			out = binary.BigEndian.AppendUint64(out, uint64(r.base))
			out = binary.BigEndian.AppendUint64(out, r.index)
			out = binary.BigEndian.AppendUint64(out, uint64(r.maxTS))
			out = binary.BigEndian.AppendUint32(out, r.pos)
			out = binary.BigEndian.AppendUint32(out, r.size)
		}
	}
	return binary.BigEndian.AppendUint32(out, crc32.Checksum(out, castagnoli)), refs
}

// refer is the reference to runs at a position of a segment's index, without
// their end.
func refer(segment uint64, runs []run, position uint64) sealedRuns {
	ref := sealedRuns{
		segment: segment, first: runs[0].base, maxTS: -1,
		index: runs[0].index, position: position, count: uint32(len(runs)),
	}
	for _, r := range runs {
		ref.maxTS = max(ref.maxTS, r.maxTS)
		ref.bytes += int64(r.size)
	}
	return ref
}

func appendReference(out []byte, k Key, ref sealedRuns) []byte {
	out = append(out, k.Topic[:]...)
	out = binary.BigEndian.AppendUint32(out, uint32(k.Partition))
	out = binary.BigEndian.AppendUint32(out, ref.count)
	out = binary.BigEndian.AppendUint64(out, ref.position)
	out = binary.BigEndian.AppendUint64(out, uint64(ref.first))
	out = binary.BigEndian.AppendUint64(out, uint64(ref.end))
	out = binary.BigEndian.AppendUint64(out, uint64(ref.maxTS))
	out = binary.BigEndian.AppendUint64(out, ref.index)
	return binary.BigEndian.AppendUint64(out, uint64(ref.bytes))
}

// decodeIndex returns a sidecar's references.
func decodeIndex(segment uint64, data []byte) (map[Key]sealedRuns, error) {
	if len(data) < indexHeader+4 {
		return nil, fmt.Errorf("%w: %d bytes", errIndex, len(data))
	}
	body, sum := data[:len(data)-4], binary.BigEndian.Uint32(data[len(data)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, fmt.Errorf("%w: wrong checksum", errIndex)
	}
	count := int(binary.BigEndian.Uint32(body[8:]))
	if binary.BigEndian.Uint32(body) != indexMagic || binary.BigEndian.Uint32(body[4:]) != indexFormat ||
		count > (len(body)-indexHeader)/referenceLen {
		return nil, fmt.Errorf("%w: not of this format", errIndex)
	}
	refs := make(map[Key]sealedRuns, count)
	for i := range count {
		e := body[indexHeader+i*referenceLen:]
		var k Key
		copy(k.Topic[:], e)
		k.Partition = int32(binary.BigEndian.Uint32(e[16:]))
		ref := sealedRuns{
			segment:  segment,
			count:    binary.BigEndian.Uint32(e[20:]),
			position: binary.BigEndian.Uint64(e[24:]),
			first:    int64(binary.BigEndian.Uint64(e[32:])),
			end:      int64(binary.BigEndian.Uint64(e[40:])),
			maxTS:    int64(binary.BigEndian.Uint64(e[48:])),
			index:    binary.BigEndian.Uint64(e[56:]),
			bytes:    int64(binary.BigEndian.Uint64(e[64:])),
		}
		if size := uint64(ref.count) * runLen; size == 0 || size > uint64(len(body)) ||
			ref.position < uint64(indexHeader+count*referenceLen) || ref.position > uint64(len(body))-size {
			return nil, fmt.Errorf("%w: runs of %s lie outside", errIndex, k)
		}
		refs[k] = ref
	}
	return refs, nil
}

// sealedCache keeps the runs of the sealed segment that was read last, since
// a reader goes through a segment from end to end.
type sealedCache struct {
	mu   sync.Mutex
	ref  sealedRuns
	runs []run
}

func (c *sealedCache) load(log Log, ref sealedRuns) ([]run, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ref == ref {
		return c.runs, nil
	}
	runs, err := readRuns(log, ref)
	if err != nil {
		return nil, err
	}
	c.ref, c.runs = ref, runs
	return runs, nil
}

// readRuns reads a partition's runs in a sealed segment.
func readRuns(log Log, ref sealedRuns) ([]run, error) {
	data, err := log.ReadSidecar(ref.segment, sidecarName, int64(ref.position), int(ref.count)*runLen)
	if err != nil {
		return nil, err
	}
	if len(data) < int(ref.count)*runLen {
		return nil, fmt.Errorf("%w: it ends before its runs", errIndex)
	}
	runs := make([]run, ref.count)
	for i := range runs {
		e := data[i*runLen:]
		runs[i] = run{
			base:  int64(binary.BigEndian.Uint64(e)),
			index: binary.BigEndian.Uint64(e[8:]),
			maxTS: int64(binary.BigEndian.Uint64(e[16:])),
			pos:   binary.BigEndian.Uint32(e[24:]),
			size:  binary.BigEndian.Uint32(e[28:]),
		}
	}
	return runs, nil
}

// forget drops runs that lie below an offset.
func (c *sealedCache) forget(below int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ref.end <= below {
		c.ref, c.runs = sealedRuns{}, nil
	}
}

func keyLess(a, b Key) bool {
	if a.Topic != b.Topic {
		return string(a.Topic[:]) < string(b.Topic[:])
	}
	return a.Partition < b.Partition
}

func maxTimestamp(runs []run) int64 {
	ts := int64(-1)
	for _, r := range runs {
		ts = max(ts, r.maxTS)
	}
	return ts
}
