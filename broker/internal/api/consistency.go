package api

import (
	"lockstep/broker/internal/controller"
	"lockstep/broker/internal/mutant"
)

// linearizable reports whether reads of t must see every write acknowledged
// before them, on whichever replica.
func (a *API) linearizable(t *controller.Topic) bool {
	c, ok := t.Configs["lockstep.read.consistency"]
	if !ok {
		c = a.Config.ReadConsistency
	}
	return c == "linearizable" && !mutant.Is(mutant.StaleLinearizable)
}
