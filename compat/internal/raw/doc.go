// Package raw speaks the Kafka protocol to exactly one address, with no client library's help: what is asked is
// what goes over the wire, and the answer is seen as it came. Scenarios use it to probe links and brokers, and
// oracle 3 to see the bytes in a replica's log.
//
// conn.go is the connection; batch.go looks at record batches with this package's own eyes (header, CRC-32C) and
// builds some; fetch.go asks one replica once and sees the whole answer, or reads a range; produce.go writes; admin.go
// creates topics, finds leaders and lists offsets; move.go moves leaders of targets that do that by request; ping.go is the smallest exchange that shows whether a link carries.
package raw
