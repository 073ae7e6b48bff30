package proxy

import (
	"net/url"
	"strings"

	"outcrop/internal/llm"
)

// idPlace stands in a remote's URL for the ID of a call.
const idPlace = "{id}"

// target is the URL of a call with that ID.
func (r *Remote) target(id string) url.URL {
	target := *r.url
	if id == "" {
		return target
	}
	path := target.EscapedPath()
	target.RawPath = strings.ReplaceAll(path, url.PathEscape(idPlace), url.PathEscape(id))
	target.Path = strings.ReplaceAll(target.Path, idPlace, id)
	target.RawQuery = strings.ReplaceAll(target.RawQuery, idPlace, url.QueryEscape(id))
	return target
}

// Address is the URL of a call with that ID as logs may have it: a query may have a key.
func (r *Remote) Address(id string) string {
	target := r.target(id)
	target.RawQuery, target.ForceQuery, target.Fragment = "", false, ""
	return target.String()
}

// checkID refuses an ID that would be a step of the path.
func checkID(id string) error {
	if id == "." || id == ".." {
		return &llm.Error{Kind: llm.KindNotFound, Message: "There is nothing with the id " + id + "."}
	}
	return nil
}
