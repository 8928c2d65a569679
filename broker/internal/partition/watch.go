package partition

// A Watcher is told that a partition it watches has changed: its high
// watermark or log start moved, or its shard has a new leader or term. One
// watcher may watch any number of partitions, as a parked Fetch does; what
// changed is for the watcher to look up. The zero value is not usable.
type Watcher struct{ c chan struct{} }

// NewWatcher returns a watcher that watches nothing yet.
func NewWatcher() *Watcher { return &Watcher{c: make(chan struct{}, 1)} }

// C receives at least one value after each change (several changes may be
// folded into one value).
func (w *Watcher) C() <-chan struct{} { return w.c }

// Wake leaves a value in C.
func (w *Watcher) Wake() {
	select {
	case w.c <- struct{}{}:
	default: // one is pending already
	}
}
