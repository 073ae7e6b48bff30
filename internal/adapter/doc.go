// Package adapter is the stand-alone adapter: upstreams come with each request's headers. It gives
// gateway's handlers, by the routes of DIAL's Bedrock adapter, their callers, deployments and storage.
package adapter
