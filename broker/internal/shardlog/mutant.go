package shardlog

// loseTail is the planted bug LosesTail: it cuts the last entry as if it were torn.
func (l *Log) loseTail() {
	s := l.active
	if s == nil || s.last <= s.first {
		return
	}
	l.write.Lock()
	defer l.write.Unlock()
	last := s.last
	if err := l.cutSuffix(last); err != nil {
		l.opts.Logger.Error("planted bug", "err", err)
		return
	}
	if err := l.commit.settle(0, last-1, last-1); err != nil {
		l.opts.Logger.Error("planted bug", "err", err)
	}
}
