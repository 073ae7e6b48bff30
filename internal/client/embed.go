package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"outcrop/internal/openai"
)

// Embed asks the deployment req.Model for the vectors of some texts. An error of the server is an *Error.
func (c *Client) Embed(ctx context.Context, req *openai.EmbeddingRequest) (*openai.EmbeddingList, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("the request cannot be written as JSON: %w", err)
	}
	res, err := c.do(ctx, http.MethodPost, "/openai/deployments/"+url.PathEscape(req.Model)+"/embeddings", body)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var list openai.EmbeddingList
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
		return nil, fmt.Errorf("the vectors cannot be read: %w", err)
	}
	return &list, nil
}
