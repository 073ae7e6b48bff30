// Package fetch gets the bytes behind a URL that a stranger wrote, safely: from public addresses
// only, within a size and a time, and without a credential for anybody but the server it is of.
package fetch
