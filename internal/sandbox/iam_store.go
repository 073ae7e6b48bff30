package sandbox

import (
	"crypto/rand"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"outcrop/internal/iam"
)

// Bounds of the store. AWS's own are larger; those per entity are AWS's.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxEntities       = 500 // users, roles and policies, each
	maxProviders      = 100
	maxKeysPerUser    = 2
	maxAttached       = 10 // managed policies of a user or role
	maxVersions       = 5  // of a managed policy
	maxClientIDs      = 100
	maxManagedPolicy  = 6144 // characters that are not white space, as are the next three
	maxRoleInline     = 10240
	maxUserInline     = 2048
	maxTrustPolicy    = 2048
	whiteSpaceAllowed = 4 // a document may be so many times as long with its white space
)

// iamStore is the account's users, roles, policies and identity providers. Its methods that are
// actions run under the lock of mu, which serveIAM takes.
type iamStore struct {
	mu        sync.RWMutex
	account   string
	users     map[string]*iamEntity
	roles     map[string]*iamEntity
	policies  map[string]*managedPolicy // by ARN, AWS's own too
	providers map[string]*oidcProvider  // by ARN
	keys      map[string]*userKey       // by id
}

func newIAMStore(account string) (*iamStore, error) {
	policies, err := awsManagedPolicies()
	return &iamStore{
		account: account, users: map[string]*iamEntity{}, roles: map[string]*iamEntity{}, policies: policies,
		providers: map[string]*oidcProvider{}, keys: map[string]*userKey{},
	}, err
}

// iamEntity is a user or a role.
type iamEntity struct {
	kind, name, path, id, arn string
	created                   time.Time
	inline                    map[string]policyText
	attached                  map[string]bool // ARNs of managed policies
	tags                      []sessionTag

	// Of a role.
	trust       policyText
	maxSession  time.Duration
	description string
}

// policyText is a policy document as it came and as it is understood.
type policyText struct {
	text   string
	parsed iam.Document
}

// size is what AWS counts of a document: all but white space.
func (p policyText) size() int {
	n := 0
	for _, r := range p.text {
		if !strings.ContainsRune(" \t\r\n", r) {
			n++
		}
	}
	return n
}

// entities are the users or the roles.
func (st *iamStore) entities(kind string) map[string]*iamEntity {
	if kind == "User" {
		return st.users
	}
	return st.roles
}

// arnOf is the ARN of a user, role or policy of the account.
func (st *iamStore) arnOf(kind, path, name string) string {
	if path == "" {
		path = "/"
	}
	return "arn:aws:iam::" + st.account + ":" + strings.ToLower(kind) + path + name
}

// entity finds the user or role that a call names.
func (st *iamStore) entity(kind string, c iamCall) (*iamEntity, *apiError) {
	name := c.form.Get(kind + "Name")
	if name == "" {
		return nil, constraintError(lowerFirst(kind)+"Name", "Member must not be null")
	}
	if e, ok := st.entities(kind)[name]; ok {
		return e, nil
	}
	return nil, noSuch("The %s with name %s cannot be found.", strings.ToLower(kind), clip(name, 100))
}

var (
	iamNamePattern = regexp.MustCompile(`^[\w+=,.@-]+$`)
	iamPathPattern = regexp.MustCompile(`^/$|^/[\x21-\x7E]+/$`)
)

// checkName judges the name and the path that a new entity shall have.
func (c iamCall) checkName(member string, most int) (name, path string, refused *apiError) {
	name, path = c.form.Get(member), c.form.Get("Path")
	if path == "" {
		path = "/"
	}
	field := lowerFirst(member)
	switch n := utf8.RuneCountInString(name); {
	case n == 0:
		refused = constraintError(field, "Member must not be null")
	case n > most:
		refused = valueError(field, name, "Member must have length less than or equal to "+itoa(most))
	case !iamNamePattern.MatchString(name):
		refused = stsError("ValidationError", "The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", field)
	case len(path) > 512 || !iamPathPattern.MatchString(path):
		refused = stsError("ValidationError", "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return name, path, refused
}

// create makes a user or role that nobody has yet.
func (st *iamStore) create(kind, prefix string, c iamCall) (*iamEntity, *apiError) {
	name, path, refused := c.checkName(kind+"Name", 64)
	if refused != nil {
		return nil, refused
	}
	all := st.entities(kind)
	for other := range all { // names differ by more than case
		if strings.EqualFold(other, name) {
			return nil, conflict("EntityAlreadyExists", "%s with name %s already exists.", kind, name)
		}
	}
	if len(all) >= maxEntities {
		return nil, conflict("LimitExceeded", "Cannot exceed quota for %ssPerAccount: %d", kind, maxEntities)
	}
	tags, _, refused := stsCall{form: c.form}.tags()
	if refused != nil {
		return nil, refused
	}
	return &iamEntity{
		kind: kind, name: name, path: path, id: prefix + randomDigits(17), arn: st.arnOf(kind, path, name), created: c.now,
		inline: map[string]policyText{}, attached: map[string]bool{}, tags: tags,
	}, nil
}

// removable says why an entity cannot be deleted yet.
func (e *iamEntity) removable() *apiError {
	switch {
	case len(e.attached) > 0:
		return conflict("DeleteConflict", "Cannot delete entity, must detach all policies first.")
	case len(e.inline) > 0:
		return conflict("DeleteConflict", "Cannot delete entity, must delete policies first.")
	}
	return nil
}

// documents are the policies of an entity, by the name that SimulatePrincipalPolicy gives them.
func (st *iamStore) documents(e *iamEntity) []namedPolicy {
	var out []namedPolicy
	for name, p := range e.inline {
		out = append(out, namedPolicy{id: strings.ToLower(e.kind) + "_" + e.name + "_" + name, document: p.parsed})
	}
	for arn := range e.attached {
		if p := st.policies[arn]; p != nil {
			out = append(out, namedPolicy{id: p.name, document: p.standard().document.parsed})
		}
	}
	return out
}

// namedPolicy is a policy and its name.
type namedPolicy struct {
	id       string
	document iam.Document
}

func onlyDocuments(named []namedPolicy) []iam.Document {
	out := make([]iam.Document, len(named))
	for i, n := range named {
		out[i] = n.document
	}
	return out
}

// randomDigits are n characters of the alphabet of AWS's ids.
func randomDigits(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // never fails: crypto/rand ends the program instead
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	for i, b := range raw {
		raw[i] = alphabet[b%32]
	}
	return string(raw)
}

// badPolicy is IAM's refusal of a document.
func badPolicy(text string) *apiError {
	return &apiError{Status: http.StatusBadRequest, Type: "MalformedPolicyDocument", Message: text}
}

// isoTime writes a time as the query protocol does.
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
