// Package cluster is the cluster under test: three brokers with toxiproxy in front of every edge.
//
// An edge is a proxy with a name that says who dials whom: client-1..3 and local-1..3 are what clients dial,
// raft-1-2 is how node 1 dials node 2. Brokers advertise the proxied addresses and are told the proxied
// addresses of their peers, so cutting an edge cuts that direction of that link and nothing else.
//
// Read edge.go for the names, plan.go for which address is whose, cluster.go for what a scenario can do, health.go
// for what a node tells of itself, proxies.go for toxiproxy. How brokers and toxiproxy come to run is a runtime:
// process.go (local processes, no root, no engine) and docker.go (testcontainers). What runs is a target:
// target.go and lockstep.go; kafka.go (how Apache Kafka is started), kafka_links.go (links of each pair of its brokers) and
// kafka_ask.go (what it is asked). Both runtimes wire the same plan.
package cluster
