package main

import (
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	want := shows(`oracle [24],|high watermark`)
	for _, tc := range []struct {
		name   string
		ran    []cell
		caught bool
		by     string
		reason string // part of it
	}{
		{name: "nothing ran"},
		{name: "passes", ran: []cell{{"2.1", "java", "pass", ""}}},
		{name: "unknown is no catch", ran: []cell{{"2.1", "java", "unknown", "oracle 4, vanished: too little"}}},
		{name: "an oracle", ran: []cell{{"2.1", "java", "pass", ""}, {"5.2", "kcat", "fail", "some context\noracle 4, vanished: t-0 offset 7: gone"}},
			caught: true, by: "5.2/kcat: oracle 4, vanished"},
		{name: "a scenario's check", ran: []cell{{"1.2", "kcat", "fail", "the high watermark is 51, not 50\nlogs: /x"}},
			caught: true, by: "1.2/kcat: the high watermark is 51, not 50", reason: "logs: /x"},
		{name: "another oracle is an accident", ran: []cell{{"5.2", "kcat", "fail", "oracle 7, late: no high hopes"}}, reason: "by accident?"},
		{name: "words in the command line do not count", ran: []cell{{"5.2", "kcat", "fail", "broke\nagain: oracle 4, high watermark"}}, reason: "by accident?"},
	} {
		var v verdict
		if got := v.judge(tc.ran, want); got != tc.caught || v.Caught != tc.caught || v.By != tc.by || !strings.Contains(v.Reason, tc.reason) || (tc.reason == "" && !tc.caught && v.Reason != "") {
			t.Errorf("%s: %v, %+v", tc.name, got, v)
		}
	}
}

func TestPlanAndListAgree(t *testing.T) {
	var all []bug
	for name := range plan {
		all = append(all, bug{name: name})
	}
	if err := checkPlan(all); err != nil {
		t.Error(err)
	}
	if checkPlan(all[1:]) == nil || checkPlan(append(all, bug{name: "new"})) == nil {
		t.Error("a difference between plan and list goes unnoticed")
	}
}
