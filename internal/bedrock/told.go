package bedrock

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
)

// Told is a value and who says it: a variable, a flag, a profile of a file.
type Told struct {
	Source string `json:"source"`
	Value  string `json:"value"`
}

// Regions lists every region that somebody names, in the order in which they count: the settings' own,
// the variables of [Region], the profile's. What is wrong with the profile is the error.
func Regions(ctx context.Context, getenv func(string) string, s Settings) (all []Told, err error) {
	add := func(source, value string) {
		if value != "" {
			all = append(all, Told{source, value})
		}
	}
	add("--region", s.Region)
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "DEFAULT_REGION"} {
		add(name, getenv(name))
	}
	name := s.Profile
	for _, variable := range []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		if name == "" {
			name = getenv(variable)
		}
	}
	named := name != ""
	if !named {
		name = config.DefaultSharedConfigProfile
	}
	profile, err := config.LoadSharedConfigProfile(ctx, name, func(o *config.LoadSharedConfigOptions) {
		if file := getenv("AWS_CONFIG_FILE"); file != "" {
			o.ConfigFiles = []string{file}
		}
		if file := getenv("AWS_SHARED_CREDENTIALS_FILE"); file != "" {
			o.CredentialsFiles = []string{file}
		}
	})
	var none config.SharedConfigProfileNotExistError
	if errors.As(err, &none) && !named {
		return all, nil
	}
	if err != nil {
		return all, fmt.Errorf("the profile %q: %w", name, noProfile(err))
	}
	add("profile "+name, profile.Region)
	return all, nil
}

// noProfile says what to type where a profile is in none of AWS's files.
func noProfile(err error) error {
	none, ok := errors.AsType[config.SharedConfigProfileNotExistError](err)
	if !ok {
		return err
	}
	files := "AWS's configuration files"
	if len(none.Filename) > 0 {
		files = strings.Join(none.Filename, ", ")
	}
	return fmt.Errorf("no profile %q in %s; aws configure list-profiles shows those that there are", none.Profile, files)
}
