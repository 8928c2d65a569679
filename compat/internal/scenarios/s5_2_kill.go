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
	return together(outing{id: "5.2", title: "kill -9 of each node in turn under readers and writers", limit: 8 * time.Minute,
		happen: func(ctx context.Context, p *party) error {
			for _, n := range cluster.Nodes() {
				if err := p.outlast(ctx, faults.Killed(p.cluster, n), 0); err != nil {
					return err
				}
				p.read(ctx, resumeWithin, fmt.Sprintf("after node %d came back", n))
			}
			return nil
		}})
}
