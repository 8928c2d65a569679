// Package scenarios is the test plan: one file for each scenario, and their list in all.go.
//
// Each file opens with what the scenario does and what must be seen. Steps that several share are in steps.go; outing.go
// and party.go are those in which all clients go on at once while something happens. The tools they are built with are in
// package scenario. What targets are known to do otherwise is listed in differences.go.
package scenarios
