package shard

import (
	"testing"
	"time"

	"lockstep/broker/internal/partition"
)

func TestVacant(t *testing.T) {
	now := time.Unix(1000, 0)
	justNow, longAgo := now.Add(-50*time.Millisecond), now.Add(-interregnum)
	for _, c := range []struct {
		name string
		st   Status
		lost time.Duration
		want bool
	}{
		{"follows", Status{Role: Follower, Leader: 2, LastContact: justNow}, 0, false},
		{"follows one that has just died", Status{Role: Follower, Leader: 2, LastContact: justNow}, time.Millisecond, true},
		{"follows one that is out of reach", Status{Role: Follower, Leader: 2, LastContact: longAgo}, interregnum, false},
		{"has voted, and knows no leader yet", Status{Role: Follower, Leader: -1, LastContact: justNow}, 0, true},
		{"stands for election", Status{Role: Candidate, Leader: -1, LastContact: justNow}, 0, true},
		{"cut off, and stands again and again", Status{Role: Candidate, Leader: -1, LastContact: longAgo}, 0, false},
		{"elected, not ready", Status{Role: Leader, Leader: 1, LastContact: justNow}, 0, true},
		{"leads", Status{Role: Leader, Ready: true, Leader: 1, LastContact: justNow}, 0, false},
		{"elected, answered by nobody yet", Status{Role: Leader, Leader: 1}, 0, true},
		{"has never heard of one", Status{Role: Follower, Leader: -1}, 0, false},
		{"is rebuilt", Status{Role: Follower, Leader: -1, Rebuilding: true, LastContact: justNow}, 0, false},
	} {
		if got := vacant(c.st, c.lost, now); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Whoever asks a follower in the moment its leader dies is told of the next one, and can write there at once.
func TestAwaitLeaderAfterADeath(t *testing.T) {
	c := newCluster(t, 3)
	k := partition.Key{Partition: 1}
	c.append(c.leader(), k, 1)
	old := c.leader()
	asked := c.follower(old)
	c.kill(old.node)
	eventually(t, "the death is seen", func() bool { return asked.mux.Lost(old.node) > 0 || asked.Status().Leader != old.node })
	asked.AwaitLeader(t.Context())
	st := asked.Status()
	if st.Leader < 0 || st.Leader == old.node {
		t.Fatalf("after the wait node %d names node %d as leader; node %d is dead", asked.node, st.Leader, old.node)
	}
	for _, m := range c.all() {
		if m.node == st.Leader {
			c.append(m, k, 1) // fails the test when it is refused
			return
		}
	}
	t.Fatalf("node %d does not run", st.Leader)
}

// Whoever asks a leader in the moment after it has handed over is told of the next one: also when it has led for so long that it
// has heard of no other leader for longer than one is waited for.
func TestAwaitLeaderAfterAHandOver(t *testing.T) {
	c := newCluster(t, 3)
	old := c.leader()
	c.append(old, partition.Key{Partition: 1}, 1)
	time.Sleep(interregnum + 100*time.Millisecond)
	next := c.follower(old)
	epoch := old.Status().Epoch
	stop, deposed := make(chan struct{}), make(chan Status, 1)
	go func() { // asks as often as it can, as many clients would
		for {
			if st := old.Status(); st.Role != Leader {
				old.AwaitLeader(t.Context())
				deposed <- old.Status()
				return
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	defer close(stop)
	if err := old.Transfer(next.node); err != nil {
		t.Fatal(err)
	}
	select {
	case st := <-deposed:
		if st.Leader < 0 || st.Epoch <= epoch {
			t.Errorf("after the wait the old leader names node %d in epoch %d; it led in epoch %d itself", st.Leader, st.Epoch, epoch)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the old leader still leads")
	}
}
