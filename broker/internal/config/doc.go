// Package config holds a node's settings as typed values with defaults.
// Flags and environment variables are read by the broker's main package; this
// one knows only what the values mean and which combinations make no sense
// (Validate).
package config
