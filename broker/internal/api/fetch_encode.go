package api

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"lockstep/broker/internal/partition"
)

// streamed is a Fetch response some of whose records are still in the log. Only
// Encode encodes it in full; it is made only for requests that say Streams.
type streamed struct {
	*kmsg.FetchResponse
	records map[partAt][]partition.Part // of partitions whose RecordBatches are empty
}

// partAt is a partition of a response, by position.
type partAt struct{ topic, partition int }

// Chunk is a piece of an encoded response: bytes, or records that are still in the
// log.
type Chunk struct {
	Bytes []byte
	Part  *partition.Part // nil for Bytes
}

// Encode is AppendResponse for responses that may be streamed: it returns the
// pieces to send one after the other, the first of which begins with dst, and
// their length in bytes. buffer is the memory that Bytes lie in.
func Encode(dst []byte, req *Request, resp kmsg.Response) (chunks []Chunk, buffer []byte, length int) {
	s, ok := resp.(*streamed)
	if !ok {
		dst = AppendResponse(dst, req, resp)
		return []Chunk{{Bytes: dst}}, dst, len(dst)
	}
	e := encoder{dst: slices.Grow(dst, sizeOf(s.FetchResponse)), flexible: s.IsFlexible()}
	e.dst = kbin.AppendInt32(e.dst, req.CorrelationID)
	e.tags() // of the header
	e.fetch(s)
	return e.chunks(), e.dst, len(e.dst) + e.parted
}

// copyBelow is the size in bytes of records below which they are copied beside what
// stands around them.
const copyBelow = 4 << 10

// encoder writes a response around parts that it leaves out.
type encoder struct {
	dst      []byte
	flexible bool
	parts    []partition.Part
	cuts     []int // for each part, the position in dst that it comes before
	parted   int   // bytes in parts
}

// chunks cuts dst, which does not move any more.
func (e *encoder) chunks() (all []Chunk) {
	from := 0
	for i, cut := range e.cuts {
		if cut > from {
			all = append(all, Chunk{Bytes: e.dst[from:cut]})
			from = cut
		}
		if part := &e.parts[i]; part.Data != nil {
			all = append(all, Chunk{Bytes: part.Data})
		} else {
			all = append(all, Chunk{Part: part})
		}
	}
	return append(all, Chunk{Bytes: e.dst[from:]})
}

// fetch writes the body. Everything but the records is encoded by kmsg, in
// responses that hold only that part.
func (e *encoder) fetch(s *streamed) {
	bare := *s.FetchResponse
	bare.Topics = nil
	around := bare.AppendTo(nil)
	head := 4 // throttle time
	if s.Version >= 7 {
		head += 2 + 4 // error, session
	}
	e.dst = append(e.dst, around[:head]...)
	e.length(len(s.Topics))
	for i := range s.Topics {
		t := &s.Topics[i]
		switch {
		case s.Version >= 13:
			e.dst = append(e.dst, t.TopicID[:]...)
		case e.flexible:
			e.dst = kbin.AppendCompactString(e.dst, t.Topic)
		default:
			e.dst = kbin.AppendString(e.dst, t.Topic)
		}
		e.length(len(t.Partitions))
		for j := range t.Partitions {
			e.partition(s, &t.Partitions[j], s.records[partAt{i, j}])
		}
		e.tags()
	}
	e.dst = append(e.dst, around[head+e.lengthLen():]...)
}

// length writes how many elements an array has, and lengthLen is how many bytes
// that takes for fewer than 127.
func (e *encoder) length(n int) {
	if e.flexible {
		e.dst = kbin.AppendCompactArrayLen(e.dst, n)
	} else {
		e.dst = kbin.AppendArrayLen(e.dst, n)
	}
}

func (e *encoder) lengthLen() int {
	if e.flexible {
		return 1
	}
	return 4
}

// tags writes that there are none.
func (e *encoder) tags() {
	if e.flexible {
		e.dst = append(e.dst, 0)
	}
}

// partition writes one partition, with parts for its records if there are any.
func (e *encoder) partition(s *streamed, p *kmsg.FetchResponseTopicPartition, parts []partition.Part) {
	if records := p.RecordBatches; len(parts) == 0 && len(records) >= copyBelow {
		bare := *p
		bare.RecordBatches = []byte{}
		p, parts = &bare, []partition.Part{{Data: records}}
	}
	topic := kmsg.FetchResponseTopic{} // takes as many bytes with one partition as without
	none := kmsg.FetchResponse{Version: s.Version, Topics: []kmsg.FetchResponseTopic{topic}}
	topic.Partitions = []kmsg.FetchResponseTopicPartition{*p}
	alone := kmsg.FetchResponse{Version: s.Version, Topics: []kmsg.FetchResponseTopic{topic}}
	after := 0 // tags of topic and response
	if e.flexible {
		after = 2
	}
	before := len(none.AppendTo(nil)) - after
	encoded := alone.AppendTo(nil)
	encoded = encoded[before : len(encoded)-after]
	if len(parts) == 0 {
		e.dst = append(e.dst, encoded...)
		return
	}
	// Empty records are a length of four bytes, or, before the number of tags,
	// which is 0 for an answer with records, of one.
	size := 0
	for i := range parts {
		size += parts[i].Len()
	}
	if e.flexible {
		e.dst = append(e.dst, encoded[:len(encoded)-2]...)
		e.dst = kbin.AppendUvarint(e.dst, uint32(size)+1)
	} else {
		e.dst = append(e.dst, encoded[:len(encoded)-4]...)
		e.dst = kbin.AppendInt32(e.dst, int32(size))
	}
	for _, part := range parts {
		e.parts, e.cuts = append(e.parts, part), append(e.cuts, len(e.dst))
		e.parted += part.Len()
	}
	e.tags()
}
