package api

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
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

// TestClaimedTags sends short frames that claim to hold billions of tagged
// fields, or of array elements: they are refused, and not by counting.
func TestClaimedTags(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x0f}
	header := func(key, version int16, tags ...byte) []byte {
		b := kbin.AppendInt16(kbin.AppendInt16(nil, key), version)
		return append(kbin.AppendNullableString(kbin.AppendInt32(b, 1), nil), tags...)
	}
	for name, frame := range map[string][]byte{
		"tags of the header":  header(18, 3, huge...),
		"tags of the body":    append(append(header(18, 3, 0), 1, 1), huge...),
		"elements of a list":  append(header(3, 9, 0), huge...),
		"tags of an element":  append(append(header(3, 9, 0), 2, 2, 't'), huge...),
		"elements, old style": append(header(3, 8), 0x7f, 0xff, 0xff, 0xff),
	} {
		parsed := make(chan error, 1)
		go func() {
			_, err := ParseRequest(frame)
			parsed <- err
		}()
		select {
		case err := <-parsed:
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s: still reading %d bytes", name, len(frame))
		}
	}
}
