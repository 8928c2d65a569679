package vfs

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// maxIovecs is Linux's IOV_MAX: how many buffers one pwritev takes.
const maxIovecs = 1024

func retryEINTR(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

func datasync(f *os.File) error {
	return retryEINTR(func() error { return unix.Fdatasync(int(f.Fd())) })
}

func allocate(f *os.File, size int64) error {
	err := retryEINTR(func() error { return unix.Fallocate(int(f.Fd()), 0, 0, size) })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return grow(f, size)
	}
	return err
}

func lockFile(f *os.File) error {
	err := retryEINTR(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// sendTo implements fileSender by sendfile(2), which takes the bytes from the page
// cache to the socket.
func (f *osFile) sendTo(conn net.Conn, off int64, n int) (handled bool, err error) {
	c, ok := conn.(*net.TCPConn)
	if !ok {
		return false, nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return true, err
	}
	from := int(f.Fd())
	var sendErr error
	err = raw.Write(func(to uintptr) (done bool) {
		for n > 0 {
			sent, err := unix.Sendfile(int(to), from, &off, n)
			switch {
			case err == unix.EINTR:
				continue
			case err == unix.EAGAIN:
				return false // until there is room in the socket
			case err != nil:
				sendErr = fmt.Errorf("send %d bytes at %d of %s: %w", n, off, f.Name(), err)
				return true
			case sent == 0:
				sendErr = fmt.Errorf("%w: %s ends at %d, %d bytes early", ErrSource, f.Name(), off, n)
				return true
			}
			n -= sent
		}
		return true
	})
	return true, errors.Join(sendErr, err)
}

// writev loops because pwritev may write less than it was given.
func writev(f *os.File, bufs [][]byte, off int64) (int, error) {
	var (
		total int
		rest  = append([][]byte(nil), bufs...)
	)
	for {
		for len(rest) > 0 && len(rest[0]) == 0 {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return total, nil
		}
		var n int
		err := retryEINTR(func() (err error) {
			n, err = unix.Pwritev(int(f.Fd()), rest[:min(len(rest), maxIovecs)], off+int64(total))
			return err
		})
		if err != nil {
			return total, err
		}
		if n == 0 {
			return total, io.ErrShortWrite
		}
		total += n
		for n > 0 {
			k := min(n, len(rest[0]))
			rest[0], n = rest[0][k:], n-k
			if len(rest[0]) == 0 {
				rest = rest[1:]
			}
		}
	}
}
