package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"outcrop/internal/balance"
	"outcrop/internal/catalog"
	"outcrop/internal/config"
	"outcrop/internal/proxy"
	"outcrop/internal/secret"
)

// deploymentsFor maps what a configuration has to deployments: models, applications and interceptors. One that
// nobody answers for is there too when its requests are for other servers: they are answered with 503.
func deploymentsFor(cfg *config.Config, p parts) ([]*catalog.Deployment, error) {
	out := make([]*catalog.Deployment, 0, len(cfg.Models)+len(cfg.Applications)+len(cfg.Interceptors))
	for _, m := range cfg.Models {
		if m.Bedrock != "" && m.NotServed() != "" {
			continue
		}
		d, err := deploymentOf(m, p)
		if err != nil {
			return nil, fmt.Errorf("models.%s: %w", m.Name, err)
		}
		d.Interceptors = slices.Concat(cfg.GlobalInterceptors, m.Interceptors)
		out = append(out, d)
	}
	for _, a := range cfg.Applications {
		d, err := remoteDeployment(a.Model, p)
		if err != nil {
			return nil, fmt.Errorf("applications.%s: %w", a.Name, err)
		}
		d.Kind, d.Interceptors = catalog.Application, slices.Concat(cfg.GlobalInterceptors, a.Interceptors)
		d.Info.ViewerURL, d.Info.EditorURL = a.ViewerURL, a.EditorURL
		out = append(out, d)
	}
	for _, i := range cfg.Interceptors {
		d, err := remoteDeployment(i.Model, p)
		if err != nil {
			return nil, fmt.Errorf("interceptors.%s: %w", i.Name, err)
		}
		d.Kind = catalog.Interceptor
		out = append(out, d)
	}
	return out, nil
}

// deploymentOf makes a deployment of this process or of another server; one of this process may have other
// servers for some of its interfaces.
func deploymentOf(m config.Model, p parts) (*catalog.Deployment, error) {
	if m.Bedrock == "" {
		return remoteDeployment(m, p)
	}
	d, group, err := deployment(m, p)
	if err != nil {
		return nil, err
	}
	return d, addRemotes(d, p.elsewhere(m), servers{group, p.remotes})
}

// remoteDeployment is a deployment of another server.
func remoteDeployment(m config.Model, p parts) (*catalog.Deployment, error) {
	m = p.elsewhere(m)
	d := &catalog.Deployment{Name: m.Name, Elsewhere: true, Roles: m.UserRoles, Info: info(m)}
	if err := addFeatures(d, m, p.remotes); err != nil {
		return nil, err
	}
	return d, addRemotes(d, m, servers{p.groupOf(m, m.Active(), nil), p.remotes})
}

// servers are how the servers of a deployment are reached, and chosen.
type servers struct {
	group     *balance.Group // nil for none to choose from
	transport http.RoundTripper
}

// elsewhere is a deployment as other servers are asked for it: how long they may be silent, the settings say of one
// that does not.
func (p parts) elsewhere(m config.Model) config.Model {
	if !m.Timeouts.InterTokenStated {
		m.Timeouts.InterToken = cmp.Or(p.settings.SilenceTimeout, m.Timeouts.InterToken)
	}
	return m
}

// addRemotes gives a deployment the servers that are asked for it, and the rules of who may.
func addRemotes(d *catalog.Deployment, m config.Model, by servers) error {
	d.Consent, d.Direct = m.Features.ConsentRequired, !m.Features.AccessibleByPerRequestKey
	if m.NotServed() != "" {
		return nil
	}
	for i, asked := range config.Asked() {
		address, ok := m.Address(asked.Operation)
		if !ok {
			continue
		}
		remote, err := remoteOf(m, asked.In, address, by)
		if err != nil {
			return fmt.Errorf("%s: %w", asked.In, err)
		}
		d.Remotes[i], d.Translated[i] = remote, m.Interfaces[asked.In].Translated
	}
	return addBeside(&d.Beside, m, by)
}

// addBeside adds the servers of the operations that are not the one that their interface is there for.
func addBeside(beside *catalog.Beside, m config.Model, by servers) error {
	for _, asked := range []struct {
		in        config.Interface
		operation config.Operation
		into      **proxy.Remote
	}{
		{config.AnthropicMessages, config.CountTokens, &beside.CountMessages},
		{config.Responses, config.GetResponse, &beside.GetResponse},
		{config.Responses, config.DeleteResponse, &beside.DeleteResponse},
		{config.Responses, config.CancelResponse, &beside.CancelResponse},
	} {
		address, ok := m.Address(asked.operation)
		if !ok {
			continue
		}
		remote, err := remoteOf(m, asked.in, address, by)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", asked.in, asked.operation, err)
		}
		*asked.into = remote
	}
	return nil
}

// remoteOf is the server that is asked at an address in one interface. A translator calls back, and so it gets
// nothing of the upstream, which is not its own.
func remoteOf(m config.Model, in config.Interface, address string, by servers) (*proxy.Remote, error) {
	told, err := featuresHeader(m, in)
	if err != nil {
		return nil, err
	}
	o := proxy.Options{
		URL: address, Features: told, ForwardAuth: m.ForwardAuthToken, Transport: by.transport,
		Total: m.Timeouts.Total, Silence: m.Timeouts.InterToken,
	}
	if c := m.Interfaces[in]; c.Translated {
		o.Defaults, o.DefaultHeaders = c.Defaults, headersOf(c.DefaultHeaders)
	} else {
		if by.group != nil {
			o.Group, o.Upstreams = by.group, upstreamsFor(m, in)
			o.Endpoint, o.Key, o.ExtraData = o.Upstreams[0].Endpoint, o.Upstreams[0].Key, o.Upstreams[0].ExtraData
		}
		o.OverrideName, o.Defaults, o.DefaultHeaders = m.OverrideName, m.DefaultsOf(in), headersOf(m.HeadersOf(in))
	}
	return proxy.New(o)
}

// upstreamsFor are what another server is told of each upstream in one interface.
func upstreamsFor(m config.Model, in config.Interface) []proxy.Upstream {
	return each(m.Active(), func(u config.Upstream) proxy.Upstream {
		values := u.For(in)
		if m.Bedrock != "" { // whose upstream's own values are AWS's
			values = u.Interfaces[in]
		}
		return proxy.Upstream{Endpoint: values.Endpoint, Key: values.Key, ExtraData: values.Extra}
	})
}

func headersOf(headers map[string]secret.String) http.Header {
	out := http.Header{}
	for name, value := range headers {
		out.Set(name, value.Reveal())
	}
	return out
}

// featuresHeader is what another server is told that the deployment can, in the words of listings.
func featuresHeader(m config.Model, in config.Interface) (string, error) {
	f := m.FeaturesOf(in)
	told := struct {
		catalog.Features
		ChatCompletion bool `json:"chat_completion"`
		ResponsesAPI   bool `json:"responses_api"`
	}{Features: features(f)}
	told.Rate, told.Tokenize = f.RateEndpoint != "", f.TokenizeEndpoint != ""
	told.TruncatePrompt, told.Configuration = f.TruncatePromptEndpoint != "", f.ConfigurationEndpoint != ""
	if told.ReasoningEfforts == nil {
		told.ReasoningEfforts = []string{}
	}
	_, told.ChatCompletion = m.Address(config.PostChat)
	_, told.ResponsesAPI = m.Address(config.PostResponses)
	if m.Bedrock != "" && m.Type == config.TypeChat {
		told.ChatCompletion, told.ResponsesAPI = true, true
	}
	text, err := json.Marshal(told)
	return string(text), err
}

// addFeatures gives a deployment of another server the features that it has under addresses of their own.
func addFeatures(d *catalog.Deployment, m config.Model, transport http.RoundTripper) error {
	f := m.Features
	for _, feature := range []struct {
		address string
		into    **proxy.Remote
	}{
		{f.RateEndpoint, &d.Feedback}, {f.TokenizeEndpoint, &d.TokenizeAt},
		{f.TruncatePromptEndpoint, &d.TruncateAt}, {f.ConfigurationEndpoint, &d.ConfigurationAt},
	} {
		if feature.address == "" {
			continue
		}
		remote, err := remoteOf(m, "", feature.address, servers{nil, transport})
		if err != nil {
			return err
		}
		*feature.into = remote
	}
	return nil
}
