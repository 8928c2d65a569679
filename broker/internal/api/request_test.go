package api

import (
	"context"
	"encoding/binary"
	"log/slog"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// FuzzRequest reads arbitrary bytes as a request and, if they are one, answers
// it: neither may panic, and the answer must be readable.
func FuzzRequest(f *testing.F) {
	n := newNode(f, asLeader)
	n.api.Log = slog.New(slog.DiscardHandler)
	n.fill(0, 3)
	for _, body := range []kmsg.Request{
		produceOf(n, 12, batchOf(2)), fetchOf(n, 4, 0), fetchOf(n, 17, 0, 1, 2), kmsg.NewPtrMetadataRequest(), kmsg.NewPtrApiVersionsRequest(),
		kmsg.NewPtrListOffsetsRequest(), kmsg.NewPtrDescribeClusterRequest(), kmsg.NewPtrInitProducerIDRequest(),
	} {
		if body.GetVersion() == 0 {
			body.SetVersion(registry[body.Key()].max)
		}
		f.Add(kmsg.NewRequestFormatter().AppendRequest(nil, body, 1)[4:])
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if hugeTags(frame) {
			return
		}
		req, err := ParseRequest(frame)
		if err != nil || req.Body == nil {
			return
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wait, err := n.api.Start(ctx, req)
		if err != nil {
			return
		}
		resp := wait()
		if resp == nil {
			return
		}
		encoded := AppendResponse(nil, req, resp)
		if got := int32(binary.BigEndian.Uint32(encoded)); got != req.CorrelationID {
			t.Fatalf("correlation id %d, want %d", got, req.CorrelationID)
		}
	})
}

// hugeTags reports whether the bytes hold a long varint: kmsg believes the
// count of tags, and reads 2^32 of them for a minute.
func hugeTags(frame []byte) bool {
	run := 0
	for _, b := range frame {
		if run++; b < 0x80 {
			run = 0
		}
		if run >= 3 {
			return true
		}
	}
	return false
}
