package shardlog

// scanned is what reading all frames of a segment found.
type scanned struct {
	refs           []frameRef
	last, lastTerm uint64
	lastCRC        uint32
	commit         uint64
	end            int64
	durable        uint64 // highest index that a frame says to be durable
	clean          bool   // an end mark is at end
	why            string // what is at end instead
}

// scan reads frames from the start of a segment up to the first that is not
// intact or does not follow the one before.
func scan(w *window, h *segHeader) (scanned, error) {
	s := scanned{last: h.first - 1, lastTerm: h.prevTerm, end: segHeaderLen, durable: h.durable}
	for {
		f, _, why, err := w.next(s.end, h.salt)
		if err != nil {
			return s, err
		}
		switch {
		case why != "":
			s.why = why
			return s, nil
		case f.index != s.last+1 || f.prev != s.lastCRC:
			s.why = "the frame does not follow the one before it"
			return s, nil
		}
		s.commit = max(s.commit, f.commit)
		s.durable = max(s.durable, f.durable)
		if f.kind == kindEnd {
			s.clean = true
			return s, nil
		}
		s.refs = append(s.refs, frameRef{pos: uint32(s.end / align), data: f.dataLen})
		s.last, s.lastTerm, s.lastCRC = f.index, f.term, f.crc
		s.end += f.size()
	}
}

// proof looks after a bad frame for intact headers and returns the highest
// index that one of them says to be durable, and where it is. What was written
// by one call can reach the disk in any order, so that a frame after a bad
// one means nothing by itself; but a frame that was written knowing the bad one
// to be durable means that the disk lost it.
func proof(w *window, h *segHeader, from int64) (durable uint64, at int64, err error) {
	for pos := from + align; pos+frameLen <= w.size; pos += align {
		p, err := w.at(pos, frameLen)
		if err != nil {
			return 0, 0, err
		}
		if f, ok := decodeFrame(p, h.salt); ok && f.durable > durable {
			durable, at = f.durable, pos
		}
	}
	return durable, at, nil
}
