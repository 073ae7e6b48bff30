package main

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"

	"outcrop/internal/config"
	"outcrop/internal/gateway"
	"outcrop/internal/proxy"
)

// routesOf maps the routes of a configuration. Requests for one without a server and without a canned answer are no
// other route's: nobody answers them.
func routesOf(cfg *config.Config, remotes http.RoundTripper) ([]gateway.Route, error) {
	routes := make([]gateway.Route, 0, len(cfg.Routes))
	for _, r := range cfg.Routes {
		route, err := routeOf(r, remotes)
		if err != nil {
			return nil, fmt.Errorf("routes.%s: %w", r.Name, err)
		}
		routes = append(routes, route)
	}
	return routes, nil
}

func routeOf(r config.Route, remotes http.RoundTripper) (gateway.Route, error) {
	route := gateway.Route{Name: r.Name, Methods: r.Methods, Order: r.Order, Roles: r.UserRoles, Paths: make([]*regexp.Regexp, 0, len(r.Paths))}
	for i, path := range r.Paths {
		expression, err := gateway.WholePath(path)
		if err != nil {
			return route, fmt.Errorf("paths[%d]: %w", i, err)
		}
		route.Paths = append(route.Paths, expression)
	}
	if r.Response != nil {
		route.Canned = &gateway.Canned{Status: cmp.Or(r.Response.Status, http.StatusOK), Body: r.Response.Body}
		return route, nil
	}
	upstream, ok := firstEnabled(r.Upstreams)
	if !ok {
		return route, nil
	}
	var err error
	route.Server, err = proxy.NewRaw(proxy.RawOptions{URL: upstream.Endpoint, Key: upstream.Key, Bearer: upstream.Bearer, Rewrite: r.RewritePath, Transport: remotes})
	if err != nil {
		return route, fmt.Errorf("upstreams: %w", err)
	}
	return route, nil
}

// firstEnabled is the upstream that serves, as of a model.
func firstEnabled(upstreams []config.Upstream) (config.Upstream, bool) {
	for _, u := range upstreams {
		if u.Weight > 0 {
			return u, true
		}
	}
	return config.Upstream{}, false
}
