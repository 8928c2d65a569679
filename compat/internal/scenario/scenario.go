package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/cluster"
)

// Scenario is a row of the test plan.
type Scenario struct {
	ID, Title string
	// With tells whether a client takes part; nil: all do.
	With func(clients.Kind) bool
	// Limit bounds a cell's run.
	Limit time.Duration
	// Faults: the cluster may be left broken, and is made whole afterwards.
	Faults bool
	// Run runs one cell. Exactly one of Run and RunAll is set.
	Run func(context.Context, *Cell) error
	// RunAll runs all clients' cells at the same time, under the same faults: for scenarios that mostly wait. An error
	// of RunAll is every cell's; a single cell's is told by Cell.Fail.
	RunAll func(context.Context, []*Cell) error
}

// unknown is the error of a cell that shows nothing.
type unknown struct{ error }

func (u unknown) Unwrap() error { return u.error }

// Unknownf makes the error of a cell that shows nothing, for good or bad: too little happened.
func Unknownf(format string, args ...any) error { return unknown{fmt.Errorf(format, args...)} }

// skip is the error of a cell that cannot be run here.
type skip struct{ error }

func (s skip) Unwrap() error { return s.error }

// Skipf makes the error of a cell that cannot be run here, with the reason.
func Skipf(format string, args ...any) error { return skip{fmt.Errorf(format, args...)} }

// IsUnknown tells an error of Unknownf.
func IsUnknown(err error) bool { var u unknown; return errors.As(err, &u) }

func isSkip(err error) bool {
	var s skip
	return errors.As(err, &s) || errors.Is(err, cluster.ErrCannot)
}
