package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"outcrop/internal/secret"
)

// digestPrefix begins a key's digest, in which the hash is named for the day when it is another.
const digestPrefix = "sha256:"

// soon is how long before its end a key is warned of.
const soon = 30 * 24 * time.Hour

// Digest is the form in which the files may hold a key in place of the key itself: "sha256:" and 64 hex digits.
func Digest(key secret.String) string {
	sum := sha256.Sum256([]byte(key.Reveal()))
	return digestPrefix + hex.EncodeToString(sum[:])
}

// Sum is the SHA-256 of the key, however the files state it.
func (k Key) Sum() [sha256.Size]byte {
	if k.Digest == "" {
		return sha256.Sum256([]byte(k.Secret.Reveal()))
	}
	var sum [sha256.Size]byte
	if digits, err := hex.DecodeString(strings.TrimPrefix(k.Digest, digestPrefix)); err == nil {
		copy(sum[:], digits)
	}
	return sum
}

// SecretFiles are the files besides those of [Load] that were read for the secrets in them. What they hold is part
// of the configuration: whoever watches the files watches these.
func (c *Config) SecretFiles() []string { return c.secretFiles }

// isNamedKey reports whether an entry of keys states its key in a field, so that its name is only a name.
func isNamedKey(entry *node) bool {
	return entry != nil && slices.ContainsFunc(entry.members, func(m member) bool {
		return slices.Contains([]string{"key", "keyFile", "key_file", "digest"}, m.name) && m.value.kind != null
	})
}

// checkGivenKey looks at the fields that state the key.
func (l *loader) checkGivenKey(s spot, draft *keyDraft) {
	if len(draft.given) > 1 {
		l.err(draft.given[1], "a second field that states the key of this entry: key, keyFile and digest are alternatives", "keep one of them")
		return
	}
	if key := draft.Secret.Reveal(); key != "" {
		l.checkKey(draft.given[0], key)
	} else if draft.Digest == "" && draft.given[0].kind == text && draft.given[0].text == "" {
		l.err(s, "an entry without a key: the field that states it is empty", "give it the key, or remove the field when the entry's name is the key")
	}
	if draft.Name == "" {
		l.err(s, "an empty name", "the name is for people: say who has the key")
	}
}

// checkTwinKeys reports two entries of one key, of which only one could count.
func (l *loader) checkTwinKeys(s spot, key Key, known map[string]spot) {
	if key.Digest == "" && key.Secret.IsZero() {
		return
	}
	sum := key.Sum()
	if first, twice := known[string(sum[:])]; twice {
		l.err(s, fmt.Sprintf("the key of another entry too (%s:%d): only one of them could count", first.file, first.line), "remove one of the two, or give one a new key (outcrop keys new)")
		return
	}
	known[string(sum[:])] = s
}

// digest reads the digest of a key.
func (l *loader) digest(s spot, into *string) {
	if !l.want(s, text) || l.isEmpty(s) {
		return
	}
	algorithm, digits, _ := strings.Cut(strings.ToLower(s.text), ":")
	if sum, err := hex.DecodeString(digits); algorithm+":" != digestPrefix || err != nil || len(sum) != sha256.Size {
		l.err(s, "must be sha256: and 64 hexadecimal digits", "outcrop keys digest prints that of a key")
		return
	}
	if strings.EqualFold(s.text, Digest(secret.String{})) {
		l.err(s, "this is the digest of an empty text, not of a key", "give outcrop keys digest the key on its standard input")
		return
	}
	*into = strings.ToLower(s.text)
}

// secretFile reads the name of a file and the secret in it, without the end of its last line. The file is told
// also when it cannot be read: it may come.
func (l *loader) secretFile(s spot) (secret.String, string) {
	var file string
	if l.given(s, &file); file == "" {
		return secret.String{}, ""
	}
	content, message := readSecret(file)
	if message != "" {
		l.err(s, fmt.Sprintf("the file %q %s", file, message), "a file that holds the secret and nothing else; a relative path is one of the working directory")
		return secret.String{}, file
	}
	l.secrets.add(content)
	return secret.New(content), file
}

// longestSecret bounds what is read of a file of a secret: a longer one is another file.
const longestSecret = 64 << 10

// readSecret is the text of a file, or says why there is none, as the end of "the file …".
func readSecret(file string) (content, message string) {
	data, err := readAtMost(file, longestSecret+1)
	content = strings.TrimRight(string(data), "\r\n")
	switch {
	case err != nil:
		return "", "cannot be read: " + readFailure(err)
	case content == "":
		return "", "is empty"
	case len(data) > longestSecret:
		return "", "is no file of a secret: it is longer than 64 KiB"
	case strings.ContainsFunc(content, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return "", "holds more than one line, or control characters"
	}
	return content, ""
}

// readAtMost reads the beginning of a file: a device has no end.
func readAtMost(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(f, most))
}

// networks reads a list of networks and addresses. What it returns is never nil, so that a list that cannot be
// read opens nothing.
func (l *loader) networks(s spot) []netip.Prefix {
	out := []netip.Prefix{}
	if !l.want(s, list) {
		return out
	}
	if len(s.items) == 0 {
		l.warn(s, "an empty list: the key can be used from nowhere", "remove it to allow every address")
	}
	for i := range s.items {
		item := s.item(i)
		if l.isNull(item) || !l.want(item, text) {
			continue
		}
		network, err := parseNetwork(item.text)
		switch {
		case err != nil:
			l.err(item, "must be an address or a network in CIDR form", "for example 10.1.0.0/16, 192.0.2.7 or 2001:db8::/32")
			continue
		case network != network.Masked():
			l.warn(item, "an address inside the network where the network's own belongs", "taken as "+network.Masked().String())
		case network.Bits() == 0:
			l.warn(item, "this is every address", "remove the list when that is meant")
		}
		out = append(out, network.Masked())
	}
	return out
}

// parseNetwork reads a network, or an address, which is a network of one. IPv4 inside IPv6 is IPv4.
func parseNetwork(s string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(s); err == nil && address.Zone() == "" {
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	network, err := netip.ParsePrefix(s)
	if err == nil && network.Addr().Is4In6() && network.Bits() >= 96 {
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
	}
	return network, err
}

// expiry reads when a key stops to be good: a time, or a date, whose day it is good for.
func (l *loader) expiry(s spot, k *keyDraft) {
	if !l.want(s, text) || l.isEmpty(s) {
		return
	}
	k.expiresAt = s.place()
	expires, err := ParseExpiry(s.text)
	if err != nil {
		k.Expires = time.Unix(0, 0).UTC() // what cannot be read must not be never
		l.err(s, "must be a date or a time with its zone", "for example 2027-01-31 (its last day, UTC) or 2027-01-31T18:00:00Z")
		return
	}
	k.Expires = expires
}

// ParseExpiry reads when a key stops to be good: a time of RFC 3339, or a date, which is its last day in UTC.
func ParseExpiry(s string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	at, err := time.Parse(time.RFC3339, s)
	return at.UTC(), err
}

// ExpiryProblems warns of the keys that are no longer good at that time, or will soon not be.
func (c *Config) ExpiryProblems(now time.Time) []Problem {
	hide := c.redactor()
	var out []Problem
	for _, k := range c.Keys {
		if k.Expires.IsZero() || k.expiresAt.path == "" || k.Expires.Unix() == 0 {
			continue
		}
		message := ""
		switch left := k.Expires.Sub(now); {
		case left <= 0:
			message = "the key is no longer good since " + k.Expires.Format(time.RFC3339)
		case left <= soon:
			message = fmt.Sprintf("the key is good until %s, for %d days more", k.Expires.Format(time.RFC3339), int(left/(24*time.Hour)))
		default:
			continue
		}
		at := k.expiresAt
		out = append(out, Problem{Warning, at.file, at.line, at.col, hide.clean(at.path), message, "make a new one with outcrop keys new, and remove this one when nobody uses it any more"})
	}
	return out
}
