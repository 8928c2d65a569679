package clients

import (
	"slices"
	"strings"
	"testing"

	"lockstep/compat/internal/history"
)

func TestToolsParseTheirLines(t *testing.T) {
	tests := []struct {
		name   string
		tool   tool
		line   string
		ok     bool
		offset int64
		key    history.Bytes
		value  history.Bytes
	}{
		{"console", console{}, "Partition:0\tOffset:12\tk\tv with\ttab", true, 12, history.Text("k"), history.Text("v with\ttab")},
		{"console talk", console{}, "Processed a total of 3 messages", false, 0, history.Bytes{}, history.Bytes{}},
		{"console, other fields", console{}, "a\tb\tc\td", false, 0, history.Bytes{}, history.Bytes{}},
		{"kcat", kcat{}, `{"topic":"t","partition":0,"offset":7,"tstype":"create","ts":1,"broker":2,"key":null,"payload":"水\"q\""}`,
			true, 7, history.Of(nil), history.Text(`水"q"`)},
		{"kcat talk", kcat{}, "% Reached end", false, 0, history.Bytes{}, history.Bytes{}},
	}
	for _, tt := range tests {
		r, ok := tt.tool.parse([]byte(tt.line), ConsumerOptions{})
		if ok != tt.ok {
			t.Errorf("%s: ok is %v", tt.name, ok)
			continue
		}
		if ok && (r.offset != tt.offset || !r.record.Key.Equal(tt.key) || !r.record.Value.Equal(tt.value)) {
			t.Errorf("%s: %d %s", tt.name, r.offset, r.record)
		}
	}
}

// A rack goes on every command line that is to be steered by it, and a group is asked for instead of a partition.
func TestToolsAreSteered(t *testing.T) {
	for name, tl := range map[string]tool{"console": console{}, "kcat": kcat{}} {
		line := strings.Join(tl.consume(ConsumerOptions{Bootstrap: []string{"a:1", "b:2"}, Topic: "t", Rack: "r2", Offset: 4}), " ")
		for _, want := range []string{"a:1,b:2", "client.rack=r2", " 4"} {
			if !strings.Contains(line, want) {
				t.Errorf("%s: no %q in %s", name, want, line)
			}
		}
		args := tl.consume(ConsumerOptions{Bootstrap: []string{"a:1"}, Topic: "t", Group: "g"})
		if !slices.Contains(args, "g") || slices.Contains(args, "-p") || slices.Contains(args, "--partition") {
			t.Errorf("%s: %v", name, args)
		}
	}
}

func TestMissingSaysHowToGetIt(t *testing.T) {
	for _, k := range All() {
		if k.Name == "kcat" {
			continue // it may be on the PATH
		}
		err := k.Missing(t.TempDir())
		if err == nil || !strings.Contains(err.Error(), "to get it: ") {
			t.Errorf("%s: %v", k.Name, err)
		}
	}
}
