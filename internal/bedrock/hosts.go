package bedrock

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// A partition is a group of AWS's regions whose hosts have domains of their own.
type partition struct {
	regions   string // what the names of its regions begin with
	suffix    string
	dualStack string // suffix of hosts that have IPv6 addresses too, and of AWS's newer hosts
}

// partitions are AWS's, the first that fits counts. Their facts are those of the partitions.json that
// AWS's SDKs share.
// https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
func partitions() [7]partition {
	return [...]partition{
		{"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
		{"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
		{"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
		{"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
		{"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
		{"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
		{"", "amazonaws.com", "api.aws"}, // us-gov- too
	}
}

func partitionOf(region string) partition {
	all := partitions()
	for _, p := range all {
		if strings.HasPrefix(region, p.regions) {
			return p
		}
	}
	return all[len(all)-1]
}

// variant is which of AWS's hosts are asked.
type variant struct{ fips, dualStack bool }

// host is the host of a service in a region, by AWS's rule set for Bedrock's endpoints.
// https://docs.aws.amazon.com/general/latest/gr/bedrock.html
func (v variant) host(service, region string) string {
	p := partitionOf(region)
	suffix := p.suffix
	if v.dualStack || service == hostMantle { // which is newer than the other domain
		suffix = p.dualStack
	}
	if v.fips {
		service += "-fips"
	}
	return service + "." + region + "." + suffix
}

// The services, as their hosts begin.
const (
	hostRuntime = "bedrock-runtime"
	hostMantle  = "bedrock-mantle"
	hostControl = "bedrock"
)

// own refuses an address of one's own together with a variant, as AWS's SDKs do: which of the two was
// meant? setting is the environment variable of the address.
func (v variant) own(setting, address string) error {
	other := ""
	switch {
	case address == "":
		return nil
	case v.fips:
		other = "AWS_USE_FIPS_ENDPOINT"
	case v.dualStack:
		other = "AWS_USE_DUALSTACK_ENDPOINT"
	default:
		return nil
	}
	return fmt.Errorf("%s and %s together: an address of one's own has no variants; remove one of the two, in the environment or in extraData (%s, %s)",
		setting, other, strings.ToLower(setting), strings.ToLower(other))
}

// setHosts says where the client's three services are.
func (c *Client) setHosts(o Options) error {
	v := variant{fips: o.FIPS, dualStack: o.DualStack}
	for _, e := range []struct {
		to                    *string
		own, service, setting string
	}{
		{&c.base, o.Endpoint, hostRuntime, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"},
		{&c.mantle, o.MantleEndpoint, hostMantle, "AWS_ENDPOINT_URL_BEDROCK_MANTLE"},
		{&c.control, o.ControlEndpoint, hostControl, "AWS_ENDPOINT_URL_BEDROCK"},
	} {
		if e.own == "" && strings.HasPrefix(c.base, "http:") {
			e.own = c.base
		}
		if err := v.own(e.setting, e.own); err != nil {
			return err
		}
		base, err := endpointBase(cmp.Or(e.own, "https://"+v.host(e.service, o.Region)), c.bearer != nil)
		if err != nil {
			return fmt.Errorf("%s, AWS_ENDPOINT_URL or %s in extraData: %w", e.setting, strings.ToLower(e.setting), err)
		}
		*e.to = base
	}
	return nil
}

// endpointBase checks the address of a host and gives it without a path.
func endpointBase(endpoint string, bearer bool) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" || u.Path != "" && u.Path != "/" {
		return "", fmt.Errorf("the Bedrock endpoint must be http(s)://host[:port], got %q", withoutPassword(endpoint))
	}
	if u.Scheme == "http" && bearer && !isLoopback(u.Hostname()) {
		return "", fmt.Errorf("an API key is sent over https only, not to %s", endpoint)
	}
	return u.Scheme + "://" + u.Host, nil
}

// checkAddress refuses an override that is no address, or has a password that every error would repeat.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	if address == "" || err == nil && u.User == nil {
		return nil
	}
	return fmt.Errorf("the address must be http(s)://host[:port], got %q", withoutPassword(address))
}

// withoutPassword takes a user and password out of an address that may be no URL.
func withoutPassword(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address
	}
	scheme, _, found := strings.Cut(address[:at], "://")
	if !found {
		return "…" + address[at:]
	}
	return scheme + "://…" + address[at:]
}

// isLoopback says whether a host is this machine, where a key may travel in the clear.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
