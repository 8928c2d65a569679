// Package page makes report.html of a run: one file that opens offline, made only from what the run left in its
// directory (results.json, history.jsonl, nodes/*.log), so that it can be made again at any time.
//
// Write (page.go) is the entry. It fills the model that the templates in assets/ show: the head (head.go), the matrix and
// each scenario's cells (matrix.go), the numbers (numbers.go), and for what failed a card for each violation (card.go)
// with the bytes (hex.go) and what the nodes logged around that time (nodelog.go). Pictures are package timeline's.
//
// Everything that came from clients, brokers or the disk is untrusted here: it passes html/template's escaping, or
// timeline's.
package page
