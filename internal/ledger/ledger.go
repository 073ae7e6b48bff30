package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // a driver of database/sql
)

// InMemory is the Path of a database that goes with the process.
const InMemory = ":memory:"

// Options say where a ledger is: one of Path and URL.
type Options struct {
	// Path is the file of an SQLite database.
	Path string
	// URL is a PostgreSQL's, as libpq has it.
	URL string
	// AsIs is a ledger that must be there with the schema of this version: it is neither made nor changed.
	AsIs bool
	Log  *slog.Logger // nil for none
}

// Ledger is the sums, in a database. It is safe for concurrent use, by several processes too.
type Ledger struct {
	db      *sql.DB
	dialect dialect
	where   string // for people, without secrets
	log     *slog.Logger
	asIs    bool

	preparing sync.Mutex
	ready     bool // the schema is this version's

	mu      sync.Mutex
	state   State
	waiting time.Time // when the request had ended whose note is the next, and read but not counted; zero for none
}

// State is how it stands with counting.
type State struct {
	// Counted and Aside are how many notes this process has counted, and kept aside since it could not read them.
	Counted, Aside uint64
	// Failures are how often the database could not be written.
	Failures uint64
	// Behind is how long the first request has ended whose note has come and is not counted; 0 when there is none.
	Behind time.Duration
	// Err is why nothing is counted now, since Since; nil when all is well.
	Err   error
	Since time.Time
}

// patience is how long a database may take to answer that is asked at the start.
const patience = 10 * time.Second

// Open opens a ledger, and brings its schema to this version's. A PostgreSQL that is away is no error, but for AsIs: what
// is asked of the ledger fails until it is there. The error of a later version's schema is a *NewerSchema.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	l := &Ledger{log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), asIs: o.AsIs}
	if err := l.connect(o); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := l.prepare(ctx)
	var newer *NewerSchema
	switch {
	case err == nil:
		return l, nil
	case l.dialect.server && !o.AsIs && !errors.As(err, &newer):
		l.log.Warn("the usage ledger's database is not there: what is used is counted once it is", "database", l.where, "error", err)
		return l, nil
	default:
		return nil, errors.Join(err, l.db.Close())
	}
}

func (l *Ledger) connect(o Options) (err error) {
	switch {
	case (o.Path == "") == (o.URL == ""):
		return errors.New("ledger: one of Path and URL is needed")
	case o.URL != "":
		l.dialect = postgres()
		return l.connectServer(o.URL)
	case o.Path == InMemory:
		l.dialect, l.where = sqlite(), "in memory"
		if l.db, err = sql.Open("sqlite", InMemory); err == nil {
			l.db.SetMaxOpenConns(1) // each connection would be a database of its own
		}
		return err
	}
	l.dialect, l.where = sqlite(), o.Path
	flags := os.O_RDWR | os.O_CREATE
	if o.AsIs {
		flags = os.O_RDWR
	}
	// The file may have names of people, so that it is its owner's alone, as what SQLite puts beside it then is too.
	file, err := os.OpenFile(o.Path, flags, 0o600)
	if err != nil {
		return fmt.Errorf("the usage ledger cannot be opened: %w", err)
	}
	if err := file.Close(); err != nil {
		return err
	}
	// A commit is on the disk before the outbox forgets its notes: FULL.
	l.db, err = sql.Open("sqlite", "file:"+(&url.URL{Path: o.Path}).EscapedPath()+
		"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	return err
}

func (l *Ledger) connectServer(address string) error {
	config, err := pgx.ParseConfig(address)
	if err != nil { // it is left out: it may quote the password
		return errors.New("the URL of the usage ledger's PostgreSQL cannot be read: one like postgres://user:password@host:5432/database is expected")
	}
	config.ConnectTimeout = cmp.Or(config.ConnectTimeout, patience/2)
	l.where = fmt.Sprintf("postgres://%s:%d/%s", config.Host, config.Port, config.Database)
	l.db = stdlib.OpenDB(*config)
	l.db.SetMaxOpenConns(4)
	l.db.SetConnMaxIdleTime(5 * time.Minute)
	return nil
}

// prepare makes sure of the schema, once.
func (l *Ledger) prepare(ctx context.Context) error {
	l.preparing.Lock()
	defer l.preparing.Unlock()
	if l.ready {
		return nil
	}
	version := Version
	if l.asIs {
		version = asItIs
	}
	if err := l.migrate(ctx, version); err != nil {
		return err
	}
	l.ready = true
	return nil
}

// State is how it stands with counting.
func (l *Ledger) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.state
	switch {
	case !l.waiting.IsZero():
		now.Behind = max(0, time.Since(l.waiting))
	case now.Err != nil:
		now.Behind = time.Since(now.Since)
	}
	return now
}

// Where is where the ledger is, without secrets.
func (l *Ledger) Where() string { return l.where }

// Close ends the connections.
func (l *Ledger) Close() error { return l.db.Close() }
