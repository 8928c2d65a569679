package records

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"

	"lockstep/compat/drivers/protocol"
	"lockstep/compat/internal/history"
)

// Record as it is handed to a client. Null is nil, empty is not; Timestamp is in ms since 1970.
type Record = protocol.Record

// Header of a Record.
type Header = protocol.Header

// Limits is what a client cannot carry, and so is left out of what it is given. The zero value: it can all.
type Limits struct {
	NoNullHeaders  bool // a header whose value is null
	NoEmptyHeaders bool // a header whose value is empty
	NoNullRecords  bool // a record with neither key nor value
}

// LimitsOf reads a driver's features.
func LimitsOf(features []string) Limits {
	lacks := func(f string) bool { return !slices.Contains(features, f) }
	return Limits{lacks(protocol.FeatureNullHeaderValues), lacks(protocol.FeatureEmptyHeaderValue), lacks(protocol.FeatureNullRecords)}
}

// apply changes r to what the client can carry.
func (l Limits) apply(r *Record) {
	if l.NoNullRecords && r.Key == nil && r.Value == nil {
		r.Value = []byte{0}
	}
	for i := range r.Headers {
		h := &r.Headers[i]
		if h.Value == nil && l.NoNullHeaders || h.Value != nil && len(h.Value) == 0 && l.NoEmptyHeaders {
			h.Value = []byte{0}
		}
	}
}

// NearLimit is the length in bytes of the value of the one large record: as large as every client's and the
// broker's default limit of 1 MiB lets through with the framing around it.
const NearLimit = 1_000_000

// ForHistory is the record as it is kept.
func ForHistory(r Record) *history.Record {
	h := &history.Record{Key: history.Of(r.Key), Value: history.Of(r.Value), Timestamp: r.Timestamp}
	for _, x := range r.Headers {
		h.Headers = append(h.Headers, history.Header{Name: x.Name, Value: history.Of(x.Value)})
	}
	return h
}

// Nasty makes n records whose timestamps lie in the day before baseMS (ms since 1970). Of 100 or more, one is
// near the size limit.
func Nasty(seed uint64, n int, baseMS int64, limits Limits) []Record {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]Record, n)
	for i := range out {
		out[i] = Record{
			Key:       nastyBytes(r, i, 40),
			Value:     nastyBytes(r, i/8+i, 600),
			Headers:   nastyHeaders(r, i),
			Timestamp: baseMS - r.Int64N(24*60*60*1000),
		}
		limits.apply(&out[i])
	}
	if n >= 100 {
		out[n/2].Value = random(r, NearLimit)
	}
	return out
}

// nastyBytes goes round the kinds of value so that even a few records meet each of them.
func nastyBytes(r *rand.Rand, i, limit int) []byte {
	switch i % 8 {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		return everyByte()
	case 3:
		return bytes.Repeat([]byte{byte(r.UintN(256))}, 1+r.IntN(limit)) // compresses well
	case 4:
		return []byte(fmt.Sprintf("täxt %d ✓\r\n\t\x00 end", i))
	case 5:
		return random(r, 1)
	}
	return random(r, 1+r.IntN(limit))
}

func nastyHeaders(r *rand.Rand, i int) []Header {
	switch i % 5 {
	case 0, 1:
		return nil
	case 2:
		return []Header{{Name: "twice", Value: []byte("first")}, {Name: "twice", Value: []byte("second")}, {Name: "twice", Value: []byte("first")}}
	case 3:
		return []Header{{Name: "null"}, {Name: "empty", Value: []byte{}}, {Name: "naïve ☂", Value: everyByte()}}
	}
	var h []Header
	for range 1 + r.IntN(12) {
		h = append(h, Header{Name: fmt.Sprintf("h%d", r.IntN(6)), Value: random(r, 1+r.IntN(30))})
	}
	return h
}

// Plain makes n records whose key and value are text without tab or line end, each different from all others
// of any seed, and without headers. Values are 60 to 200 bytes.
func Plain(seed uint64, n int, baseMS int64) []Record {
	r := rand.New(rand.NewPCG(seed, 2))
	out := make([]Record, n)
	for i := range out {
		text := fmt.Appendf(nil, "%016x line %06d ", seed, i)
		for range 6 + r.IntN(20) {
			text = append(text, words[r.IntN(len(words))]...)
			text = append(text, ' ')
		}
		out[i] = Record{Key: fmt.Appendf(nil, "key-%06d", i), Value: text[:len(text)-1], Timestamp: baseMS + int64(i)}
	}
	return out
}

// Large makes n records whose values are so many random bytes, with a key each and no headers: for scenarios that are about bytes.
func Large(seed uint64, n, size int, baseMS int64) []Record {
	r := rand.New(rand.NewPCG(seed, 3))
	out := make([]Record, n)
	for i := range out {
		out[i] = Record{Key: fmt.Appendf(nil, "key-%06d", i), Value: random(r, size), Timestamp: baseMS + int64(i)}
	}
	return out
}

var words = []string{"offset", "epoch", "replica", "höchst", "água", "水位", "leader", "quorum", "\"quoted\"", "a,b", "{json}", "$x", "back\\slash"}

func everyByte() []byte {
	p := make([]byte, 256)
	for i := range p {
		p[i] = byte(i)
	}
	return p
}

func random(r *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := 0; i < n; i += 8 {
		v := r.Uint64()
		for j := i; j < n && j < i+8; j++ {
			p[j] = byte(v)
			v >>= 8
		}
	}
	return p
}
