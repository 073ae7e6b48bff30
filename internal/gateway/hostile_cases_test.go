package gateway_test

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
)

// hostile is a body that must be refused, and the field that the error names.
type hostile struct {
	name  string
	body  string
	param string
}

const hi = `{"role":"user","content":"Hi"}`

// hostileBodies is the table of what strangers send by mistake and on purpose. Each row is one mistake in a
// request that is right otherwise.
func hostileBodies() (all []hostile) {
	add := func(group, format string, rows [][2]string) {
		for _, row := range rows {
			body := strings.Replace(format, "§", row[0], 1)
			all = append(all, hostile{fmt.Sprintf("%s %.90s", group, row[0]), body, row[1]})
		}
	}
	add("body", "§", hostileTexts())
	add("member", `{"model":"claude","messages":[`+hi+`],§}`, hostileMembers())
	add("messages", `{"model":"claude","messages":§}`, hostileMessages())
	add("part", `{"model":"claude","messages":[{"role":"user","content":[{"type":"text","text":"Hi"},§]}]}`, hostileParts())
	add("tool", `{"model":"claude","messages":[`+hi+`],"tools":[§]}`, hostileTools())
	add("nova", `{"model":"model","messages":[`+hi+`],§}`, [][2]string{
		{`"tool_choice":"required"`, "tool_choice"},
		{`"custom_fields":{"configuration":{"thinking":{"type":"enabled","budget_tokens":2000}}}`, "custom_fields.configuration.thinking"},
	})
	return append(all, hostileMasses()...)
}

// hostileTexts are bodies that are no JSON object, or no good one.
func hostileTexts() [][2]string {
	return [][2]string{
		{"", ""}, {" ", ""}, {"null", ""}, {"true", ""}, {"17", ""}, {`"hi"`, ""}, {"[]", ""}, {"{}", "messages"},
		{"{", ""}, {"}", ""}, {`{"messages"`, ""}, {`{"messages":`, ""}, {`{"messages":[`, ""}, {`{"messages":[` + hi, ""},
		{`{"model":"claude","messages":[` + hi + `]`, ""}, {`{"model":"claude","messages":[` + hi + `]}}`, ""},
		{`{"model":"claude","messages":[` + hi + `]} {}`, ""}, {`{"model":"claude","messages":[` + hi + `],}`, ""},
		{`{"model":"claude","messages":[` + hi + `,]}`, ""}, {`{'model':'claude'}`, ""}, {`{model:"claude"}`, ""},
		{`{"model":"claude" "messages":[]}`, ""}, {"{\"model\":\"cl\naude\"}", ""}, {`{"model":"\x41"}`, ""}, {`{"model":"\u12"}`, ""},
		{`{"model":"claude",/* hi */"messages":[]}`, ""}, {"\ufeff{}", ""}, {"\x00", ""}, {"\x1f\x8b\x08\x00", ""}, {"PK\x03\x04", ""},
		{"<?xml version='1.0'?><a/>", ""}, {"model=claude&messages=hi", ""}, {"--boundary\r\nContent-Disposition: form-data\r\n", ""},
		{"{\"model\":\"claude\xff\",\"messages\":[" + hi + "]}", ""}, {"{\"model\":\"claude\",\"messages\":[{\"role\":\"user\",\"content\":\"\xc0\xaf\"}]}", ""},
		{"{\"model\":\"claude\",\"messages\":[{\"role\":\"user\",\"content\":\"\xed\xa0\x80\"}]}", ""}, {"{\"\xfe\":1}", ""},
		{`{"messages":[` + hi + `],"temperature":NaN}`, ""}, {`{"messages":[` + hi + `],"temperature":Infinity}`, ""},
		{`{"messages":[` + hi + `],"temperature":01}`, ""}, {`{"messages":[` + hi + `],"temperature":.5}`, ""}, {`{"messages":[` + hi + `],"temperature":1.}`, ""},
		{`{"messages":[` + hi + `],"temperature":+1}`, ""}, {`{"messages":[` + hi + `],"temperature":0x10}`, ""}, {`{"messages":[` + hi + `],"temperature":1e}`, ""},
		{`{"messages":[` + hi + `],"stream":TRUE}`, ""}, {`{"messages":[` + hi + `],"stream":tru}`, ""},
		{`{"messages":[` + hi + `]}`, "model"}, {`{"model":"","messages":[` + hi + `]}`, "model"}, {`{"model":7,"messages":[` + hi + `]}`, "model"},
		{`{"model":"claude","model":"llama","messages":[` + hi + `]}`, "model"}, {`{"model":"claude","messages":[` + hi + `],"messages":[` + hi + `]}`, "messages"},
		{`{"model":"claude","\u006dodel":"llama","messages":[` + hi + `]}`, "model"},
		{`{"model":"claude"}`, "messages"}, {`{"model":"claude","Messages":[` + hi + `]}`, "messages"},
	}
}

// hostileMembers are members of a request.
func hostileMembers() [][2]string {
	return [][2]string{
		{`"temperature":"hot"`, "temperature"}, {`"temperature":-0.1`, "temperature"}, {`"temperature":2.1`, "temperature"}, {`"temperature":1e999`, "temperature"},
		{`"temperature":[1]`, "temperature"}, {`"temperature":-1e-400,"temperature":1`, "temperature"}, {`"top_p":1.5`, "top_p"}, {`"top_p":-1`, "top_p"}, {`"top_p":{}`, "top_p"},
		{`"max_tokens":0`, "max_tokens"}, {`"max_tokens":-1`, "max_tokens"}, {`"max_tokens":1.5`, "max_tokens"}, {`"max_tokens":"10"`, "max_tokens"},
		{`"max_tokens":99999999999999999999999`, "max_tokens"}, {`"max_tokens":1e30`, "max_tokens"}, {`"max_completion_tokens":2147483648`, "max_completion_tokens"},
		{`"max_completion_tokens":true`, "max_completion_tokens"},
		{`"n":0`, "n"}, {`"n":-1`, "n"}, {`"n":129`, "n"}, {`"n":1e9`, "n"}, {`"n":"2"`, "n"}, {`"n":1.5`, "n"},
		{`"stream":"yes"`, "stream"}, {`"stream":1`, "stream"}, {`"stream_options":[]`, "stream_options"}, {`"stream_options":{"include_usage":"yes"}`, "stream_options.include_usage"},
		{`"stop":7`, "stop"}, {`"stop":[7]`, "stop[0]"}, {`"stop":{"a":1}`, "stop"}, {`"stop":["a",null]`, "stop[1]"},
		{`"tools":{}`, "tools"}, {`"tools":"get_weather"`, "tools"}, {`"tools":[7]`, "tools[0]"}, {`"tool_choice":"required"`, "tool_choice"}, {`"tool_choice":"maybe"`, "tool_choice"},
		{`"tool_choice":7`, "tool_choice"}, {`"tool_choice":{"type":"function","function":{"name":"f"}}`, "tool_choice"}, {`"tool_choice":{}`, "tool_choice.function.name"},
		{`"parallel_tool_calls":"no"`, "parallel_tool_calls"}, {`"functions":{}`, "functions"}, {`"functions":[{}]`, "functions[0].name"}, {`"function_call":"f"`, "function_call"},
		{`"response_format":"json"`, "response_format"}, {`"response_format":{}`, "response_format.type"}, {`"response_format":{"type":"xml"}`, "response_format.type"},
		{`"response_format":{"type":"json_schema"}`, "response_format.json_schema"}, {`"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":true}}`, "response_format.json_schema.schema"},
		{`"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":[]}}`, "response_format.json_schema.schema"},
		{`"reasoning_effort":"extreme"`, "reasoning_effort"}, {`"reasoning_effort":3`, "reasoning_effort"}, {`"reasoning_effort":["low"]`, "reasoning_effort"},
		{`"service_tier":"golden"`, "service_tier"}, {`"service_tier":0`, "service_tier"}, {`"modalities":["text","audio"]`, "modalities[1]"}, {`"logprobs":true`, "logprobs"},
		{`"custom_fields":7`, "custom_fields"}, {`"custom_fields":{"configuration":[]}`, "custom_fields.configuration"}, {`"custom_fields":{"configuration":"fast"}`, "custom_fields.configuration"},
		{`"custom_fields":{"configuration":{"nonsense":1}}`, "custom_fields.configuration.nonsense"},
		{`"custom_fields":{"configuration":{"thinking":{"type":"enabled","budget_tokens":-5}}}`, "custom_fields.configuration.thinking.budget_tokens"},
		{`"custom_fields":{"configuration":{"thinking":{"type":"enabled","budget_tokens":1e99}}}`, "custom_fields.configuration.thinking.budget_tokens"},
		{`"custom_fields":{"configuration":{"thinking":{"type":"hard"}}}`, "custom_fields.configuration.thinking.type"},
		{`"custom_fields":{"configuration":{"thinking":{"type":"disabled"},"thinking":{"type":"disabled"}}}`, "custom_fields.configuration.thinking"},
		{`"max_prompt_tokens":0`, "max_prompt_tokens"}, {`"max_prompt_tokens":"all"`, "max_prompt_tokens"},
	}
}

// hostileMessages are lists of messages.
func hostileMessages() [][2]string {
	call := func(id string) string {
		return `{"id":"` + id + `","type":"function","function":{"name":"f","arguments":"{}"}}`
	}
	return [][2]string{
		{`null`, "messages"}, {`{}`, "messages"}, {`"hi"`, "messages"}, {`[]`, "messages"}, {`[null]`, "messages[0]"}, {`["hi"]`, "messages[0]"}, {`[[]]`, "messages[0]"},
		{`[{}]`, "messages[0].role"}, {`[{"content":"hi"}]`, "messages[0].role"}, {`[{"role":"wizard","content":"hi"}]`, "messages[0].role"},
		{`[{"role":7,"content":"hi"}]`, "messages[0].role"}, {`[{"role":"User","content":"hi"}]`, "messages[0].role"}, {`[{"role":"user","role":"system","content":"hi"}]`, "messages[0].role"},
		{`[{"role":"user"}]`, "messages[0].content"}, {`[{"role":"user","content":null}]`, "messages[0].content"}, {`[{"role":"user","content":7}]`, "messages[0].content"},
		{`[{"role":"user","content":{}}]`, "messages[0].content"}, {`[{"role":"user","content":[7]}]`, "messages[0].content[0]"}, {`[{"role":"user","content":["hi"]}]`, "messages[0].content[0]"},
		{`[{"role":"user","content":"hi","content":"ho"}]`, "messages[0].content"}, {`[{"role":"user","content":[]}]`, "messages"}, {`[{"role":"user","content":""}]`, "messages"},
		{`[{"role":"user","content":" \n "}]`, "messages"}, {`[{"role":"system","content":"be kind"}]`, "messages"},
		{`[` + hi + `,{"role":"tool","content":"x"}]`, "messages[1].tool_call_id"}, {`[` + hi + `,{"role":"tool","tool_call_id":"a","content":"x"}]`, "messages[1].tool_call_id"},
		{`[` + hi + `,{"role":"tool","tool_call_id":7,"content":"x"}]`, "messages[1].tool_call_id"},
		{`[` + hi + `,{"role":"assistant","tool_calls":{}}]`, "messages[1].tool_calls"},
		{`[` + hi + `,{"role":"assistant","tool_calls":[7]}]`, "messages[1].tool_calls[0]"}, {`[` + hi + `,{"role":"assistant","tool_calls":[{}]}]`, "messages[1].tool_calls[0].id"},
		{`[` + hi + `,{"role":"assistant","tool_calls":[{"id":"a","type":"magic","function":{"name":"f","arguments":"{}"}}]}]`, "messages[1].tool_calls[0].type"},
		{`[` + hi + `,{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"arguments":"{}"}}]}]`, "messages[1].tool_calls[0].function.name"},
		{`[` + hi + `,{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":7}]}]`, "messages[1].tool_calls[0].function"},
		{`[` + hi + `,{"role":"assistant","tool_calls":[` + call("a") + `,` + call("a") + `]},{"role":"tool","tool_call_id":"a","content":"x"}]`, "messages[1].tool_calls[1].id"},
		{`[` + hi + `,{"role":"assistant","tool_calls":[` + call("a") + `]},{"role":"tool","tool_call_id":"a","content":"x"},{"role":"tool","tool_call_id":"a","content":"y"}]`, "messages[3].tool_call_id"},
		{`[` + hi + `,{"role":"assistant","tool_calls":[` + call("a") + `]},{"role":"tool","tool_call_id":"b","content":"x"}]`, "messages[2].tool_call_id"},
		{`[` + hi + `,{"role":"assistant","function_call":7}]`, "messages[1].function_call"}, {`[` + hi + `,{"role":"function","name":"f","content":"x"}]`, "messages[1].name"},
		{`[{"role":"system","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]},` + hi + `]`, "messages[0].content[0]"},
		{`[` + hi + `,{"role":"assistant","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]},` + hi + `]`, "messages[1].content[0].image_url.url"},
		{`[{"role":"user","content":"a","custom_content":7}]`, "messages[0].custom_content"}, {`[{"role":"user","content":"a","custom_content":{"attachments":7}}]`, "messages[0].custom_content.attachments"},
		{`[{"role":"user","content":"a","custom_content":{"attachments":[{}]}}]`, "messages[0].custom_content.attachments[0].data"},
		{`[{"role":"user","content":"a","custom_content":{"attachments":[{"type":"image/png","data":"%%%"}]}}]`, "messages[0].custom_content.attachments[0].data"},
		{`[{"role":"user","content":"a","custom_fields":{"cache_breakpoint":7}}]`, "messages[0].custom_fields.cache_breakpoint"},
	}
}

// picture is a data URL of a PNG whose header declares that size; there is no picture behind it.
func picture(width, height uint32) string {
	header := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	header = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(header, width), height)
	header = append(header, 8, 6, 0, 0, 0, 0, 0, 0, 0)
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(header)
}

func image(url string) string { return `{"type":"image_url","image_url":{"url":"` + url + `"}}` }

func file(data string) string {
	return `{"type":"file","file":{"filename":"a.pdf","file_data":"` + data + `"}}`
}

func data(mime, bytes string) string {
	return "data:" + mime + ";base64," + base64.StdEncoding.EncodeToString([]byte(bytes))
}

// hostileParts are parts of a user's message.
func hostileParts() [][2]string {
	const at, url = "messages[0].content[1]", "messages[0].content[1].image_url.url"
	const doc = at + ".file.file_data"
	return [][2]string{
		{`null`, at}, {`7`, at}, {`[]`, at}, {`{}`, at + ".type"}, {`{"type":7}`, at + ".type"}, {`{"type":"hologram"}`, at + ".type"}, {`{"type":"text"}`, at + ".text"},
		{`{"type":"text","text":7}`, at + ".text"}, {`{"type":"text","text":["a"]}`, at + ".text"}, {`{"type":"image_url"}`, at + ".image_url"}, {`{"type":"image_url","image_url":"x"}`, at + ".image_url"},
		{`{"type":"image_url","image_url":{}}`, url}, {`{"type":"image_url","image_url":{"url":7}}`, url}, {image(""), url}, {image("data:"), url}, {image("data:image/png"), url},
		{image("data:image/png;base64"), url}, {image("data:image/png;base64,"), url}, {image("data:image/png;base64,!!!!"), url}, {image("data:image/png;base64,iVBORw0KGg"), url},
		{image("data:image/png;base64,iVBORw0KGgo=="), url}, {image("data:image/png;base64,iVBO Rw0K"), url}, {image("data:image/png,hello"), url}, {image("file:///etc/passwd"), url},
		{image("ftp://example.com/a.png"), url}, {image("javascript:alert(1)"), url}, {image("gopher://127.0.0.1/"), url}, {image("http://"), url}, {image("https://internal.example/a.png"), url}, {image("http://nobody.example/a.png"), url}, {image("http://user:pass@/"), url},
		{image("http://169.254.169.254/latest/meta-data/"), url}, {image("http://[::1]:80/"), url}, {image("s3://bucket/key.png"), url},
		{image(picture(60000, 60000)), url}, {image(picture(4294967295, 4294967295)), url}, {image(picture(8001, 1)), url}, {image(picture(1, 8001)), url},
		{image(data("image/gif", "GIF89a\xff\xff\xff\xff\x00\x00\x00;")), url}, {image(data("image/png", "not a picture at all")), url}, {image(data("image/svg+xml", "<svg/>")), url},
		{image(data("image/bmp", "BM\x00\x00\x00\x00\x00\x00\x00\x00")), url}, {image(data("image/tiff", "II*\x00\x08\x00\x00\x00")), url}, {image(data("application/x-msdownload", "MZ\x90\x00\x03")), url},
		{image(data("image/png", "\x7fELF\x02\x01\x01")), url}, {image(data("image/heic", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00")), url},
		{image(data("image/png", strings.Repeat("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01", 170_000))), url},
		{`{"type":"file"}`, at + ".file"}, {`{"type":"file","file":{}}`, at + ".file.file_data"}, {`{"type":"file","file":{"file_id":"file-1"}}`, at + ".file.file_id"}, {file(""), doc}, {file("%%%"), doc},
		{file("data:application/pdf;base64,JVBERi0"), doc}, {file(data("application/zip", "PK\x03\x04\x14\x00\x00\x00")), doc}, {file(data("application/pdf", "\x00\x01\x02\x03\xff\xfe")), doc},
		{`{"type":"input_audio","input_audio":{}}`, at + ".input_audio.data"}, {`{"type":"input_audio","input_audio":{"data":"%%%","format":"wav"}}`, at + ".input_audio.data"},
		{`{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}`, at + ".input_audio.data"},
		{`{"type":"text","text":"a","cache_control":7}`, at + ".cache_control"}, {`{"type":"text","text":"a","cache_control":{"type":"eternal"}}`, at + ".cache_control.type"},
		{`{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1y"}}`, at + ".cache_control.ttl"},
	}
}

// hostileTools are elements of tools.
func hostileTools() [][2]string {
	return [][2]string{
		{`{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"f"}}`, "tools[1].function.name"},
		{`null`, "tools[0]"}, {`{}`, "tools[0].function"}, {`{"type":"function"}`, "tools[0].function"}, {`{"type":"function","function":7}`, "tools[0].function"},
		{`{"type":"function","function":{}}`, "tools[0].function.name"}, {`{"type":"function","function":{"name":7}}`, "tools[0].function.name"},
		{`{"type":"function","function":{"name":""}}`, "tools[0].function.name"}, {`{"type":"function","function":{"name":"f","parameters":[]}}`, "tools[0].function.parameters"},
		{`{"type":"function","function":{"name":"f","parameters":"{}"}}`, "tools[0].function.parameters"}, {`{"type":"function","function":{"name":"f","description":7}}`, "tools[0].function.description"},
		{`{"type":"function","function":{"name":"f","strict":"yes"}}`, "tools[0].function.strict"}, {`{"type":"web_search"}`, "tools[0].type"}, {`{"type":"custom","custom":{"name":"f"}}`, "tools[0].type"},
	}
}

// hostileMasses are requests that are too much of something.
func hostileMasses() []hostile {
	ask := func(rest string) string { return `{"model":"claude","messages":[` + hi + `]` + rest + `}` }
	in := func(content string) string {
		return `{"model":"claude","messages":[{"role":"user","content":[` + content + `]}]}`
	}
	list := func(item string, n int) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }
	tool := `{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}`
	small := image(picture(8, 8))
	return []hostile{
		{"10,000 tools", ask(`,"tools":[` + list(tool, 10_000) + `]`), "tools"},
		{"100,000 messages", `{"model":"claude","messages":[` + list(hi, 100_000) + `]}`, "messages"},
		{"100,000 parts", in(list(`{"type":"text","text":"a"}`, 100_000)), "messages[0].content"},
		{"100,000 images", in(list(small, 100_000)), "messages[0].content"},
		{"101 images of 3000 pixels", in(list(image(picture(3000, 3000)), 101)), "messages[0].content[0].image_url.url"},
		{"10,000 tool calls", `{"model":"claude","messages":[` + hi + `,{"role":"assistant","tool_calls":[` + list(`{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}`, 10_000) + `]}]}`, "messages[1].tool_calls"},
		{"10,000 stops", ask(`,"stop":[` + list(`"a"`, 10_000) + `]`), "stop"},
		{"100,000 members", ask("," + strings.Join(manifold(`"x%d":1`, 100_000), ",") + `,"stream":true`), "x998"},
		{"arrays 100,000 deep", ask(`,"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)), ""},
		{"objects 100,000 deep", ask(`,"x":` + strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)), ""},
		{"arrays that are not closed", ask(`,"x":` + strings.Repeat("[", 1_000_000)), ""},
		{"a schema 50,000 deep", ask(`,"tools":[{"type":"function","function":{"name":"f","parameters":` + strings.Repeat(`{"items":`, 50_000) + "{}" + strings.Repeat("}", 50_000) + `}}]`), ""},
		{"content 10,000 deep", in(strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)), "messages[0].content[0]"},
		{"arguments 100,000 deep", `{"model":"claude","messages":[` + hi + `,{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":` + strings.Repeat("[", 100_000) + `}}]}]}`, "messages[1].tool_calls[0].function.arguments"},
		{"a number of a million digits", ask(`,"max_tokens":` + strings.Repeat("9", 1_000_000)), "max_tokens"},
		{"an exponent of a million digits", ask(`,"temperature":1e` + strings.Repeat("9", 1_000_000)), "temperature"},
		{"a role of a megabyte", `{"model":"claude","messages":[{"role":"` + strings.Repeat("a", 1<<20) + `","content":"hi"}]}`, "messages[0].role"},
		{"a media type of a megabyte", in(image("data:" + strings.Repeat("a", 1<<20) + ";base64,AAAA")), "messages[0].content[0].image_url.url"},
		{"a member name of a megabyte in tool_choice", ask(`,"tool_choice":{"` + strings.Repeat("a", 1<<20) + `":1}`), "tool_choice.function.name"},
		{"six documents", in(list(file(data("application/pdf", "%PDF-1.7\n%%EOF")), 6)), "messages[0].content[5].file.file_data"},
	}
}

func manifold(format string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(format, i)
	}
	return out
}
