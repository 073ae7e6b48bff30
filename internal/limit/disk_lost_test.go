package limit

import (
	"testing"
	"time"
)

// TestALostRequestTurnsNoWindowBack: what others used in the last minute still counts when a request that began long
// before the kill is settled after it.
func TestALostRequestTurnsNoWindowBack(t *testing.T) {
	dir, me := t.TempDir(), Account{"Keys/a/", "gpt"}
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	began, now := Schedule{WeekStart: time.Monday}.Moment(at), Schedule{WeekStart: time.Monday}.Moment(at.Add(3*time.Minute))
	d := openDisk(t, dir)
	if v, err := d.Admit(t.Context(), &Admission{Account: me, Ticket: "long", Moment: began, Limits: None(), Need: Amounts{Tokens: 100, Requests: 1}}); err != nil || !v.Admitted {
		t.Fatal(v, err)
	}
	d.Settle(&Settlement{Account: me, Moment: now, Spent: Amounts{Tokens: 1000, Requests: 1}})
	_ = d.journal.Close() // as after a kill
	for range 2 {         // and after another one, from the journal alone
		d = openDisk(t, dir)
		if used := usedOf(t, d, now, me); used.Tokens[Minute] != 1100 || used.Tokens[Day] != 1100 {
			t.Fatalf("%+v", used)
		}
		_ = d.journal.Close()
	}
}

// TestWhatTheDiskRefusesIsNoRequest: whether it is admitted without the store or not.
func TestWhatTheDiskRefusesIsNoRequest(t *testing.T) {
	me := Account{"Keys/a/", "gpt"}
	d := openDisk(t, t.TempDir())
	now := Schedule{WeekStart: time.Monday}.Moment(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))
	_ = d.journal.Close()
	if _, err := d.Admit(t.Context(), &Admission{Account: me, Ticket: "1", Moment: now, Limits: None(), Need: Amounts{Tokens: 100, Requests: 1}}); err == nil {
		t.Fatal("a closed journal took it")
	}
	if used := usedOf(t, d, now, me); used != (Used{}) {
		t.Errorf("%+v", used)
	}
}
