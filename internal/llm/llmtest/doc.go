// Package llmtest is the contract of llm's interfaces as code: models that need no upstream, Echo and
// Script for chats and Hash for vectors, and the suites that every implementation passes,
// TestChatModel and TestEmbedModel.
package llmtest
