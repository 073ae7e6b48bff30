package sandbox

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/models"
)

// quotasTarget begins the header that names an operation of Service Quotas.
// https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_Operations.html
const quotasTarget = "ServiceQuotasV20190624."

// serveQuotas answers Service Quotas, for the service code bedrock.
func (s *Server) serveQuotas(w http.ResponseWriter, r *http.Request, body []byte, target string) {
	who, refused := s.verifier.verify(r, body, "servicequotas")
	if refused == nil {
		refused = s.generalRefusal()
	}
	op, known := strings.CutPrefix(target, quotasTarget)
	if refused == nil && s.judged(who) {
		refused = s.may(who, who.ask("servicequotas:"+op, "*"))
	}
	in := decodeObject(body)
	var out map[string]any
	switch {
	case refused != nil:
	case !known || in == nil:
		refused = quotasError("IllegalArgumentException", "The request is not one of Service Quotas.")
	case op == "ListServices":
		out = map[string]any{"Services": []any{map[string]any{"ServiceCode": "bedrock", "ServiceName": "Amazon Bedrock"}}}
	case op != "ListServiceQuotas" && op != "GetServiceQuota" && op != "ListAWSDefaultServiceQuotas" && op != "GetAWSDefaultServiceQuota":
		refused = quotasError("UnknownOperationException", "The sandbox has ListServices, ListServiceQuotas, GetServiceQuota and the same of AWS's defaults.")
	case text(in["ServiceCode"]) != "bedrock":
		refused = quotasError("NoSuchResourceException", "The request failed because the specified service does not exist.")
	case strings.HasPrefix(op, "List"):
		out, refused = listQuotas(s.quotas(who), in)
	default:
		out, refused = oneQuota(s.quotas(who), text(in["QuotaCode"]))
	}
	if refused != nil {
		if refused.Type != "" { // botocore reads no header here
			refused.Extra = map[string]any{"__type": refused.Type}
		}
		writeError(w, refused)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(encode(out)) // a client that left is not an error of ours
}

func quotasError(kind, text string) *apiError {
	return &apiError{Status: http.StatusBadRequest, Type: kind, Message: text}
}

func oneQuota(all []map[string]any, code string) (map[string]any, *apiError) {
	for _, q := range all {
		if q["QuotaCode"] == code {
			return map[string]any{"Quota": q}, nil
		}
	}
	return nil, quotasError("NoSuchResourceException", "The request failed because the specified service quota does not exist.")
}

func listQuotas(all []map[string]any, in map[string]any) (map[string]any, *apiError) {
	size, start := 100, 0
	if n := number(in["MaxResults"]); n >= 1 {
		size = int(min(n, 100))
	}
	if token := text(in["NextToken"]); token != "" {
		n, err := strconv.Atoi(token)
		if err != nil || n < 0 {
			return nil, quotasError("InvalidPaginationTokenException", "Invalid input was provided.")
		}
		start = min(n, len(all))
	}
	end := min(start+size, len(all))
	page := []any{}
	for _, q := range all[start:end] {
		page = append(page, q)
	}
	out := map[string]any{"Quotas": page}
	if end < len(all) {
		out["NextToken"] = strconv.Itoa(end)
	}
	return out, nil
}

// quotas are the limits of every active chat or embedding model, under the names that AWS gives them. The
// numbers are the sandbox's: plausible for a new account, and the same for every model of a kind.
// https://docs.aws.amazon.com/general/latest/gr/bedrock.html#limits_bedrock
func (s *Server) quotas(who identity) []map[string]any {
	var out []map[string]any
	for _, m := range s.catalogue.All() {
		if m.Lifecycle.Status != models.Active || m.MantleOnly() || m.ProfileOnly() || m.Geo != "" && !models.Reaches(m.Geo, who.Region) {
			continue
		}
		out = append(out, quota(m, who, "requests", 200), quota(m, who, "tokens", 400_000))
	}
	slices.SortFunc(out, func(a, b map[string]any) int { return cmp.Compare(text(a["QuotaName"]), text(b["QuotaName"])) })
	return slices.CompactFunc(out, func(a, b map[string]any) bool { return a["QuotaName"] == b["QuotaName"] })
}

func quota(m *models.Model, who identity, what string, value float64) map[string]any {
	way := "On-demand"
	switch m.Geo {
	case "":
	case "global":
		way, value = "Global cross-region", 2*value
	default:
		way = "Cross-region"
	}
	name := way + " model inference " + what + " per minute for " + quotaModel(m)
	code := quotaCode(name)
	return map[string]any{
		"ServiceCode": "bedrock", "ServiceName": "Amazon Bedrock", "QuotaName": name, "QuotaCode": code, "Value": value, "Unit": "None",
		"QuotaArn": "arn:aws:servicequotas:" + who.Region + ":" + who.Account + ":bedrock/" + code, "Adjustable": m.Geo != "", "GlobalQuota": false,
		"QuotaAppliedAtLevel": "ACCOUNT",
	}
}

// quotaModel is a model as the names of quotas write it: with its provider, and without the geography that
// the catalogue's names of profiles have.
func quotaModel(m *models.Model) string {
	name, _, _ := strings.Cut(m.Name, " (")
	if provider := providerName(m.Provider); !strings.HasPrefix(name, provider) {
		name = provider + " " + name
	}
	return name
}

// quotaCode is L- and eight digits, the same for the same name.
func quotaCode(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "L-" + strings.ToUpper(hex.EncodeToString(sum[:4]))
}
