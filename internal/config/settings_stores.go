package config

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"outcrop/internal/secret"
)

// redisDraft is where a Redis is while the fields are read.
type redisDraft struct {
	single, cluster             spot
	address, username           string
	password                    secret.String
	database                    int
	nodes                       []string
	addressAt, nodesAt, whoseAt spot
}

func redisTable() table[redisDraft] {
	return table[redisDraft]{
		exact: true,
		fields: []field[redisDraft]{
			{"singleServerConfig", "object", "", enforced, "the server, see below; `--redis` goes before", "",
				func(l *loader, v spot, d *redisDraft) {
					d.single = v
					readSection(l, v, redisServerTable(), d)
				}},
			{"clusterServersConfig", "object", "", enforced, "like `singleServerConfig`, with `nodeAddresses` in place of `address`: the first one is asked for the others", "",
				func(l *loader, v spot, d *redisDraft) {
					d.cluster = v
					readSection(l, v, redisClusterTable(), d)
				}},
			idle[redisDraft]("provider", "object", "", "the password is given in `password`: there is no sign-in with a cloud's identity"),
		},
		elsewhere: redissonOption,
	}
}

// redissonOption is what becomes of the other options of Redisson, of which DIAL takes all.
func redissonOption(member) string { return "options of Redisson have no effect here" }

func redisServerTable() table[redisDraft] {
	return table[redisDraft]{exact: true, elsewhere: redissonOption, fields: append([]field[redisDraft]{
		{"address", "secret string", "", enforced, "`redis://host:port`, or `rediss://…` with TLS; `valkey://` and `valkeys://` are the same", "",
			func(l *loader, v spot, d *redisDraft) {
				l.hideURL(v)
				l.given(v, &d.address)
				d.addressAt = v
			}},
		{"database", "integer ≥ 0", "0", enforced, "its number", "",
			func(l *loader, v spot, d *redisDraft) { l.int32(v, 0, &d.database) }},
	}, redisUserFields()...)}
}

func redisClusterTable() table[redisDraft] {
	return table[redisDraft]{exact: true, elsewhere: redissonOption, fields: append([]field[redisDraft]{
		{"nodeAddresses", "list of addresses", "[]", enforced, "as `address` of `singleServerConfig`", "",
			func(l *loader, v spot, d *redisDraft) {
				for i := range v.items {
					l.hideURL(v.item(i))
				}
				d.nodes, d.nodesAt = l.strs(v), v
			}},
	}, redisUserFields()...)}
}

func redisUserFields() []field[redisDraft] {
	return []field[redisDraft]{
		{"username", "string", "", enforced, "", "", func(l *loader, v spot, d *redisDraft) {
			l.given(v, &d.username)
			d.whoseAt = v
		}},
		{"password", "secret string", "", enforced, "", "", func(l *loader, v spot, d *redisDraft) { l.secret(v, &d.password) }},
	}
}

// hideURL keeps an address out of messages: it may hold a password.
func (l *loader) hideURL(s spot) {
	if s.kind != text {
		return
	}
	l.secrets.add(s.text)
	if u, err := url.Parse(s.text); err == nil {
		if password, ok := u.User.Password(); ok {
			l.secrets.add(password)
		}
	}
}

// readRedis reads where the Redis is that replicas share. What cannot be read is an error: replicas that count each for
// itself would admit too much.
func readRedis(l *loader, s spot, settings *Settings) {
	var d redisDraft
	readSection(l, s, redisTable(), &d)
	at := d.addressAt
	switch {
	case d.single.node != nil && d.cluster.node != nil:
		l.err(s, "singleServerConfig and clusterServersConfig together: which one counts?", "remove one of the two")
		return
	case len(d.nodes) > 0:
		d.address, at = d.nodes[0], d.nodesAt
		if len(d.nodes) > 1 {
			l.warn(at, "the first of the addresses is used", "it tells the others, if it is a cluster")
		}
	}
	if d.address == "" {
		if d.single.node != nil || d.cluster.node != nil {
			l.err(s, "no address of a Redis", `add "address": "redis://host:6379" to singleServerConfig, or remove the section`)
		}
		return
	}
	u, err := url.Parse(d.address)
	if err != nil || u.Host == "" || !slices.Contains([]string{"redis", "rediss", "valkey", "valkeys"}, u.Scheme) {
		l.err(at, "this is no address of a Redis", "redis://host:6379, or rediss://host:6379 with TLS")
		return
	}
	u.Scheme = strings.Replace(u.Scheme, "valkey", "redis", 1)
	if password := d.password.Reveal(); password != "" {
		u.User = url.UserPassword(d.username, password)
	} else if d.username != "" {
		l.err(d.whoseAt, "a username without a password", "add the password, which a variable can give: aidial.redis.singleServerConfig.password_FILE")
	}
	if d.database > 0 {
		u.Path = "/" + strconv.Itoa(d.database)
	}
	settings.Redis = secret.New(u.String())
	l.secrets.add(u.String())
}

func postgresTable() table[Settings] {
	return table[Settings]{exact: true, fields: []field[Settings]{
		{"url", "secret string", "", enforced, "`postgres://user:password@host:5432/database`; `--postgres` goes before. Outcrop's own field", "",
			func(l *loader, v spot, s *Settings) {
				l.hideURL(v)
				l.secret(v, &s.Postgres)
				l.checkPostgres(v, s)
			}},
		{"urlFile", "path of a file", "", enforced, "file that holds the URL. Outcrop's own field", "",
			func(l *loader, v spot, s *Settings) {
				s.Postgres, _ = l.secretFile(v)
				l.checkPostgres(v, s)
			}},
	}}
}

func readPostgres(l *loader, s spot, settings *Settings) {
	readSection(l, s, postgresTable(), settings)
	_, plain := s.find("url")
	if file, inFile := s.find("urlFile"); plain && inFile {
		l.err(file, "url and urlFile together: which one counts?", "remove one of the two")
	}
}

// checkPostgres looks at the form of the URL, and takes none that has another.
func (l *loader) checkPostgres(s spot, settings *Settings) {
	if settings.Postgres.IsZero() {
		return
	}
	u, err := url.Parse(settings.Postgres.Reveal())
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		settings.Postgres = secret.String{}
		l.err(s, "this is no URL of a PostgreSQL", "postgres://user:password@host:5432/database, with what is no letter or digit of the password escaped: %40 for @")
		return
	}
	if password, ok := u.User.Password(); ok {
		l.secrets.add(password)
	}
}

func limitsSettingsTable() table[Settings] {
	const down = "what becomes of a request while the store of the counters (Redis) cannot be asked: it is refused, or admitted without a limit. Outcrop's own field"
	return table[Settings]{exact: true, fields: []field[Settings]{
		{"whenStoreDown", "`refuse`, `admit`", "refuse", enforced, down, "",
			func(l *loader, v spot, s *Settings) {
				var word string
				l.oneOf(v, &word, "refuse", "admit")
				s.Limits.AdmitWhenDown = word == "admit"
			}},
		{"storeTimeout", "milliseconds ≥ 1", "", enforced, "how long the store may take for one answer. Outcrop's own field", "",
			func(l *loader, v spot, s *Settings) { l.millis(v, 1, &s.Limits.StoreTimeout) }},
		{"reserve", "boolean", "true", enforced, "a request reserves its prompt and its longest answer until its usage is known, so that a burst does not go beyond a limit; false is DIAL's way. Outcrop's own field", "",
			func(l *loader, v spot, s *Settings) {
				reserve := true
				l.boolean(v, &reserve)
				s.Limits.Loose = !reserve
			}},
		{"slack", "number, 0 to 1", "0", enforced, "how far use may go beyond a limit, as a part of it. Outcrop's own field", "",
			func(l *loader, v spot, s *Settings) { l.fraction(v, &s.Limits.Slack) }},
		{"maxConcurrentRequests", "integer ≥ 0", "0", enforced, "how many requests a caller may have running whose roles do not say; 0 is without bound. Outcrop's own field", "",
			func(l *loader, v spot, s *Settings) { l.int32(v, 0, &s.Limits.Concurrent) }},
	}}
}

// fraction reads a number from 0 to 1.
func (l *loader) fraction(s spot, into *float64) {
	if s.kind != number && s.kind != text {
		l.want(s, number)
		return
	}
	n, err := strconv.ParseFloat(s.text, 64)
	if err != nil || !(n >= 0 && n <= 1) { // not a number is neither
		l.err(s, "must be a number from 0 to 1", "0.1 is a tenth of the limit")
		return
	}
	*into = n
}
