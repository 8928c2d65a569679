package faults

import "testing"

// Nodes that hear each other in one shard and not in another show neither that they are cut off nor that they are not.
func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		name string
		ages []int64 // ms
		want feel
	}{
		{"nothing is led", nil, unfelt},
		{"heard a moment ago", []int64{3, 80}, gone},
		{"not for a while", []int64{1000, 4000}, bites},
		{"never and not for a while", []int64{-1, 4000}, bites},
		{"in one shard only", []int64{30, 4000}, between},
	} {
		if got := judge(tt.ages).feel(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestAgreed(t *testing.T) {
	for _, tt := range []struct {
		felt []feel
		want feel
	}{
		{[]feel{bites, bites}, bites}, {[]feel{bites, unfelt}, bites}, {[]feel{gone, unfelt, gone}, gone},
		{[]feel{bites, gone}, between}, {[]feel{bites, between}, between}, {[]feel{unfelt}, between}, {nil, between},
	} {
		if got := agreed(tt.felt); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.felt, got, tt.want)
		}
	}
}
