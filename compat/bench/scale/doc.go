// Package scale has clients that cost a fraction of what any library's do, so that many of them fit on the machine that
// also runs the brokers: writers of ready-made batches (produce.go), and readers that only look at batch headers
// (fetch.go). Both keep requests in flight on a connection each, and speak versions that Kafka 4 and Lockstep both serve.
package scale
