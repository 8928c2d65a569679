package node

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strconv"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"lockstep/broker/internal/shard"
)

// handler serves:
//
//	GET  /health/live     200 while the process runs
//	GET  /health/ready    200 when clients can be served, else 503 and one line why
//	GET  /metrics         Prometheus
//	GET  /replicas        the state of every shard and replica, as JSON
//	POST /admin/transfer?shard=2&to=3  hand a shard's leadership over
//	GET  /debug/pprof/    Go's profiles, if Config.Pprof
func (n *Node) handler() http.Handler {
	n.metrics.Registry.MustRegister(collector{n})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health/live", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /health/ready", func(w http.ResponseWriter, _ *http.Request) {
		if why := n.notReady(); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(n.metrics.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /replicas", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(n.view()); err != nil {
			n.log.Debug("answer /replicas", "error", err)
		}
	})
	mux.HandleFunc("POST /admin/transfer", n.transfer)
	if n.cfg.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

func (n *Node) transfer(w http.ResponseWriter, r *http.Request) {
	id, err1 := strconv.Atoi(r.FormValue("shard"))
	to, err2 := strconv.Atoi(r.FormValue("to"))
	if err1 != nil || err2 != nil || id < 0 || id >= len(n.shards) {
		http.Error(w, fmt.Sprintf("use POST /admin/transfer?shard=0..%d&to=node", len(n.shards)-1), http.StatusBadRequest)
		return
	}
	if err := n.shards[id].Transfer(int32(to)); err != nil {
		http.Error(w, fmt.Sprintf("shard %d: %v", id, err), http.StatusConflict)
		return
	}
	fmt.Fprintln(w, "ok")
}

// notReady says why this node cannot serve; "" when it can: it is registered,
// every shard has a leader, and what this replica knows is not far behind.
func (n *Node) notReady() string {
	for _, s := range n.shards {
		st := s.Status()
		switch {
		case s.Failed() != nil:
			return fmt.Sprintf("shard %d has stopped: %v", s.ID(), s.Failed())
		case st.Waiting:
			return fmt.Sprintf("shard %d is empty and waits until all other nodes have told what they have of it", s.ID())
		case st.Rebuilding:
			return fmt.Sprintf("shard %d is being rebuilt from the other nodes", s.ID())
		case st.Leader < 0:
			return fmt.Sprintf("shard %d has no leader that this node hears", s.ID())
		case st.Role == shard.Leader && !st.Ready:
			return fmt.Sprintf("shard %d is taking over from its last leader", s.ID())
		case st.LagEntries > n.cfg.LagMaxEntries:
			return fmt.Sprintf("shard %d is %d entries behind its leader", s.ID(), st.LagEntries)
		}
	}
	if !n.control.Registered() {
		return "this node is not registered with the cluster yet"
	}
	if !n.control.Current() {
		return "this node does not know all topics yet"
	}
	return ""
}
