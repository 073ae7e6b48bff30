package sandbox

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// session is an assumed role, as it is written into a session token.
type session struct {
	Key       string    `json:"key"` // access key id
	Partition string    `json:"partition"`
	Account   string    `json:"account"`
	Role      string    `json:"role"`
	Name      string    `json:"name"`             // RoleSessionName
	Path      string    `json:"path,omitempty"`   // of the role's ARN
	RoleID    string    `json:"roleId,omitempty"` // of a role that IAM knows
	Expires   time.Time `json:"expires"`
	// ExternalID, Lifetime and Tags are what the session was asked for with.
	ExternalID string        `json:"externalId,omitempty"`
	Lifetime   time.Duration `json:"lifetime"`
	Tags       []sessionTag  `json:"tags,omitempty"`
}

func (s session) arn() string {
	return fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", s.Partition, s.Account, s.Role, s.Name)
}

// name takes the role from its ARN, which has been checked.
func (s *session) name(role, sessionName string) {
	parts := rolePattern.FindStringSubmatch(role)
	s.Partition, s.Account, s.Path, s.Role, s.Name = parts[1], parts[2], parts[3], parts[4], sessionName
}

// roleARN is the role's own.
func (s session) roleARN() string {
	return fmt.Sprintf("arn:%s:iam::%s:role%s%s", s.Partition, s.Account, s.Path, s.Role)
}

// userID is the role's own id and the name of the session.
func (s session) userID() string {
	if s.RoleID != "" {
		return s.RoleID + ":" + s.Name
	}
	sum := sha256.Sum256([]byte(s.Account + "/" + s.Role))
	return "AROA" + keyDigits(sum[:], 17) + ":" + s.Name
}

// sessions issues temporary credentials and knows them again. It stores none: a
// token says what it is good for and is sealed with a key of this process, from
// which the secrets are derived too.
type sessions struct {
	sealKey []byte
	now     func() time.Time
}

func newSessions(now func() time.Time) (*sessions, error) {
	key := make([]byte, sha256.Size)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("sandbox: no randomness for session tokens: %w", err)
	}
	return &sessions{sealKey: key, now: now}, nil
}

// open makes the credentials of a session.
func (s *sessions) open(role session) Credential {
	id := newRequestID()
	sum := sha256.Sum256([]byte(id))
	role.Key = "ASIA" + keyDigits(sum[:], 16)
	payload := encode(role)
	return Credential{
		AccessKeyID: role.Key, SecretAccessKey: s.secret(role.Key),
		SessionToken: base64.RawURLEncoding.EncodeToString(payload) + "." + s.seal(payload),
	}
}

// lookUp returns the owner and the secret of temporary credentials.
func (s *sessions) lookUp(keyID, token string) (identity, string, *apiError) {
	encoded, mac, _ := strings.Cut(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || !hmac.Equal([]byte(s.seal(payload)), []byte(mac)) {
		return identity{}, "", known("unknown-key")
	}
	var role session
	if err := json.Unmarshal(payload, &role); err != nil || role.Key != keyID {
		return identity{}, "", known("unknown-key")
	}
	if !s.now().Before(role.Expires) {
		return identity{}, "", known("expired-token")
	}
	return identity{
		Account: role.Account, ARN: role.arn(), UserID: role.userID(), Key: keyID, Role: true,
		RoleARN: role.roleARN(), RoleID: role.RoleID,
		ExternalID: role.ExternalID, Lifetime: role.Lifetime, Tags: role.Tags,
	}, s.secret(keyID), nil
}

func (s *sessions) seal(payload []byte) string {
	return base64.RawURLEncoding.EncodeToString(hmacSHA256(s.sealKey, "token\n"+string(payload)))
}

// secret has the 40 characters of AWS's secrets.
func (s *sessions) secret(keyID string) string {
	return base64.StdEncoding.EncodeToString(hmacSHA256(s.sealKey, "secret\n"+keyID))[:40]
}

// keyDigits writes bytes in the alphabet of access key ids, n characters.
func keyDigits(sum []byte, n int) string {
	return strings.ToUpper(new(big.Int).SetBytes(sum).Text(32))[:n]
}
