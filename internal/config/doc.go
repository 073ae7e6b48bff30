// Package config is the files, decoded and checked, with all their mistakes.
//
// [Load] reads DIAL's aidial.config.json files, merges them as DIAL does, and
// hands back plain structs in the order of the files and the list of everything
// that is wrong with them. It opens no socket, knows no other package of ours
// but secret, and decides nothing: cmd/outcrop maps a [Config] to parts.
//
// The field tables (rootTable, modelTable, upstreamTable, …) are the one place that says
// what a field is called, whether this version acts on it, and how it is read;
// docs/config.md is printed from them.
//
// No message quotes a value. Names are quoted where DIAL makes them public
// (models, roles, projects), never the names of the keys map, which are the
// keys themselves.
package config
