package main

import (
	"reflect"
	"testing"
	"time"

	"outcrop/internal/bedrock"
	"outcrop/internal/config"
	"outcrop/internal/secret"
)

// What an upstream says of its credentials and its way to AWS all reaches bedrock.
func TestSettingsHaveAllOfAnUpstream(t *testing.T) {
	yes := true
	got := settings(config.Upstream{
		Key: secret.New("key"), KeyFile: "key-file", AccessKeyID: "id", SecretAccessKey: secret.New("secret"), SessionToken: secret.New("token"),
		Profile: "profile", WebIdentityTokenFile: "web", ContainerCredentialsURI: "uri", ContainerTokenFile: "container",
		AssumeRoleARN: "role", RoleChain: []string{"first"}, ExternalID: "external", RoleSessionName: "name", RoleDuration: time.Hour,
		Network: config.Network{
			Runtime: "runtime", Mantle: "mantle", Control: "control", STS: "sts", Proxy: "proxy", NoProxy: "none", CABundle: "ca",
			FIPS: &yes, DualStack: &yes, HTTP2: &yes,
		},
	}, "us-east-1")
	got.Tags = []bedrock.Tag{{Key: "of", Value: "a request"}}
	for _, v := range []reflect.Value{reflect.ValueOf(got), reflect.ValueOf(got.Network)} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s is not set", v.Type().Field(i).Name)
			}
		}
	}
	if got.Endpoint != "runtime" || got.MantleEndpoint != "mantle" || got.ControlEndpoint != "control" || got.STSEndpoint != "sts" ||
		got.Network.Proxy != "proxy" || got.Network.NoProxy != "none" || got.APIKeyFile != "key-file" || got.ExternalID != "external" || got.RoleSessionName != "name" {
		t.Errorf("got %+v", got)
	}
}
