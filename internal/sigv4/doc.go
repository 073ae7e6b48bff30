// Package sigv4 signs requests to AWS with Signature Version 4, as AWS's SDK does and with a tenth of its allocations:
// a gateway signs every request, and the SDK's signer costs more than reading and writing the request.
package sigv4
