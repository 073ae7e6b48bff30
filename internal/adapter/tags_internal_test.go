package adapter

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"outcrop/internal/bedrock"
)

func TestParseSessionTags(t *testing.T) {
	for _, tt := range []struct {
		spec     string
		want     SessionTags
		warnings int
		wrong    bool
	}{
		{spec: ""},
		{spec: "  {} "},
		{spec: `{"a":"Bedrock.modelId","b":"UserInfo.project"}`, want: SessionTags{{"a", sourceModelID, false}, {"b", sourceProject, false}}},
		{spec: `{"a":"*UserInfo.project"}`, want: SessionTags{{"a", sourceProject, true}}},
		{spec: `{"a":"*UserInfo.project","b":"UserInfo.project"}`, want: SessionTags{{"a", sourceProject, false}, {"b", sourceProject, false}}},
		{spec: `{"a":"UserInfo.project","a":"Bedrock.modelId"}`, want: SessionTags{{"a", sourceModelID, false}}},
		{spec: `{"a":"Bedrock.region","b":"UserInfo.","c":"","d":"Bedrock.modelId"}`, want: SessionTags{{"d", sourceModelID, false}}, warnings: 3},
		{spec: `{"a":1}`, wrong: true},
		{spec: `{"a":{"b":"c"}}`, wrong: true},
		{spec: `["a"]`, wrong: true},
		{spec: `{"a":"Bedrock.modelId"`, wrong: true},
		{spec: `{"a":"Bedrock.modelId"} {}`, wrong: true},
		{spec: `model=Bedrock.modelId`, wrong: true},
	} {
		got, warnings, err := ParseSessionTags(tt.spec)
		if diff := cmp.Diff(tt.want, got); diff != "" || len(warnings) != tt.warnings || (err != nil) != tt.wrong {
			t.Errorf("%s: %s, warnings %q, error %v", tt.spec, diff, warnings, err)
		}
	}
	var many []string
	for i := range 60 {
		many = append(many, fmt.Sprintf(`"k%d":"Bedrock.modelId"`, i))
	}
	if got, warnings, err := ParseSessionTags("{" + strings.Join(many, ",") + "}"); len(got) != 50 || len(warnings) != 1 || err != nil {
		t.Errorf("%d tags, %q, %v", len(got), warnings, err)
	}
}

func TestSessionTagsResolve(t *testing.T) {
	const info = `{"roles":["default","admin"],"project":"EPM <RTC> é","userClaims":{"email":["a@b.c","d"],"n":1.50,"no":null,"yes":true,"deep":{"x":["y"]}},"empty":""}`
	for _, tt := range []struct{ spec, want, name, missed string }{
		{`{"m":"Bedrock.modelId"}`, "m=model-1", "", ""},
		{`{"p":"UserInfo.project"}`, "p=EPM _RTC_ é", "Project_EPM__RTC___", ""},
		{`{"r":"UserInfo.roles.1","s":"UserInfo.roles.0"}`, "r=admin s=default", "", ""},
		{`{"r":"UserInfo.roles.2"}`, "", "", "r"},
		{`{"r":"UserInfo.roles.-1"}`, "", "", "r"},
		{`{"r":"UserInfo.roles.x"}`, "", "", "r"},
		{`{"r":"UserInfo.project.x"}`, "", "", "r"},
		{`{"r":"*UserInfo.nothing"}`, "", "", ""},
		{`{"r":"UserInfo.nothing"}`, "", "", "r"},
		{`{"e":"UserInfo.userClaims.email"}`, "e=__a@b.c___d__", "", ""},
		{`{"n":"UserInfo.userClaims.n","o":"UserInfo.userClaims.no","y":"UserInfo.userClaims.yes"}`, "n=1.50 o=null y=true", "", ""},
		{`{"d":"UserInfo.userClaims.deep"}`, "d=__x_:__y___", "", ""},
		{`{"x":"UserInfo.empty"}`, "x=", "", ""},
		{`{"":"Bedrock.modelId","é ü":"Bedrock.modelId"}`, "é ü=model-1", "", ""},
		{`{"a?":"Bedrock.modelId","a!":"Bedrock.modelId","A_":"Bedrock.modelId"}`, "a_=model-1 a__1=model-1 A__2=model-1", "", ""},
		{`{"AWS:x":"Bedrock.modelId"}`, "AWS_x=model-1", "", ""},
	} {
		tags, _, err := ParseSessionTags(tt.spec)
		if err != nil {
			t.Fatal(err)
		}
		var user any
		d := json.NewDecoder(strings.NewReader(info))
		d.UseNumber()
		if err := d.Decode(&user); err != nil {
			t.Fatal(err)
		}
		var missed, got []string
		s := tags.resolve("model-1", user, func(tag SessionTag) { missed = append(missed, tag.Key) })
		for _, tag := range s.tags {
			got = append(got, tag.Key+"="+tag.Value)
		}
		if strings.Join(got, " ") != tt.want || s.name != tt.name || strings.Join(missed, " ") != tt.missed {
			t.Errorf("%s: tags %q, name %q, missed %q", tt.spec, got, s.name, missed)
		}
	}
}

// Without an answer of Core's nothing more is said of each tag: the log knows of the answer.
func TestSessionTagsWithoutUser(t *testing.T) {
	tags, _, err := ParseSessionTags(`{"p":"UserInfo.project","m":"Bedrock.modelId"}`)
	if err != nil {
		t.Fatal(err)
	}
	s := tags.resolve("model-1", nil, func(tag SessionTag) { t.Errorf("missed %s", tag.Key) })
	if diff := cmp.Diff([]bedrock.Tag{{Key: "m", Value: "model-1"}}, s.tags); diff != "" {
		t.Error(diff)
	}
}

func TestSessionTagsKeepSTSsBounds(t *testing.T) {
	long := strings.Repeat("é", 300)
	tags := SessionTags{{Key: long, Source: sourceProject}, {Key: long + "x", Source: sourceProject}}
	s := tags.resolve("m", map[string]any{"project": long}, func(SessionTag) {})
	if len(s.tags) != 2 || s.tags[0].Key == s.tags[1].Key || len(s.name) != 64 {
		t.Fatalf("got %+v", s)
	}
	for _, tag := range s.tags {
		if utf8.RuneCountInString(tag.Key) != 128 || utf8.RuneCountInString(tag.Value) != 256 {
			t.Errorf("%d characters, %d", utf8.RuneCountInString(tag.Key), utf8.RuneCountInString(tag.Value))
		}
	}
	for _, project := range []string{"", "null"} {
		if s := tags.resolve("m", map[string]any{"project": project}, func(SessionTag) {}); s.name != "" {
			t.Errorf("project %q: session %q", project, s.name)
		}
	}
}
