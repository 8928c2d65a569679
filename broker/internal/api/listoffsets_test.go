package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/recordbatch"
	"lockstep/broker/internal/shard"
)

func (n *node) offset(l Listener, version int16, p int32, timestamp int64, change ...func(*kmsg.ListOffsetsRequest)) kmsg.ListOffsetsResponseTopicPartition {
	n.t.Helper()
	r := kmsg.NewPtrListOffsetsRequest()
	r.Version = version
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = "t"
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Partition, rp.Timestamp = p, timestamp
	rt.Partitions = append(rt.Partitions, rp)
	r.Topics = append(r.Topics, rt)
	for _, f := range change {
		f(r)
	}
	return askFor[*kmsg.ListOffsetsResponse](n, l, r).Topics[0].Partitions[0]
}

// stampedBatch has a record for each of the timestamps.
func stampedBatch(timestamps ...int64) recordbatch.Batch {
	var records []recordbatch.Record
	for _, ts := range timestamps {
		records = append(records, recordbatch.Record{Timestamp: ts, Value: bytes.Repeat([]byte("x"), 50)})
	}
	return recordbatch.Make(records...)
}

func TestListOffsets(t *testing.T) {
	n := newNode(t, asLeader)
	n.shard.commit(n.key(0), stampedBatch(1000, 1300, 1100))
	n.shard.become(func(st *shard.Status) { st.Epoch = 6 })
	n.shard.commit(n.key(0), stampedBatch(2000, 1900))
	for _, c := range []struct {
		name       string
		version    int16
		timestamp  int64
		offset, at int64
		epoch      int32
		code       int16
	}{
		{"latest", 1, -1, 5, -1, -1, 0},
		{"latest", 4, -1, 5, -1, 6, 0},
		{"latest", 10, -1, 5, -1, 6, 0},
		{"earliest", 1, -2, 0, -1, -1, 0},
		{"earliest", 10, -2, 0, -1, 5, 0},
		{"max timestamp", 7, -3, 3, 2000, 6, 0},
		{"max timestamp, too early", 6, -3, -1, -1, -1, 35},
		{"earliest local", 8, -4, 0, -1, 5, 0},
		{"earliest local, too early", 7, -4, -1, -1, -1, 35},
		{"latest tiered", 9, -5, -1, -1, -1, 0},
		{"latest tiered, too early", 8, -5, -1, -1, -1, 35},
		{"no such question", 10, -6, -1, -1, -1, 35},
		{"before all", 10, 0, 0, 1000, 5, 0},
		{"exactly", 10, 1000, 0, 1000, 5, 0},
		{"inside the first batch", 10, 1001, 1, 1300, 5, 0},
		{"in the second batch", 10, 1301, 3, 2000, 6, 0},
		{"after all", 10, 2001, -1, -1, -1, 0},
	} {
		if got := n.offset(Normal, c.version, 0, c.timestamp); got.Offset != c.offset || got.Timestamp != c.at || got.LeaderEpoch != c.epoch || got.ErrorCode != c.code {
			t.Errorf("v%d %s: %+v, want %+v", c.version, c.name, got, c)
		}
	}

	n.shard.set.AdvanceLogStart(n.key(0), 2)
	if got := n.offset(Normal, 10, 0, -2); got.Offset != 2 || got.LeaderEpoch != 5 {
		t.Errorf("earliest after the log start moved: %+v", got)
	}
	if got := n.offset(Normal, 10, 0, 1001); got.Offset != 2 && got.Offset != 3 {
		t.Errorf("timestamp of a record below the log start: %+v", got)
	}
	for _, ts := range []int64{-1, -2} {
		if got := n.offset(Normal, 10, 1, ts); got.Offset != 0 || got.LeaderEpoch != -1 || got.ErrorCode != 0 {
			t.Errorf("empty partition, %d: %+v", ts, got)
		}
	}
	for _, ts := range []int64{-3, 5} {
		if got := n.offset(Normal, 10, 1, ts); got.Offset != -1 || got.ErrorCode != 0 {
			t.Errorf("empty partition, %d: %+v", ts, got)
		}
	}
}

func TestListOffsetsWhoAnswers(t *testing.T) {
	epochIs := func(e int32) func(*kmsg.ListOffsetsRequest) {
		return func(r *kmsg.ListOffsetsRequest) { r.Topics[0].Partitions[0].CurrentLeaderEpoch = e }
	}
	notReady := shard.Status{Role: shard.Leader, Leader: 1, Epoch: 5}
	for _, c := range []struct {
		name     string
		status   shard.Status
		listener Listener
		version  int16
		ts       int64
		change   func(*kmsg.ListOffsetsRequest)
		code     int16
	}{
		{"leader", asLeader, Normal, 10, -1, epochIs(5), 0},
		{"older epoch", asLeader, Normal, 10, -1, epochIs(4), 74},
		{"newer epoch", asLeader, Normal, 10, -1, epochIs(6), 75},
		{"epoch before v4 is none", asLeader, Normal, 3, -1, epochIs(6), 0},
		{"follower", asFollower, Normal, 10, -1, epochIs(5), 6},
		{"follower, earliest", asFollower, Normal, 10, -2, epochIs(5), 6},
		{"follower, forwarded", asFollower, Peer, 10, -1, epochIs(5), 6},
		{"follower, local-read listener", asFollower, Local, 10, -1, epochIs(9), 0},
		{"new leader, latest", notReady, Normal, 10, -1, epochIs(5), 78},
		{"new leader, latest, v4", notReady, Normal, 4, -1, epochIs(5), 5},
		{"new leader, earliest", notReady, Normal, 10, -2, epochIs(5), 0},
		{"new leader, local-read listener", notReady, Local, 10, -1, epochIs(-1), 0},
		{"unknown topic", asLeader, Normal, 10, -1, func(r *kmsg.ListOffsetsRequest) { r.Topics[0].Topic = "nope" }, 3},
		{"unknown partition", asLeader, Normal, 10, -1, func(r *kmsg.ListOffsetsRequest) { r.Topics[0].Partitions[0].Partition = -1 }, 3},
	} {
		n := newNode(t, c.status)
		n.fill(0, 3)
		got := n.offset(c.listener, c.version, 0, c.ts, c.change)
		if got.ErrorCode != c.code || (got.Offset != -1) != (c.code == 0) {
			t.Errorf("%s: %+v, want error %d", c.name, got, c.code)
		}
	}
}

func TestOffsetForLeaderEpoch(t *testing.T) {
	n := newNode(t, asLeader)
	n.fill(0, 3) // epoch 5
	n.shard.become(func(st *shard.Status) { st.Epoch = 8 })
	n.fill(0, 2)
	ask := func(l Listener, current, epoch int32) kmsg.OffsetForLeaderEpochResponseTopicPartition {
		r := kmsg.NewPtrOffsetForLeaderEpochRequest()
		r.Version = 2
		rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
		rt.Topic = "t"
		rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		rp.CurrentLeaderEpoch, rp.LeaderEpoch = current, epoch
		rt.Partitions = append(rt.Partitions, rp)
		r.Topics = append(r.Topics, rt)
		return askFor[*kmsg.OffsetForLeaderEpochResponse](n, l, r).Topics[0].Partitions[0]
	}
	for _, c := range []struct {
		current, epoch int32
		wantEpoch      int32
		end            int64
		code           int16
	}{
		{8, 5, 5, 3, 0}, {8, 7, 5, 3, 0}, {8, 8, 8, 5, 0}, {-1, 9, 8, 5, 0}, {-1, -1, -1, -1, 0}, {7, 5, -1, -1, 74}, {9, 5, -1, -1, 75},
	} {
		if got := ask(Normal, c.current, c.epoch); got.LeaderEpoch != c.wantEpoch || got.EndOffset != c.end || got.ErrorCode != c.code {
			t.Errorf("epoch %d at %d: %+v, want %+v", c.epoch, c.current, got, c)
		}
	}
	n.shard.become(func(st *shard.Status) { st.Ready = false })
	if got := ask(Normal, 8, 5); got.ErrorCode != 78 {
		t.Errorf("not ready: %+v", got)
	}
	n.shard.become(func(st *shard.Status) { st.Role, st.Leader = shard.Follower, 2 })
	if got := ask(Normal, 8, 5); got.ErrorCode != 6 {
		t.Errorf("follower: %+v", got)
	}
	if got := ask(Local, -1, 5); got.ErrorCode != 0 || got.EndOffset != 3 {
		t.Errorf("local-read listener: %+v", got)
	}
}

// compressed packs the records of b with a codec, as a client would.
func compressed(t testing.TB, b recordbatch.Batch, codec kgo.CompressionCodec) recordbatch.Batch {
	t.Helper()
	c, err := kgo.DefaultCompressor(codec)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	packed, kind := c.Compress(&buf, b[recordbatch.HeaderLen:], kgo.CompressFlag(0))
	return repacked(b, packed, int16(kind))
}

func repacked(b recordbatch.Batch, records []byte, attributes int16) recordbatch.Batch {
	out := append(bytes.Clone(b[:recordbatch.HeaderLen]), records...)
	n := len(out) - 12
	out[8], out[9], out[10], out[11] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	recordbatch.Batch(out).SetAttributes(attributes)
	return out
}

func TestTimestampsInBatch(t *testing.T) {
	plain := stampedBatch(1000, 1300, 1100, 1300)
	plain.SetBaseOffset(40)
	snappyBlock := compressed(t, plain, kgo.SnappyCompression())
	framed := append([]byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1}, byte(0), 0, 0, byte(len(snappyBlock)-recordbatch.HeaderLen))
	framed = append(framed, snappyBlock[recordbatch.HeaderLen:]...)
	for name, b := range map[string]recordbatch.Batch{
		"none":                 plain,
		"gzip":                 compressed(t, plain, kgo.GzipCompression()),
		"snappy, one block":    snappyBlock,
		"snappy, Java framing": repacked(plain, framed, 2),
		"lz4":                  compressed(t, plain, kgo.Lz4Compression()),
		"zstd":                 compressed(t, plain, kgo.ZstdCompression()),
	} {
		if err := b.Validate(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, c := range []struct {
			ts, from   int64
			offset, at int64
		}{{0, 0, 40, 1000}, {1001, 0, 41, 1300}, {1301, 0, 0, 0}, {0, 42, 42, 1100}, {1200, 42, 43, 1300}} {
			got, ok, err := firstSince(b, c.ts, c.from)
			if err != nil || ok != (c.offset != 0) || got != (stamped{c.offset, c.at}) {
				t.Errorf("%s: first since %d from %d: %+v, %v, %v", name, c.ts, c.from, got, ok, err)
			}
		}
		if got, ok, err := newest(b, 0); err != nil || !ok || got != (stamped{41, 1300}) {
			t.Errorf("%s: newest: %+v, %v, %v", name, got, ok, err)
		}
		if got, _, err := newest(b, 42); err != nil || got != (stamped{43, 1300}) {
			t.Errorf("%s: newest from 42: %+v, %v", name, got, err)
		}
	}
}

// TestTimestampsOfNonsense: what a producer packed is not the broker's to
// trust.
func TestTimestampsOfNonsense(t *testing.T) {
	plain := stampedBatch(1000, 1300)
	for codec := range int16(5) {
		for _, junk := range [][]byte{nil, {0}, {0xff, 0xff, 0xff}, bytes.Repeat([]byte{0x82}, 40), []byte("\x82SNAPPY\x00"), []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\xff\xff\xff\xff")} {
			if _, _, err := newest(repacked(plain, junk, codec), 0); err == nil {
				t.Errorf("codec %d, % x: no error", codec, junk)
			}
		}
	}
	n := newNode(t, asLeader)
	n.shard.commit(n.key(0), repacked(plain, []byte("junk"), 4))
	if got := n.offset(Normal, 10, 0, 5); got.ErrorCode != kerr.CorruptMessage.Code || got.Offset != -1 {
		t.Errorf("got %+v", got)
	}
	// A header may promise a timestamp that no record has.
	liar := stampedBatch(1000, 1300)
	liar[35+6]++ // max timestamp
	liar.SetAttributes(0)
	n.shard.commit(n.key(1), liar)
	if got := n.offset(Normal, 10, 1, 1400); got.ErrorCode != 0 || got.Offset != 2 {
		t.Errorf("got %+v", got)
	}
}

func FuzzTimestamps(f *testing.F) {
	f.Add([]byte{}, int16(0))
	f.Add([]byte(stampedBatch(1, 2, 3)[recordbatch.HeaderLen:]), int16(0))
	for i, c := range []kgo.CompressionCodec{kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		f.Add([]byte(compressed(f, stampedBatch(1, 2, 3), c)[recordbatch.HeaderLen:]), int16(i+1))
	}
	f.Fuzz(func(t *testing.T, records []byte, codec int16) {
		b := repacked(stampedBatch(1, 2, 3), records, codec&7)
		visited := 0
		err := walkRecords(b, func(stamped) error { visited++; return nil })
		if (err == nil) != (visited == 3) {
			t.Fatalf("visited %d records: %v", visited, err)
		}
	})
}

func TestKafkaError(t *testing.T) {
	for _, c := range []struct {
		err  error
		want *kerr.Error
	}{
		{nil, nil},
		{kerr.InvalidTopicException, kerr.InvalidTopicException},
		{fmt.Errorf("create: %w", kerr.InvalidTopicException), kerr.InvalidTopicException},
		{fmt.Errorf("propose: %w", context.DeadlineExceeded), kerr.RequestTimedOut},
		{context.Canceled, kerr.RequestTimedOut},
		{errors.New("disk on fire"), kerr.UnknownServerError},
	} {
		if got := kafkaError(c.err); got != c.want {
			t.Errorf("%v became %v, want %v", c.err, got, c.want)
		}
	}
}
