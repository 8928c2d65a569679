package rafttransport

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// ErrUnconfirmed says that too few replicas still follow the leader.
var ErrUnconfirmed = errors.New("leadership is not confirmed by a majority")

// ConfirmLeader asks all followers, with a heartbeat of its own to each,
// whether they still follow this node as leader of term, and returns once need
// of them have said so (Raft dissertation, section 6.4). Raft's VerifyLeader
// will not do: it also takes answers to requests that were sent before it was
// called, which may have been on their way while another leader was elected.
//
// It fails with ErrUnconfirmed, ErrClosed or the error of ctx.
func (t *ShardTransport) ConfirmLeader(ctx context.Context, term uint64, need int) error {
	answers := make(chan bool, len(t.followers))
	open := 0 // asked, and not answered yet
	for _, f := range t.followers {
		if f.ask(term, answers) {
			open++
		}
	}
	for need > 0 {
		if open < need {
			return fmt.Errorf("shard %d: %w", t.id, ErrUnconfirmed)
		}
		select {
		case yes := <-answers:
			open--
			if yes {
				need--
			}
		case <-t.closed:
			return fmt.Errorf("shard %d: confirm leadership: %w", t.id, ErrClosed)
		case <-ctx.Done():
			return fmt.Errorf("shard %d: confirm leadership: %w", t.id, ctx.Err())
		}
	}
	return nil
}

// ask sends a heartbeat, and the answer's verdict to answers; false if it could
// not be sent.
func (f *follower) ask(term uint64, answers chan<- bool) bool {
	cl := f.peer.links[urgent].get()
	if cl == nil {
		return false
	}
	req := raft.AppendEntriesRequest{RPCHeader: f.shard.rpcHeader(), Term: term}
	frame, _ := encodeAppend(&req, nil)
	c := newCall(f.shard.mux.cfg.RequestTimeout)
	c.hook = func(c *call) {
		if c.err == nil {
			c.err = decodeAppendResponse(c.body, &c.appended)
		}
		if c.err == nil {
			f.answered(term, 0, 0, &c.appended)
		}
		answers <- c.err == nil && c.appended.Success && c.appended.Term == term
	}
	return cl.start(c, typeHeartbeat, f.shard.id, frame, nil) == nil
}
