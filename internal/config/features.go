package config

import "slices"

func featuresTable() table[Features] {
	return table[Features]{fields: slices.Concat(featureEndpoints(), featureFlags(), []field[Features]{
		{"consentRequired", "boolean", "false", refused, "callers must have agreed before", "everybody could call the model without having agreed; remove it to accept that",
			func(l *loader, v spot, f *Features) { l.boolean(v, &f.ConsentRequired) }},
		{"supportCommentInRateResponse", "boolean", "false", meaningless, "about feedback, which is not served", "",
			func(l *loader, v spot, f *Features) { l.boolean(v, &f.SupportCommentInRateResponse) }},
		{"reasoningEfforts", "list of strings", "[]", listed, "values of `reasoning_effort` that clients may offer", "",
			func(l *loader, v spot, f *Features) { f.ReasoningEfforts = l.strs(v) }},
	})}
}

func featureEndpoints() []field[Features] {
	row := func(name, about string, into func(*Features) *string) field[Features] {
		return field[Features]{name: name, kind: "URL", use: meaningless, about: about + "; answered here, for every chat model",
			read: func(l *loader, v spot, f *Features) { l.address(v, into(f)) }}
	}
	return []field[Features]{
		{name: "rateEndpoint", kind: "URL", use: notServed, about: "where feedback goes", remedy: "there is no adapter to ask; the feature is listed",
			read: func(l *loader, v spot, f *Features) { l.address(v, &f.RateEndpoint) }},
		row("tokenizeEndpoint", "where tokens are counted", func(f *Features) *string { return &f.TokenizeEndpoint }),
		row("truncatePromptEndpoint", "where prompts are cut", func(f *Features) *string { return &f.TruncatePromptEndpoint }),
		row("configurationEndpoint", "where the schema of `custom_fields.configuration` is asked for", func(f *Features) *string { return &f.ConfigurationEndpoint }),
	}
}

func featureFlags() []field[Features] {
	row := func(name string, def bool, into func(*Features) *bool) field[Features] {
		f := field[Features]{name: name, kind: "boolean", def: "false", use: listed,
			read: func(l *loader, v spot, f *Features) { l.boolean(v, into(f)) }}
		if def {
			f.def = "true"
		}
		return f
	}
	return []field[Features]{
		row("systemPromptSupported", true, func(f *Features) *bool { return &f.SystemPromptSupported }),
		row("toolsSupported", false, func(f *Features) *bool { return &f.ToolsSupported }),
		row("parallelToolCallsSupported", true, func(f *Features) *bool { return &f.ParallelToolCallsSupported }),
		row("seedSupported", false, func(f *Features) *bool { return &f.SeedSupported }),
		row("urlAttachmentsSupported", false, func(f *Features) *bool { return &f.URLAttachmentsSupported }),
		row("folderAttachmentsSupported", false, func(f *Features) *bool { return &f.FolderAttachmentsSupported }),
		row("assistantAttachmentsInRequestSupported", false, func(f *Features) *bool { return &f.AssistantAttachmentsInRequest }),
		row("contentPartsSupported", false, func(f *Features) *bool { return &f.ContentPartsSupported }),
		row("temperatureSupported", true, func(f *Features) *bool { return &f.TemperatureSupported }),
		row("customTemperatureSupported", true, func(f *Features) *bool { return &f.CustomTemperatureSupported }),
		row("maxTokensSupported", true, func(f *Features) *bool { return &f.MaxTokensSupported }),
		row("maxCompletionTokensSupported", false, func(f *Features) *bool { return &f.MaxCompletionTokensSupported }),
		row("cacheSupported", false, func(f *Features) *bool { return &f.CacheSupported }),
		row("autoCachingSupported", false, func(f *Features) *bool { return &f.AutoCachingSupported }),
		row("allowResume", true, func(f *Features) *bool { return &f.AllowResume }),
		row("accessibleByPerRequestKey", true, func(f *Features) *bool { return &f.AccessibleByPerRequestKey }),
		row("skillsSupported", false, func(f *Features) *bool { return &f.SkillsSupported }),
	}
}
