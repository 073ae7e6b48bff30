package llm

import "strings"

// IsBase64 reports whether s is what Blob.Base64 promises, and not empty. It looks at eight
// bytes at a time, since s is most of a large body.
func IsBase64(s string) bool {
	if s == "" || len(s)%4 != 0 {
		return false
	}
	s = strings.TrimSuffix(strings.TrimSuffix(s, "="), "=")
	for len(s) >= 8 {
		if !inAlphabet(word(s)) {
			return false
		}
		s = s[8:]
	}
	return inAlphabet(word(s + "AAAAAAAA"))
}

// word is the first eight bytes of s; the compiler makes one load of it.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// inAlphabet reports whether all eight bytes of x are A-Z, a-z, 0-9, + or /.
func inAlphabet(x uint64) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	if x&highs != 0 {
		return false
	}
	// x + (0x80-c)*ones has a byte's high bit set where that byte is at least c.
	lower := x | 0x20*ones
	letters := (lower + (0x80-'a')*ones) &^ (lower + (0x80-'z'-1)*ones)
	digits := (x + (0x80-'/')*ones) &^ (x + (0x80-'9'-1)*ones) // '/' comes just before '0'
	plus := (x + (0x80-'+')*ones) &^ (x + (0x80-'+'-1)*ones)
	return (letters|digits|plus)&highs == highs
}
