package bedrock

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"outcrop/internal/h1"
	"outcrop/internal/llm"
)

// roundTrip makes a call, and gives it up when it has no connection after that time; 0 leaves that to the transport. Its
// errors are for the client.
func roundTrip(t http.RoundTripper, r *http.Request, connect time.Duration) (*http.Response, error) {
	resp, err := h1.RoundTripWithin(t, r, connect)
	switch late, is := errors.AsType[*h1.ConnectTimeoutError](err); {
	case err == nil:
		return resp, nil
	case is:
		return nil, &llm.Error{Kind: llm.KindTimeout, Message: fmt.Sprintf("Amazon Bedrock could not be reached within %v, the deployment's connect timeout.", late.After)}
	case r.Context().Err() != nil:
		return nil, ended(r.Context())
	default:
		return nil, classifyNetwork(err)
	}
}
