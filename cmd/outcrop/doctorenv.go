package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"outcrop/internal/adapter"
	"outcrop/internal/bedrock"
	"outcrop/internal/config"
	"outcrop/internal/doctor"
)

// environment is what the doctor looks at.
func (f *doctorFlags) environment(ctx context.Context) (*doctor.Env, error) {
	catalogue, err := loadCatalogue(f.catalogue)
	if err != nil {
		return nil, err
	}
	e := &doctor.Env{
		Getenv: getenv, Now: time.Now, Catalogue: catalogue, ExpectRole: f.expectRole,
		Probe: doctor.Probe(f.probe), MaxCostUSD: f.maxCost, Limits: doctor.ReadLimits(),
	}
	aws := getenv
	if f.adapter {
		aws = f.adapterEnvironment(e)
	}
	e.Process, e.Warnings, e.Failure = bedrock.Load(ctx, aws, catalogue)
	b := envBuilder{Env: e, byKey: map[[32]byte]*doctor.Upstream{}}
	if e.Region, _ = bedrock.Region(aws); e.Region == "" && e.Process != nil {
		e.Region = b.profileRegion()
	}
	if len(f.configs) == 0 {
		u := b.upstream(bedrock.Settings{Region: f.region, Profile: f.profile}, cmp.Or(f.profile, "default chain"))
		for _, id := range f.models {
			b.model(u, &doctor.Model{Deployment: id, ID: id}, bedrock.ModelOptions{})
		}
		return e, nil
	}
	files, err := source{paths: f.configs}.files()
	if err != nil {
		return nil, err
	}
	b.configuration(ctx, files, config.Options{OverwriteArrays: f.overwrite})
	return e, nil
}

// adapterEnvironment reads the environment as the adapter does. What it would not start with is told by the
// environment's check.
func (f *doctorFlags) adapterEnvironment(e *doctor.Env) func(string) string {
	environment, err := adapter.ReadEnvironment(os.Environ())
	if err != nil {
		e.Mistakes = strings.Split(err.Error(), "\n")
		return getenv
	}
	e.Warnings = environment.Warnings
	return withRegion(environment.Region)
}

// envBuilder makes the upstreams and models; equal settings are one upstream.
type envBuilder struct {
	*doctor.Env
	byKey map[[32]byte]*doctor.Upstream
}

// profileRegion is the region of AWS's configuration files, which only a client tells.
func (b *envBuilder) profileRegion() string {
	client, err := b.Process.Client(bedrock.Settings{})
	if err != nil {
		return ""
	}
	return client.Region()
}

func (b *envBuilder) configuration(ctx context.Context, files []string, o config.Options) {
	cfg, problems := config.Load(files, o)
	b.Configured, b.Config, b.Problems = true, cfg, slices.Concat(problems, defaultsProblems(ctx, cfg, b.Catalogue))
	b.Doubts = catalogueProblems(cfg, b.Catalogue)
	config.SortProblems(b.Problems, files)
	for _, m := range cfg.Models {
		if m.NotServed() != "" || m.Bedrock == "" {
			continue
		}
		active := m.Active()
		for i, upstream := range active {
			name := m.Name
			if len(active) > 1 {
				name += " at " + cmp.Or(upstream.ID, fmt.Sprintf("upstream %d", i+1))
			}
			u := b.upstream(settings(upstream, m.Region(upstream)), upstream.Credentials())
			b.model(u, &doctor.Model{Deployment: name, ID: m.ModelID(upstream)}, modelOptions(m, upstream))
		}
	}
}

// upstream is the one with these settings.
func (b *envBuilder) upstream(s bedrock.Settings, credentials string) *doctor.Upstream {
	s.Region = cmp.Or(s.Region, b.Region) // of the ARN of one model, and the environment's for the others, are one region
	key := s.Key()
	if u, ok := b.byKey[key]; ok {
		return u
	}
	u := &doctor.Upstream{Settings: s, Region: cmp.Or(s.Region, b.Region), Failure: b.Failure}
	u.Name = strings.TrimPrefix(u.Region+", "+credentials, ", ")
	if b.Process != nil {
		u.Client, u.Failure = b.Process.Client(s)
	}
	if u.Client != nil {
		u.Region = u.Client.Region()
	}
	b.byKey[key] = u
	b.Upstreams = append(b.Upstreams, u)
	return u
}

func (b *envBuilder) model(u *doctor.Upstream, m *doctor.Model, o bedrock.ModelOptions) {
	m.Upstream, m.Failure = u, u.Failure
	if u.Client != nil {
		m.Model, m.Failure = u.Client.Model(m.ID, o)
	}
	u.Deployments = append(u.Deployments, m.Deployment)
	b.Models = append(b.Models, m)
}
