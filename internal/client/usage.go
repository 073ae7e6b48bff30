package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"outcrop/internal/usage"
)

// Usage asks what was used (GET /v1/ops/usage), with the parameters of that route. It wants an administrator's token.
func (c *Client) Usage(ctx context.Context, params url.Values) (*usage.Report, error) {
	res, err := c.do(ctx, http.MethodGet, "/v1/ops/usage?"+params.Encode(), nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var report usage.Report
	if err := json.NewDecoder(res.Body).Decode(&report); err != nil {
		return nil, fmt.Errorf("the report of usage cannot be read: %w", err)
	}
	return &report, nil
}
