package explore

import "slices"

// An edgeLog is what a worker notes of the steps between states: for each state that it expands,
// the states that steps led to, how many they are, and the state itself, so that it can be read
// from its end. Steps of the environment are not noted: nobody may rely on them.
type edgeLog struct {
	chunks [][]uint32
	levels []logPlace // where each level begins
	n      int        // edges of the state that is being expanded
}

type logPlace struct{ chunk, at int }

const logChunk = 1 << 16

// endMark stands for the count of edges where all bodies have returned.
const endMark = 1 << 31

// begin makes room for a state's record, which lies in one chunk.
func (l *edgeLog) begin() {
	l.n = 0
	if k := len(l.chunks) - 1; k < 0 ||
		cap(l.chunks[k])-len(l.chunks[k]) < maxThreads*(maxActs+1)+2 {
		l.chunks = append(l.chunks, make([]uint32, 0, logChunk))
	}
}

func (l *edgeLog) add(to uint32) {
	c := &l.chunks[len(l.chunks)-1]
	*c = append(*c, to)
	l.n++
}

func (l *edgeLog) end(id uint32, returned bool) {
	n := uint32(l.n)
	if returned {
		n = endMark
	}
	c := &l.chunks[len(l.chunks)-1]
	*c = append(*c, n, id)
}

func (l *edgeLog) level() {
	if len(l.chunks) == 0 {
		l.levels = append(l.levels, logPlace{})
		return
	}
	l.levels = append(l.levels, logPlace{len(l.chunks) - 1, len(l.chunks[len(l.chunks)-1])})
}

func (l *edgeLog) bytes() int { return 4 * logChunk * len(l.chunks) }

// backwards visits the records of a level from its end.
func (l *edgeLog) backwards(level int, visit func(id uint32, to []uint32, returned bool)) {
	if len(l.chunks) == 0 {
		return
	}
	from, to := l.levels[level], logPlace{len(l.chunks) - 1, len(l.chunks[len(l.chunks)-1])}
	if level+1 < len(l.levels) {
		to = l.levels[level+1]
	}
	for k := to.chunk; k >= from.chunk; k-- {
		c, low := l.chunks[k], 0
		if k == to.chunk {
			c = c[:to.at]
		}
		if k == from.chunk {
			low = from.at
		}
		for at := len(c); at > low; {
			id, n := c[at-1], c[at-2]
			at -= 2
			returned := n == endMark
			if returned {
				n = 0
			}
			visit(id, c[at-int(n):at], returned)
			at -= int(n)
		}
	}
}

// progress looks for a state from which the end can't be reached. It goes through the steps from
// the last to the first, as often as it learns something: states are numbered by their distance, so
// most is learned at once.
func (x *explorer) progress(workers []*worker) {
	n := int(x.visited.n.Load())
	good := make([]uint64, (n+63)/64)
	is := func(id uint32) bool { return good[id>>6]>>(id&63)&1 != 0 }
	for _, w := range workers { // numbers of no state
		for id := w.ids.next; id < w.ids.end; id++ {
			good[id>>6] |= 1 << (id & 63)
		}
	}
	for changed := true; changed; {
		changed = false
		for level := len(workers[0].edges.levels) - 1; level >= 0; level-- {
			for _, w := range workers {
				w.edges.backwards(level, func(id uint32, to []uint32, returned bool) {
					if !is(id) && (returned || slices.ContainsFunc(to, is)) {
						good[id>>6] |= 1 << (id & 63)
						changed = true
					}
				})
			}
		}
	}
	for id := range uint32(n) {
		if !is(id) {
			x.found(&Finding{Kind: "livelock", Text: "the end can't be reached any more"}, id, -1)
			return
		}
	}
}
