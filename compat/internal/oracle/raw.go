package oracle

import (
	"fmt"
	"sort"

	"lockstep/compat/internal/history"
)

// raw is oracle 3: every replica holds the same batches over what was fetched raw from it, each under a right
// CRC-32C, and those that the suite itself produced lie there as they were sent, from byte 16 on.
func raw(ix *index) []Violation {
	byFetch := map[string][]history.Event{}
	var vs []Violation
	for _, e := range ix.batches {
		byFetch[e.Handle] = append(byFetch[e.Handle], e)
		if e.Batch.CRC != e.Batch.Computed {
			vs = append(vs, batchViolation(e, "crc", "the CRC-32C stored in the batch is not that of its bytes",
				fmt.Sprintf("%08x", e.Batch.Computed), fmt.Sprintf("%08x", e.Batch.CRC)))
		}
	}
	for _, e := range ix.ranges {
		vs = append(vs, contiguous(e, byFetch[e.Handle])...)
	}
	vs = append(vs, replicasAgree(ix)...)
	return append(vs, asSent(ix)...)
}

func batchViolation(e history.Event, rule, message, expected, actual string) Violation {
	return Violation{Oracle: 3, Rule: rule, Topic: e.Topic, Partition: e.Partition, Offset: e.Batch.BaseOffset,
		Handle: fmt.Sprintf("%s, node %d", e.Handle, e.Node), Message: message, Expected: expected, Actual: actual}
}

// contiguous: the batches of a fetch cover its whole range, without a hole and without overlap.
func contiguous(r history.Event, batches []history.Event) []Violation {
	v := Violation{Oracle: 3, Rule: "hole", Topic: r.Topic, Partition: r.Partition, Handle: fmt.Sprintf("%s, node %d", r.Handle, r.Node)}
	if r.Error != "" {
		v.Rule, v.Message = "raw-fetch", "could not be fetched raw: "+r.Error
		return []Violation{v}
	}
	sort.SliceStable(batches, func(i, j int) bool { return batches[i].Batch.BaseOffset < batches[j].Batch.BaseOffset })
	next := r.Offset
	for i, e := range batches {
		first := e.Batch.BaseOffset
		// The first batch may begin below the offset asked for.
		if first > next || first < next && i > 0 {
			v.Offset = next
			v.Message = fmt.Sprintf("the next batch begins at %d", first)
			return []Violation{v}
		}
		next = e.Batch.LastOffset + 1
	}
	if next < r.To {
		v.Offset, v.Message = next, fmt.Sprintf("nothing from here to %d", r.To-1)
		return []Violation{v}
	}
	return nil
}

// replicasAgree compares the batches at each base offset. Every fetch of a partition covers the same range (else
// contiguous has complained), so a batch that one replica lacks shows as another batch at the same place.
func replicasAgree(ix *index) []Violation {
	first := map[place]history.Event{}
	var vs []Violation
	for _, e := range ix.batches {
		at := place{tp{e.Topic, e.Partition}, e.Batch.BaseOffset}
		f, seen := first[at]
		if !seen {
			first[at] = e
			continue
		}
		switch {
		case f.Batch.LastOffset != e.Batch.LastOffset:
			vs = append(vs, batchViolation(e, "replicas-differ", fmt.Sprintf("node %d has a batch of another length here", f.Node),
				fmt.Sprintf("last offset %d", f.Batch.LastOffset), fmt.Sprintf("%d", e.Batch.LastOffset)))
		case !f.Batch.Body.Equal(e.Batch.Body):
			vs = append(vs, batchViolation(e, "replicas-differ", fmt.Sprintf("other bytes from byte 16 on than on node %d", f.Node),
				f.Batch.Body.String(), e.Batch.Body.String()))
		case f.Batch.LeaderEpoch != e.Batch.LeaderEpoch:
			vs = append(vs, batchViolation(e, "epochs-differ", fmt.Sprintf("another leader epoch than on node %d", f.Node),
				fmt.Sprint(f.Batch.LeaderEpoch), fmt.Sprint(e.Batch.LeaderEpoch)))
		}
	}
	return vs
}

// asSent: a batch produced raw lies at its acknowledged offset with the bytes and the CRC it was sent with.
func asSent(ix *index) []Violation {
	var vs []Violation
	for _, w := range ix.wrote {
		found := false
		for _, e := range ix.batches {
			if (tp{e.Topic, e.Partition}) != (tp{w.Topic, w.Partition}) || e.Batch.BaseOffset != w.Offset {
				continue
			}
			found = true
			if !e.Batch.Body.Equal(w.Batch.Body) || e.Batch.CRC != w.Batch.CRC {
				vs = append(vs, batchViolation(e, "not-as-sent", "other bytes from byte 16 on than the producer sent",
					fmt.Sprintf("crc %08x, %s", w.Batch.CRC, w.Batch.Body), fmt.Sprintf("crc %08x, %s", e.Batch.CRC, e.Batch.Body)))
			}
		}
		if _, copied := ix.inLog(tp{w.Topic, w.Partition}, w.Offset); !found && copied {
			vs = append(vs, Violation{Oracle: 3, Rule: "not-as-sent", Topic: w.Topic, Partition: w.Partition, Offset: w.Offset, Handle: w.Handle,
				Message: "a batch produced raw is not at the offset it was acknowledged at"})
		}
	}
	return vs
}
