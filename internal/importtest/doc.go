// Package importtest is the import table of docs/architecture.md as a test, and the guards that
// keep the house's other habits: no init, documented packages, small files and functions, honest
// tests.
//
// It has no code of its own. A new package fails TestImports until it has a row in table_test.go,
// and a row is where a reviewer asks why one room needs to know another.
package importtest
