package main

import (
	"log/slog"
	"time"

	"outcrop/internal/catalog"
	"outcrop/internal/config"
	"outcrop/internal/models"
	"outcrop/internal/telemetry"
)

// endsSoon is how long before the end of a model's life the log speaks of it.
const endsSoon = 90 * 24 * time.Hour

// deploymentsOf are the deployments as the metrics know them.
func deploymentsOf(served []*catalog.Deployment, cfg *config.Config, catalogue *models.Catalogue) []telemetry.Deployment {
	byName := map[string]config.Model{}
	for _, m := range cfg.Models {
		byName[m.Name] = m
	}
	out := make([]telemetry.Deployment, 0, len(served))
	for _, d := range served {
		entry := telemetry.Deployment{Name: d.Name, Region: d.Region}
		if m := byName[d.Name]; m.Bedrock != "" {
			upstream, _ := m.Upstream()
			entry.Model, entry.Ends = endOf(catalogue, m.ModelID(upstream), upstream.BaseModel)
		}
		out = append(out, entry)
	}
	return out
}

// endOf is the model that an id or ARN stands for, as the catalogue calls it, and its last day; "" when it is not
// known.
func endOf(catalogue *models.Catalogue, ids ...string) (model string, last time.Time) {
	for _, id := range ids {
		if base, _ := models.Base(id); base == "" {
			continue // an ARN that names no model
		}
		m, ok := catalogue.Lookup(id)
		if !ok {
			m, ok = catalogue.Family(id)
		}
		if !ok {
			continue
		}
		if day, err := time.Parse(time.DateOnly, m.Lifecycle.EOL); err == nil {
			last = day
		}
		return m.ID, last
	}
	return "", time.Time{}
}

// warnOfEnds says which models end soon. Those that have ended the configuration's warnings name.
func warnOfEnds(deployments []telemetry.Deployment, now time.Time, log *slog.Logger) {
	for _, d := range deployments {
		if left := d.Ends.Sub(now); !d.Ends.IsZero() && left >= 0 && left < endsSoon {
			log.Warn("the model of a deployment is near its end of life: choose another one",
				"deployment", d.Name, "model", d.Model, "end_of_life", d.Ends.Format(time.DateOnly), "days", int(left.Hours()/24))
		}
	}
}
