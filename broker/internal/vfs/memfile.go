package vfs

import (
	"io"
	"io/fs"
)

// memFile is an open file of a Mem.
type memFile struct {
	fs     *Mem
	node   *memNode
	name   string
	closed bool // guarded by fs.mu
}

func (f *memFile) enter(op string) error {
	f.fs.mu.Lock()
	switch {
	case f.fs.gone:
		return &fs.PathError{Op: op, Path: f.name, Err: ErrCrashed}
	case f.closed:
		return &fs.PathError{Op: op, Path: f.name, Err: fs.ErrClosed}
	}
	return nil
}

func (f *memFile) Name() string { return f.name }

func (f *memFile) Close() error {
	err := f.enter("close")
	defer f.fs.mu.Unlock()
	f.closed = true
	return err
}

func (f *memFile) Size() (int64, error) {
	err := f.enter("stat")
	defer f.fs.mu.Unlock()
	return int64(len(f.node.live)), err
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	err := f.enter("read")
	defer f.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if off >= int64(len(f.node.live)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.live[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.enter("write")
	defer f.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	f.node.write(p, off)
	return len(p), nil
}

func (f *memFile) WritevAt(bufs [][]byte, off int64) (int, error) {
	var all []byte
	for _, b := range bufs {
		all = append(all, b...)
	}
	return f.WriteAt(all, off)
}

func (f *memFile) Sync() error {
	err := f.enter("sync")
	defer f.fs.mu.Unlock()
	if err != nil {
		return err
	}
	f.node.disk, f.node.pending = append([]byte(nil), f.node.live...), nil
	return nil
}

func (f *memFile) Truncate(size int64) error {
	err := f.enter("truncate")
	defer f.fs.mu.Unlock()
	if err != nil {
		return err
	}
	f.node.resize(size)
	return nil
}

func (f *memFile) Allocate(size int64) error {
	err := f.enter("allocate")
	defer f.fs.mu.Unlock()
	if err != nil {
		return err
	}
	if size > int64(len(f.node.live)) {
		f.node.resize(size)
	}
	return nil
}

func (n *memNode) write(p []byte, off int64) {
	if len(p) == 0 {
		return
	}
	op := fileOp{off: off, data: append([]byte(nil), p...)}
	n.live = op.applyTo(n.live)
	n.pending = append(n.pending, op)
}

func (n *memNode) resize(size int64) {
	op := fileOp{size: size}
	n.live = op.applyTo(n.live)
	n.pending = append(n.pending, op)
}

func (op fileOp) applyTo(p []byte) []byte {
	if op.data == nil {
		return resized(p, op.size)
	}
	p = resized(p, max(int64(len(p)), op.off+int64(len(op.data))))
	copy(p[op.off:], op.data)
	return p
}

func resized(p []byte, size int64) []byte {
	if size <= int64(len(p)) {
		clear(p[size:]) // growing again must show zeros
		return p[:size]
	}
	return append(p, make([]byte, size-int64(len(p)))...)
}
