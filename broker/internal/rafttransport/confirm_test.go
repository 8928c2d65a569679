package rafttransport

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// confirming is a leader in node 1 that asks for a confirmation by one follower.
func confirming(ctx context.Context, leader *ShardTransport) <-chan error {
	done := make(chan error, 1)
	go func() { done <- leader.ConfirmLeader(ctx, 5, 1) }()
	return done
}

func TestConfirmLeader(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer raft.AppendEntriesResponse
		want   error
	}{
		{"follows", raft.AppendEntriesResponse{Term: 5, Success: true}, nil},
		{"knows a newer term", raft.AppendEntriesResponse{Term: 6}, ErrUnconfirmed},
		{"follows in another term", raft.AppendEntriesResponse{Term: 6, Success: true}, ErrUnconfirmed},
		{"refuses", raft.AppendEntriesResponse{Term: 5}, ErrUnconfirmed},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newPushRig(t)
			done := confirming(t.Context(), r.leader)
			rpc, req := r.next()
			if !isHeartbeat(req) || req.Term != 5 || string(req.ID) != "1" || string(req.Addr) != "1" {
				t.Errorf("asked with %+v", req)
			}
			rpc.Respond(&c.answer, nil)
			select {
			case err := <-done:
				if !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			case <-time.After(5 * time.Second):
				t.Error("no verdict")
			}
		})
	}
}

// TestConfirmLeaderIgnoresEarlierAnswers: an answer to what was asked before
// says nothing about now.
func TestConfirmLeaderIgnoresEarlierAnswers(t *testing.T) {
	r := newPushRig(t)
	first := confirming(t.Context(), r.leader)
	early, _ := r.next()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
	defer cancel()
	second := confirming(ctx, r.leader)
	late, _ := r.next()
	early.Respond(&raft.AppendEntriesResponse{Term: 5, Success: true}, nil)
	if err := <-first; err != nil {
		t.Errorf("the first: %v", err)
	}
	if err := <-second; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the second, unanswered: %v", err)
	}
	late.Respond(&raft.AppendEntriesResponse{Term: 5, Success: true}, nil)
}

// TestConfirmLeaderAlone needs nobody, or more than there are.
func TestConfirmLeaderAlone(t *testing.T) {
	r := newPushRig(t)
	if err := r.leader.ConfirmLeader(t.Context(), 5, 0); err != nil {
		t.Errorf("a group of one: %v", err)
	}
	if err := r.leader.ConfirmLeader(t.Context(), 5, 2); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("more than there are: %v", err)
	}
	if err := r.leader.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.leader.ConfirmLeader(t.Context(), 5, 1); err == nil {
		t.Error("closed, and confirmed")
	}
}
