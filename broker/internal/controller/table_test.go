package controller

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// TestTableIsAMap: a table does what a map does, and no table changes once it is there.
func TestTableIsAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var now table[int, int]
	want := map[int]int{}
	type version struct {
		table table[int, int]
		want  map[int]int
	}
	var versions []version
	for step := range 4000 {
		k := r.IntN(1500)
		if r.IntN(3) == 0 {
			now = now.without(k)
			delete(want, k)
		} else {
			now = now.with(k, step)
			want[k] = step
		}
		if step%500 == 0 {
			versions = append(versions, version{now, maps.Clone(want)})
		}
	}
	versions = append(versions, version{now, want}, version{tableOf(want), want}, version{tableOf(map[int]int{}), map[int]int{}}, version{})
	for i, v := range versions {
		if got := maps.Collect(v.table.all()); !maps.Equal(got, v.want) || entries(v.table) != len(v.want) {
			t.Errorf("version %d: %d entries, size %d, expected %d", i, len(got), entries(v.table), len(v.want))
		}
		for k := range 1500 {
			if v.table.get(k) != v.want[k] {
				t.Fatalf("version %d: %d is %d, expected %d", i, k, v.table.get(k), v.want[k])
			}
		}
	}
}

// entries counts what a table yields: an entry that it had twice would count twice.
func entries[K comparable, V any](t table[K, V]) (n int) {
	for range t.all() {
		n++
	}
	return n
}

func BenchmarkCreateTopics(b *testing.B) {
	for b.Loop() {
		m := NewMachine()
		for i := range 10_000 {
			s := *m.now.Load()
			s.withTopic(&Topic{Name: string(rune('a'+i%26)) + string(rune(i)), ID: [16]byte{byte(i), byte(i >> 8)}})
			m.now.Store(&s)
		}
	}
}
