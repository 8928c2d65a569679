package oracle

import (
	"fmt"

	"lockstep/compat/internal/history"
)

// raw is oracle 3: every replica holds the same batches over what was fetched raw from it, each under a right
// CRC-32C, and those that the suite itself produced lie there as they were sent, from byte 16 on. An answer begins with
// the batch that holds the offset asked for, be that in the middle of a batch or at the edge of a segment.
func raw(ix *index) []Violation {
	var vs []Violation
	for _, e := range ix.batches {
		if e.Batch.CRC != e.Batch.Computed {
			vs = append(vs, batchViolation(e, "crc", "the CRC-32C stored in the batch is not that of its bytes",
				fmt.Sprintf("%08x", e.Batch.Computed), fmt.Sprintf("%08x", e.Batch.CRC)))
		}
	}
	for _, f := range ix.fetches {
		vs = append(vs, contiguous(f)...)
	}
	vs = append(vs, replicasAgree(ix)...)
	return append(vs, asSent(ix)...)
}

func batchViolation(e *history.Event, rule, message, expected, actual string) Violation {
	v := seen(3, rule, e)
	v.Offset, v.Message, v.Expected, v.Actual = e.Batch.BaseOffset, message, expected, actual
	return v
}

// contiguous: the batches of a fetch begin with the one that holds the offset asked for, and follow each other without a
// hole and without overlap, to the end of the range, where there was one.
func contiguous(f *fetch) []Violation {
	if f.Kind == history.RawRange && f.Error != "" {
		return []Violation{seen(3, "raw-fetch", f.Event).say("could not be fetched raw: %s", f.Error)}
	}
	v := seen(3, "hole", f.Event)
	next := f.Offset
	for i, e := range f.batches {
		first := e.Batch.BaseOffset
		switch {
		case i == 0 && e.Batch.LastOffset < f.Offset:
			v.Rule = "begins-elsewhere"
			return []Violation{v.say("the answer begins with the batch %d to %d, which does not hold the offset asked for", first, e.Batch.LastOffset)}
		case first > next, first < next && i > 0:
			v.Offset = next
			return []Violation{v.say("the next batch begins at %d", first)}
		}
		next = e.Batch.LastOffset + 1
	}
	if f.Kind == history.RawRange && next < f.To {
		v.Offset, v.To = next, f.To
		return []Violation{v.say("nothing from here to %d", f.To-1)}
	}
	return nil
}

// replicasAgree compares the batches at each base offset with each other: those of copies with the first copy's, and
// those of sessions' probes with the final copies', where they are the same batch at all (else it was replaced, which
// committed.go says). Every copy covers its whole range (else contiguous has complained), so a batch that one replica
// lacks shows as another batch at the same place.
func replicasAgree(ix *index) []Violation {
	first := map[place]*history.Event{}
	var vs []Violation
	for _, f := range ix.fetches {
		if f.Kind != history.RawRange {
			continue
		}
		for _, e := range f.batches {
			at := place{of(e), e.Batch.BaseOffset}
			if first[at] == nil {
				first[at] = e
				continue
			}
			vs = append(vs, batchesDiffer(first[at], e)...)
		}
	}
	for _, f := range ix.probes() {
		for _, e := range f.batches {
			at := place{of(e), e.Batch.BaseOffset}
			if first[at] == nil {
				first[at] = e
			} else if sameBatch(first[at].Batch, e.Batch) {
				vs = append(vs, batchesDiffer(first[at], e)...)
			}
		}
	}
	return vs
}

// sameBatch tells whether two batches have the same place and epoch, and so must have the same bytes.
func sameBatch(a, b *history.RawBatch) bool {
	return a.BaseOffset == b.BaseOffset && a.LastOffset == b.LastOffset && a.LeaderEpoch == b.LeaderEpoch
}

func batchesDiffer(f, e *history.Event) []Violation {
	switch {
	case f.Batch.LastOffset != e.Batch.LastOffset:
		return []Violation{batchViolation(e, "replicas-differ", fmt.Sprintf("node %d has a batch of another length here", f.Node),
			fmt.Sprintf("last offset %d", f.Batch.LastOffset), fmt.Sprintf("%d", e.Batch.LastOffset))}
	case !f.Batch.Body.Equal(e.Batch.Body):
		return []Violation{batchViolation(e, "replicas-differ", fmt.Sprintf("other bytes from byte 16 on than on node %d", f.Node),
			f.Batch.Body.String(), e.Batch.Body.String())}
	case f.Batch.LeaderEpoch != e.Batch.LeaderEpoch:
		return []Violation{batchViolation(e, "epochs-differ", fmt.Sprintf("another leader epoch than on node %d", f.Node),
			fmt.Sprint(f.Batch.LeaderEpoch), fmt.Sprint(e.Batch.LeaderEpoch))}
	}
	return nil
}

// asSent: a batch produced raw lies at its acknowledged offset with the bytes and the CRC it was sent with.
func asSent(ix *index) []Violation {
	at := map[place][]*history.Event{}
	for _, e := range ix.batches {
		at[place{of(e), e.Batch.BaseOffset}] = append(at[place{of(e), e.Batch.BaseOffset}], e)
	}
	var vs []Violation
	for _, w := range ix.wrote {
		copies := at[place{of(w), w.Offset}]
		for _, e := range copies {
			if !e.Batch.Body.Equal(w.Batch.Body) || e.Batch.CRC != w.Batch.CRC {
				v := batchViolation(e, "not-as-sent", "other bytes from byte 16 on than the producer sent",
					fmt.Sprintf("crc %08x, %s", w.Batch.CRC, w.Batch.Body), fmt.Sprintf("crc %08x, %s", e.Batch.CRC, e.Batch.Body))
				vs = append(vs, v.of(ix.at[of(w)][w.Offset]))
			}
		}
		if l := ix.finals[of(w)]; len(copies) == 0 && l != nil && w.At <= l.at && w.Offset >= l.from {
			vs = append(vs, seen(3, "not-as-sent", w).of(ix.at[of(w)][w.Offset]).say("a batch produced raw is not at the offset it was acknowledged at"))
		}
	}
	return vs
}
