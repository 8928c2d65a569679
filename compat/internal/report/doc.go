// Package report is what a run leaves for people and machines: a live line for each cell and the matrix at the end
// (terminal.go), results.json (results.go, runinfo.go) and junit.xml (junit.go). Package page makes report.html of these files, with
// timelines by package timeline.
package report
