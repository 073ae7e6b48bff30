package main

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"outcrop/internal/balance"
	"outcrop/internal/config"
	"outcrop/internal/journal"
	"outcrop/internal/ledger"
	"outcrop/internal/limit"
	"outcrop/internal/redis"
	"outcrop/internal/telemetry"
	"outcrop/internal/usage"
)

// storeFlags say where what outlives a request is kept.
type storeFlags struct {
	// dataDir is a directory of this process alone, redis and postgres are URLs of what replicas share; "" is none.
	dataDir, redis, postgres string
}

// Variables of the environment for what a command line should not show.
const (
	redisVariable    = "OUTCROP_REDIS_URL"
	postgresVariable = "OUTCROP_POSTGRES_URL"
)

func (s *storeFlags) flags(flags *pflag.FlagSet) {
	flags.StringVar(&s.dataDir, "data-dir", "", "`DIR` in which this process keeps counters of limits, the usage ledger, and what users have agreed to, over restarts; without one they are in memory")
	flags.StringVar(&s.redis, "redis", "", "`URL` of a Redis or Valkey that replicas share, redis://[user:password@]host[:port][/database] or rediss://…; without the flag "+redisVariable+" or the settings say")
	flags.StringVar(&s.postgres, "postgres", "", "`URL` of a PostgreSQL for the usage ledger that replicas share, postgres://user:password@host/database; without the flag "+postgresVariable+" or the settings say")
}

// from is where the stores are by the flags, the environment and the settings, in this order.
func (s storeFlags) from(settings *config.Settings) storeFlags {
	s.redis = cmp.Or(s.redis, os.Getenv(redisVariable), settings.Redis.Reveal())
	s.postgres = cmp.Or(s.postgres, os.Getenv(postgresVariable), settings.Postgres.Reveal())
	return s
}

// stores are what outlives configurations, of this process or shared by replicas.
type stores struct {
	limits limit.Store
	outbox journal.Outbox
	shared common
	client *redis.Client // nil for a process that is alone
	ledger *ledger.Ledger
	log    *slog.Logger

	follow context.CancelFunc // ends the counting
	work   sync.WaitGroup
}

// openStores opens what the flags name. A Redis or PostgreSQL that is away now is none of its errors: limits.whenStoreDown
// says what happens until Redis is there, and what is used is counted once PostgreSQL is.
func openStores(ctx context.Context, f storeFlags, settings *config.Settings, log *slog.Logger) (*stores, error) {
	s := &stores{log: log, follow: func() {}}
	if err := s.openLimits(ctx, f, settings); err != nil {
		return nil, err
	}
	if err := s.openLedger(ctx, f); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stores) openLimits(ctx context.Context, f storeFlags, settings *config.Settings) error {
	switch {
	case f.redis != "":
		if err := needsSecret(settings, true); err != nil {
			return err
		}
		client, err := redis.Open(ctx, redis.Options{URL: f.redis, Prefix: settings.RedisPrefix, Timeout: settings.Limits.StoreTimeout, Log: s.log})
		if err != nil {
			return err
		}
		s.client, s.shared = client, common{client, client, client}
		s.limits, s.outbox = redis.NewLimits(client, redis.LimitsOptions{Lost: usage.LostNote, Unnoted: f.postgres == ""}), redis.NewNotes(client)
	case f.dataDir != "":
		disk, err := limit.OpenDisk(f.dataDir, limit.DiskOptions{Lost: usage.LostNote})
		if err != nil {
			return err
		}
		s.limits, s.outbox = disk, disk.Notes()
	default:
		notes := journal.NewMemory()
		s.limits, s.outbox = limit.NewMemory(notes), notes
	}
	return nil
}

// openLedger opens the ledger, and counts what was noted before. Replicas have one in PostgreSQL, or none: each of them
// would have a part of what was used.
func (s *stores) openLedger(ctx context.Context, f storeFlags) (err error) {
	o := ledger.Options{Log: s.log}
	switch {
	case f.postgres != "":
		o.URL = f.postgres
	case f.redis != "":
		s.log.Warn("there is no usage ledger, since replicas share a Redis and no PostgreSQL: give --postgres or " + postgresVariable)
		return nil
	case f.dataDir != "":
		o.Path = filepath.Join(f.dataDir, "outcrop.db")
	default:
		o.Path = ledger.InMemory
	}
	if s.ledger, err = ledger.Open(ctx, o); err != nil {
		return err
	}
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.follow = stop
	s.work.Go(func() { s.ledger.Follow(following, s.outbox) })
	return nil
}

const (
	// settleWithin is how long what has been settled may take to be counted at the end, countWithin to be in the ledger.
	settleWithin = 10 * time.Second
	countWithin  = 5 * time.Second
)

// close counts what is left, and ends the connections.
func (s *stores) close() {
	ctx, cancel := context.WithTimeout(context.Background(), settleWithin)
	defer cancel()
	s.follow()
	s.work.Wait()
	end := func() {
		if err := s.limits.Close(ctx); err != nil {
			s.log.Error("what was used is not all counted", "error", err)
		}
	}
	if s.client != nil {
		end() // it still sends notes
	} else {
		defer end() // its outbox ends with it
	}
	if s.ledger != nil {
		counting, stop := context.WithTimeout(ctx, countWithin)
		defer stop()
		if err := s.ledger.CatchUp(counting, s.outbox); err != nil { // a database that is late among it
			if _, forgets := s.limits.(*limit.Memory); forgets {
				s.log.Error("the usage ledger cannot be written, and what it does not have yet ends with this process: --data-dir or --redis would keep it", "error", err)
			} else {
				s.log.Warn("the usage ledger does not have all yet: it will, after the next start", "error", err)
			}
		}
		if err := s.ledger.Close(); err != nil {
			s.log.Warn("closing the usage ledger", "error", err)
		}
	}
	if s.client != nil {
		s.client.Close()
	}
}

// keep opens what outlives configurations, and gives it to the parts. release ends it, when no request runs any more.
func (l *live) keep(ctx context.Context, f serveFlags) (release func(), err error) {
	var opened []func()
	all := func() {
		for _, end := range slices.Backward(opened) {
			end()
		}
	}
	defer func() {
		if err != nil {
			all()
		}
	}()
	for _, begin := range []func(context.Context) (func(), error){l.logPrompts, l.tellTraces} {
		stop, err := begin(ctx)
		if err != nil {
			return nil, err
		}
		opened = append(opened, stop)
	}
	if l.parts.consents, err = newConsents(f.stores.dataDir); err != nil {
		return nil, err
	}
	kept, err := openStores(ctx, f.stores.from(l.parts.settings), l.parts.settings, l.log)
	if err != nil {
		return nil, err
	}
	opened = append(opened, kept.close)
	if err := kept.keepIn(&l.parts); err != nil {
		return nil, err
	}
	opened = append(opened, l.parts.balancers.Close)
	kept.watch(l)
	return all, nil
}

// keepIn gives the parts their stores.
func (s *stores) keepIn(p *parts) error {
	options := limiterOptions(p.settings, s.limits, p.log)
	_, forgets := s.limits.(*limit.Memory)
	options.Always = !forgets && s.ledger != nil
	p.limits = limit.New(options)
	if s.ledger != nil {
		p.ledger = s.ledger
	}
	p.balancers = balance.NewRegistry(balance.RegistryOptions{Bus: s.shared.bus, Affinity: s.shared.store, Log: p.log})
	return p.share(s.shared)
}

// watch shows in the metrics what is kept.
func (s *stores) watch(l *live) {
	limits := l.parts.limits
	l.metrics.WatchLimits(func() telemetry.Limits {
		state := limits.State()
		return telemetry.Limits{Up: state.Down == "", Reserved: state.Running, Admitted: state.Admitted, Refused: state.Refused}
	})
	l.metrics.WatchUpstreams(func() []telemetry.Upstream { return upstreamsOf(l.parts.balancers) })
	if counted, ok := s.limits.(*redis.Limits); ok {
		l.metrics.WatchReplicas(counted.Replicas)
	}
	if s.ledger != nil {
		l.metrics.WatchLedger(func() telemetry.Ledger {
			state := s.ledger.State()
			return telemetry.Ledger{Lag: state.Behind, Applied: state.Counted, Failures: state.Failures}
		})
	}
}

// upstreamsOf are the upstreams of all deployments, as they are now. What is still known of a deployment's upstreams
// before they changed was asked longer ago, and is left out.
func upstreamsOf(balancers *balance.Registry) (all []telemetry.Upstream) {
	now := time.Now()
	for _, group := range balancers.Latest() {
		for _, u := range group.State() {
			shown := telemetry.Upstream{
				Deployment: strings.TrimPrefix(group.Name(), "model:"), Upstream: u.Upstream, Region: u.Region, Available: u.Available,
				Running: u.Running, Throttles: u.Throttles, Failures: u.Failures, TokensUsed: -1, RequestsUsed: -1,
			}
			if !u.Available {
				shown.Back = max(0, u.Until.Sub(now))
			}
			if quota := float64(u.Quota.TokensPerMinute); quota > 0 {
				shown.TokensUsed = max(0, 1-u.Left/quota)
			}
			all = append(all, shown)
		}
	}
	return all
}
