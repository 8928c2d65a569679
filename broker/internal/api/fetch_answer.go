package api

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/mutant"
	"lockstep/broker/internal/partition"
	"lockstep/broker/internal/recordbatch"
	"lockstep/broker/internal/shard"
)

// answer makes the answer for one partition as things are now, and reports
// whether it is one to be sent at once. It may take room bytes of records; if
// first, the first batch whatever its size.
func (f *fetching) answer(p *fetched, now time.Time, room int, first bool) (atOnce bool) {
	if p.err == nil {
		p.err = f.gone(p)
	}
	if p.err != nil {
		f.refuse(p, p.err)
		return true
	}
	st := p.where.shard.Status()
	p.leading = st.Role == shard.Leader
	p.timed = !p.leading || p.want.epoch > st.Epoch
	if f.diverged(p, st) {
		return true
	}
	switch d := decide(f.situation(p, st, now)); d.action {
	case serve:
		return f.serve(p, min(room, int(p.want.maxBytes)), first)
	case redirect:
		f.empty(p)
		p.resp.PreferredReadReplica = d.preferred
		return true
	case refuse:
		f.refuse(p, d.err)
		if d.namesLeader && st.Leader >= 0 && f.body.Version >= 12 {
			p.resp.CurrentLeader.LeaderID, p.resp.CurrentLeader.LeaderEpoch = st.Leader, st.Epoch
		}
		return true
	default:
		f.empty(p)
		return false
	}
}

// situation collects what decide needs.
func (f *fetching) situation(p *fetched, st shard.Status, at time.Time) situation {
	a := f.a
	s := situation{
		local:       f.req.Listener == Local,
		redirects:   f.body.Version >= 11,
		readsOn:     a.Config.FetchFromFollower,
		cutOffEmpty: a.Config.CutOffEmpty,
		leading:     p.leading, ready: st.Ready, leader: st.Leader, epoch: st.Epoch,
		lagging: a.lagging(p.where.shard, st, at), cutOff: a.cutOff(st, at), heard: st.Heard,
		clientEpoch: p.want.epoch,
		epochWaited: !at.Before(f.deadline) || at.Sub(f.began) >= epochPatience,
		offset:      p.want.offset, logStart: p.log.LogStart(), highWatermark: p.log.HighWatermark(),
		better: -1,
	}
	if p.leading {
		// Read after the high watermark, the log end is never below it. If
		// this node has stopped leading meanwhile, it was only that: an offset
		// above it is no error then.
		s.logEnd = p.where.shard.LogEnd(p.where.key)
		after := p.where.shard.Status()
		s.ready = s.ready && after.Role == shard.Leader && after.Epoch == st.Epoch
		s.better = f.better(p, st, s, at)
	}
	return s
}

// better looks for a better follower, once for each request and partition.
func (f *fetching) better(p *fetched, st shard.Status, s situation, now time.Time) int32 {
	if p.sought || s.local || !s.redirects || !s.ready || s.offset < s.logStart || s.offset > s.logEnd {
		return p.better
	}
	p.sought = true
	p.better = f.a.betterFollower(f.req, f.body.Rack, p.where, st, s.offset, s.highWatermark, now)
	return p.better
}

// diverged tells a client that says which epoch its last record was of, if that
// record is not in this log (KIP-595). Consumers do not ask.
func (f *fetching) diverged(p *fetched, st shard.Status) bool {
	if p.diverges = false; p.want.lastFetched < 0 || !p.leading || !st.Ready {
		return false
	}
	epoch, end := p.log.EpochEnd(p.want.lastFetched)
	if epoch == p.want.lastFetched && end >= p.want.offset {
		return false
	}
	f.empty(p)
	p.resp.DivergingEpoch.Epoch, p.resp.DivergingEpoch.EndOffset = epoch, end
	p.diverges = true
	return true
}

// serve answers with records.
func (f *fetching) serve(p *fetched, room int, first bool) (atOnce bool) {
	f.empty(p)
	if room <= 0 && !first {
		return false // others have used it up
	}
	records, err := f.read(p, room, first)
	switch {
	case errors.Is(err, kerr.OffsetOutOfRange):
		f.refuse(p, err) // the log start has moved just now
		return true
	case kafkaError(err) == kerr.UnknownServerError:
		f.a.Log.Error("read failed", "topic", p.where.topic.Name, "partition", p.where.key.Partition, "offset", p.want.offset, "err", err)
		f.refuse(p, kerr.KafkaStorageError)
		return true
	case err != nil:
		f.refuse(p, err)
		return true
	}
	p.records = records
	if len(records.Parts) == 1 && records.Parts[0].Data != nil {
		p.resp.RecordBatches = records.Parts[0].Data // no need to be streamed
	}
	if mutant.Is(mutant.FlippedByte) && !p.leading {
		p.resp.RecordBatches = mutant.Flip(p.resp.RecordBatches)
	}
	if mutant.Is(mutant.Restamped) && !p.leading {
		p.resp.RecordBatches = mutant.Restamp(p.resp.RecordBatches)
	}
	if mutant.Is(mutant.PrefersItself) && !p.leading {
		p.resp.PreferredReadReplica = f.a.Config.NodeID
	}
	return false
}

// read finds records, and reads them unless they can be streamed.
func (f *fetching) read(p *fetched, room int, first bool) (partition.Records, error) {
	if f.req.Streams && f.body.Version >= 10 && !mutant.ChangesRecords() {
		return p.log.Find(p.want.offset, room, first)
	}
	data, err := p.log.Read(p.want.offset, room, first)
	if err == nil && f.body.Version < 10 {
		data, err = beforeZstd(data)
	}
	if err != nil || len(data) == 0 {
		return partition.Records{}, err
	}
	count, _ := recordbatch.Count(data)
	return partition.Records{Parts: []partition.Part{{Data: data}}, Bytes: len(data), Count: count}, nil
}

// beforeZstd cuts records before the first batch that a client before version
// 10 cannot read (KIP-110); when that is the very first, it is an error.
func beforeZstd(records []byte) ([]byte, error) {
	for rest := records; len(rest) > 0; {
		b, next, err := recordbatch.Next(rest)
		if err != nil {
			return nil, fmt.Errorf("look for zstd: %w", err)
		}
		if b.Codec() == recordbatch.Zstd {
			if len(rest) == len(records) {
				return nil, kerr.UnsupportedCompressionType
			}
			return records[:len(records)-len(rest)], nil
		}
		rest = next
	}
	return records, nil
}

// empty makes the answer one without records or error. Records are never null:
// librdkafka fails on that.
func (f *fetching) empty(p *fetched) {
	p.records = partition.Records{}
	p.resp = kmsg.NewFetchResponseTopicPartition()
	p.resp.Partition = p.want.name.partition
	p.resp.RecordBatches = []byte{}
	p.resp.HighWatermark = p.log.HighWatermark()
	if mutant.Is(mutant.HWStepsBack) && !p.leading {
		p.resp.HighWatermark = mutant.Earlier(p.resp.HighWatermark)
	}
	p.resp.LastStableOffset = p.resp.HighWatermark
	p.resp.LogStartOffset = p.log.LogStart()
	const readCommitted = 1
	if f.body.IsolationLevel == readCommitted {
		p.resp.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
	}
}

// refuse makes the answer an error. The high watermark is -1: a client could
// take an error at the high watermark for the end of the partition.
func (f *fetching) refuse(p *fetched, err error) {
	p.records = partition.Records{}
	p.resp = kmsg.NewFetchResponseTopicPartition()
	p.resp.Partition = p.want.name.partition
	p.resp.RecordBatches = []byte{}
	p.resp.HighWatermark = -1
	p.resp.ErrorCode = kafkaError(err).Code
	if p.log != nil {
		p.resp.LogStartOffset = p.log.LogStart()
	}
	if kafkaError(err) == kerr.UnknownServerError {
		f.a.Log.Error("fetch failed", "topic", p.want.name.topic, "partition", p.want.name.partition, "err", err)
	}
}

// fill puts the answers into the response, grouped by topic, counts them, and
// returns what is to be sent.
func (f *fetching) fill(resp *kmsg.FetchResponse, answers []*fetched) kmsg.Response {
	s := &streamed{FetchResponse: resp, records: map[partAt][]partition.Part{}}
	topics := map[partitionName]int{}
	leaders := leaderSet{}
	for _, p := range answers {
		name := p.want.name
		name.partition = 0
		i, ok := topics[name]
		if !ok {
			i = len(resp.Topics)
			topics[name] = i
			t := kmsg.NewFetchResponseTopic()
			t.Topic, t.TopicID = name.topic, name.id
			resp.Topics = append(resp.Topics, t)
		}
		if p.records.Bytes > len(p.resp.RecordBatches) {
			s.records[partAt{i, len(resp.Topics[i].Partitions)}] = p.records.Parts
		}
		resp.Topics[i].Partitions = append(resp.Topics[i].Partitions, p.resp)
		if p.resp.CurrentLeader.LeaderID >= 0 {
			leaders.add(p.resp.CurrentLeader.LeaderID)
		}
		f.count(p)
	}
	if f.body.Version >= 16 {
		for _, b := range f.a.endpointsOf(leaders, f.req.Listener) {
			rb := kmsg.NewFetchResponseBroker()
			rb.NodeID, rb.Host, rb.Port, rb.Rack = b.ID, b.Client.Host, b.Client.Port, optional(b.Rack)
			resp.Brokers = append(resp.Brokers, rb)
		}
	}
	if len(s.records) > 0 {
		return s
	}
	return resp
}

// count adds an answer to the metrics.
func (f *fetching) count(p *fetched) {
	m := f.a.Metrics
	role, otherRole := "follower", "leader"
	if p.leading {
		role, otherRole = otherRole, role
	}
	switch {
	case p.resp.ErrorCode != 0:
		m.RequestErrors.WithLabelValues(f.req.Name(), kerr.TypedErrorForCode(p.resp.ErrorCode).Message).Inc()
	case p.resp.PreferredReadReplica >= 0:
		m.Redirects.WithLabelValues(otherRole).Inc()
	case p.records.Bytes > 0:
		m.FetchRecords.WithLabelValues(role).Add(float64(p.records.Count))
		m.FetchBytes.WithLabelValues(role).Add(float64(p.records.Bytes))
	}
}
