package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

// Version is the schema that this version of the program knows.
const Version = 2

// asItIs stands for the version that a database has: it has to be Version.
const asItIs = -1

// migrations are numbered, each with its way back.
//
//go:embed migrations/*.sql
var migrations embed.FS

// NewerSchema is the error of a database that a later version of this program has changed.
type NewerSchema struct {
	Where        string
	Found, Known int
}

func (e *NewerSchema) Error() string {
	return fmt.Sprintf("the usage ledger %s has the schema %d, and this version of outcrop knows up to %d: run the version that it is of, or let that one take it back with outcrop usage migrate --to %d",
		e.Where, e.Found, e.Known, e.Known)
}

// Migrate brings the schema of a database to a version, 0 is none: all that it held is lost then.
func Migrate(ctx context.Context, o Options, to int) (from int, err error) {
	if to < 0 || to > Version {
		return 0, fmt.Errorf("there is no schema %d: this version of outcrop knows 0 to %d", to, Version)
	}
	l := &Ledger{}
	if err := l.connect(o); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.db.Close()) }()
	if from, err = l.version(ctx); err != nil {
		return 0, err
	}
	return from, l.migrate(ctx, to)
}

// version is the schema that the database has.
func (l *Ledger) version(ctx context.Context) (version int, err error) {
	err = l.transact(ctx, func(tx *sql.Tx) error {
		version, err = l.versionIn(ctx, tx)
		return err
	})
	return version, err
}

func (l *Ledger) versionIn(ctx context.Context, tx *sql.Tx) (version int, err error) {
	tables := 0
	if err := tx.QueryRowContext(ctx, l.dialect.sql(l.dialect.tables), "usage_schema").Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, "SELECT version FROM usage_schema").Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return version, err
}

// migrate brings the schema to a version in one transaction, in which others wait who want the same.
func (l *Ledger) migrate(ctx context.Context, to int) error {
	return l.transact(ctx, func(tx *sql.Tx) error {
		if l.dialect.migrate != "" {
			if _, err := tx.ExecContext(ctx, l.dialect.migrate); err != nil {
				return err
			}
		}
		version, err := l.versionIn(ctx, tx)
		switch {
		case err != nil:
			return err
		case version > Version:
			return &NewerSchema{l.where, version, Version}
		case to == asItIs && version == 0:
			return fmt.Errorf("there is no usage ledger in %s: outcrop serve makes one", l.where)
		case to == asItIs && version < Version:
			return fmt.Errorf("the usage ledger %s has the schema %d of an earlier version, and %d is expected: outcrop serve changes it when it starts, or outcrop usage migrate", l.where, version, Version)
		case to == asItIs || to == version:
			return nil
		}
		return l.steps(ctx, tx, version, to)
	})
}

// steps goes from one version to another.
func (l *Ledger) steps(ctx context.Context, tx *sql.Tx, from, to int) error {
	for version := from; version != to; {
		pattern := fmt.Sprintf("migrations/%04d_*.up.sql", version+1)
		next := version + 1
		if to < version {
			pattern, next = fmt.Sprintf("migrations/%04d_*.down.sql", version), version-1
		}
		if err := l.run(ctx, tx, pattern); err != nil {
			return fmt.Errorf("the usage ledger %s stays at the schema %d: %w", l.where, from, err)
		}
		version = next
	}
	for _, statement := range []string{"CREATE TABLE IF NOT EXISTS usage_schema (version BIGINT NOT NULL)", "DELETE FROM usage_schema"} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, l.dialect.sql("INSERT INTO usage_schema (version) VALUES (?)"), to)
	return err
}

func (l *Ledger) run(ctx context.Context, tx *sql.Tx, pattern string) error {
	names, err := fs.Glob(migrations, pattern)
	if err != nil || len(names) != 1 {
		return fmt.Errorf("%s is %d files: %w", pattern, len(names), errors.Join(err, fs.ErrNotExist))
	}
	text, err := migrations.ReadFile(names[0])
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, l.dialect.sql(string(text)))
	return err
}

// transact does something in a transaction: all of it, or nothing.
func (l *Ledger) transact(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback() // what went wrong before says more
		return err
	}
	return tx.Commit()
}
