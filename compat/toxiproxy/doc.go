// Command toxiproxy is Shopify's toxiproxy server with one toxic more: link (link.go), which all connections over a proxy
// share. Toxiproxy's own bandwidth limits each connection for itself, so that a node with more readers would have a wider
// link. main.go takes the flags of the original that are used here.
package main
