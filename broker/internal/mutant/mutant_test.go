package mutant

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const broker = "../.."

var (
	constant = regexp.MustCompile(`(?m)^\t(\w+)\s+Bug = "([a-z-]+)"$`)
	hook     = regexp.MustCompile(`mutant\.Is\(mutant\.(\w+)\)`)
)

// bugs reads the list: constant → name.
func bugs(t *testing.T) map[string]string {
	t.Helper()
	source, err := os.ReadFile("bugs.go")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, m := range constant.FindAllStringSubmatch(string(source), -1) {
		all[m[1]] = m[2]
	}
	if len(all) < 12 {
		t.Fatalf("found %d bugs in bugs.go", len(all))
	}
	return all
}

// TestEachBugIsHookedInOnce: a bug without a hook would never be caught, and what hooks are there must be listed.
func TestEachBugIsHookedInOnce(t *testing.T) {
	all := bugs(t)
	hooks := map[string][]string{}
	err := filepath.WalkDir(broker, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || filepath.Base(filepath.Dir(path)) == "mutant" {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range hook.FindAllStringSubmatch(string(source), -1) {
			hooks[m[1]] = append(hooks[m[1]], path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, where := range hooks {
		if all[name] == "" {
			t.Errorf("%v hook in %s, which is not listed", where, name)
		}
	}
	for name := range all {
		if len(hooks[name]) != 1 {
			t.Errorf("%s is hooked in at %d places %v, not at one", name, len(hooks[name]), hooks[name])
		}
	}
}

// TestOrdinaryBuildHasNone builds the broker both ways and looks for the bugs' names.
func TestOrdinaryBuildHasNone(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the broker twice")
	}
	all := bugs(t)
	dir := t.TempDir()
	build := func(name string, flags ...string) []byte {
		t.Helper()
		path := filepath.Join(dir, name)
		args := append(append([]string{"build", "-buildvcs=false", "-o", path}, flags...), broker)
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	ordinary, planted := build("ordinary"), build("planted", "-tags", "mutants")
	for _, name := range append([]string{"LOCKSTEP_MUTANT"}, values(all)...) {
		if bytes.Contains(ordinary, []byte(name)) {
			t.Errorf("the ordinary build contains %q", name)
		}
		if !bytes.Contains(planted, []byte(name)) {
			t.Errorf("the build with planted bugs does not contain %q: this test would find nothing", name)
		}
	}
	for _, harm := range []string{"mutant.Flip", "mutant.Restamp", "(*Log).loseTail"} {
		if bytes.Contains(ordinary, []byte(harm)) {
			t.Errorf("the ordinary build contains %s", harm)
		}
		if !bytes.Contains(planted, []byte(harm)) {
			t.Errorf("the build with planted bugs does not contain %s: this test would find nothing", harm)
		}
	}
	out, err := command(filepath.Join(dir, "planted"), "LOCKSTEP_MUTANT=?")
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 2 {
		t.Errorf("an unknown bug: %v, expected exit status 2", err)
	}
	for _, name := range values(all) {
		if !strings.Contains(out, "\n"+name+"\t") {
			t.Errorf("%s is not described in:\n%s", name, out)
		}
	}
}

func command(path, env string) (string, error) {
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func values(m map[string]string) []string {
	var out []string
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// batch is the header of a record batch with a right CRC and some bytes behind it.
func batch() []byte {
	b := make([]byte, batchHeader+9)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[crcAt:], crc32.Checksum(b[bodyAt:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func right(b []byte) bool {
	return binary.BigEndian.Uint32(b[crcAt:]) == crc32.Checksum(b[bodyAt:], crc32.MakeTable(crc32.Castagnoli))
}

func TestHarm(t *testing.T) {
	good := batch()
	flipped := 0
	for range 6 {
		if bad := Flip(good); !right(bad) {
			flipped++
		}
	}
	if flipped != 2 {
		t.Errorf("flipped %d of 6 answers, not every third", flipped)
	}
	lowered := 0
	for range 6 {
		if Earlier(5) == 4 {
			lowered++
		}
	}
	if lowered != 2 || Earlier(0)+Earlier(0)+Earlier(0) != 0 {
		t.Errorf("lowered %d of 6 high watermarks, not every third, or one below 0", lowered)
	}
	bad := Restamp(append(batch(), batch()...))
	if bytes.Equal(bad[:len(good)], good) || !right(bad[:len(good)]) || !bytes.Equal(bad[len(good):], good) {
		t.Error("Restamp does not change the first batch's time with a CRC that fits, and nothing else")
	}
	if !bytes.Equal(good, batch()) {
		t.Error("the log's own bytes were changed")
	}
}
