// Package drivers lists the real Kafka clients that the compatibility suite drives, and how each is set up and started.
//
// A driver is one client library in a process of its own, which takes commands and tells events in JSON lines. Read
// compat/drivers/protocol first: it is the contract, the command loop of the Go drivers, and the suite's side of the
// pipe. Each driver's own folder says in its opening comment what that client is like: franzgo and confluentgo here,
// python/ and java/ at the repository's top.
//
// To put a client of your own under the suite, write a driver for it and add a [Client] to [Clients].
package drivers
