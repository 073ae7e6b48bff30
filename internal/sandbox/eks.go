package sandbox

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Cluster is an EKS cluster of the sandbox's account.
type Cluster struct {
	Name   string
	Issuer string // of its service accounts' tokens, with https://; "" makes one up
}

// maxAssociations bounds the Pod Identity associations of one cluster.
const maxAssociations = 1000

// eksStore is the account's clusters and their Pod Identity associations.
type eksStore struct {
	mu           sync.Mutex
	account      string
	clusters     map[string]Cluster
	associations map[string][]*association // by cluster, the oldest first
}

// association gives a service account's pods a role.
type association struct {
	id, cluster, namespace, serviceAccount string
	role, target, externalID               string
	noTags                                 bool
	created, modified                      time.Time
	tags                                   map[string]any
}

var (
	clusterPattern = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9\-_]{0,99}$`)
	issuerRegion   = regexp.MustCompile(`^https://oidc\.eks\.([a-z0-9-]+)\.`)
)

func newEKSStore(clusters []Cluster, account string) (*eksStore, error) {
	st := &eksStore{account: account, clusters: map[string]Cluster{}, associations: map[string][]*association{}}
	if len(clusters) == 0 {
		clusters = []Cluster{{Name: "sandbox"}}
	}
	for i, c := range clusters {
		c.Issuer = strings.TrimSuffix(cmp.Or(c.Issuer, "https://oidc.eks.us-east-1.amazonaws.com/id/5A4DB0C55A4DB0C55A4DB0C55A4DB0C5"), "/")
		u, err := url.Parse(c.Issuer)
		switch {
		case !clusterPattern.MatchString(c.Name):
			return nil, fmt.Errorf("sandbox: Clusters[%d] %q is no name of a cluster", i, c.Name)
		case err != nil || u.Scheme != "https" || u.Host == "":
			return nil, fmt.Errorf("sandbox: Clusters[%d] %s: the issuer %q is no https URL", i, c.Name, c.Issuer)
		}
		st.clusters[c.Name] = c
	}
	return st, nil
}

// arn is a cluster's. It stands in the region that its issuer names, else in us-east-1.
func (st *eksStore) arn(c Cluster) string {
	return "arn:aws:eks:" + c.region() + ":" + st.account + ":cluster/" + c.Name
}

func (c Cluster) region() string {
	if m := issuerRegion.FindStringSubmatch(c.Issuer); m != nil {
		return m[1]
	}
	return "us-east-1"
}

// eksCall is one call of EKS.
type eksCall struct {
	who   identity
	path  []string // clusters/NAME/…
	query url.Values
	body  map[string]any
	now   time.Time
}

// eksOp is an operation, the permission it needs, and on what.
type eksOp struct {
	action string
	do     func(eksCall) (map[string]any, *apiError)
}

// operation finds the operation of a method and path.
// https://docs.aws.amazon.com/eks/latest/APIReference/API_Operations_Amazon_Elastic_Kubernetes_Service.html
func (st *eksStore) operation(method string, path []string) (eksOp, bool) {
	shape := method
	for i, segment := range path {
		if i%2 == 0 {
			shape += " " + segment
		}
	}
	shape += " " + itoa(len(path))
	op, ok := map[string]eksOp{
		"GET clusters 1": {"ListClusters", st.listClusters},
		"GET clusters 2": {"DescribeCluster", st.describeCluster},
		"POST clusters pod-identity-associations 3":   {"CreatePodIdentityAssociation", st.createAssociation},
		"GET clusters pod-identity-associations 3":    {"ListPodIdentityAssociations", st.listAssociations},
		"GET clusters pod-identity-associations 4":    {"DescribePodIdentityAssociation", st.describeAssociation},
		"POST clusters pod-identity-associations 4":   {"UpdatePodIdentityAssociation", st.updateAssociation},
		"DELETE clusters pod-identity-associations 4": {"DeletePodIdentityAssociation", st.deleteAssociation},
		"GET clusters addons 3":                       {"ListAddons", st.listAddons},
		"GET clusters addons 4":                       {"DescribeAddon", st.describeAddon},
	}[shape]
	return op, ok
}

// serveEKS answers a call of EKS.
func (s *Server) serveEKS(w http.ResponseWriter, r *http.Request, body []byte, segments []string) {
	who, refused := s.verifier.verify(r, body, "eks")
	if refused == nil {
		refused = s.generalRefusal()
	}
	if refused != nil {
		writeError(w, refused)
		return
	}
	op, ok := s.eks.operation(r.Method, segments)
	if !ok {
		writeError(w, &apiError{Status: http.StatusNotFound, Type: "UnknownOperationException", Namespace: authNamespace,
			Message: "The sandbox has no operation " + r.Method + " " + r.URL.EscapedPath() + " of EKS; docs/sandbox.md lists what it has."})
		return
	}
	c := eksCall{who: who, path: segments, query: r.URL.Query(), now: s.now().UTC().Truncate(time.Second)}
	if len(body) > 0 {
		if c.body = decodeObject(body); c.body == nil {
			writeError(w, eksError("InvalidParameterException", "The request body is not a JSON object."))
			return
		}
	}
	if s.judged(who) {
		asks := []string{"eks:" + op.action}
		request := who.ask(asks[0], s.eks.resource(c))
		if denied := s.may(who, request); denied != nil {
			writeError(w, denied)
			return
		}
		if role := text(c.body["roleArn"]); role != "" { // EKS passes the role on to the pods
			if denied := s.may(who, with(who.ask("iam:PassRole", role), "iam:PassedToService", podService)); denied != nil {
				writeError(w, denied)
				return
			}
		}
	}
	s.eks.mu.Lock()
	out, refused := op.do(c)
	s.eks.mu.Unlock()
	if refused != nil {
		writeError(w, refused)
		return
	}
	writeJSON(w, http.StatusOK, out)
}

// resource is the ARN that a call is judged by.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html
func (st *eksStore) resource(c eksCall) string {
	region, name := c.who.Region, "*"
	if len(c.path) > 1 {
		name = c.path[1]
	}
	prefix := "arn:aws:eks:" + region + ":" + c.who.Account + ":"
	switch {
	case len(c.path) == 4 && c.path[2] == "pod-identity-associations":
		return prefix + "podidentityassociation/" + name + "/" + c.path[3]
	case len(c.path) == 4:
		return prefix + "addon/" + name + "/" + c.path[3] + "/*"
	}
	return prefix + "cluster/" + name
}

// eksError is a refusal of EKS.
func eksError(kind, format string, args ...any) *apiError {
	status := http.StatusBadRequest
	switch kind {
	case "ResourceNotFoundException":
		status = http.StatusNotFound
	case "ResourceInUseException":
		status = http.StatusConflict
	}
	return &apiError{Status: status, Type: kind, Message: fmt.Sprintf(format, args...)}
}

// cluster finds the one of the path.
func (st *eksStore) cluster(c eksCall) (Cluster, *apiError) {
	if found, ok := st.clusters[c.path[1]]; ok {
		return found, nil
	}
	return Cluster{}, eksError("ResourceNotFoundException", "No cluster found for name: %s.", clip(c.path[1], 100))
}

// page is maxResults and nextToken over a list that is given whole.
func (c eksCall) page(list string, all []any) (map[string]any, *apiError) {
	size, start := 100, 0
	if v := c.query.Get("maxResults"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 100 {
			return nil, eksError("InvalidParameterException", "maxResults must be between 1 and 100")
		}
		size = n
	}
	if v := c.query.Get("nextToken"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return nil, eksError("InvalidParameterException", "nextToken is invalid")
		}
		start = min(n, len(all))
	}
	end := min(start+size, len(all))
	out := map[string]any{list: slices.Concat([]any{}, all[start:end])}
	if end < len(all) {
		out["nextToken"] = strconv.Itoa(end)
	}
	return out, nil
}

func (st *eksStore) listClusters(c eksCall) (map[string]any, *apiError) {
	var all []any
	for _, name := range slices.Sorted(maps.Keys(st.clusters)) {
		all = append(all, name)
	}
	return c.page("clusters", all)
}

func (st *eksStore) describeCluster(c eksCall) (map[string]any, *apiError) {
	found, refused := st.cluster(c)
	if refused != nil {
		return nil, refused
	}
	return map[string]any{"cluster": map[string]any{
		"name": found.Name, "arn": st.arn(found), "status": "ACTIVE", "version": "1.34", "platformVersion": "eks.1",
		"createdAt": 1769817600, "endpoint": "https://" + strings.ToUpper(found.Name) + ".gr7." + found.region() + ".eks.amazonaws.com",
		"roleArn":  "arn:aws:iam::" + st.account + ":role/eks-cluster",
		"identity": map[string]any{"oidc": map[string]any{"issuer": found.Issuer}}, "tags": map[string]any{},
	}}, nil
}

// The one add-on that the clusters have.
const agentAddon = "eks-pod-identity-agent"

func (st *eksStore) listAddons(c eksCall) (map[string]any, *apiError) {
	if _, refused := st.cluster(c); refused != nil {
		return nil, refused
	}
	return c.page("addons", []any{agentAddon})
}

func (st *eksStore) describeAddon(c eksCall) (map[string]any, *apiError) {
	found, refused := st.cluster(c)
	switch {
	case refused != nil:
		return nil, refused
	case c.path[3] != agentAddon:
		return nil, eksError("ResourceNotFoundException", "No addon: %s found in cluster: %s", clip(c.path[3], 100), found.Name)
	}
	return map[string]any{"addon": map[string]any{
		"addonName": agentAddon, "clusterName": found.Name, "status": "ACTIVE", "addonVersion": "v1.3.10-eksbuild.2",
		"addonArn": "arn:aws:eks:" + found.region() + ":" + st.account + ":addon/" + found.Name + "/" + agentAddon + "/sandbox",
		"health":   map[string]any{"issues": []any{}}, "createdAt": 1769817600, "modifiedAt": 1769817600,
	}}, nil
}
