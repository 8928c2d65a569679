package main

import "slices"

// rows are all rows, in the order in which they are measured and told. Rows that share a cluster find it as those
// before them left it: light ones come first, those that kill nodes last.
func rows() []Row {
	return slices.Concat(
		limitRows(),
		memoryRows(),
		produceRows(),
		fetchRows(),
		latencyRows(),
		javaRows(),
		freshnessRows(),
		costRows(),
		handoverRows(),
		failoverRows(),
		startRows(),
		longRows(),
		readScaleRows(),
		partitionRows(),
	)
}
