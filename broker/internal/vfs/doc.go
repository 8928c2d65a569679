// Package vfs is the only way from Lockstep to the disk.
//
// What is stored must survive kill -9, power loss and failing disks, so every
// file operation goes through the small interface FS, of which there are three
// implementations:
//
//   - [OS] is the real one. On Linux it uses fdatasync, fallocate, pwritev and
//     flock; elsewhere it falls back to what package os offers.
//   - [Mem] lives in memory and forgets, in Crash, whatever a real disk would
//     have been allowed to forget. Crash tests run on it.
//   - [Faulty] wraps another FS and fails, or cuts short, the operations that a
//     test selects.
//
// What callers may rely on, and no more (it is what POSIX and ext4, xfs and
// btrfs in their default modes give):
//
//   - Written bytes are durable after File.Sync. Before, each 512-byte sector may
//     have any of the contents that it had since the last Sync, independently of
//     all other sectors.
//   - A change of a file's size is atomic, and durable after File.Sync.
//   - A new, renamed or removed name is durable after FS.SyncDir of its
//     directory. Before, each such change may or may not have reached the disk,
//     independently of the others. A rename within a directory is atomic.
//   - Once a Sync has failed nothing is known about what is on the disk: a later
//     Sync that succeeds does not mean that the earlier bytes are there.
//
// Read vfs.go for the interface, send.go for the way from a file to a socket, mem.go
// and crash.go for what a crash does.
package vfs
