package gateway

import (
	"net/http"
	"strings"

	"outcrop/internal/auth"
	"outcrop/internal/llm"
)

// laterRoutes are routes of DIAL Core that this server does not serve yet.
type laterRoutes struct {
	what    string // as the subject of a sentence, with its verb
	methods string
	paths   []string
}

// allLater are the routes of files and what is kept like them, of sharing and publishing, of programs and tools, and of
// the administration of entities.
func allLater() []laterRoutes {
	const read, keep = "GET", "GET PUT DELETE"
	return []laterRoutes{
		{"files are", keep, []string{"/v1/files/{bucket}/{path...}"}},
		{"metadata are", read, []string{"/v1/metadata/{type}/{bucket}/{path...}", "/v2/metadata/{type}/{bucket}/{path...}"}},
		{"conversations are", keep, []string{"/v1/conversations/{bucket}/{path...}"}},
		{"prompts are", keep, []string{"/v1/prompts/{bucket}/{path...}"}},
		{"skills are", keep, []string{"/v2/skills/{bucket}/{path...}"}},
		{"applications of users are", "GET PUT DELETE POST", []string{"/v1/applications/{bucket}/{path...}"}},
		{"toolsets are", keep, []string{"/v1/toolsets/{bucket}/{path...}"}},
		{"operations on files and other resources are", "POST", []string{"/v1/ops/resource/{operation}"}},
		{"sharing is", "POST", []string{"/v1/ops/resource/share/{operation}"}},
		{"permissions for deployments are", "POST", []string{"/v1/ops/resource/per-request-permissions/{operation}"}},
		{"sharing is", read, []string{"/v1/invitations"}},
		{"sharing is", "GET DELETE", []string{"/v1/invitations/{id}"}},
		{"publications are", "POST", []string{
			"/v1/ops/publication/{operation}", "/v1/ops/publication/resource/{operation}", "/v1/ops/publication/rule/{operation}",
		}},
		{"notifications are", "POST", []string{"/v1/ops/notification/{operation}"}},
		{"applications that Core runs itself are", "POST", []string{"/v1/ops/application/{operation}"}},
		{"types of applications are", read, []string{"/v1/application_type_schemas/{what}"}},
		{"toolsets and MCP are", "GET POST DELETE", []string{"/v1/toolset/{id}/mcp", "/v1/deployments/{id}/mcp"}},
		{"toolsets and MCP are", read, []string{"/v1/toolset/{id}/tools", "/v1/toolset/{id}/allowed-tools", "/v1/deployments/{id}/mcp/resources"}},
		{"toolsets and MCP are", "POST", []string{"/v1/ops/toolset/{operation}"}},
		{"external services are", "POST", []string{"/v1/ops/external-service/{operation}"}},
		{"routes of applications are", frontMethods, []string{"/v1/deployments/{id}/route/{path...}"}},
		{"the code interpreter is", "POST", []string{"/v1/ops/code_interpreter/{operation}"}},
		{"client channels are", "POST", []string{"/v1/ops/client-channel/{operation}"}},
		{"credentials for later are", read, []string{"/v1/user/offline-credentials"}},
		{"credentials for later are", "POST", []string{"/v1/user/offline-credentials/signin", "/v1/user/offline-credentials/signout"}},
		{configLater, read, []string{"/v1/admin/config/file/{type}", "/v1/admin/config/file/{type}/{name...}"}},
		{configLater, "POST", []string{"/v1/admin/config/file/migrate", "/v1/admin/validate", "/v1/admin/apply"}},
		{configLater, keep, []string{
			"/v1/models/{bucket}/{path...}", "/v1/interceptors/{bucket}/{path...}", "/v1/roles/{bucket}/{path...}", "/v1/keys/{bucket}/{path...}",
			"/v1/routes/{bucket}/{path...}", "/v1/schemas/{bucket}/{path...}", "/v1/catalog_schemas/{bucket}/{path...}",
			"/v1/settings/{bucket}/{path...}", "/v1/translators/{bucket}/{path...}",
		}},
	}
}

const configLater = "changes of the configuration through the API are"

// routeLater routes to what is not served yet: whoever is known is told so, whoever is not is not.
func (g *Gateway) routeLater() {
	for _, routes := range allLater() {
		for method := range strings.FieldsSeq(routes.methods) {
			if method == http.MethodHead {
				continue // GET has it
			}
			for _, path := range routes.paths {
				g.known(method+" "+path, func(x *exchange, _ *http.Request, _ auth.Caller) error { return x.refuse(notYet(routes.what)) })
			}
		}
	}
}

// notYet is the error of what a DIAL Core serves and this server does not.
func notYet(what string) error {
	return &llm.Error{Kind: llm.KindNotServed, Message: "This is a headless Core: " + what + " not served yet. Models and applications are."}
}
