// Package scenario is the frame in which scenarios run: what one is, what a cell (one scenario with one client) can
// do, and how a cell comes to its verdict.
//
// scenario.go says what a scenario is; suite.go runs cells; cell.go is what a scenario's Run gets. The rest are a
// cell's tools: topic.go (a topic of its own, its leader and followers), load.go (a producer in the background),
// proof.go (who served how much), probe.go (single fetches as a session makes them, and what sessions are promised),
// readback.go (readers to the end, raw copies of every replica), unread.go (the same for what a failed cell left unread).
//
// A verdict is made of three things: the error of Run, the violations that oracles find in the history, and whether
// enough happened. Only a cell without any complaint passes, or one whose every complaint is a difference that its target is
// known for (differences.go).
package scenario
