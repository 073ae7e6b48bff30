// Command lab measures what stands between a client and Bedrock, several candidates side by side in one run: outcrop
// serve and outcrop adapter with everything on, a reverse proxy that only passes bytes on, the same job through the AWS
// SDK, and whatever a file of peers names. make bench runs it and writes the tables of docs/performance.md.
//
// Everything runs on the loopback as processes of their own: a Bedrock that answers at once (lab mock), the candidates,
// and the load generator, which checks every answer. Ratios are of candidates that took turns in the same minute.
package main
