package partition

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sort"
	"sync"
)

// The index of a sealed segment lies beside it, as the sidecar "index":
//
//	+-------+---------+-------+----------------------+-----------+-------+
//	| magic | format  | count | count × reference    | runs      | CRC   |
//	| u32   | u32     | u32   | 56 bytes, by key     | 32 bytes  | 32C   |
//	+-------+---------+-------+----------------------+-----------+-------+
//
//	reference: topic id 16 | partition i32 | runs u32 | position u64 |
//	           first i64 | end i64 | max timestamp i64
//	run:       base i64 | index u64 | max timestamp i64 | pos u32 | size u32
//
// Integers are big-endian; position is that of the reference's first run in
// the file. The index only repeats what the segment says: without it, or if
// it is damaged, it is made again from the log.
const (
	sidecarName  = "index"
	indexMagic   = 0x4c4b5349 // "LKSI"
	indexFormat  = 1
	indexHeader  = 12
	referenceLen = 56
	runLen       = 32
)

var errIndex = errors.New("damaged index")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealedRuns refers to a partition's runs in a sealed segment's index.
type sealedRuns struct {
	segment    uint64
	first, end int64 // offsets: of the first run, after the last
	maxTS      int64
	position   uint64
	count      uint32
}

// enterSegment notes that index is about to be applied. If it begins a new
// segment, the runs of the one before go to its sidecar.
func (s *Set) enterSegment(index uint64) {
	id, ok := s.log.SegmentOf(index)
	if !ok || id == s.segment {
		return
	}
	if s.segment != 0 && len(s.dirty) > 0 {
		s.seal(s.segment)
	}
	s.segment = id
}

// seal writes the index of a finished segment and drops the runs from memory.
// If it cannot be written they simply stay there.
func (s *Set) seal(segment uint64) {
	data, refs := encodeIndex(segment, s.dirty)
	if err := s.log.WriteSidecar(segment, sidecarName, data); err == nil {
		for k, ref := range refs {
			s.dirty[k].replaceRuns(ref)
		}
	}
	clear(s.dirty)
}

// replaceRuns puts a reference in the place of the runs that it covers.
func (p *Partition) replaceRuns(ref sealedRuns) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sealed = append(p.sealed, ref)
	keep := sort.Search(len(p.runs), func(i int) bool { return p.runs[i].base >= ref.end })
	p.runs = append([]run(nil), p.runs[keep:]...)
}

// encodeIndex lays out the in-memory runs of the partitions. Runs of earlier
// segments, which stayed because their index could not be written, go along.
func encodeIndex(segment uint64, parts map[Key]*Partition) ([]byte, map[Key]sealedRuns) {
	keys := make([]Key, 0, len(parts))
	total := 0
	for k, p := range parts {
		if len(p.runs) > 0 {
			keys = append(keys, k)
			total += len(p.runs)
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
		p := parts[k]
		ref := sealedRuns{
			segment: segment, first: p.runs[0].base, end: p.end,
			maxTS: maxTimestamp(p.runs), position: position, count: uint32(len(p.runs)),
		}
		refs[k] = ref
		out = appendReference(out, k, ref)
		position += uint64(runLen * len(p.runs))
	}
	for _, k := range keys {
		for _, r := range parts[k].runs {
			out = binary.BigEndian.AppendUint64(out, uint64(r.base))
			out = binary.BigEndian.AppendUint64(out, r.index)
			out = binary.BigEndian.AppendUint64(out, uint64(r.maxTS))
			out = binary.BigEndian.AppendUint32(out, r.pos)
			out = binary.BigEndian.AppendUint32(out, r.size)
		}
	}
	return binary.BigEndian.AppendUint32(out, crc32.Checksum(out, castagnoli)), refs
}

func appendReference(out []byte, k Key, ref sealedRuns) []byte {
	out = append(out, k.Topic[:]...)
	out = binary.BigEndian.AppendUint32(out, uint32(k.Partition))
	out = binary.BigEndian.AppendUint32(out, ref.count)
	out = binary.BigEndian.AppendUint64(out, ref.position)
	out = binary.BigEndian.AppendUint64(out, uint64(ref.first))
	out = binary.BigEndian.AppendUint64(out, uint64(ref.end))
	return binary.BigEndian.AppendUint64(out, uint64(ref.maxTS))
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
	c.ref, c.runs = ref, runs
	return runs, nil
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
