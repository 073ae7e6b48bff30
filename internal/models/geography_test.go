package models_test

import (
	"slices"
	"strings"
	"testing"

	"outcrop/internal/models"
)

func TestReaches(t *testing.T) {
	for _, c := range []struct{ region, geos string }{
		{"us-east-1", "us global"},
		{"us-west-1", "us global"},
		{"ca-central-1", "us ca global"},
		{"eu-west-2", "eu global"},
		{"il-central-1", "eu global"},
		{"ap-northeast-1", "apac jp global"},
		{"ap-southeast-2", "apac au global"},
		{"ap-south-2", "apac in global"},
		{"ap-east-2", "apac global"},
		{"sa-east-1", "global"},
		{"us-gov-west-1", "us-gov"},
		{"cn-north-1", ""},
		{"", ""},
	} {
		var have []string
		for _, geo := range []string{"us", "eu", "apac", "jp", "au", "ca", "in", "us-gov", "global"} {
			if models.Reaches(geo, c.region) {
				have = append(have, geo)
			}
		}
		if got := strings.Join(have, " "); got != c.geos {
			t.Errorf("from %q: %q, want %q", c.region, got, c.geos)
		}
	}
}

func TestDestinations(t *testing.T) {
	for _, c := range []struct{ geo, source, want string }{
		{"us", "us-east-1", "us-east-1 us-east-2 us-west-2"},
		{"us", "us-west-1", "us-east-1 us-east-2 us-west-1 us-west-2"},
		{"us", "ca-central-1", "ca-central-1 us-east-1 us-east-2 us-west-2"},
		{"eu", "eu-west-1", "eu-central-1 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-3"},
		{"eu", "eu-west-2", "eu-central-1 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3"},
		{"jp", "ap-northeast-3", "ap-northeast-1 ap-northeast-3"},
		{"us-gov", "us-gov-west-1", "us-gov-east-1 us-gov-west-1"},
		{"global", "eu-west-1", "eu-west-1 "},
	} {
		if got := strings.Join(models.Destinations(c.geo, c.source), " "); got != c.want {
			t.Errorf("%s from %s: %q, want %q", c.geo, c.source, got, c.want)
		}
	}
}

// A profile that can be called from a region sends calls to that region, too, and to regions that reach it.
func TestDestinationsAreInTheGeography(t *testing.T) {
	for _, geo := range []string{"us", "eu", "apac", "jp", "au", "ca", "in", "us-gov"} {
		for _, region := range models.Destinations(geo, "") {
			if region == "" {
				continue
			}
			if !models.Reaches(geo, region) {
				t.Errorf("%s sends to %s, from where it cannot be called", geo, region)
			}
			if !slices.Contains(models.Destinations(geo, region), region) {
				t.Errorf("%s from %s does not send to it", geo, region)
			}
		}
	}
}
