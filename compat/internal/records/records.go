package records

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"lockstep/compat/internal/history"
)

// Record as it is handed to a client. Null is nil, empty is not.
type Record struct {
	Key, Value []byte
	Headers    []Header
	Timestamp  int64 // ms since 1970
}

// Header of a Record.
type Header struct {
	Name  string
	Value []byte
}

// NearLimit is the length in bytes of the value of the one large record: as large as every client's and the
// broker's default limit of 1 MiB lets through with the framing around it.
const NearLimit = 1_000_000

// ForHistory is the record as it is kept.
func (r Record) ForHistory() *history.Record {
	h := &history.Record{Key: history.Of(r.Key), Value: history.Of(r.Value), Timestamp: r.Timestamp}
	for _, x := range r.Headers {
		h.Headers = append(h.Headers, history.Header{Name: x.Name, Value: history.Of(x.Value)})
	}
	return h
}

// Nasty makes n records whose timestamps lie in the day before baseMS (ms since 1970). Of 100 or more, one is
// near the size limit.
func Nasty(seed uint64, n int, baseMS int64) []Record {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]Record, n)
	for i := range out {
		out[i] = Record{
			Key:       nastyBytes(r, i, 40),
			Value:     nastyBytes(r, i+3, 600),
			Headers:   nastyHeaders(r, i),
			Timestamp: baseMS - r.Int64N(24*60*60*1000),
		}
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
		return []Header{{"twice", []byte("first")}, {"twice", []byte("second")}, {"twice", []byte("first")}}
	case 3:
		return []Header{{"null", nil}, {"empty", []byte{}}, {"naïve ☂", everyByte()}}
	}
	var h []Header
	for range 1 + r.IntN(12) {
		h = append(h, Header{fmt.Sprintf("h%d", r.IntN(6)), random(r, r.IntN(30))})
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
