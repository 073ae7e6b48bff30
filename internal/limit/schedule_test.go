package limit

import (
	"testing"
	"time"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestMoment: windows of the calendar, by their beginnings and ends on the wall's clock.
func TestMoment(t *testing.T) {
	const layout = "2006-01-02 15:04:05 -0700"
	for _, tt := range []struct {
		name, zone string
		week       time.Weekday
		reset      time.Duration
		now        string // RFC 3339
		want       [6]string
	}{
		{"midnight UTC", "UTC", time.Monday, 0, "2026-08-01T00:00:00Z", [6]string{
			"2026-08-01 00:00:00 +0000", "2026-08-02 00:00:00 +0000", "2026-07-27 00:00:00 +0000", "2026-08-03 00:00:00 +0000", "2026-08-01 00:00:00 +0000", "2026-09-01 00:00:00 +0000"}},
		{"before the reset it is the day before", "UTC", time.Monday, 6 * time.Hour, "2026-08-01T05:59:59Z", [6]string{
			"2026-07-31 06:00:00 +0000", "2026-08-01 06:00:00 +0000", "2026-07-27 06:00:00 +0000", "2026-08-03 06:00:00 +0000", "2026-07-01 06:00:00 +0000", "2026-08-01 06:00:00 +0000"}},
		{"a day of 23 hours", "Europe/Berlin", time.Sunday, 0, "2026-03-29T12:00:00Z", [6]string{
			"2026-03-29 00:00:00 +0100", "2026-03-30 00:00:00 +0200", "2026-03-29 00:00:00 +0100", "2026-04-05 00:00:00 +0200", "2026-03-01 00:00:00 +0100", "2026-04-01 00:00:00 +0200"}},
		{"a day of 25 hours", "America/New_York", time.Monday, 0, "2026-11-01T20:00:00Z", [6]string{
			"2026-11-01 00:00:00 -0400", "2026-11-02 00:00:00 -0500", "2026-10-26 00:00:00 -0400", "2026-11-02 00:00:00 -0500", "2026-11-01 00:00:00 -0400", "2026-12-01 00:00:00 -0500"}},
		{"a reset that the day does not have", "Europe/Berlin", time.Monday, 150 * time.Minute, "2026-03-29T12:00:00Z", [6]string{
			"2026-03-29 03:30:00 +0200", "2026-03-30 02:30:00 +0200", "2026-03-23 02:30:00 +0100", "2026-03-30 02:30:00 +0200", "2026-03-01 02:30:00 +0100", "2026-04-01 02:30:00 +0200"}},
		{"a reset that it has twice", "Europe/Berlin", time.Monday, 150 * time.Minute, "2026-10-25T12:00:00Z", [6]string{
			"2026-10-25 02:30:00 +0200", "2026-10-26 02:30:00 +0100", "2026-10-19 02:30:00 +0200", "2026-10-26 02:30:00 +0100", "2026-10-01 02:30:00 +0200", "2026-11-01 02:30:00 +0100"}},
		{"clocks that change by half an hour", "Australia/Lord_Howe", time.Monday, 0, "2026-10-04T12:00:00Z", [6]string{
			"2026-10-04 00:00:00 +1030", "2026-10-05 00:00:00 +1100", "2026-09-28 00:00:00 +1030", "2026-10-05 00:00:00 +1100", "2026-10-01 00:00:00 +1030", "2026-11-01 00:00:00 +1100"}},
		{"a leap day", "UTC", time.Saturday, 0, "2028-02-29T23:59:59Z", [6]string{
			"2028-02-29 00:00:00 +0000", "2028-03-01 00:00:00 +0000", "2028-02-26 00:00:00 +0000", "2028-03-04 00:00:00 +0000", "2028-02-01 00:00:00 +0000", "2028-03-01 00:00:00 +0000"}},
		{"the first of January in a week of December", "UTC", time.Wednesday, time.Minute, "2027-01-01T00:00:30Z", [6]string{
			"2026-12-31 00:01:00 +0000", "2027-01-01 00:01:00 +0000", "2026-12-30 00:01:00 +0000", "2027-01-06 00:01:00 +0000", "2026-12-01 00:01:00 +0000", "2027-01-01 00:01:00 +0000"}},
	} {
		now, err := time.Parse(time.RFC3339, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		m := Schedule{Zone: zone(t, tt.zone), WeekStart: tt.week, Reset: tt.reset}.Moment(now)
		got := [6]string{
			m.Start[Day].Format(layout), m.End[Day].Format(layout), m.Start[Week].Format(layout), m.End[Week].Format(layout),
			m.Start[Month].Format(layout), m.End[Month].Format(layout),
		}
		if got != tt.want {
			t.Errorf("%s:\ngot  %q\nwant %q", tt.name, got, tt.want)
		}
	}
}

// TestEveryMomentIsInItsWindows: over years, in zones that change their clocks, with every reset and week.
func TestEveryMomentIsInItsWindows(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "America/Santiago"} {
		for i := range 7 * 24 {
			s := Schedule{Zone: zone(t, name), WeekStart: time.Weekday(i % 7), Reset: time.Duration(i%48) * 30 * time.Minute}
			for now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); now.Year() < 2027; now = now.Add(7*time.Hour + 11*time.Minute) {
				m := s.Moment(now)
				for w := Day; w <= Month; w++ {
					if now.Before(m.Start[w]) || !now.Before(m.End[w]) {
						t.Fatalf("%s %v: %v is not in window %d, %v to %v", name, s.Reset, now, w, m.Start[w], m.End[w])
					}
					if before := s.Moment(m.Start[w].Add(-time.Second)); !before.End[w].Equal(m.Start[w]) {
						t.Fatalf("%s %v: window %d before %v ends at %v", name, s.Reset, w, m.Start[w], before.End[w])
					}
				}
			}
		}
	}
}
