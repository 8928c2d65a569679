// Package clients is the clients under test: which there are, how each is started, how each is steered to a
// follower, and what each can carry.
//
// Every client is a process of its own. Most are drivers that speak the driver protocol (package
// compat/drivers/protocol); the console tools and kcat are run as they are, with lines of text in and out.
// Both are a Client here, and both write what they do into the history.
//
// kinds.go is the list: to add a client, add a Kind there. client.go is what a scenario sees; driver.go and tool.go
// are the two ways to be one; console.go and kcat.go say how those tools are called and read.
package clients
