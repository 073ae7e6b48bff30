// Package bedrock speaks to Amazon Bedrock: it turns an llm request into a Converse or
// ConverseStream call, signs it, and turns the answer back into llm events.
//
// The wire contract is AWS's Bedrock Runtime API:
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
package bedrock
