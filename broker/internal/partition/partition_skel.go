package partition

// Partition is one replica's view of one partition. All methods may be called
// concurrently and none takes a lock of Raft's.
type Partition struct{}

// Key returns the partition's name.
func (p *Partition) Key() Key { panic("skeleton") }

// HighWatermark is the offset after the newest record that this replica has
// applied: everything below it is committed. It never goes back.
func (p *Partition) HighWatermark() int64 { panic("skeleton") }

// LogStart is the oldest offset that may be read.
func (p *Partition) LogStart() int64 { panic("skeleton") }

// Read returns whole committed batches, as they will be sent, from the one
// that contains offset on, at most maxBytes of them; if atLeastOne, the first
// is returned even when it alone is larger. offset must be in [LogStart,
// HighWatermark]; at HighWatermark the answer is empty. Outside it the error
// is kerr.OffsetOutOfRange. The bytes are shared: never write to them.
func (p *Partition) Read(offset int64, maxBytes int, atLeastOne bool) ([]byte, error) {
	panic("skeleton")
}

// EpochEnd returns the largest epoch not above epoch that this replica has
// records of, and the offset after its last record (KIP-101); (-1, -1) when
// it has none.
func (p *Partition) EpochEnd(epoch int32) (int32, int64) { panic("skeleton") }

// OffsetForTimestamp returns the first record at or after ts (milliseconds)
// and its timestamp; offset -1 when there is none.
func (p *Partition) OffsetForTimestamp(ts int64) (offset, timestamp int64, err error) {
	panic("skeleton")
}

// MaxTimestamp returns the record with the largest timestamp; -1, -1 if the partition is empty.
func (p *Partition) MaxTimestamp() (offset, timestamp int64, err error) { panic("skeleton") }

// Watch wakes w at each change of p until Unwatch.
func (p *Partition) Watch(w *Watcher) { panic("skeleton") }

// Unwatch ends Watch.
func (p *Partition) Unwatch(w *Watcher) { panic("skeleton") }
