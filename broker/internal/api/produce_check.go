package api

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"

	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/recordbatch"
)

// errTransactional refuses what belongs to a transaction: it could neither be
// committed nor aborted.
var errTransactional = fmt.Errorf("transactions are not supported: %w", kerr.InvalidTxnState)

// checkProduced returns the one batch that records must hold. The rules are
// Apache Kafka's; its error wraps
//
//   - InvalidRecord: none, or more than one (from version 3 of Produce on),
//     a control batch, a sequence number that is missing,
//   - MessageTooLarge: more than limit bytes,
//   - InvalidTimestamp: timestamps that claim to be the broker's,
//   - UnsupportedCompressionType: zstd before version 7 of Produce (KIP-110),
//   - InvalidTxnState: a transactional batch,
//   - CorruptMessage, UnsupportedForMessageFormat and others: see
//     recordbatch.Batch.Validate.
func checkProduced(records []byte, version int16, limit int) (recordbatch.Batch, error) {
	if len(records) == 0 {
		return nil, fmt.Errorf("no record batch: %w", kerr.InvalidRecord)
	}
	b, rest, err := recordbatch.Next(records)
	if err != nil {
		return nil, fmt.Errorf("record batch: %w: %w", kerr.CorruptMessage, err)
	}
	if len(b) > limit {
		return nil, fmt.Errorf("record batch of %d bytes is over the limit of %d: %w", len(b), limit, kerr.MessageTooLarge)
	}
	if err := b.Validate(); err != nil {
		return nil, err
	}
	switch {
	case len(rest) > 0:
		return nil, fmt.Errorf("%d bytes follow the one record batch allowed: %w", len(rest), kerr.InvalidRecord)
	case b.IsControl():
		return nil, fmt.Errorf("control batch: %w", kerr.InvalidRecord)
	case b.LogAppendTime():
		return nil, fmt.Errorf("timestamps of the broker in a batch of a producer: %w", kerr.InvalidTimestamp)
	case b.IsTransactional():
		return nil, errTransactional
	case b.Codec() == recordbatch.Zstd && version < 7:
		return nil, fmt.Errorf("zstd in version %d of Produce: %w", version, kerr.UnsupportedCompressionType)
	case b.ProducerID() != recordbatch.NoProducerID && (b.BaseSequence() < 0 || b.ProducerEpoch() < 0):
		return nil, fmt.Errorf("producer id %d without epoch or sequence number: %w", b.ProducerID(), kerr.InvalidRecord)
	}
	return b, nil
}

// maxMessageBytes is the largest batch that t takes.
func (a *API) maxMessageBytes(t *controller.Topic) int {
	if n, err := strconv.Atoi(t.Configs["max.message.bytes"]); err == nil {
		return n
	}
	return int(a.Config.MaxMessageBytes)
}
