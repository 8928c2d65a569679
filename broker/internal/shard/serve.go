package shard

import (
	"context"
	"encoding/binary"
	"fmt"

	"lockstep/broker/internal/rafttransport"
)

// Serve answers what other nodes ask about this node's shards. find returns a
// shard, or nil for a number that there is none of.
func Serve(mux *rafttransport.Mux, find func(id uint32) *Shard) {
	handle := func(service byte, size int, answer func(ctx context.Context, s *Shard, rest []byte) ([]byte, error)) {
		mux.Handle(service, func(ctx context.Context, _ int32, req []byte) ([]byte, error) {
			if len(req) != size {
				return nil, fmt.Errorf("request of %d bytes to service %d", len(req), service)
			}
			s := find(binary.BigEndian.Uint32(req))
			if s == nil {
				return nil, fmt.Errorf("no such shard here")
			}
			return answer(ctx, s, req[4:])
		})
	}
	handle(ServiceReadIndex, 4, func(ctx context.Context, s *Shard, _ []byte) ([]byte, error) { return s.LocalReadIndex(ctx) })
	handle(ServiceLeaderLost, 8, func(_ context.Context, s *Shard, rest []byte) ([]byte, error) {
		return s.LeaderLost(int32(binary.BigEndian.Uint32(rest))), nil
	})
	handle(ServiceStanding, 4, func(_ context.Context, s *Shard, _ []byte) ([]byte, error) { return s.Standing() })
}
