// Package recordbatch looks at Kafka's record batches, format version 2,
// without ever taking one apart: a batch is the unit in which records are
// validated, replicated, stored and served, and its bytes are the producer's.
//
// Start at Batch, a view over the bytes of exactly one batch; Next cuts a run
// of batches into them, and Validate decides whether one may enter a log.
//
// A batch begins with a header of 61 bytes, all integers big-endian:
//
//	 0  8  base offset             written over when the batch is appended
//	 8  4  batch length            bytes after this field: 49 and more
//	12  4  partition leader epoch  written over when the batch is appended
//	16  1  magic                   2
//	17  4  CRC-32C                 of everything from byte 21 to the end
//	21  2  attributes              codec 0-2, timestamp type 3, transactional 4,
//	                               control 5, delete horizon 6
//	23  4  last offset delta       offset of the last record less the base offset
//	27  8  base timestamp          milliseconds
//	35  8  max timestamp           milliseconds
//	43  8  producer id             -1 when the producer is not idempotent
//	51  2  producer epoch
//	53  4  base sequence
//	57  4  number of records
//	61     the records, compressed as a whole by the codec
//
// The two fields that a broker writes over lie outside the CRC, which is what
// makes it possible to store and serve a batch with the checksum its producer
// computed: whoever receives it can prove that not one byte was changed on the
// way.
//
// Source: https://kafka.apache.org/documentation/#recordbatch and KIP-98.
package recordbatch
