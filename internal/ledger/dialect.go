package ledger

import (
	"strconv"
	"strings"
)

// dialect is what the databases write differently.
type dialect struct {
	server  bool   // it may be away
	numbers bool   // parameters are $1, $2, and not ?
	without string // what tables do not have
	lock    string // of the row that a SELECT reads, to the end of the transaction
	migrate string // the lock of who changes the schema, "" for that of every transaction
	tables  string // how many tables there are of a name
	month   string // of an hour
}

func sqlite() dialect {
	return dialect{
		tables: "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
		month:  "strftime('%Y-%m', hour, 'unixepoch')",
	}
}

func postgres() dialect {
	return dialect{
		server: true, numbers: true, without: " WITHOUT ROWID", lock: " FOR UPDATE",
		migrate: "SELECT pg_advisory_xact_lock(7310313418465571)", // any number that nobody else has
		tables:  "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = ?",
		month:   "to_char(to_timestamp(hour) AT TIME ZONE 'UTC', 'YYYY-MM')",
	}
}

// sql is a statement in the dialect's words.
func (d dialect) sql(statement string) string {
	if !d.numbers {
		return statement
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(strings.ReplaceAll(statement, d.without, ""), "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}
