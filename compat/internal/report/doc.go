// Package report is what a run leaves for people and machines: a live line for each cell and the matrix at the end
// (terminal.go), results.json (results.go) and junit.xml (junit.go).
package report
