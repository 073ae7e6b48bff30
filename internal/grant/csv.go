package grant

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"outcrop/internal/secret"
)

var (
	keyIDForm  = regexp.MustCompile(`^(AKIA|ASIA)[A-Z0-9]{12,124}$`)
	secretForm = regexp.MustCompile(`^[A-Za-z0-9/+=]{40,}$`)
)

// ReadCSV reads the access key from a file that IAM's console gives: "Access key ID,Secret access key", or with
// "User name" and other columns around them, as a new user's file had them. user chooses among several lines; it
// may be "". An error repeats nothing of the file's lines.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-keys-admin-managed.html
func ReadCSV(data []byte, user string) (Key, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	r.FieldsPerRecord, r.TrimLeadingSpace = -1, true
	rows, err := r.ReadAll()
	if err != nil {
		return Key{}, errors.New("it is not a CSV file: quotes do not match")
	}
	columns := map[string]int{}
	if len(rows) > 0 {
		for i, name := range rows[0] {
			columns[strings.ToLower(strings.TrimSpace(name))] = i
		}
	}
	id, hasID := columns["access key id"]
	hidden, hasSecret := columns["secret access key"]
	switch {
	case !hasID || !hasSecret:
		return Key{}, errors.New(`its first line does not have "Access key ID" and "Secret access key": give the file that IAM's console offers when an access key is made (it is none of a user's password)`)
	case len(rows) == 1:
		return Key{}, errors.New("it has a header and no key")
	}
	var found []Key
	for i, row := range rows[1:] {
		at := func(column int) string {
			if column < len(row) {
				return strings.TrimSpace(row[column])
			}
			return ""
		}
		key := Key{ID: at(id), Secret: secret.New(at(hidden))}
		if column, ok := columns["user name"]; ok {
			key.User = at(column)
		}
		switch {
		case key.User != "" && user != "" && key.User != user && len(rows) > 2:
			continue
		case !keyIDForm.MatchString(key.ID):
			return Key{}, fmt.Errorf("line %d: its access key id is none: it begins with AKIA and has 16 to 128 capital letters and digits", i+2)
		case !secretForm.MatchString(at(hidden)):
			return Key{}, fmt.Errorf("line %d: its secret access key is none: it has 40 letters, digits, / and +", i+2)
		}
		found = append(found, key)
	}
	switch {
	case len(found) == 0:
		return Key{}, fmt.Errorf("no line is of the user %s", user)
	case len(found) > 1:
		return Key{}, fmt.Errorf("%d lines have a key: leave in the file the one to use", len(found))
	case found[0].User != "" && user != "" && found[0].User != user:
		return Key{}, fmt.Errorf("it has the key of the user %s, not of %s", found[0].User, user)
	}
	return found[0], nil
}
