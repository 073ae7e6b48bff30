package ledger

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"time"

	"outcrop/internal/journal"
	"outcrop/internal/usage"
)

const (
	batchNotes = 2000
	// gather is how long notes are waited for that are counted together: no more than so many transactions a second.
	gather = 250 * time.Millisecond
	// tries are how long is waited after a failure, at first and at most.
	firstTry, lastTry = 200 * time.Millisecond, 10 * time.Second
	// stall is how long a database may take for one batch.
	stall = 30 * time.Second
	// glance is how long is waited for notes that are there or not.
	glance = 100 * time.Millisecond
)

// Follow counts the notes of an outbox as they come, each exactly once, until the context ends: the outbox's position is
// kept together with the sums. Several processes may follow one outbox. While the database is away, or full, the outbox
// keeps the notes.
func (l *Ledger) Follow(ctx context.Context, outbox journal.Outbox) {
	wait := firstTry
	for begun := false; ctx.Err() == nil; {
		n, err := l.turn(ctx, ctx, outbox, &begun)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			l.failed(err)
			sleep(ctx, wait)
			wait = min(2*wait, lastTry)
		default:
			l.recovered()
			wait = firstTry
			if n < batchNotes {
				sleep(ctx, gather)
			}
		}
	}
}

// CatchUp counts the notes that are there, and waits for no others.
func (l *Ledger) CatchUp(ctx context.Context, outbox journal.Outbox) error {
	for begun := false; ; {
		brief, cancel := context.WithTimeout(ctx, glance)
		n, err := l.turn(ctx, brief, outbox, &begun)
		cancel()
		if err != nil || n == 0 {
			return errors.Join(err, ctx.Err())
		}
	}
}

// turn counts the next notes, if some come before reading ends.
func (l *Ledger) turn(ctx, reading context.Context, outbox journal.Outbox, begun *bool) (n int, err error) {
	after, err := l.begin(ctx, outbox.ID(), begun)
	if err != nil {
		return 0, err
	}
	notes, err := outbox.Read(reading, after, batchNotes)
	if err != nil || len(notes) == 0 {
		return 0, err
	}
	l.await(notes[0].Data)
	switch err := l.count(ctx, outbox.ID(), after, notes); {
	case errors.Is(err, errOvertaken): // who has counted some of these may have seen fewer: they are not forgotten here
		l.counted(0, 0)
		return len(notes), nil
	case err != nil:
		return 0, err
	}
	return len(notes), outbox.Trim(ctx, notes[len(notes)-1].Position)
}

// begin is how far an outbox has been counted; at first, what is to be done before.
func (l *Ledger) begin(ctx context.Context, outbox string, begun *bool) (after string, err error) {
	ctx, cancel := context.WithTimeout(ctx, stall)
	defer cancel()
	if err := l.prepare(ctx); err != nil {
		return "", err
	}
	if !*begun {
		if err := l.recount(ctx); err != nil {
			return "", err
		}
		*begun = true
	}
	return l.position(ctx, outbox)
}

// position is how far an outbox has been counted.
func (l *Ledger) position(ctx context.Context, outbox string) (position string, err error) {
	err = l.db.QueryRowContext(ctx, l.dialect.sql("SELECT position FROM usage_positions WHERE outbox = ?"), outbox).Scan(&position)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return position, err
}

// errOvertaken is the error of notes that another process has counted.
var errOvertaken = errors.New("another process has counted these notes")

// count adds the notes that come after a position, unless somebody else has: errOvertaken.
func (l *Ledger) count(ctx context.Context, outbox, after string, notes []journal.Note) error {
	ctx, cancel := context.WithTimeout(ctx, stall)
	defer cancel()
	sums, aside := batch{}, []journal.Note(nil)
	for _, note := range notes {
		e, err := usage.ReadNote(note.Data)
		if err != nil {
			aside = append(aside, note)
			continue
		}
		sums.add(&e)
	}
	err := l.transact(ctx, func(tx *sql.Tx) error {
		if err := l.take(ctx, tx, outbox, after); err != nil {
			return err
		}
		if err := l.setAside(ctx, tx, outbox, aside); err != nil {
			return err
		}
		if err := sums.apply(ctx, tx, l.dialect); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, l.dialect.sql("UPDATE usage_positions SET position = ?, updated = ? WHERE outbox = ?"),
			notes[len(notes)-1].Position, time.Now().Unix(), outbox)
		return err
	})
	if err == nil {
		l.counted(len(notes)-len(aside), len(aside))
	}
	return err
}

// take locks the position of an outbox, if it is that one.
func (l *Ledger) take(ctx context.Context, tx *sql.Tx, outbox, after string) error {
	_, err := tx.ExecContext(ctx, l.dialect.sql("INSERT INTO usage_positions (outbox, position, updated) VALUES (?, '', 0) ON CONFLICT (outbox) DO NOTHING"), outbox)
	if err != nil {
		return err
	}
	position := ""
	err = tx.QueryRowContext(ctx, l.dialect.sql("SELECT position FROM usage_positions WHERE outbox = ?"+l.dialect.lock), outbox).Scan(&position)
	if err == nil && position != after {
		return errOvertaken
	}
	return err
}

// setAside keeps notes that cannot be read now.
func (l *Ledger) setAside(ctx context.Context, tx *sql.Tx, outbox string, notes []journal.Note) error {
	for _, note := range notes {
		_, reason := usage.ReadNote(note.Data)
		_, err := tx.ExecContext(ctx, l.dialect.sql("INSERT INTO usage_aside (outbox, position, reason, note) VALUES (?, ?, ?, ?) ON CONFLICT (outbox, position) DO NOTHING"),
			outbox, note.Position, reason.Error(), hex.EncodeToString(note.Data))
		if err != nil {
			return err
		}
	}
	return nil
}

// asideNote is a note that was set aside, and can be read now.
type asideNote struct {
	outbox, position string
	entry            usage.Entry
}

// recount counts what was set aside by a version that could not read it.
func (l *Ledger) recount(ctx context.Context) error {
	readable, err := l.readable(ctx)
	if err != nil || len(readable) == 0 {
		return err
	}
	return l.transact(ctx, func(tx *sql.Tx) error {
		sums := batch{}
		for _, n := range readable {
			done, err := tx.ExecContext(ctx, l.dialect.sql("DELETE FROM usage_aside WHERE outbox = ? AND position = ?"), n.outbox, n.position)
			if err != nil {
				return err
			}
			if gone, err := done.RowsAffected(); err != nil {
				return err
			} else if gone == 1 { // or another process has counted it
				sums.add(&n.entry)
			}
		}
		return sums.apply(ctx, tx, l.dialect)
	})
}

func (l *Ledger) readable(ctx context.Context) (notes []asideNote, err error) {
	rows, err := l.db.QueryContext(ctx, "SELECT outbox, position, note FROM usage_aside ORDER BY outbox, position")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var n asideNote
		var digits string
		if err := rows.Scan(&n.outbox, &n.position, &digits); err != nil {
			return nil, err
		}
		data, err := hex.DecodeString(digits)
		if err != nil {
			continue // somebody wrote it by hand
		}
		if n.entry, err = usage.ReadNote(data); err == nil {
			notes = append(notes, n)
		}
	}
	return notes, rows.Err()
}

// await notes which note is counted next.
func (l *Ledger) await(note []byte) {
	e, err := usage.ReadNote(note)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = e.Began.Add(e.Finished)
}

func (l *Ledger) counted(notes, aside int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Counted += uint64(notes)
	l.state.Aside += uint64(aside)
	l.waiting = time.Time{}
	if aside > 0 {
		l.log.Error("notes of the usage ledger cannot be read and are kept in its table usage_aside", "notes", aside, "database", l.where)
	}
}

// failed notes why nothing can be counted; it is logged once.
func (l *Ledger) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.Err == nil {
		l.state.Since = time.Now()
		l.log.Error("what is used cannot be counted now: it is kept until it can be", "database", l.where, "error", err)
	}
	l.state.Failures++
	l.state.Err = err
}

func (l *Ledger) recovered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.Err != nil {
		l.log.Info("what is used is counted again", "database", l.where, "after", time.Since(l.state.Since).Round(time.Second))
	}
	l.state.Err, l.state.Since = nil, time.Time{}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
