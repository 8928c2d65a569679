// Package metrics is the table of everything a node counts.
package metrics

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics holds the node's collectors, registered with Registry.
type Metrics struct {
	Registry *prometheus.Registry

	FetchRecords   *prometheus.CounterVec // role
	FetchBytes     *prometheus.CounterVec // role
	ProduceRecords prometheus.Counter
	ProduceBytes   prometheus.Counter
	Requests       *prometheus.CounterVec // api
	RequestErrors  *prometheus.CounterVec // api, error
	Redirects      *prometheus.CounterVec // to: "follower" or "leader"
	Connections    *prometheus.GaugeVec   // listener
}

// New returns a fresh table.
func New() *Metrics {
	m := &Metrics{
		Registry:       prometheus.NewRegistry(),
		FetchRecords:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lockstep_fetch_records_total", Help: "Records served by Fetch, by this node's role in the partition's shard."}, []string{"role"}),
		FetchBytes:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lockstep_fetch_bytes_total", Help: "Bytes of record batches served by Fetch, by role."}, []string{"role"}),
		ProduceRecords: prometheus.NewCounter(prometheus.CounterOpts{Name: "lockstep_produce_records_total", Help: "Records acknowledged by this node as leader."}),
		ProduceBytes:   prometheus.NewCounter(prometheus.CounterOpts{Name: "lockstep_produce_bytes_total", Help: "Bytes of record batches acknowledged by this node as leader."}),
		Requests:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lockstep_requests_total", Help: "Requests received, by API."}, []string{"api"}),
		RequestErrors:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lockstep_request_errors_total", Help: "Error codes answered, by API and Kafka's name of the error."}, []string{"api", "error"}),
		Redirects:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lockstep_fetch_redirects_total", Help: "Consumers sent to another replica, by the kind of replica they were sent to."}, []string{"to"}),
		Connections:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lockstep_connections", Help: "Open client connections, by listener."}, []string{"listener"}),
	}
	// Under the name that Go programs everywhere have for it.
	goroutines := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "go_goroutines", Help: "Goroutines that there are."},
		func() float64 { return float64(runtime.NumGoroutine()) })
	m.Registry.MustRegister(goroutines, m.FetchRecords, m.FetchBytes, m.ProduceRecords, m.ProduceBytes, m.Requests, m.RequestErrors, m.Redirects, m.Connections)
	return m
}
