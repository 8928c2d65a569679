package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ServicePropose is the node-to-node service that takes commands to the
// leader of shard 0: request a command, answer an outcome, both JSON.
const ServicePropose = 1

// ProposeTimeout bounds a change when ctx does not.
const ProposeTimeout = 10 * time.Second

// proposeAgain is the pause before a change is tried again.
const proposeAgain = 10 * time.Millisecond

// propose has a command applied and waits until this node shows it. It tries
// again while shard 0 has no leader, until ctx ends; so commands that were
// applied without our hearing of it may be applied twice.
func (c *Controller) propose(ctx context.Context, cmd command) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, ProposeTimeout)
	defer cancel()
	data, err := json.Marshal(cmd)
	if err != nil {
		return outcome{}, fmt.Errorf("encode a change of metadata: %w", err)
	}
	for {
		out, err := c.proposeOnce(ctx, data)
		if err == nil {
			return out, c.await(ctx, out.Version)
		}
		if refused := (*refusedError)(nil); errors.As(err, &refused) {
			// What stands in its way is to show here too: it may be our own first copy.
			if late := c.await(ctx, out.Version); late != nil {
				return outcome{}, late
			}
			return outcome{}, err
		}
		c.Log.Debug("change metadata", "error", err)
		select {
		case <-ctx.Done():
			return outcome{}, fmt.Errorf("the controller did not take the change in time (last: %v): %w", err, kerr.RequestTimedOut)
		case <-time.After(proposeAgain):
		}
	}
}

// refusedError is a command's own negative answer: no use to try again.
type refusedError struct {
	code    *kerr.Error
	message string
}

func (e *refusedError) Error() string { return e.message }
func (e *refusedError) Unwrap() error { return e.code }

// proposeOnce returns the outcome also with a refusedError.
func (c *Controller) proposeOnce(ctx context.Context, cmd []byte) (outcome, error) {
	leader := c.ControllerID()
	if leader < 0 {
		return outcome{}, errors.New("shard 0 has no leader")
	}
	answer, err := c.Mux.Call(ctx, leader, ServicePropose, cmd)
	if err != nil {
		return outcome{}, err
	}
	var out outcome
	if err := json.Unmarshal(answer, &out); err != nil {
		return outcome{}, fmt.Errorf("answer of node %d cannot be read: %w", leader, err)
	}
	if out.Code != 0 {
		code, _ := kerr.ErrorForCode(out.Code).(*kerr.Error)
		return out, &refusedError{code: code, message: out.Message}
	}
	return out, nil
}

// servePropose is the leader's side.
func (c *Controller) servePropose(ctx context.Context, _ int32, cmd []byte) ([]byte, error) {
	result, err := c.Shard.Propose(ctx, Kind, cmd)
	if err != nil {
		return nil, err
	}
	out, ok := result.(outcome)
	if !ok {
		return nil, fmt.Errorf("command was not applied: %v", result)
	}
	return json.Marshal(out)
}

// await returns when this node's state has reached a version.
func (c *Controller) await(ctx context.Context, version uint64) error {
	for {
		c.waiting.Lock()
		applied := c.applied
		c.waiting.Unlock()
		if c.Machine.now.Load().Version >= version {
			return nil
		}
		select {
		case <-applied:
		case <-ctx.Done():
			return fmt.Errorf("the change was made, but this node has not heard of it yet: %w", kerr.RequestTimedOut)
		}
	}
}
