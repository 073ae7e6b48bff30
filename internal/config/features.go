package config

import "slices"

func featuresTable() table[Features] {
	return table[Features]{fields: slices.Concat(featureEndpoints(), featureFlags(), []field[Features]{
		{"consentRequired", "boolean", "false", enforced, "callers must have agreed before", "",
			func(l *loader, v spot, f *Features) { l.boolean(v, &f.ConsentRequired) }},
		{"supportCommentInRateResponse", "boolean", "false", meaningless, "about feedback; the body goes on as it is", "",
			func(l *loader, v spot, f *Features) { l.boolean(v, &f.SupportCommentInRateResponse) }},
		{"reasoningEfforts", "list of strings", "[]", listed, "values of `reasoning_effort` that clients may offer", "",
			func(l *loader, v spot, f *Features) { f.ReasoningEfforts = l.strs(v) }},
	})}
}

func featureEndpoints() []field[Features] {
	row := func(name, about string, into func(*Features) *string) field[Features] {
		return field[Features]{name: name, kind: "URL", use: enforced, about: about + " of another server's deployment; a chat model of this process is answered for here",
			read: func(l *loader, v spot, f *Features) { l.address(v, into(f)) }}
	}
	return []field[Features]{
		{name: "rateEndpoint", kind: "URL", use: enforced, about: "where feedback goes",
			read: func(l *loader, v spot, f *Features) { l.address(v, &f.RateEndpoint) }},
		row("tokenizeEndpoint", "where tokens are counted", func(f *Features) *string { return &f.TokenizeEndpoint }),
		row("truncatePromptEndpoint", "where prompts are cut", func(f *Features) *string { return &f.TruncatePromptEndpoint }),
		row("configurationEndpoint", "where the schema of `custom_fields.configuration` is asked for", func(f *Features) *string { return &f.ConfigurationEndpoint }),
	}
}

// direct is the flag that is not for people only.
func direct(f field[Features]) field[Features] {
	f.use, f.about = enforced, "false: only who has a key or a token of their own may call it, no deployment for them"
	return f
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
		direct(row("accessibleByPerRequestKey", true, func(f *Features) *bool { return &f.AccessibleByPerRequestKey })),
		row("skillsSupported", false, func(f *Features) *bool { return &f.SkillsSupported }),
	}
}
