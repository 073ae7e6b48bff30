// Package money is amounts of US dollars, exactly.
package money
