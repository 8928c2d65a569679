package controller

import (
	"hash/maphash"
	"iter"
	"maps"
)

// buckets of a table: with 100,000 entries a change copies some 200 of them, and
// as many pointers to buckets.
const buckets = 512

// table is an immutable map. A change returns a new one that shares with the old
// one all but the bucket that it changes: to copy a whole map for each of many
// topics would take time that grows with the square of their number. The zero
// table is empty.
type table[K comparable, V any] struct {
	slots *[buckets]map[K]V // neither is changed once set; nil: empty
}

var tableSeed = maphash.MakeSeed()

func slotOf[K comparable](k K) int { return int(maphash.Comparable(tableSeed, k) % buckets) }

// get returns the value of k, or the zero value.
func (t table[K, V]) get(k K) V {
	if t.slots == nil {
		var none V
		return none
	}
	return t.slots[slotOf(k)][k]
}

// with returns a table in which k has the value v.
func (t table[K, V]) with(k K, v V) table[K, V] {
	at, slots := t.copied(k)
	slots[at][k] = v
	return table[K, V]{slots}
}

// without returns a table without k.
func (t table[K, V]) without(k K) table[K, V] {
	at, slots := t.copied(k)
	delete(slots[at], k)
	return table[K, V]{slots}
}

// copied returns new slots whose one for k is a copy.
func (t table[K, V]) copied(k K) (int, *[buckets]map[K]V) {
	slots := &[buckets]map[K]V{}
	if t.slots != nil {
		*slots = *t.slots
	}
	at := slotOf(k)
	if slots[at] = maps.Clone(slots[at]); slots[at] == nil {
		slots[at] = map[K]V{}
	}
	return at, slots
}

// all yields every entry, in no order.
func (t table[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if t.slots == nil {
			return
		}
		for _, slot := range t.slots {
			for k, v := range slot {
				if !yield(k, v) {
					return
				}
			}
		}
	}
}

// tableOf makes a table of a map's entries.
func tableOf[K comparable, V any](from map[K]V) table[K, V] {
	t := table[K, V]{slots: &[buckets]map[K]V{}}
	for k, v := range from {
		at := slotOf(k)
		if t.slots[at] == nil {
			t.slots[at] = map[K]V{}
		}
		t.slots[at][k] = v
	}
	return t
}

// keys yields every key of a table, in no order.
func keys[K comparable, V any](t table[K, V]) iter.Seq[K] {
	return func(yield func(K) bool) {
		for k := range t.all() {
			if !yield(k) {
				return
			}
		}
	}
}

// values yields every value of a table, in no order.
func values[K comparable, V any](t table[K, V]) iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, v := range t.all() {
			if !yield(v) {
				return
			}
		}
	}
}
