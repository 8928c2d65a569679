package vfs

import (
	"fmt"
	"io"
	"net"
	"sync"
)

// sendChunk is how much is sent between two renewals of a write deadline, and
// copied at once where the system cannot send from a file.
const sendChunk = 256 << 10

// fileSender is implemented by files from which the system sends by itself.
type fileSender interface {
	// sendTo sends n bytes from off on; handled is false if conn cannot be sent to
	// in this way, and then nothing was sent.
	sendTo(conn net.Conn, off int64, n int) (handled bool, err error)
}

var copies = sync.Pool{New: func() any { return new([sendChunk]byte) }}

// SendTo writes n bytes of f from off on to conn, without copying them through
// this process where the system can (sendfile). renew is called before each part
// of at most 256 KiB, to move conn's deadline. An error that is the file's, as a
// file that ends early is, wraps ErrSource; any part may have been sent then.
func SendTo(conn net.Conn, f File, off int64, n int, renew func() error) error {
	for n > 0 {
		if err := renew(); err != nil {
			return err
		}
		part := min(n, sendChunk)
		if err := sendPart(conn, f, off, part); err != nil {
			return err
		}
		off, n = off+int64(part), n-part
	}
	return nil
}

func sendPart(conn net.Conn, f File, off int64, n int) error {
	if s, ok := f.(fileSender); ok {
		if handled, err := s.sendTo(conn, off, n); handled {
			return err
		}
	}
	buf := copies.Get().(*[sendChunk]byte)
	defer copies.Put(buf)
	if got, err := f.ReadAt(buf[:n], off); got < n {
		return fmt.Errorf("%w: read %d bytes at %d of %s: %w", ErrSource, n, off, f.Name(), noEOF(err))
	}
	_, err := conn.Write(buf[:n])
	return err
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
