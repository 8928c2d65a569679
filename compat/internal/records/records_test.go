package records

import (
	"bytes"
	"reflect"
	"testing"

	"lockstep/compat/drivers/protocol"
)

func TestNastyMeetsEveryKind(t *testing.T) {
	rs := Nasty(42, 200, 1e12, Limits{})
	if !reflect.DeepEqual(rs, Nasty(42, 200, 1e12, Limits{})) {
		t.Fatal("the same seed gave other records")
	}
	if reflect.DeepEqual(rs, Nasty(43, 200, 1e12, Limits{})) {
		t.Fatal("another seed gave the same records")
	}
	found := map[string]int{}
	note := func(what string, is bool) {
		if is {
			found[what]++
		}
	}
	for i, r := range rs {
		note("null record", r.Key == nil && r.Value == nil)
		note("null key", r.Key == nil)
		note("empty key", r.Key != nil && len(r.Key) == 0)
		note("null value", r.Value == nil)
		note("empty value", r.Value != nil && len(r.Value) == 0)
		note("every byte", len(r.Value) == 256 && bytes.Equal(r.Value, everyByte()))
		note("near the limit", len(r.Value) == NearLimit)
		note("no headers", len(r.Headers) == 0)
		note("timestamp goes back", i > 0 && r.Timestamp < rs[i-1].Timestamp)
		for _, h := range r.Headers {
			note("null header", h.Value == nil)
			note("empty header", h.Value != nil && len(h.Value) == 0)
			note("repeated header", h.Name == "twice")
		}
	}
	for _, want := range []string{"null record", "null key", "empty key", "null value", "empty value", "every byte", "near the limit",
		"no headers", "timestamp goes back", "null header", "empty header", "repeated header"} {
		if found[want] == 0 {
			t.Errorf("no record with: %s", want)
		}
	}
}

func TestPlainIsLines(t *testing.T) {
	seen := map[string]bool{}
	for _, seed := range []uint64{1, 2} {
		for _, r := range Plain(seed, 500, 1e12) {
			if bytes.ContainsAny(r.Key, "\t\r\n") || bytes.ContainsAny(r.Value, "\t\r\n") || len(r.Value) == 0 {
				t.Fatalf("not a line: %q", r.Value)
			}
			if seen[string(r.Value)] {
				t.Fatalf("twice: %q", r.Value)
			}
			seen[string(r.Value)] = true
		}
	}
}

func TestLimitsAreKept(t *testing.T) {
	for _, r := range Nasty(42, 200, 1e12, Limits{NoNullHeaders: true, NoEmptyHeaders: true, NoNullRecords: true}) {
		if r.Key == nil && r.Value == nil {
			t.Fatal("a null record")
		}
		for _, h := range r.Headers {
			if len(h.Value) == 0 {
				t.Fatalf("header %q: %v", h.Name, h.Value)
			}
		}
	}
	if got := LimitsOf(protocol.Features); got != (Limits{}) {
		t.Errorf("a client with every feature has limits: %+v", got)
	}
	if got := LimitsOf(nil); got != (Limits{true, true, true}) {
		t.Errorf("a client without features: %+v", got)
	}
}
