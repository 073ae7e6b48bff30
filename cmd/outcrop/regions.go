package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"outcrop/internal/catalog"
	"outcrop/internal/config"
	"outcrop/internal/models"
)

// Where prompts may run, when it is no single region.
const (
	// everyRegion is every commercial region: a global profile sends calls there.
	everyRegion = "any commercial region"
	// processRegion is the region of whoever starts the process.
	processRegion = "the environment's region"
)

// destinationsOf are the regions in which the prompts of a deployment may be processed, sorted; nil when it cannot be
// told. Every upstream counts that is not disabled. process is the region of those that state none.
func destinationsOf(m config.Model, process string) []string {
	if m.Bedrock == "" {
		return m.Regions // another server's: only the configuration can tell
	}
	var all []string
	for _, u := range m.Active() {
		region := m.Region(u)
		if region == "" {
			region = process
		}
		to := upstreamDestinations(m.ModelID(u), u.BaseModel, region)
		if to == nil {
			return m.Regions
		}
		all = append(all, to...)
	}
	if hasServers(m) {
		if m.Regions == nil {
			return nil
		}
		all = append(all, m.Regions...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// hasServers says whether another server answers for a deployment in any interface.
func hasServers(m config.Model) bool {
	return slices.ContainsFunc(config.Asked(), func(asked struct {
		In config.Interface
		config.Operation
	}) bool {
		_, ok := m.Address(asked.Operation)
		return ok && !m.Interfaces[asked.In].Translated
	})
}

// placesOf are destinationsOf and the regions of all who see the prompts on the way: interceptors and translators.
// nil is that one of them cannot be told: the one that unknown says, "" for the deployment itself.
func placesOf(cfg *config.Config, m config.Model, process string) (regions []string, unknown string) {
	all := destinationsOf(m, process)
	if all == nil {
		return nil, ""
	}
	all = slices.Clone(all)
	for _, name := range slices.Concat(cfg.GlobalInterceptors, m.Interceptors) {
		i := slices.IndexFunc(cfg.Interceptors, func(i config.Interceptor) bool { return i.Name == name })
		if i < 0 || cfg.Interceptors[i].NotServed() != "" {
			continue // requests end there
		}
		if cfg.Interceptors[i].Regions == nil {
			return nil, "the interceptor " + name
		}
		all = append(all, cfg.Interceptors[i].Regions...)
	}
	for _, asked := range config.Asked() {
		t := m.Interfaces[asked.In].By
		if t == nil {
			continue
		}
		if t.Regions == nil {
			return nil, strings.TrimSuffix("the translator "+t.Name, " ") + " of " + string(asked.In)
		}
		all = append(all, t.Regions...)
	}
	slices.Sort(all)
	return slices.Compact(all), ""
}

// upstreamDestinations are where a call of the model id from the region is processed; nil when the id does not tell.
func upstreamDestinations(id, base, region string) []string {
	model, geo := models.Base(id)
	if model == "" && routes(id) {
		if _, geo = models.Base(base); geo == "" {
			return nil // a profile of one's own may be a copy of any
		}
	}
	if geo == "" {
		return []string{region}
	}
	out := models.Destinations(geo, region)
	for i, to := range out {
		if to == "" {
			out[i] = everyRegion
		}
	}
	return out
}

// routes reports whether an ARN stands for other models, in regions that it does not name: all others run where
// they are called.
func routes(arn string) bool {
	_, kind, _ := strings.Cut(arn, ":bedrock:")
	return slices.ContainsFunc([]string{"application-inference-profile/", "prompt-router/", "default-prompt-router/", "prompt/"}, func(k string) bool {
		return strings.Contains(kind, ":"+k)
	})
}

// regionsOf are the places of every deployment by its name; nil when they are not known.
func regionsOf(cfg *config.Config) map[string][]string {
	out := map[string][]string{}
	for _, m := range deploymentsIn(cfg) {
		if m.NotServed() == "" {
			out[m.Name], _ = placesOf(cfg, m, processRegion)
		}
	}
	return out
}

// deploymentsIn are the models and applications, in their order.
func deploymentsIn(cfg *config.Config) []config.Model {
	out := slices.Clone(cfg.Models)
	for _, a := range cfg.Applications {
		out = append(out, a.Model)
	}
	return out
}

// printRegions writes where the prompts of each deployment may run, for people.
func printRegions(w io.Writer, cfg *config.Config, regions map[string][]string) error {
	if len(regions) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w, "where prompts may run:"); err != nil {
		return err
	}
	for _, m := range deploymentsIn(cfg) {
		to, ok := regions[m.Name]
		if !ok {
			continue
		}
		words := strings.Join(to, ", ")
		if to == nil {
			_, unknown := placesOf(cfg, m, processRegion)
			words = "not known: " + cmp.Or(unknown, "it") + " states no regions"
		}
		if _, err := fmt.Fprintf(w, "  %s: %s\n", printable(m.Name), printable(words)); err != nil {
			return err
		}
	}
	return nil
}

// A regionPolicy says where prompts may run; nil and nil is everywhere, else what one of the two names.
type regionPolicy struct{ regions, geographies []string }

// outside are the destinations that a policy does not allow.
func (p regionPolicy) outside(destinations []string) []string {
	return slices.DeleteFunc(slices.Clone(destinations), func(to string) bool {
		return p.regions == nil && p.geographies == nil || slices.Contains(p.regions, to) ||
			slices.ContainsFunc(p.geographies, func(geography string) bool { return inGeography(geography, to) })
	})
}

// inGeography reports whether a destination is one of a geography, which are AWS's: eu has London and Zurich, too.
// Unlike [models.Reaches] it does not ask whose profiles the region can call.
func inGeography(geography, to string) bool {
	isolated := slices.ContainsFunc([]string{"us-gov-", "us-iso", "eu-iso", "eusc-", "cn-"}, func(p string) bool { return strings.HasPrefix(to, p) })
	switch geography {
	case "global":
		return !isolated && to != processRegion
	case "us-gov":
		return strings.HasPrefix(to, "us-gov-")
	case "us", "eu", "ca":
		return !isolated && strings.HasPrefix(to, geography+"-")
	case "apac":
		return strings.HasPrefix(to, "ap-")
	case "jp":
		return to == "ap-northeast-1" || to == "ap-northeast-3"
	case "au":
		return to == "ap-southeast-2" || to == "ap-southeast-4"
	case "in":
		return to == "ap-south-1" || to == "ap-south-2"
	}
	return false
}

// policyProblems finds the deployments whose prompts may leave where they are allowed to run: errors, or with skip
// warnings, and then the deployments are left out.
func policyProblems(cfg *config.Config, skip bool) []config.Problem {
	var out []config.Problem
	check := func(section string, m config.Model) (remove bool) {
		message, remedy := policyMistake(cfg, m)
		if message == "" {
			return false
		}
		p := config.Problem{Severity: config.Error, Message: message, Remedy: remedy}
		if skip {
			p.Severity = config.Warning
			cfg.Skipped = append(cfg.Skipped, config.Skipped{ID: section + "." + m.Name, Reason: message})
		}
		out = append(out, cfg.AtPolicy(m, p))
		return skip
	}
	cfg.Models = slices.DeleteFunc(cfg.Models, func(m config.Model) bool { return check("models", m) })
	cfg.Applications = slices.DeleteFunc(cfg.Applications, func(a config.Application) bool { return check("applications", a.Model) })
	cfg.Interceptors = slices.DeleteFunc(cfg.Interceptors, func(i config.Interceptor) bool { return check("interceptors", i.Model) })
	return out
}

// policyMistake says how the prompts of a deployment may leave where they are allowed to run, "" when they cannot.
func policyMistake(cfg *config.Config, m config.Model) (message, remedy string) {
	if !m.StatesPolicy() || m.NotServed() != "" {
		return "", ""
	}
	destinations, unknown := placesOf(cfg, m, processRegion)
	if destinations == nil && unknown != "" {
		return "it is not known where " + unknown + " runs, which sees its prompts, and they may not run everywhere",
			`state there where: "regions": ["eu-west-1"]`
	}
	if destinations == nil {
		return "it is not known where its prompts run, and they may not run everywhere",
			`state where: "regions": ["eu-west-1"]`
	}
	outside := regionPolicy{m.AllowedRegions, m.AllowedGeographies}.outside(destinations)
	switch {
	case len(outside) == 0:
		return "", ""
	case slices.Contains(outside, processRegion):
		remedy = "state the region in extraData of the upstream"
	case slices.Contains(outside, everyRegion):
		remedy = "a global inference profile runs everywhere: use that of a geography, or the bare model id, or allow global"
	default:
		remedy = "use another inference profile, region, interceptor or translator, or allow them"
	}
	return "its prompts may run in " + strings.Join(outside, ", ") + ", which is not allowed here", remedy
}

// bar gives deployments where their prompts may run, and the roles that this bars from them. process is the region of
// the upstreams that state none, "" when it is not known.
func bar(deployments []*catalog.Deployment, cfg *config.Config, process string) {
	stated := map[string]config.Model{}
	for _, m := range deploymentsIn(cfg) {
		stated[m.Name] = m
	}
	for _, d := range deployments {
		m, ok := stated[d.Name]
		if !ok || d.Kind == catalog.Interceptor {
			continue
		}
		d.Destinations, _ = placesOf(cfg, m, cmp.Or(process, processRegion))
		for _, r := range cfg.Roles {
			leaves := d.Destinations == nil || len(regionPolicy{r.AllowedRegions, r.AllowedGeographies}.outside(d.Destinations)) > 0
			if r.StatesPolicy() && leaves {
				d.Barred = append(d.Barred, r.Name)
			}
		}
	}
}
