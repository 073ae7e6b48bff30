package sandbox

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"outcrop/internal/iam"
)

// The Pod Identity agent, which on a node answers at http://169.254.170.23/v1/credentials.
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
const (
	agentPath    = "/v1/credentials"
	podService   = "pods.eks.amazonaws.com"
	podLifetime  = 6 * time.Hour
	maxPodToken  = 20000
	accountClaim = "system:serviceaccount:"
)

// podClaims are the claims of a service account's token.
type podClaims struct {
	jwt.RegisteredClaims
	Kubernetes struct {
		Namespace string `json:"namespace"`
		Pod       struct {
			Name string `json:"name"`
			UID  string `json:"uid"`
		} `json:"pod"`
	} `json:"kubernetes.io"`
}

// serveAgent gives the bearer of a service account's token the credentials of the role that an
// association gives its pods. The agent's refusals are texts.
func (s *Server) serveAgent(w http.ResponseWriter, r *http.Request) {
	out, refused := s.podCredentials(r)
	if refused != nil {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(refused.Status)
		_, _ = w.Write([]byte("(" + refused.Type + "): " + refused.Message)) // a client that left is not an error of ours
		return
	}
	writeJSON(w, http.StatusOK, out)
}

// agentError is a refusal of the EKS Auth API, which the agent passes on.
// https://docs.aws.amazon.com/eks/latest/APIReference/API_auth_AssumeRoleForPodIdentity.html
func agentError(status int, kind, text string) *apiError {
	return &apiError{Status: status, Type: kind, Message: text}
}

func (s *Server) podCredentials(r *http.Request) (map[string]any, *apiError) {
	token := strings.TrimSpace(r.Header.Get("Authorization"))
	var claims podClaims
	if token == "" {
		return nil, agentError(http.StatusBadRequest, "InvalidRequestException", "Service account token cannot be empty")
	}
	if _, _, err := jwt.NewParser().ParseUnverified(token, &claims); err != nil || len(token) > maxPodToken {
		return nil, agentError(http.StatusBadRequest, "InvalidTokenException", "The token included in the request is not a JWT.")
	}
	if refused := s.checkPodToken(r, token, claims); refused != nil {
		return nil, refused
	}
	namespace, account, _ := strings.Cut(strings.TrimPrefix(claims.Subject, accountClaim), ":")
	cluster, found, ok := s.eks.associationOf(strings.TrimSuffix(claims.Issuer, "/"), namespace, account)
	if !ok {
		return nil, agentError(http.StatusNotFound, "ResourceNotFoundException",
			"No pod identity association was found for the service account "+account+" in the namespace "+namespace+".")
	}
	return s.associated(cluster, found, claims)
}

// checkPodToken verifies who a token speaks for.
func (s *Server) checkPodToken(r *http.Request, token string, claims podClaims) *apiError {
	issuer, now := strings.TrimSuffix(claims.Issuer, "/"), s.now()
	switch {
	case !s.eks.hasIssuer(issuer):
		return agentError(http.StatusBadRequest, "InvalidTokenException", "The token's issuer is none of the account's clusters.")
	case claims.ExpiresAt == nil || !now.Before(claims.ExpiresAt.Time):
		return agentError(http.StatusBadRequest, "ExpiredTokenException", "The token included in the request is expired.")
	case !slices.Contains(claims.Audience, podService):
		return agentError(http.StatusBadRequest, "InvalidTokenException", "The audience of the token must be "+podService+".")
	case !strings.HasPrefix(claims.Subject, accountClaim):
		return agentError(http.StatusBadRequest, "InvalidTokenException", "The subject of the token is no service account.")
	}
	if refused := s.oidc.verify(r.Context(), issuer, token); refused != nil {
		return agentError(http.StatusBadRequest, "InvalidTokenException", "The token could not be verified: "+refused.Message)
	}
	return nil
}

// hasIssuer says whether a cluster of the account has that issuer.
func (st *eksStore) hasIssuer(issuer string) bool {
	for _, c := range st.clusters {
		if c.Issuer == issuer {
			return true
		}
	}
	return false
}

// associated opens the session of the association's role, and of the target role behind it.
func (s *Server) associated(cluster Cluster, a association, claims podClaims) (map[string]any, *apiError) {
	now := s.now().UTC()
	opened := session{Lifetime: podLifetime, Tags: s.podTags(cluster, a, claims), Expires: now.Add(podLifetime).Truncate(time.Second)}
	name := "eks-" + clip(a.cluster, 20) + "-" + clip(claims.Kubernetes.Pod.Name, 20) + "-" + newRequestID()[:8]
	opened.name(a.role, strings.Map(sessionRune, name))
	var refused *apiError
	if opened.RoleID, refused = s.podTrust(a.role, iam.Request{Principal: podService}, opened); refused != nil {
		return nil, refused
	}
	if a.target != "" {
		source := identity{Account: opened.Account, ARN: opened.arn(), UserID: opened.userID(), Role: true, RoleARN: opened.roleARN(), RoleID: opened.RoleID}
		opened.name(a.target, opened.Name)
		opened.ExternalID, opened.Lifetime, opened.Expires = a.externalID, time.Hour, now.Add(time.Hour).Truncate(time.Second)
		if opened.RoleID, refused = s.podTrust(a.target, source.ask("", ""), opened); refused != nil {
			return nil, refused
		}
		if s.judged(source) && s.may(source, source.ask("sts:AssumeRole", a.target)) != nil {
			return nil, notAssumable()
		}
	}
	key := s.sessions.open(opened)
	return map[string]any{
		"AccessKeyId": key.AccessKeyID, "SecretAccessKey": key.SecretAccessKey, "Token": key.SessionToken,
		"AccountId": opened.Account, "Expiration": isoTime(opened.Expires),
	}, nil
}

// notAssumable is what EKS says when a role does not trust it.
func notAssumable() *apiError {
	return agentError(http.StatusBadRequest, "AccessDeniedException", "Unauthorized Exception! EKS does not have permissions to assume the associated role.")
}

// podTrust asks the trust policy of a role that IAM has for both actions, and gives the role's id.
func (s *Server) podTrust(arn string, caller iam.Request, opened session) (string, *apiError) {
	role, known := s.iam.roleByARN(arn)
	if !known {
		return "", nil
	}
	actions := []string{"sts:AssumeRole"}
	if len(opened.Tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	for _, action := range actions {
		keys := map[string][]string{"aws:sourceaccount": {s.account}, "sts:rolesessionname": {opened.Name}}
		for k, v := range caller.Context {
			keys[k] = v
		}
		ask := iam.Request{Principal: caller.Principal, Action: action, Resource: arn, Context: keys}
		if opened.ExternalID != "" {
			ask = with(ask, "sts:ExternalId", opened.ExternalID)
		}
		var names []string
		for _, t := range opened.Tags {
			ask = with(ask, "aws:RequestTag/"+t.Key, t.Value)
			names = append(names, t.Key)
		}
		if !iam.Evaluate(with(ask, "aws:TagKeys", names...), role.trust.parsed).Allowed {
			return "", notAssumable()
		}
	}
	return role.id, nil
}

// podTags are the six tags of a pod's session.
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
func (s *Server) podTags(cluster Cluster, a association, claims podClaims) []sessionTag {
	if a.noTags {
		return nil
	}
	var out []sessionTag
	for _, t := range [][2]string{
		{"eks-cluster-arn", s.eks.arn(cluster)}, {"eks-cluster-name", cluster.Name}, {"kubernetes-namespace", a.namespace},
		{"kubernetes-service-account", a.serviceAccount}, {"kubernetes-pod-name", claims.Kubernetes.Pod.Name}, {"kubernetes-pod-uid", claims.Kubernetes.Pod.UID},
	} {
		out = append(out, sessionTag{Key: t[0], Value: clip(t[1], maxTagValue), Transitive: true})
	}
	return out
}

// sessionRune keeps what the name of a session may have.
func sessionRune(r rune) rune {
	if sessionNamePattern.MatchString(string(r)) {
		return r
	}
	return '-'
}
