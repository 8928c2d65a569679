package page

import (
	"fmt"

	"lockstep/compat/internal/history"
)

// side is one of two values that are compared, byte by byte.
type side struct {
	Note string // null, empty, or that only a digest was kept
	Rows []hexRow
}

type hexRow struct {
	At    string
	Bytes []hexByte
}

type hexByte struct {
	Hex, Text string
	Differs   bool
}

const (
	hexWide = 16
	// mostHexRows of each side are shown, from a little before the first difference on.
	mostHexRows = 24
)

// compareBytes shows two values with what differs marked. There is no side for a value that nobody has (nil).
func compareBytes(expected, actual *history.Bytes) (e, a *side) {
	ep, enote := visible(expected)
	ap, anote := visible(actual)
	if expected != nil && actual != nil && len(ep) > 0 && string(ep) == string(ap) && !expected.Equal(*actual) {
		anote += "; it differs behind the beginning that was kept"
	}
	from := firstDifference(ep, ap)/hexWide*hexWide - 2*hexWide
	from = max(from, 0)
	if expected != nil {
		e = &side{Note: enote, Rows: hexRows(ep, ap, from, actual != nil)}
	}
	if actual != nil {
		a = &side{Note: anote, Rows: hexRows(ap, ep, from, expected != nil)}
	}
	return e, a
}

// visible are the bytes that were kept of a value, and what is to be said of it.
func visible(b *history.Bytes) ([]byte, string) {
	if b == nil {
		return nil, ""
	}
	if b.IsNull() {
		return nil, "null"
	}
	p, whole := b.Whole()
	switch {
	case !whole:
		return b.Head(), b.String() + " (the history keeps the beginning and the digest of values this long)"
	case len(p) == 0:
		return nil, "empty, not null"
	}
	return p, fmt.Sprintf("%d bytes", len(p))
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// hexRows are rows of p from an offset on; compared tells whether there is something to differ from.
func hexRows(p, other []byte, from int, compared bool) []hexRow {
	var rows []hexRow
	for at := from; at < len(p) && len(rows) < mostHexRows; at += hexWide {
		r := hexRow{At: fmt.Sprintf("%04x", at)}
		for i := at; i < min(at+hexWide, len(p)); i++ {
			text := "."
			if p[i] >= ' ' && p[i] < 0x7f {
				text = string(rune(p[i]))
			}
			r.Bytes = append(r.Bytes, hexByte{fmt.Sprintf("%02x", p[i]), text, compared && (i >= len(other) || other[i] != p[i])})
		}
		rows = append(rows, r)
	}
	return rows
}
