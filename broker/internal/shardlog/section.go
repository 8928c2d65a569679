package shardlog

import (
	"net"

	"github.com/hashicorp/raft"

	"lockstep/broker/internal/vfs"
)

// Cached returns n bytes of an entry's Data from off on if the entry is among the
// newest, which are in memory; else nil. They are never to be written to.
func (l *Log) Cached(index uint64, off, n int) []byte {
	l.mu.RLock()
	defer l.mu.RUnlock()
	e := l.recent.get(index)
	if e == nil || off < 0 || n < 0 || off > len(e.Data) || n > len(e.Data)-off {
		return nil
	}
	return e.Data[off : off+n : off+n]
}

// Section is a part of an entry's Data in its segment's file, which is kept until
// Close.
type Section struct {
	log  *Log
	view view
	off  int64
	n    int
}

// Section finds n bytes of an entry's Data from off on. They are not verified, as
// by AppendPayload. The error of a missing entry is raft.ErrLogNotFound.
func (l *Log) Section(index uint64, off, n int) (*Section, error) {
	v, err := l.pinToSend(index)
	if err != nil {
		return nil, err
	}
	ref, end, ok := v.frame(index)
	switch {
	case !ok:
		err = raft.ErrLogNotFound
	case off < 0 || n < 0 || off > int(ref.data) || n > int(ref.data)-off:
		err = outOfRange(index, off, n, int(ref.data))
	default:
		return &Section{log: l, view: v, off: ref.dataOffset(end) + int64(off), n: n}, nil
	}
	l.files.release(&v)
	return nil, err
}

// pinToSend is pin for a file that sockets are given: before it is pinned it is
// settled that it does not become a spare.
func (l *Log) pinToSend(index uint64) (view, error) {
	l.mu.RLock()
	s := l.find(index)
	l.mu.RUnlock()
	if s == nil {
		return view{}, raft.ErrLogNotFound
	}
	s.mu.Lock()
	s.sent = true
	s.mu.Unlock()
	return l.files.acquire(s)
}

// SendTo writes the section's bytes to conn; see vfs.SendTo.
func (s *Section) SendTo(conn net.Conn, renew func() error) error {
	return vfs.SendTo(conn, s.view.file, s.off, s.n, renew)
}

// Close lets the segment go.
func (s *Section) Close() { s.log.files.release(&s.view) }
