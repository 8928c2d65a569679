// Package scenarios is the test plan: one file for each scenario, and their list in all.go.
//
// Each file opens with what the scenario does and what must be seen. Steps that several share are in steps.go; the
// tools they are built with are in package scenario.
package scenarios
