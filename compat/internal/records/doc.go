// Package records makes what the clients exchange, from a seed: the same seed gives the same records.
//
// Nasty records are what brokers and clients have tripped over: null and empty keys and values, every byte
// value, headers that repeat, are null or are not ASCII, timestamps out of order, one record near the size
// limit. Plain records are lines of text, for tools that cannot carry more than that (the console tools).
package records
