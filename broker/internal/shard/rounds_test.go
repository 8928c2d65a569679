package shard

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestRoundsBeginAfterTheirAskers: whoever comes while a round is under way gets
// the outcome of a later one, and all who wait share it.
func TestRoundsBeginAfterTheirAskers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newRounds(time.Minute)
		asked := uint64(0)
		question := func(context.Context) (uint64, error) {
			asked++ // one round at a time: no lock
			n := asked
			time.Sleep(time.Second)
			return n, nil
		}
		var done sync.WaitGroup
		answers := make([]uint64, 50)
		for i := range answers {
			done.Go(func() {
				answers[i], _ = q.ask(t.Context(), question)
			})
			if i == 0 {
				synctest.Wait() // the first round is under way
			}
		}
		done.Wait()
		if answers[0] != 1 || asked != 2 {
			t.Errorf("%d rounds, the first asker got %d", asked, answers[0])
		}
		for i, got := range answers[1:] {
			if got != 2 {
				t.Errorf("asker %d, who came during round 1, got the answer of round %d", i+1, got)
			}
		}
	})
}

// TestRoundsOutliveTheirAsker: the one who asks for all may give up, the others
// still get their answer.
func TestRoundsOutliveTheirAsker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newRounds(time.Minute)
		question := func(ctx context.Context) (uint64, error) {
			time.Sleep(time.Second)
			return 7, ctx.Err()
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		var done sync.WaitGroup
		done.Go(func() { q.ask(short, question) })
		synctest.Wait()
		if got, err := q.ask(t.Context(), question); got != 7 || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
		done.Wait()
		// One that waits while a round is under way gives up in time.
		done.Go(func() { q.ask(t.Context(), question) })
		synctest.Wait()
		short, cancel = context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		began := time.Now()
		if _, err := q.ask(short, question); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second/2 {
			t.Errorf("gave up after %v: %v", time.Since(began), err)
		}
		done.Wait()
		// And a question that never ends is ended.
		q = newRounds(3 * time.Second)
		began = time.Now()
		_, err := q.ask(t.Context(), func(ctx context.Context) (uint64, error) { <-ctx.Done(); return 0, ctx.Err() })
		if err == nil || time.Since(began) != 3*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}
