package llm

// Feature is something that a request may ask of a model, as fine as models differ in it.
type Feature uint8

// The features.
const (
	FeatureSystem             Feature = iota // system and developer messages
	FeatureLateSystem                        // a system message after the first turn
	FeatureLeadingAssistant                  // a conversation that begins with the assistant
	FeaturePrefill                           // a conversation that ends with the assistant
	FeatureImage                             // files of a user message
	FeatureDocument                          //
	FeatureVideo                             //
	FeatureAudio                             //
	FeatureS3                                // files by their s3: URL
	FeatureTools                             // tools, calls and their results
	FeatureStreamedTools                     // tools in a streamed reply
	FeatureToolChoiceNone                    //
	FeatureToolChoiceRequired                //
	FeatureToolChoiceNamed                   //
	FeatureOneTool                           // parallel_tool_calls: false
	FeatureStrictTools                       // strict: true
	FeatureToolResultImage                   // an image in a tool's result
	FeatureToolResultDocument                //
	FeatureToolResultFailed                  // a result that is a failure
	FeatureTextBesideResult                  // a user's text in the turn of a tool's result
	FeatureMaxTokens                         //
	FeatureTemperature                       // 0 to 1
	FeatureHotTemperature                    // above 1
	FeatureTopP                              //
	FeatureTemperatureAndTopP                // both
	FeatureTopK                              //
	FeatureSeed                              //
	FeatureStop                              //
	FeatureManyStops                         // more stop sequences than the model takes
	FeatureEffort                            // reasoning_effort
	FeatureEffortNone                        // reasoning_effort: none
	FeatureThinking                          // thinking with a budget
	FeatureReasoningReplay                   // signed reasoning of earlier turns
	FeatureSchema                            // response_format json_schema
	FeatureJSON                              // response_format json_object
	FeatureCachePoint                        // cache breakpoints of the client
	FeatureAutoCache                         // cache points that nobody asked for
	FeatureCacheHour                         // a cache that lives an hour
	FeatureCitations                         // enable_citations
	FeatureBetas                             // anthropic_beta
	FeatureGuardrail                         //
	FeatureLatency                           // performanceConfig
	FeatureTier                              // serviceTier
	FeatureMetadata                          // requestMetadata
	FeatureExtraFields                       // additionalModelRequestFields
	FeatureResponseFields                    // additionalModelResponseFieldPaths

	// FeatureCount is how many there are.
	FeatureCount int = iota
)

// String is the feature in words, for the documentation.
func (f Feature) String() string {
	names := [...]string{
		FeatureSystem:             "system and developer messages",
		FeatureLateSystem:         "a system message after the first turn",
		FeatureLeadingAssistant:   "a conversation that begins with the assistant",
		FeaturePrefill:            "a conversation that ends with the assistant",
		FeatureImage:              "images",
		FeatureDocument:           "documents",
		FeatureVideo:              "videos",
		FeatureAudio:              "audio",
		FeatureS3:                 "files by their `s3:` URL",
		FeatureTools:              "tools, calls and their results",
		FeatureStreamedTools:      "tools in a streamed reply",
		FeatureToolChoiceNone:     "`tool_choice: none`",
		FeatureToolChoiceRequired: "`tool_choice: required`",
		FeatureToolChoiceNamed:    "`tool_choice` of one tool",
		FeatureOneTool:            "`parallel_tool_calls: false`",
		FeatureStrictTools:        "`strict` tools",
		FeatureToolResultImage:    "an image in a tool's result",
		FeatureToolResultDocument: "a document in a tool's result",
		FeatureToolResultFailed:   "a tool's result that is a failure",
		FeatureTextBesideResult:   "text in the turn of a tool's result",
		FeatureMaxTokens:          "`max_tokens`",
		FeatureTemperature:        "`temperature` up to 1",
		FeatureHotTemperature:     "`temperature` above 1",
		FeatureTopP:               "`top_p`",
		FeatureTemperatureAndTopP: "`temperature` and `top_p` together",
		FeatureTopK:               "`top_k`",
		FeatureSeed:               "`seed`",
		FeatureStop:               "`stop`",
		FeatureManyStops:          "more stop sequences than the model takes",
		FeatureEffort:             "`reasoning_effort`",
		FeatureEffortNone:         "`reasoning_effort: none`",
		FeatureThinking:           "thinking with a budget",
		FeatureReasoningReplay:    "signed reasoning of earlier turns",
		FeatureSchema:             "`response_format: json_schema`",
		FeatureJSON:               "`response_format: json_object`",
		FeatureCachePoint:         "cache breakpoints",
		FeatureAutoCache:          "cache points that nobody asked for",
		FeatureCacheHour:          "a cache that lives an hour",
		FeatureCitations:          "citations",
		FeatureBetas:              "betas",
		FeatureGuardrail:          "guardrails",
		FeatureLatency:            "optimized latency",
		FeatureTier:               "service tiers",
		FeatureMetadata:           "metadata of the caller",
		FeatureExtraFields:        "additional model request fields",
		FeatureResponseFields:     "additional model response fields",
	}
	if int(f) < len(names) {
		return names[f]
	}
	return "unknown"
}

// Treatment is what becomes of a feature.
type Treatment uint8

// The treatments.
const (
	Refused    Treatment = iota // an error before anything is sent, which names the field
	Ignored                     // without effect, and listed in the reply's header
	Forwarded                   // as the client wrote it
	Translated                  // in the model's words
	Emulated                    // by other means
)

// String is the treatment in words, for the documentation.
func (t Treatment) String() string {
	return [...]string{"refused", "ignored and reported", "forwarded", "translated", "emulated"}[min(int(t), 4)]
}
