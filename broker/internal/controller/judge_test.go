package controller

import (
	"slices"
	"testing"
)

func TestWhoIsAlive(t *testing.T) {
	for _, tt := range []struct {
		name        string
		heard, want []int32 // of brokers 1, 2, 3
	}{
		{"everyone", []int32{1, 2, 3}, []int32{1, 2, 3}},
		{"one is dead", []int32{1, 3}, []int32{1, 3}},
		{"cut off, or both others dead: nobody is called dead", []int32{1}, []int32{1, 2, 3}},
	} {
		all := []Broker{{ID: 1}, {ID: 2}, {ID: 3}}
		judge(all, func(id int32) bool { return slices.Contains(tt.heard, id) })
		var got []int32
		for _, b := range all {
			if b.Alive {
				got = append(got, b.ID)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: alive %v, expected %v", tt.name, got, tt.want)
		}
	}
}
