// Command oidc is an identity provider for tests: ZITADEL's OpenID Provider with users in memory, on a port of the
// loopback that it prints. Its users are id1 (test-user@localhost) and id2 (test-user2), the password of both is
// verysecure. POST /rotate signs with a new key from then on; the keys before the last two are not published any
// more. The tokens of the client short live for two seconds.
package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// published is how many keys are at a time.
const published = 2

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	issuer := fmt.Sprintf("http://localhost:%d/", listener.Addr().(*net.TCPAddr).Port)
	const callback = "http://localhost/callback"
	for _, id := range []string{"dial", "mail", "short"} {
		storage.RegisterClients(storage.WebClient(id, "secret", callback))
	}
	s := &store{Storage: storage.NewStorage(storage.NewUserStore(issuer))}
	if err := s.rotate(); err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", exampleop.SetupServer(issuer, s, slog.New(slog.DiscardHandler), false))
	mux.HandleFunc("POST /rotate", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.rotate(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	fmt.Println("issuer", issuer)
	log.Fatal((&http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}).Serve(listener))
}

// store adds to the example's what tests need: keys that rotate, claims with roles, short lives.
type store struct {
	*storage.Storage

	mu    sync.Mutex
	keys  []*key // the newest first
	count int
}

func (s *store) rotate() error {
	made, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	s.keys = append([]*key{{"key-" + strconv.Itoa(s.count), made}}, s.keys...)
	s.keys = s.keys[:min(len(s.keys), published)]
	return nil
}

// SigningKey implements op.Storage.
func (s *store) SigningKey(context.Context) (op.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[0], nil
}

// KeySet implements op.Storage.
func (s *store) KeySet(context.Context) ([]op.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var set []op.Key
	for _, k := range s.keys {
		set = append(set, public{k})
	}
	return set, nil
}

// GetClientByClientID implements op.Storage.
func (s *store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return client{c}, nil
}

// SetUserinfoFromRequest implements op.CanSetUserinfoFromRequest: what id tokens say.
func (s *store) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, request op.IDTokenRequest, _ []string) error {
	addClaims(info, request.GetSubject())
	return nil
}

// SetUserinfoFromToken implements op.Storage: what the user-info endpoint says.
func (s *store) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, token, subject, origin string) error {
	if err := s.Storage.SetUserinfoFromToken(ctx, info, token, subject, origin); err != nil {
		return err
	}
	addClaims(info, subject)
	return nil
}

func addClaims(info *oidc.UserInfo, subject string) {
	roles := map[string][]string{"id1": {"power", "dial-admin"}, "id2": {"user"}}[subject]
	info.Subject = subject
	info.AppendClaims("realm_access", map[string]any{"roles": roles})
	info.AppendClaims("nickname", "User "+subject)
}

type client struct{ op.Client }

// IDTokenLifetime implements op.Client.
func (c client) IDTokenLifetime() time.Duration {
	if c.GetID() == "short" {
		return 2 * time.Second
	}
	return time.Hour
}

// IDTokenUserinfoClaimsAssertion implements op.Client.
func (c client) IDTokenUserinfoClaimsAssertion() bool { return true }

// key implements op.SigningKey.
type key struct {
	id      string
	private *rsa.PrivateKey
}

func (k *key) ID() string                                  { return k.id }
func (k *key) Key() any                                    { return k.private }
func (k *key) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }

// public implements op.Key.
type public struct{ *key }

func (p public) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (p public) Use() string                        { return "sig" }
func (p public) Key() any                           { return crypto.PublicKey(&p.private.PublicKey) }
