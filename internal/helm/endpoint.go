package helm

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"outcrop/internal/bedrock"
	"outcrop/internal/models"
)

// leadsToBedrock says whether an address is that of the adapter in the cluster.
func (l *linter) leadsToBedrock(endpoint string) bool {
	host, _, inside := clusterHost(endpoint, cmp.Or(l.Release, defaultRelease))
	i := slices.IndexFunc(l.services, func(s service) bool { return s.name == host })
	return inside && (i >= 0 && l.services[i].alias == "bedrock" || i < 0 && strings.Contains(host, "bedrock"))
}

// endpoint checks what DIAL Core would call for a model. path is "" before the name for a file of its own, which
// may be of Outcrop's gateway.
func (l *linter) endpoint(at *node, path string) {
	const form = "http://<service>/openai/deployments/<model id>/chat/completions"
	if strings.HasPrefix(at.value, "bedrock:") {
		if strings.HasPrefix(path, "core.") {
			l.at(at.at, Error, endpointForm, path, "DIAL Core calls URLs; bedrock: is for Outcrop's gateway", "write the adapter's address: "+form)
		}
		return
	}
	u, err := url.Parse(at.value)
	if err != nil || isDynamic(at.value) || !l.leadsToBedrock(at.value) {
		return
	}
	found := deploymentForm.FindStringSubmatch(u.Path)
	if found == nil || found[2] == "" {
		l.at(at.at, Error, endpointForm, path, "the adapter has no such path: every request would be answered with 404", "write "+form+", or …/embeddings")
		return
	}
	if l.Catalogue == nil {
		return
	}
	m, known := l.Catalogue.Lookup(found[1])
	if embeds := strings.HasPrefix(found[2], "/embeddings"); known && embeds != (m.Kind == models.Embedding) {
		wanted := "/chat/completions"
		if !embeds {
			wanted = "/embeddings"
		}
		l.at(at.at, Error, endpointForm, path, m.ID+" does not answer there", "end the endpoint with "+wanted)
	}
}

// upstreamRegion checks the region of an upstream.
func (l *linter) upstreamRegion(n *node, path string) {
	if n.kind == text && !isDynamic(n.value) && !bedrock.IsRegion(n.value) {
		l.at(n.at, Error, regionWrong, path, "this is not the name of a region", `write one as "us-east-1", without a zone's letter`)
	}
}
