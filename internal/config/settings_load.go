package config

import "time"

// LoadBounds bound what a server has in work at once. Outcrop's own. 0 is not stated.
type LoadBounds struct {
	Requests  int           // load.maxRequests
	PerCaller int           // load.maxRequestsPerCaller
	Queue     int           // load.queue; below 0 is not stated
	Wait      time.Duration // load.queueTimeout
	Bodies    int64         // load.bodyMemory, in bytes
}

func loadTable() table[Settings] {
	return table[Settings]{exact: true, fields: []field[Settings]{
		{"maxRequests", "integer ≥ 1", "", enforced, "how many requests may be in work at once, their streams included; `--max-requests` goes before. Without it as many as memory and descriptors are for, see operate.md. Outcrop's own field", "",
			func(l *loader, v spot, s *Settings) { l.int32(v, 1, &s.Load.Requests) }},
		{"maxRequestsPerCaller", "integer ≥ 1", "", enforced, "how many of them one caller may have; without it nine of ten, and all but two of a few. Outcrop's own field", "",
			func(l *loader, v spot, s *Settings) { l.int32(v, 1, &s.Load.PerCaller) }},
		{"queue", "integer ≥ 0", "", enforced, "how many requests may wait when all places are taken, at most as long as `queueTimeout`; callers take turns. Without it as many as `maxRequests`, at least 16 and at most 256. Outcrop's own field", "",
			func(l *loader, v spot, s *Settings) { l.int32(v, 0, &s.Load.Queue) }},
		{"queueTimeout", "milliseconds ≥ 1", "1000", enforced, "how long a request may wait for a place; one that is not to be had in that time is refused at once. Outcrop's own field", "",
			func(l *loader, v spot, s *Settings) { l.millis(v, 1, &s.Load.Wait) }},
		{"bodyMemory", "bytes ≥ 1", "", enforced, "how long the bodies of all requests in work may be together; `--body-memory` goes before. Without it a sixteenth of the memory, at least 32 MiB. Outcrop's own field", "",
			func(l *loader, v spot, s *Settings) { l.integer(v, 1, &s.Load.Bodies) }},
	}}
}
