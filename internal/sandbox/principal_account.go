package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"

	"outcrop/internal/iam"
)

// openAccount makes what the account has beside its models.
func (s *Server) openAccount(o Options) (err error) {
	if s.iam, err = newIAMStore(s.account); err != nil {
		return err
	}
	if s.eks, err = newEKSStore(o.Clusters, s.account); err != nil {
		return err
	}
	s.oidc = newOIDCKeys(o.OIDCRoots, o.OIDCKeys)
	for issuer, keys := range o.OIDCKeys {
		if !strings.HasPrefix(keys, "https://") && json.Unmarshal([]byte(keys), &keySet{}) != nil {
			return fmt.Errorf("sandbox: OIDCKeys[%s] is neither a JWKS document nor an https URL", issuer)
		}
	}
	if s.route = o.Route; s.route != "" {
		if _, err := routeWish(s.route); err != nil {
			return fmt.Errorf("sandbox: Route %w", err)
		}
	}
	if len(o.ServiceControlPolicy) > 0 {
		document, err := iam.Parse(o.ServiceControlPolicy)
		if err != nil {
			return fmt.Errorf("sandbox: ServiceControlPolicy: %w", err)
		}
		s.scp = &document
	}
	return nil
}
