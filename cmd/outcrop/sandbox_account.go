package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"outcrop/internal/sandbox"
)

// sandboxAccountFlags are those about the account around the models.
type sandboxAccountFlags struct {
	clusters []string // NAME=ISSUER
	oidcCA   string
	oidcKeys []string // ISSUER=FILE or ISSUER=URL
	scp      string
	route    string
}

func (f *sandboxAccountFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.clusters, "cluster", nil, "`NAME=ISSUER`: an EKS cluster of the account and the https URL that its service accounts' tokens come from (repeatable; default one called sandbox)")
	flags.StringVar(&f.oidcCA, "oidc-ca", "", "trust the certificates in this `FILE`, beside the system's, when keys of an identity provider are fetched")
	flags.StringArrayVar(&f.oidcKeys, "oidc-keys", nil, "`ISSUER=FILE`: take an issuer's signing keys from this JWKS file, or from this https URL, instead of asking the issuer (repeatable)")
	flags.StringVar(&f.scp, "scp", "", "a service control policy over the account, in this `FILE`: what it denies is denied to everybody")
	flags.StringVar(&f.route, "route", "", "the `REGION` that answers calls of a geographic profile, and so whose model callers must be allowed: source (default), a region, or every")
}

// options adds what the flags say.
func (f *sandboxAccountFlags) options(o *sandbox.Options) error {
	o.Route = f.route
	for i, pair := range f.clusters {
		name, issuer, ok := strings.Cut(pair, "=")
		if !ok || name == "" || issuer == "" {
			return fmt.Errorf("--cluster number %d is not NAME=ISSUER, such as dial=https://oidc.eks.eu-west-1.amazonaws.com/id/ABC", i+1)
		}
		o.Clusters = append(o.Clusters, sandbox.Cluster{Name: name, Issuer: issuer})
	}
	if f.scp != "" {
		document, err := os.ReadFile(f.scp)
		if err != nil {
			return fmt.Errorf("--scp: %w", err)
		}
		o.ServiceControlPolicy = document
	}
	if err := f.roots(o); err != nil {
		return err
	}
	return f.keys(o)
}

// roots reads --oidc-ca.
func (f *sandboxAccountFlags) roots(o *sandbox.Options) error {
	if f.oidcCA == "" {
		return nil
	}
	pem, err := os.ReadFile(f.oidcCA)
	if err != nil {
		return fmt.Errorf("--oidc-ca: %w", err)
	}
	if o.OIDCRoots, err = x509.SystemCertPool(); err != nil {
		o.OIDCRoots = x509.NewCertPool()
	}
	if !o.OIDCRoots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("--oidc-ca: %s has no certificate in PEM", f.oidcCA)
	}
	return nil
}

// keys reads --oidc-keys.
func (f *sandboxAccountFlags) keys(o *sandbox.Options) error {
	o.OIDCKeys = map[string]string{}
	for i, pair := range f.oidcKeys {
		// An issuer may have no =, a URL of keys may.
		issuer, from, ok := strings.Cut(pair, "=")
		if !ok || from == "" || !strings.HasPrefix(issuer, "https://") {
			return fmt.Errorf("--oidc-keys number %d is not ISSUER=FILE or ISSUER=URL with an issuer under https", i+1)
		}
		if !strings.HasPrefix(from, "https://") {
			document, err := os.ReadFile(from)
			if err != nil {
				return fmt.Errorf("--oidc-keys: %w", err)
			}
			from = string(document)
		}
		o.OIDCKeys[strings.TrimSuffix(issuer, "/")] = from
	}
	return nil
}
