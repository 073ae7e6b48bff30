package ledger

import (
	"database/sql"

	_ "github.com/jackc/pgx/v5/stdlib" // drivers of database/sql
	_ "modernc.org/sqlite"
)

// Ledger is the sums, in a database.
type Ledger struct{ db *sql.DB }
