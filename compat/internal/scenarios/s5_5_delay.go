package scenarios

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lockstep/compat/internal/clients"
	"lockstep/compat/internal/history"
	"lockstep/compat/internal/report"
	"lockstep/compat/internal/scenario"
)

// 5.5: one process of the client reads the same records twice, from the leader and from a follower; they come now and
// then at first, then a thousand in a second. Tools are left out: they are the same libraries behind a pipe.
//
// Must be seen: both replicas serve; the median record no more than the plan's 100 ms later from the follower; how long a record takes to each reader, and how much later it comes from the
// follower (in the results and the report: what is measured is the machine's as much as the broker's).
func followerDelay() *scenario.Scenario {
	return &scenario.Scenario{ID: "5.5", Title: "how much later records come from a follower than from the leader", Limit: 3 * time.Minute,
		With: func(k clients.Kind) bool { return k.Acks }, Run: measureDelay}
}

// paces are what is written while delays are measured. Few records show what a follower adds when it has to be told of each
// commit, many what it adds when it is busy.
var paces = []struct {
	name      string
	perSecond int
	lasts     time.Duration
}{
	{"idle", 8, 10 * time.Second},
	{"load", 1000, 5 * time.Second},
}

// mostExtra is how much later the plan lets a follower deliver. What a broker needs is a thousandth of it; this bound is
// for one that waits for the next heartbeat.
const mostExtra = 100 * time.Millisecond

const onLeader, onFollower = "on-leader", "on-follower"

func measureDelay(ctx context.Context, c *scenario.Cell) error {
	t, err := c.Topic(ctx, 6, func(leader int) bool { return leader == partyLeader })
	if err != nil {
		return err
	}
	client, err := c.StartUnderTest(ctx)
	if err != nil {
		return err
	}
	writer, err := c.Start(ctx, clients.Default(), "writer")
	if err != nil {
		return err
	}
	for reader, node := range map[string]int{onLeader: t.Leader, onFollower: partyFollower} {
		if err := client.OpenConsumer(ctx, reader, c.FromFollower(t, node)); err != nil {
			return err
		}
	}
	if err := proveBoth(ctx, c, t, writer); err != nil {
		return err
	}
	for _, pace := range paces {
		load, err := c.OpenLoad(ctx, writer, pace.name, t)
		if err != nil {
			return err
		}
		load.Start(pace.perSecond)
		if err := hold(ctx, pace.lasts); err != nil {
			return err
		}
		if err := load.Stop(ctx); err != nil {
			return err
		}
		if _, err := c.ReadToEnd(ctx, t, 0, onLeader, onFollower); err != nil {
			return err
		}
		d, err := delays(c.H.Events(), pace.name)
		if err != nil {
			return c.UnlessMoved(ctx, t, err)
		}
		if c.Result.Delay == nil {
			c.Result.Delay = map[string]report.Delay{}
		}
		c.Result.Delay[pace.name] = d
		c.H.Logf("delay, %s: %+v", pace.name, d)
		if extra := time.Duration(d.Extra.P50 * float64(time.Millisecond)); extra > mostExtra {
			return c.UnlessMoved(ctx, t, fmt.Errorf("%s: the median record comes %v later from the follower: it is told late what is committed; the plan allows %v", pace.name, extra, mostExtra))
		}
	}
	if err := writer.Close(ctx); err != nil {
		return err
	}
	return c.UnlessMoved(ctx, t, client.Close(ctx))
}

// proveBoth has both readers read some records, and shows by the brokers' counters that each replica served them once.
func proveBoth(ctx context.Context, c *scenario.Cell, t scenario.Topic, writer clients.Client) error {
	window, err := c.OpenWindow(ctx)
	if err != nil {
		return err
	}
	warm, err := c.OpenLoad(ctx, writer, "warm", t)
	if err != nil {
		return err
	}
	if err := warm.Send(ctx, warmRecords); err != nil {
		return err
	}
	if _, err := c.ReadToEnd(ctx, t, 0, onLeader, onFollower); err != nil {
		return err
	}
	served := c.ServedSince(ctx, window)
	c.Result.Served = report.Served{Leader: served.Leader, Follower: served.Follower}
	if c.Cluster.Features().Counters && (served.Leader < warmRecords || served.Follower < warmRecords) {
		return c.UnlessMoved(ctx, t, scenario.Unknownf("leaders served %d records and followers %d, not %d each", served.Leader, served.Follower, warmRecords))
	}
	return nil
}

// delays measures the records of one writer that both readers were given.
func delays(events []history.Event, writer string) (report.Delay, error) {
	sent, offsets := map[int64]int64{}, map[int64]int64{}
	readAt := map[string]map[int64]int64{onLeader: {}, onFollower: {}}
	for _, e := range events {
		switch {
		case e.Kind == history.Sent && e.Handle == writer:
			sent[e.N] = e.At
		case e.Kind == history.Acked && e.Handle == writer:
			offsets[e.N] = e.Offset
		case e.Kind == history.Read && readAt[e.Handle] != nil:
			if _, again := readAt[e.Handle][e.Offset]; !again {
				readAt[e.Handle][e.Offset] = e.At
			}
		}
	}
	var leader, follower, extra []float64
	for n, offset := range offsets {
		at := sent[n]
		l, fromLeader := readAt[onLeader][offset]
		f, fromFollower := readAt[onFollower][offset]
		if fromLeader && fromFollower {
			leader = append(leader, ms(l-at))
			follower = append(follower, ms(f-at))
			extra = append(extra, ms(f-l))
		}
	}
	if len(extra) < 50 {
		return report.Delay{}, scenario.Unknownf("only %d records were measured", len(extra))
	}
	return report.Delay{Records: int64(len(extra)), Leader: quantiles(leader), Follower: quantiles(follower), Extra: quantiles(extra)}, nil
}

func ms(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }

// quantiles sorts what was measured, of which there is some. The figures are rounded to hundredths.
func quantiles(of []float64) report.Spread {
	slices.Sort(of)
	at := func(q float64) float64 {
		return float64(int64(of[min(len(of)-1, int(q*float64(len(of))))]*100)) / 100
	}
	return report.Spread{P50: at(0.50), P99: at(0.99)}
}
