package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// pass checks the value that is next at i, of which containers may be nested so deeply, and returns the offset after it; -1 says
// that something is not as it should be, and not what. It is one loop without calls back: schemas and the arguments of tools are
// mostly short strings, and are most of what a request with tools is made of.
func pass(d []byte, i, depth int) int {
	var objects [MaxDepth/64 + 1]uint64 // a bit for each container that is open: whether it is an object
	open := 0
	for {
		// A value.
		if i = blank(d, i); i >= len(d) {
			return -1
		}
		switch c := d[i]; {
		case c == '"':
			i, _ = passString(d, i+1)
		case c == '{' || c == '[':
			if open++; open > depth {
				return -1
			}
			word, bit := open/64, uint64(1)<<(open%64)
			if i = blank(d, i+1); i >= len(d) {
				return -1
			}
			if d[i] == c+2 { // ] is two after [, and } after {
				i++
				open--
				break
			}
			if c == '[' {
				objects[word] &^= bit
				continue
			}
			objects[word] |= bit
			if i = passKey(d, i); i < 0 {
				return -1
			}
			continue
		case c == 't':
			i = passWord(d, i, "true")
		case c == 'f':
			i = passWord(d, i, "false")
		case c == 'n':
			i = passWord(d, i, "null")
		default:
			i = passNumber(d, i)
		}
		// What comes after it.
		for {
			if i < 0 || open == 0 {
				return i
			}
			if i = blank(d, i); i >= len(d) {
				return -1
			}
			inObject := objects[open/64]&(1<<(open%64)) != 0
			if c := d[i]; c == ',' {
				i++
				if inObject {
					if i = passKey(d, blank(d, i)); i < 0 {
						return -1
					}
				}
				break
			} else if c == '}' && inObject || c == ']' && !inObject {
				i++
				open--
				continue
			}
			return -1
		}
	}
}

// blank is the offset of the first byte from i on that is no white space.
func blank(d []byte, i int) int {
	for i < len(d) && (d[i] == ' ' || d[i] == '\n' || d[i] == '\r' || d[i] == '\t') {
		i++
	}
	return i
}

// passKey passes a member's name and the colon after it.
func passKey(d []byte, i int) int {
	if i >= len(d) || d[i] != '"' {
		return -1
	}
	if i, _ = passString(d, i+1); i < 0 {
		return -1
	}
	if i = blank(d, i); i >= len(d) || d[i] != ':' {
		return -1
	}
	return i + 1
}

// passString passes a string from after its opening quote, and says whether there are escapes in it.
func passString(d []byte, i int) (end int, escaped bool) {
	start, wide := i, false
	for {
		for i+8 <= len(d) {
			x := binary.LittleEndian.Uint64(d[i:])
			m := (x | (x - 0x20*ones) | ((x ^ '"'*ones) - ones) | ((x ^ '\\'*ones) - ones)) & highs
			if m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		if i >= len(d) {
			return -1, false
		}
		switch c := d[i]; {
		case c == '"':
			if wide && !utf8.Valid(d[start:i]) {
				return -1, false
			}
			return i + 1, escaped
		case c == '\\':
			n := escapeLen(d[i:])
			if n == 0 {
				return -1, false
			}
			escaped = true
			i += n
		case c >= 0x80:
			for wide = true; i < len(d) && d[i] >= 0x80; { // as all of a word is in most scripts
				i++
			}
		case c < 0x20:
			return -1, false
		default:
			i++
		}
	}
}

// Plain reads the string whose opening quote is before i, and returns the offset after its closing one; 0 when it has escapes or is
// none. It is for a reader that knows what it will find, and has another way when it does not.
func Plain(d []byte, i int) (text string, next int) {
	end, escaped := passString(d, i)
	if end < 0 || escaped {
		return "", 0
	}
	return alias(d[i : end-1]), end
}

func passWord(d []byte, i int, word string) int {
	if len(d)-i < len(word) || string(d[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func passNumber(d []byte, i int) int {
	if i < len(d) && d[i] == '-' {
		i++
	}
	if i < len(d) && d[i] == '0' {
		i++
	} else if i = passDigits(d, i); i < 0 {
		return -1
	}
	if i < len(d) && d[i] == '.' {
		if i = passDigits(d, i+1); i < 0 {
			return -1
		}
	}
	if i < len(d) && d[i]|0x20 == 'e' {
		i++
		if i < len(d) && (d[i] == '+' || d[i] == '-') {
			i++
		}
		return passDigits(d, i)
	}
	return i
}

// passDigits passes one or more.
func passDigits(d []byte, i int) int {
	start := i
	for i < len(d) && d[i]-'0' <= 9 {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
