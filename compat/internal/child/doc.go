// Package child says how the suite starts other programs, so that none outlives it.
package child
