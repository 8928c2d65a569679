package scenarios

import (
	"context"
	"fmt"
	"time"

	"lockstep/compat/internal/cluster"
	"lockstep/compat/internal/faults"
	"lockstep/compat/internal/scenario"
)

// 5.2: while clients write and read, each node in turn is killed (kill -9), and started again on its data.
//
// Must be seen: each kill bites; writers go on while a node is dead, readers go on at the latest when it is back, all
// by themselves; nothing acknowledged is lost, nothing doubled or changed; in the end the replicas' logs agree.
func killEveryNode() *scenario.Scenario {
	return &scenario.Scenario{ID: "5.2", Title: "kill -9 of each node in turn under readers and writers", Limit: 8 * time.Minute, Faults: true,
		RunAll: func(ctx context.Context, cells []*scenario.Cell) error {
			const follower = 2
			p, err := invite(ctx, cells, follower)
			if err != nil {
				return err
			}
			p.write()
			p.read(ctx, resumeWithin, "before the first kill")
			for _, n := range cluster.Nodes() {
				kill := faults.Killed(cells[0].Cluster, n)
				if err := p.fault(ctx, kill.Inject); err != nil {
					return err
				}
				p.acks(ctx, resumeWithin, fmt.Sprintf("while node %d is dead", n))
				if err := p.fault(ctx, kill.Heal); err != nil {
					return err
				}
				p.read(ctx, resumeWithin, fmt.Sprintf("after node %d came back", n))
			}
			p.finish(ctx)
			return nil
		}}
}
