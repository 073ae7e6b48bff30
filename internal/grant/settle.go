package grant

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/smithy-go"
)

// IAM answers from many places: a principal made a moment ago may not be known everywhere.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
const (
	settleTries = 6
	settlePause = 2 * time.Second
)

// settled does again what fails for want of a principal that was just made.
func settled(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		api, ok := errors.AsType[smithy.APIError](err)
		if try == settleTries || !ok || api.ErrorCode() != "MalformedPolicyDocument" || !strings.Contains(api.ErrorMessage(), "Invalid principal") {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(settlePause):
		}
	}
}
