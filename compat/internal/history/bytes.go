package history

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/maphash"
)

// wholeUpTo is the length in bytes up to which a key, value or header is kept whole. Above it, its length, its
// SHA-256 and its first bytes are kept: enough to tell any two apart and to show what it was.
const wholeUpTo = 1024

// headBytes is how much of a digested value is kept to be shown.
const headBytes = 32

// Bytes is a key, a value or a header's value: null, or bytes. The zero Bytes is null.
//
// Two Bytes are equal exactly when what they stand for is equal (up to a collision of SHA-256).
type Bytes struct {
	set    bool
	whole  []byte // when short
	length int    // when digested
	sum    [sha256.Size]byte
	head   []byte
}

// Of keeps p, which may be nil for null. A short p is aliased and must not change afterwards.
func Of(p []byte) Bytes {
	if p == nil {
		return Bytes{}
	}
	if len(p) <= wholeUpTo {
		return Bytes{set: true, whole: p}
	}
	return Bytes{set: true, length: len(p), sum: sha256.Sum256(p), head: bytes.Clone(p[:headBytes])}
}

// Text keeps a string; it is never null.
func Text(s string) Bytes { return Of([]byte(s)) }

// IsNull tells null from an empty value.
func (b Bytes) IsNull() bool { return !b.set }

// Len is the length in bytes of what b stands for; 0 for null.
func (b Bytes) Len() int {
	if b.length > 0 {
		return b.length
	}
	return len(b.whole)
}

// Whole gives the bytes themselves; ok is false when only a digest was kept. It is nil for null.
func (b Bytes) Whole() (p []byte, ok bool) { return b.whole, b.length == 0 }

// Head is the beginning of the bytes that is kept even where only a digest is.
func (b Bytes) Head() []byte {
	if b.length > 0 {
		return b.head
	}
	return b.whole
}

// Equal tells whether both stand for the same bytes, null being equal only to null.
func (b Bytes) Equal(o Bytes) bool {
	return b.set == o.set && b.length == o.length && b.sum == o.sum && bytes.Equal(b.whole, o.whole)
}

// String shows b to a person: null, quoted text where it is short, else length, digest and head in hex.
func (b Bytes) String() string {
	switch {
	case !b.set:
		return "null"
	case b.length > 0:
		return fmt.Sprintf("%d bytes, sha256 %s, begins %s", b.length, hex.EncodeToString(b.sum[:8]), hex.EncodeToString(b.head))
	case len(b.whole) > 2*headBytes:
		return fmt.Sprintf("%d bytes, begins %q", len(b.whole), b.whole[:headBytes])
	}
	return fmt.Sprintf("%q", b.whole)
}

// digest is how a long value is written.
type digest struct {
	Len    int    `json:"len"`
	SHA256 string `json:"sha256"`
	Head   string `json:"head"`
}

// MarshalJSON writes null, a base64 string, or an object with len, sha256 and head (hex).
func (b Bytes) MarshalJSON() ([]byte, error) {
	if !b.set {
		return []byte("null"), nil
	}
	if b.length > 0 {
		return json.Marshal(digest{b.length, hex.EncodeToString(b.sum[:]), hex.EncodeToString(b.head)})
	}
	return json.Marshal(base64.StdEncoding.EncodeToString(b.whole))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (b *Bytes) UnmarshalJSON(p []byte) error {
	*b = Bytes{}
	if bytes.Equal(p, []byte("null")) {
		return nil
	}
	if len(p) > 0 && p[0] == '"' {
		var whole []byte
		if err := json.Unmarshal(p, &whole); err != nil {
			return err
		}
		if whole == nil {
			whole = []byte{}
		}
		*b = Of(whole)
		return nil
	}
	var d digest
	if err := json.Unmarshal(p, &d); err != nil {
		return err
	}
	sum, err := hex.DecodeString(d.SHA256)
	if err != nil || len(sum) != sha256.Size {
		return fmt.Errorf("history: bad sha256 %q", d.SHA256)
	}
	head, err := hex.DecodeString(d.Head)
	if err != nil {
		return fmt.Errorf("history: bad head %q", d.Head)
	}
	b.set, b.length, b.head = true, d.Len, head
	copy(b.sum[:], sum)
	return nil
}

var seed = maphash.MakeSeed()

// Hash is the same for equal Bytes, within a process.
func (b Bytes) Hash() uint64 {
	switch {
	case !b.set:
		return 0
	case b.length > 0:
		return maphash.Bytes(seed, b.sum[:])
	}
	return maphash.Bytes(seed, b.whole)
}
