package shardlog

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

// A segment is one file of the chain.
type segment struct {
	segHeader
	path string // final name

	// What is in it. Guarded by Log.mu.
	last, lastTerm uint64 // last is first-1 when there is nothing
	lastCRC        uint32 // of the last frame
	commit         uint64 // highest commit index noted
	end            int64  // where the next frame goes
	sealed         bool   // takes no more entries

	mu    sync.Mutex // guards what follows
	holds int        // who needs the file to stay; see reaper
	gone  bool       // the file is no longer this segment's
	// sent says that sockets have been given the file. Its pages may be in their
	// queues for as long as a client likes, so it must never be written over.
	sent    bool
	trailed bool       // has its trailer: res can be closed and loaded again
	res     *resources // nil while closed
}

// resources are what reading a segment takes. Whoever reads holds a pin. All
// but file is guarded by segment.mu.
type resources struct {
	file vfs.File
	refs []frameRef // what is below its length never changes
	end  int64      // of the last frame
	pins int
	idle func() // called once a removed segment is not read any more
}

func (s *segment) empty() bool { return s.last < s.first }

// fits reports whether one more frame of that size leaves room for what
// sealing adds.
func (s *segment) fits(frame int64) bool {
	count := int64(s.last-s.first+1) + 1
	return s.end+frame+sealedOverhead(count) <= s.size
}

// sealedOverhead is what a segment needs after its frames: the end mark, the
// frames' positions and the trailer.
func sealedOverhead(count int64) int64 { return frameLen + count*refLen + trailerLen }

// A view is a segment held open by a pin, as it was when it was pinned.
type view struct {
	seg  *segment
	res  *resources
	file vfs.File
	refs []frameRef
	end  int64
}

// frame returns where an entry's frame begins and ends.
func (v *view) frame(index uint64) (ref frameRef, end int64, ok bool) {
	i := index - v.seg.first
	if index < v.seg.first || i >= uint64(len(v.refs)) {
		return ref, 0, false
	}
	end = v.end
	if i+1 < uint64(len(v.refs)) {
		end = v.refs[i+1].offset()
	}
	return v.refs[i], end, true
}

// fileCache keeps the few sealed segments open that were read last.
type fileCache struct {
	fs  vfs.FS
	max int

	mu   sync.Mutex // guards what follows
	used []*segment // least recently used first
}

const maxOpenSegments = 16

// acquire pins a segment, opening it if need be.
func (c *fileCache) acquire(s *segment) (view, error) {
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		return view{}, raft.ErrLogNotFound
	}
	if s.res == nil {
		res, err := c.load(s)
		if err != nil {
			s.mu.Unlock()
			return view{}, err
		}
		s.res = res
	}
	res := s.res
	res.pins++
	v := view{seg: s, res: res, file: res.file, refs: res.refs, end: res.end}
	trailed := s.trailed
	s.mu.Unlock()
	if trailed {
		c.touch(s)
	}
	return v, nil
}

func (c *fileCache) release(v *view) {
	s, res := v.seg, v.res
	s.mu.Lock()
	res.pins--
	var idle func()
	if s.gone && res.pins == 0 {
		res.file.Close()
		idle, res.idle = res.idle, nil
	}
	s.mu.Unlock()
	if idle != nil {
		idle()
	}
}

// touch makes s the most recently used and closes what is too much.
func (c *fileCache) touch(s *segment) {
	c.mu.Lock()
	if i := slices.Index(c.used, s); i >= 0 {
		c.used = slices.Delete(c.used, i, i+1)
	}
	c.used = append(c.used, s)
	var victims []*segment
	if n := len(c.used) - c.max; n > 0 {
		victims = slices.Clone(c.used[:n])
		c.used = slices.Delete(c.used, 0, n)
	}
	c.mu.Unlock()
	for _, v := range victims {
		v.closeIdle()
	}
}

// forget takes a removed segment out of the cache.
func (c *fileCache) forget(s *segment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.used, s); i >= 0 {
		c.used = slices.Delete(c.used, i, i+1)
	}
}

// closeIdle closes the file unless it is being read; then it stays open until
// it comes by again.
func (s *segment) closeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.res != nil && s.res.pins == 0 && s.trailed {
		s.res.file.Close()
		s.res = nil
	}
}

// load opens a sealed segment and reads where its frames are.
func (c *fileCache) load(s *segment) (*resources, error) {
	f, err := c.fs.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, damaged(s.path, 0, "the segment has disappeared")
	}
	if err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	refs, end, err := readRefs(f, &s.segHeader)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &resources{file: f, refs: refs, end: end}, nil
}

func readRefs(f vfs.File, h *segHeader) (refs []frameRef, end int64, err error) {
	t, ok, err := readTrailer(f, h)
	if err != nil {
		return nil, 0, err
	}
	if !ok {
		return nil, 0, damaged(f.Name(), h.size-trailerLen, "the sealed segment's trailer is gone")
	}
	p := make([]byte, int64(t.count)*refLen)
	if err := readFull(f, p, t.refs); err != nil {
		return nil, 0, err
	}
	if saltedCRC(h.salt, p) == t.refsCRC {
		return decodeRefs(p), t.end, nil
	}
	// A power loss can leave the trailer without them: both are written before
	// one sync. The frames themselves were durable before.
	found, err := scan(&window{file: f, size: h.size}, h)
	if err == nil && found.end != t.end {
		err = damaged(f.Name(), found.end, "%s after entry %d, but the segment was sealed with entry %d", found.why, found.last, t.last)
	}
	return found.refs, found.end, err
}

// readTrailer reports false when there is none.
func readTrailer(f vfs.File, h *segHeader) (t trailer, ok bool, err error) {
	size, err := f.Size()
	if err != nil || size < h.size {
		return t, false, err
	}
	var p [trailerLen]byte
	if err := readFull(f, p[:], h.size-trailerLen); err != nil {
		return t, false, err
	}
	t, ok = decodeTrailer(p[:], h)
	return t, ok, nil
}

// readFull reads exactly len(p) bytes.
func readFull(f vfs.File, p []byte, off int64) error {
	if n, err := f.ReadAt(p, off); n < len(p) {
		return fmt.Errorf("read %d bytes at %d of %s: %w", len(p), off, f.Name(), err)
	}
	return nil
}

func segPath(dir string, h *segHeader, suffix string) string {
	return filepath.Join(dir, segName(h.seq, h.first)+suffix)
}
