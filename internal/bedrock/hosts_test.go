package bedrock

import (
	"strings"
	"testing"

	"outcrop/internal/secret"
)

// The hosts are those that AWS's endpoint rule sets of bedrock-runtime and bedrock give, and the
// suffixes those of AWS's partitions.
func TestHostsOfAWS(t *testing.T) {
	for _, tt := range []struct {
		region                   string
		fips, dual               bool
		runtime, mantle, control string
	}{
		{"us-east-1", false, false, "bedrock-runtime.us-east-1.amazonaws.com", "bedrock-mantle.us-east-1.api.aws", "bedrock.us-east-1.amazonaws.com"},
		{"us-east-1", true, false, "bedrock-runtime-fips.us-east-1.amazonaws.com", "bedrock-mantle-fips.us-east-1.api.aws", "bedrock-fips.us-east-1.amazonaws.com"},
		{"us-east-1", false, true, "bedrock-runtime.us-east-1.api.aws", "bedrock-mantle.us-east-1.api.aws", "bedrock.us-east-1.api.aws"},
		{"us-east-1", true, true, "bedrock-runtime-fips.us-east-1.api.aws", "bedrock-mantle-fips.us-east-1.api.aws", "bedrock-fips.us-east-1.api.aws"},
		{"us-gov-west-1", true, false, "bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "bedrock-mantle-fips.us-gov-west-1.api.aws", "bedrock-fips.us-gov-west-1.amazonaws.com"},
		{"us-gov-west-1", false, true, "bedrock-runtime.us-gov-west-1.api.aws", "bedrock-mantle.us-gov-west-1.api.aws", "bedrock.us-gov-west-1.api.aws"},
		{"cn-north-1", true, false, "bedrock-runtime-fips.cn-north-1.amazonaws.com.cn", "bedrock-mantle-fips.cn-north-1.api.amazonwebservices.com.cn", "bedrock-fips.cn-north-1.amazonaws.com.cn"},
		{"cn-north-1", false, true, "bedrock-runtime.cn-north-1.api.amazonwebservices.com.cn", "bedrock-mantle.cn-north-1.api.amazonwebservices.com.cn", "bedrock.cn-north-1.api.amazonwebservices.com.cn"},
		{"us-iso-east-1", false, true, "bedrock-runtime.us-iso-east-1.api.aws.ic.gov", "bedrock-mantle.us-iso-east-1.api.aws.ic.gov", "bedrock.us-iso-east-1.api.aws.ic.gov"},
		{"us-iso-east-1", true, false, "bedrock-runtime-fips.us-iso-east-1.c2s.ic.gov", "bedrock-mantle-fips.us-iso-east-1.api.aws.ic.gov", "bedrock-fips.us-iso-east-1.c2s.ic.gov"},
		{"us-isob-east-1", true, true, "bedrock-runtime-fips.us-isob-east-1.api.aws.scloud", "bedrock-mantle-fips.us-isob-east-1.api.aws.scloud", "bedrock-fips.us-isob-east-1.api.aws.scloud"},
		{"us-isof-south-1", true, true, "bedrock-runtime-fips.us-isof-south-1.api.aws.hci.ic.gov", "bedrock-mantle-fips.us-isof-south-1.api.aws.hci.ic.gov", "bedrock-fips.us-isof-south-1.api.aws.hci.ic.gov"},
		{"eu-isoe-west-1", false, true, "bedrock-runtime.eu-isoe-west-1.api.cloud-aws.adc-e.uk", "bedrock-mantle.eu-isoe-west-1.api.cloud-aws.adc-e.uk", "bedrock.eu-isoe-west-1.api.cloud-aws.adc-e.uk"},
		{"eusc-de-east-1", false, false, "bedrock-runtime.eusc-de-east-1.amazonaws.eu", "bedrock-mantle.eusc-de-east-1.api.amazonwebservices.eu", "bedrock.eusc-de-east-1.amazonaws.eu"},
		{"eusc-de-east-1", true, true, "bedrock-runtime-fips.eusc-de-east-1.api.amazonwebservices.eu", "bedrock-mantle-fips.eusc-de-east-1.api.amazonwebservices.eu", "bedrock-fips.eusc-de-east-1.api.amazonwebservices.eu"},
	} {
		c, err := New(Options{Region: tt.region, APIKey: secret.New("k"), FIPS: tt.fips, DualStack: tt.dual})
		if err != nil {
			t.Errorf("%s: %v", tt.region, err)
			continue
		}
		if got, want := [3]string{c.base, c.mantle, c.control}, [3]string{"https://" + tt.runtime, "https://" + tt.mantle, "https://" + tt.control}; got != want {
			t.Errorf("%s, FIPS %v, dual-stack %v: got %v, want %v", tt.region, tt.fips, tt.dual, got, want)
		}
	}
}

// An address of one's own has no variants: AWS's SDKs refuse the two together, and so is it here, before
// any call.
func TestAnAddressHasNoVariants(t *testing.T) {
	yes, no := true, false
	role := Settings{AssumeRoleARN: roleOne}
	for _, tt := range []struct {
		env      string
		settings Settings
		want     string // in the error; "" for none
	}{
		{"", Settings{Endpoint: "https://vpce.example", Network: Network{FIPS: &yes}}, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME and AWS_USE_FIPS_ENDPOINT together"},
		{"AWS_ENDPOINT_URL=vpce.example", Settings{}, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME, AWS_ENDPOINT_URL or aws_endpoint_url_bedrock_runtime in extraData: the Bedrock endpoint must be"},
		{"", Settings{ControlEndpoint: "https://vpce.example/path"}, "AWS_ENDPOINT_URL_BEDROCK, AWS_ENDPOINT_URL or"},
		{"", Settings{MantleEndpoint: "https://vpce.example", Network: Network{DualStack: &yes}}, "AWS_ENDPOINT_URL_BEDROCK_MANTLE and AWS_USE_DUALSTACK_ENDPOINT together"},
		{"", Settings{ControlEndpoint: "https://vpce.example", Network: Network{FIPS: &yes, DualStack: &yes}}, "AWS_ENDPOINT_URL_BEDROCK and AWS_USE_FIPS_ENDPOINT together"},
		{"AWS_USE_FIPS_ENDPOINT=true", Settings{Endpoint: "https://vpce.example"}, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME and AWS_USE_FIPS_ENDPOINT together"},
		{"AWS_USE_FIPS_ENDPOINT=true", Settings{Endpoint: "https://vpce.example", Network: Network{FIPS: &no}}, ""},
		{"AWS_ENDPOINT_URL_BEDROCK_RUNTIME=https://vpce.example AWS_USE_DUALSTACK_ENDPOINT=TRUE", Settings{}, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME and AWS_USE_DUALSTACK_ENDPOINT together"},
		{"AWS_ENDPOINT_URL_STS=https://vpce.example AWS_USE_FIPS_ENDPOINT=true", Settings{}, ""},
		{"AWS_ENDPOINT_URL_STS=https://vpce.example AWS_USE_FIPS_ENDPOINT=true", role, "AWS_ENDPOINT_URL_STS and AWS_USE_FIPS_ENDPOINT together"},
	} {
		p, _, err := Load(t.Context(), environment("AWS_REGION=us-east-1 "+tt.env), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Client(tt.settings)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %+v: %v, want %q", tt.env, tt.settings.Network, err, tt.want)
		}
	}
}
