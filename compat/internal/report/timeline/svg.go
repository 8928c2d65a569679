package timeline

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// svg writes elements. Text of any origin goes through esc; numbers are rounded to a tenth.
type svg struct {
	b     strings.Builder
	under strings.Builder // what lies beneath all of b
}

func esc(s string) string {
	return template.HTMLEscapeString(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '·'
		}
		return r
	}, s))
}

func num(f float64) string {
	return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64)
}

func (s *svg) printf(format string, args ...any) { fmt.Fprintf(&s.b, format, args...) }

// rect draws a rectangle that tells title to whoever points at it.
func (s *svg) rect(class string, x, y, w, h float64, title string) {
	s.printf(`<rect class="%s" x="%s" y="%s" width="%s" height="%s"`, class, num(x), num(y), num(max(w, 0.6)), num(h))
	if title == "" {
		s.printf("/>")
		return
	}
	s.printf("><title>%s</title></rect>", esc(title))
}

func (s *svg) text(class string, x, y float64, text string) {
	s.printf(`<text class="%s" x="%s" y="%s">%s</text>`, class, num(x), num(y), esc(text))
}

// mark is a small triangle, pointing down (a fault bites) or up (it is gone).
func (s *svg) mark(class string, x, y float64, down bool, title string) {
	d := -1.0
	if down {
		d = 1
	}
	s.printf(`<path class="%s" d="M%s %sh9l-4.5 %sz"><title>%s</title></path>`, class, num(x-4.5), num(y-d*3.5), num(d*7), esc(title))
}

// bars draws counts, each bin as high as it is to the most, up from base or (grow negative) down from it, and brings the
// numbers along for whoever points at it.
func (s *svg) bars(class, name string, n, top []int64, base, grow float64) {
	most := float64(full(n))
	s.printf(`<path class="%s" data-n="%s" data-v="%s" data-o="%s" d="`, class, esc(name), compact(n, 0), compact(top, -1))
	for i := 0; i < len(n); i++ {
		if n[i] == 0 {
			continue
		}
		// The square root keeps a single record visible beside a batch of hundreds.
		h := math.Sqrt(min(float64(n[i])/most, 1)) * grow
		s.printf("M%s %sv%sh3.4v%sz", num(gutter+float64(i)*barWide), num(base), num(-h), num(h))
	}
	s.printf(`"/>`)
}

// steps draws a value that holds until the next one.
func (s *svg) steps(class string, at []float64, v []int64, end, base, high float64, most int64) {
	if len(at) == 0 {
		return
	}
	y := func(n int64) float64 { return base - high*float64(n)/float64(max(most, 1)) }
	s.printf(`<path class="%s" d="M%s %s`, class, num(at[0]), num(y(v[0])))
	last := at[0]
	for i := 1; i < len(at); i++ {
		if at[i]-last < 1 && i < len(at)-1 {
			continue // no two within a unit: nobody could see them
		}
		s.printf("H%sV%s", num(at[i]), num(y(v[i])))
		last = at[i]
	}
	s.printf(`H%s"/>`, num(end))
}

func (s *svg) open(height float64, sc scale, label string) string {
	return fmt.Sprintf(`<svg class="tl" role="img" viewBox="0 0 %s %s" data-from="%s" data-to="%s" data-bins="%d" data-s="%s" aria-label="%s">`,
		num(width), num(height), num(gutter), num(right), bins, strconv.FormatFloat(float64(sc.to-sc.from)/1e9, 'f', 3, 64), esc(label))
}

// done closes the picture, which needed so much height.
func (s *svg) done(height float64, sc scale, label string) template.HTML {
	return template.HTML(s.open(height, sc, label) + s.under.String() + s.b.String() + "</svg>") // all text went through esc
}
