package scenarios

import "lockstep/compat/internal/scenario"

// All are the scenarios in the order in which they run: the quiet ones first.
func All() []*scenario.Scenario {
	return []*scenario.Scenario{
		followerCommitted(), followerUncommitted(), leaderOnly(), commitWait(), preferredReplica(), cutOffPreferred(),
		threeNodes(), lagAndCatchUp(), leaderKilled(), tenConsumers(), minority(), readScaling(), linkDelay(),
		kafkaPython(), javaTools(), confluent(),
		linkRefused(), killEveryNode(), linkBlackHoled(), timeToResume(), followerDelay(),
		rollingRestart(), transferred(), paused(), badLink(), lopsidedCuts(),
		linearizable(), hopping(), overwritten(), wiped(), newLeaderBarrier(), protocolTraps(), belowTheLog(),
		allKilled(), restartedAlone(), lagging(), committedOffsets(),
	}
}
