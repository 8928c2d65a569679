package scenario

import (
	"errors"
	"testing"

	"lockstep/compat/internal/report"
)

func TestVerdict(t *testing.T) {
	bad := errors.New("bad")
	tests := []struct {
		name    string
		errs    []error
		records int64
		want    report.Status
	}{
		{"all well", nil, 10, report.Pass},
		{"nothing read", nil, 0, report.Unknown},
		{"a complaint", []error{bad}, 10, report.Fail},
		{"too little", []error{Unknownf("x")}, 10, report.Unknown},
		{"a skip", []error{Skipf("x")}, 0, report.Skip},
		{"too little, and a complaint", []error{Unknownf("x"), bad}, 10, report.Fail},
		{"a complaint, and too little", []error{bad, Unknownf("x")}, 10, report.Fail},
		{"a skip does not hide a complaint", []error{Skipf("x"), bad}, 0, report.Fail},
		{"a skip does not hide that little was seen", []error{Skipf("x"), Unknownf("y")}, 0, report.Unknown},
	}
	for _, tt := range tests {
		if got, _ := verdict(tt.errs, tt.records); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
