// Package timeline turns a run's history into pictures: what each cell did and saw, over time, as inline SVG.
//
// Begin with digest.go: Read goes through a history once and keeps of each cell only what is drawn (times and offsets, no
// records), so that a history of gigabytes fits. scale.go turns times into places, and marks into counts for each small
// stretch of time; svg.go writes elements, escaping whatever it is given. cell.go draws one cell (faults, nodes,
// readers and writers, lag), together.go all clients of a scenario that ran at once under the same faults.
//
// Colours are CSS classes of the page that a picture is put into, which also brings the patterns (#p-follower, …): a picture
// follows light and dark, and roles are told apart without colour.
package timeline
