package models

import (
	"slices"
	"strings"
)

// Reaches says whether a geography's inference profiles can be called from a region: us, eu, apac, jp, au, ca,
// in, us-gov or global. Regions that opened later than this table are placed by the first part of their name.
// https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
func Reaches(geo, region string) bool {
	if geo == "global" {
		return region != "" && !strings.HasPrefix(region, "us-gov-") && !strings.HasPrefix(region, "cn-")
	}
	return slices.Contains(strings.Fields(geographies(region)), geo)
}

// geographies are those whose profiles a region has.
func geographies(region string) string {
	switch region {
	case "ca-central-1", "ca-west-1":
		return "us ca"
	case "ap-northeast-1", "ap-northeast-3":
		return "apac jp"
	case "ap-southeast-2", "ap-southeast-4":
		return "apac au"
	case "ap-south-1", "ap-south-2":
		return "apac in"
	case "il-central-1":
		return "eu"
	case "me-central-1":
		return "apac"
	}
	for _, known := range []string{"us-gov", "us", "eu"} {
		if strings.HasPrefix(region, known+"-") {
			return known
		}
	}
	if strings.HasPrefix(region, "ap-") {
		return "apac"
	}
	return ""
}

// Destinations are the regions that a geography's inference profiles send a call to when it is made from the
// source region, as IAM sees them, in order. A model's profile may have fewer: GetInferenceProfile tells those
// of an account.
//
// A call to a global profile may be processed in every commercial region; IAM judges it in the source region
// and once without a region, which is "" here, last.
// https://docs.aws.amazon.com/bedrock/latest/userguide/global-cross-region-inference.html
func Destinations(geo, source string) []string {
	var out []string
	switch geo {
	case "us":
		out = []string{"us-east-1", "us-east-2", "us-west-2"}
	case "eu":
		out = []string{"eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3"}
	case "apac":
		out = []string{"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-4"}
	case "jp":
		out = []string{"ap-northeast-1", "ap-northeast-3"}
	case "au":
		out = []string{"ap-southeast-2", "ap-southeast-4"}
	case "in":
		out = []string{"ap-south-1", "ap-south-2"}
	case "ca":
		out = []string{"ca-central-1", "ca-west-1"}
	case "us-gov":
		out = []string{"us-gov-east-1", "us-gov-west-1"}
	case "global":
		return []string{source, ""}
	}
	// us-west-1, ca-central-1, eu-west-2 and others are sources that profiles also send calls to
	if !slices.Contains(out, source) {
		out = append(out, source)
		slices.Sort(out)
	}
	return out
}
