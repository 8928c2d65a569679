package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// logs gives each component a logger of its own level.
type logs struct {
	out    io.Writer
	level  slog.Level
	levels map[string]slog.Level
}

// newLogs reads a specification like "info,shard=debug".
func newLogs(out io.Writer, spec string) (*logs, error) {
	l := &logs{out: out, levels: map[string]slog.Level{}}
	for _, item := range strings.Split(spec, ",") {
		component, name, of := strings.Cut(strings.TrimSpace(item), "=")
		if !of {
			name = component
		}
		var level slog.Level
		if err := level.UnmarshalText([]byte(name)); err != nil {
			return nil, fmt.Errorf("--log %q: %q is not a level: use debug, info, warn or error, or component=level", spec, name)
		}
		if of {
			l.levels[component] = level
		} else {
			l.level = level
		}
	}
	return l, nil
}

func (l *logs) component(name string) *slog.Logger {
	level, ok := l.levels[name]
	if !ok {
		level = l.level
	}
	return slog.New(slog.NewTextHandler(l.out, &slog.HandlerOptions{Level: level})).With("component", name)
}
