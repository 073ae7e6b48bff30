package main

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"

	"outcrop/internal/balance"
	"outcrop/internal/config"
	"outcrop/internal/gateway"
	"outcrop/internal/proxy"
)

// routesOf maps the routes of a configuration. Requests for one without a server and without a canned answer are no
// other route's: nobody answers them.
func routesOf(cfg *config.Config, p parts) ([]gateway.Route, error) {
	routes := make([]gateway.Route, 0, len(cfg.Routes))
	for _, r := range cfg.Routes {
		route, err := routeOf(r, p)
		if err != nil {
			return nil, fmt.Errorf("routes.%s: %w", r.Name, err)
		}
		routes = append(routes, route)
	}
	return routes, nil
}

func routeOf(r config.Route, p parts) (gateway.Route, error) {
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
	o := balance.Options{Name: "route:" + r.Name, Attempts: r.MaxRetryAttempts, Retriable: p.retriable}
	var servers []*proxy.Raw
	for _, u := range r.Upstreams {
		if u.Weight <= 0 {
			continue
		}
		server, err := proxy.NewRaw(proxy.RawOptions{URL: u.Endpoint, Key: u.Key, Bearer: u.Bearer, Rewrite: r.RewritePath, Transport: p.remotes})
		if err != nil {
			return route, fmt.Errorf("upstreams: %w", err)
		}
		servers, o.Upstreams = append(servers, server), append(o.Upstreams, upstreamOf(u))
	}
	switch len(servers) {
	case 0:
	case 1:
		route.Server = servers[0]
	default:
		route.Server = proxy.Several(p.group(o), servers)
	}
	return route, nil
}
