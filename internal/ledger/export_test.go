package ledger

import "context"

// Exec does something to the database that only tests do.
func (l *Ledger) Exec(ctx context.Context, statement string, args ...any) error {
	_, err := l.db.ExecContext(ctx, l.dialect.sql(statement), args...)
	return err
}

// Number is the one value of a query.
func (l *Ledger) Number(ctx context.Context, query string) (n int, err error) {
	err = l.db.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}
