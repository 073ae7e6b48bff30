package limit

import "time"

// Schedule says when the calendar's windows begin: a day at Reset after midnight in the Zone, a week with the day
// WeekStart, a month with its first day. A day has 23 or 25 hours where the clocks change; a Reset that a day does not
// have is as much later as the clocks were put forward, one that it has twice is the first.
type Schedule struct {
	Zone      *time.Location // nil is UTC
	WeekStart time.Weekday   // Sunday is the zero value; DIAL's default is Monday
	Reset     time.Duration  // of the day, after midnight, below 24 h
}

// Moment is that time in the windows of the schedule.
func (s Schedule) Moment(now time.Time) Moment {
	zone := s.Zone
	if zone == nil {
		zone = time.UTC
	}
	local := now.In(zone)
	year, month, day := local.Date()
	if now.Before(s.begin(zone, year, month, day)) {
		year, month, day = time.Date(year, month, day-1, 12, 0, 0, 0, zone).Date()
	}
	m := Moment{Now: now}
	m.Start[Day], m.End[Day] = s.begin(zone, year, month, day), s.begin(zone, year, month, day+1)
	weekday := time.Date(year, month, day, 12, 0, 0, 0, time.UTC).Weekday()
	first := day - (int(weekday)-int(s.WeekStart)+7)%7
	m.Start[Week], m.End[Week] = s.begin(zone, year, month, first), s.begin(zone, year, month, first+7)
	m.Start[Month], m.End[Month] = s.begin(zone, year, month, 1), s.begin(zone, year, month+1, 1)
	return m
}

// begin is when that day begins. Hours and minutes are of the clock on the wall, as in DIAL Core.
func (s Schedule) begin(zone *time.Location, year int, month time.Month, day int) time.Time {
	minutes := int(s.Reset / time.Minute)
	t := time.Date(year, month, day, minutes/60, minutes%60, 0, 0, zone)
	if wall := t.Hour()*60 + t.Minute(); wall < minutes && t.Day() == time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Day() {
		return t.Add(time.Duration(minutes-wall) * time.Minute) // Go took the offset from before the clocks went forward
	}
	for _, change := range [...]time.Duration{time.Hour, 30 * time.Minute} { // of a time that there is twice Go takes either
		before := t.Add(-change)
		if before.Hour() == t.Hour() && before.Minute() == t.Minute() && before.Day() == t.Day() {
			return before
		}
	}
	return t
}
