package gateway

import (
	"net/http"
	"net/url"

	"outcrop/internal/auth"
)

// userInfo is what /v1/user/info tells of a caller: of a key's holder the project, of a token's its claims.
type userInfo struct {
	Roles           []string            `json:"roles"`
	Project         string              `json:"project,omitempty"`
	UserID          string              `json:"userId,omitempty"`
	UserClaims      map[string][]string `json:"userClaims,omitempty"`
	UserDisplayName string              `json:"userDisplayName,omitempty"`
}

func (g *Gateway) handleUserInfo(x *exchange, _ *http.Request, caller auth.Caller) error {
	out := userInfo{Roles: append([]string{}, caller.Roles...), Project: caller.Project, UserDisplayName: caller.Project}
	if caller.User != "" {
		out.Project, out.UserID, out.UserClaims, out.UserDisplayName = "", caller.User, caller.Claims, caller.Name
	}
	return x.reply(out)
}

type bucketInfo struct {
	Bucket  string `json:"bucket"`
	AppData string `json:"appdata,omitempty"`
}

// handleBucket tells where the caller's own things are. A deployment that calls with the key of a request has a
// place of its own, and one among its user's things.
func (g *Gateway) handleBucket(x *exchange, _ *http.Request, caller auth.Caller) error {
	own := g.buckets.Name(caller.ID())
	if caller.Pass == nil {
		return x.reply(bucketInfo{Bucket: own})
	}
	holder := caller.Pass.Holder
	return x.reply(bucketInfo{
		Bucket: g.buckets.Name("Keys/" + holder + "/"), AppData: own + "/appdata/" + (&url.URL{Path: holder}).EscapedPath(),
	})
}
