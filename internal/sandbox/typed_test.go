package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
)

// fill sets the typed input of an SDK operation from the JSON of a wire body:
// members by their name, documents as they are, unions by the member that is
// there. It fails on JSON that the SDK's model cannot express.
func fill(dst any, body map[string]any) error {
	return fillStruct(reflect.ValueOf(dst).Elem(), body)
}

// unionMembers lists the members of the unions that may stand in a request.
func unionMembers() []any {
	return []any{
		&types.ContentBlockMemberAudio{}, &types.ContentBlockMemberCachePoint{}, &types.ContentBlockMemberCitationsContent{},
		&types.ContentBlockMemberDocument{}, &types.ContentBlockMemberGuardContent{}, &types.ContentBlockMemberImage{},
		&types.ContentBlockMemberReasoningContent{}, &types.ContentBlockMemberSearchResult{}, &types.ContentBlockMemberText{},
		&types.ContentBlockMemberToolAddition{}, &types.ContentBlockMemberToolRemoval{}, &types.ContentBlockMemberToolResult{},
		&types.ContentBlockMemberToolUse{}, &types.ContentBlockMemberVideo{},
		&types.AudioSourceMemberBytes{}, &types.AudioSourceMemberS3Location{},
		&types.CountTokensInputMemberConverse{}, &types.CountTokensInputMemberInvokeModel{},
		&types.DocumentContentBlockMemberText{}, &types.DocumentSourceMemberBytes{}, &types.DocumentSourceMemberContent{},
		&types.DocumentSourceMemberS3Location{}, &types.DocumentSourceMemberText{},
		&types.GuardrailConverseContentBlockMemberImage{}, &types.GuardrailConverseContentBlockMemberText{},
		&types.GuardrailConverseImageSourceMemberBytes{}, &types.ImageSourceMemberBytes{}, &types.ImageSourceMemberS3Location{},
		&types.OutputFormatStructureMemberJsonSchema{}, &types.PromptVariableValuesMemberText{},
		&types.ReasoningContentBlockMemberReasoningText{}, &types.ReasoningContentBlockMemberRedactedContent{},
		&types.SystemContentBlockMemberCachePoint{}, &types.SystemContentBlockMemberGuardContent{}, &types.SystemContentBlockMemberText{},
		&types.ToolMemberCachePoint{}, &types.ToolMemberSystemTool{}, &types.ToolMemberToolSpec{},
		&types.ToolChoiceMemberAny{}, &types.ToolChoiceMemberAuto{}, &types.ToolChoiceMemberTool{}, &types.ToolInputSchemaMemberJson{},
		&types.ToolResultContentBlockMemberDocument{}, &types.ToolResultContentBlockMemberImage{}, &types.ToolResultContentBlockMemberJson{},
		&types.ToolResultContentBlockMemberSearchResult{}, &types.ToolResultContentBlockMemberText{}, &types.ToolResultContentBlockMemberVideo{},
		&types.VideoSourceMemberBytes{}, &types.VideoSourceMemberS3Location{},
	}
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func fillStruct(dst reflect.Value, body map[string]any) error {
	for name, v := range body {
		field := dst.FieldByName(title(name))
		if !field.IsValid() {
			return fmt.Errorf("%s has no member %s", dst.Type().Name(), name)
		}
		if err := fillValue(field, v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func fillValue(dst reflect.Value, v any) error {
	if dst.Type() == reflect.TypeFor[document.Interface]() {
		dst.Set(reflect.ValueOf(document.NewLazyDocument(loose(v))))
		return nil
	}
	switch dst.Kind() {
	case reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		return fillValue(dst.Elem(), v)
	case reflect.Interface:
		return fillUnion(dst, v)
	case reflect.Struct:
		if m, ok := v.(map[string]any); ok {
			return fillStruct(dst, m)
		}
	case reflect.Slice:
		if s, ok := v.(string); ok && dst.Type().Elem().Kind() == reflect.Uint8 {
			data, err := base64.StdEncoding.DecodeString(s)
			dst.SetBytes(data)
			return err
		}
		if l, ok := v.([]any); ok {
			return fillSlice(dst, l)
		}
	case reflect.Map:
		if m, ok := v.(map[string]any); ok {
			return fillMap(dst, m)
		}
	case reflect.String:
		if s, ok := v.(string); ok {
			dst.SetString(s)
			return nil
		}
	case reflect.Bool:
		if b, ok := v.(bool); ok {
			dst.SetBool(b)
			return nil
		}
	case reflect.Int32, reflect.Int64, reflect.Float32, reflect.Float64:
		if n, ok := v.(json.Number); ok {
			return json.Unmarshal([]byte(n), dst.Addr().Interface())
		}
	}
	return fmt.Errorf("%v does not fit %s", v, dst.Type())
}

func fillSlice(dst reflect.Value, l []any) error {
	dst.Set(reflect.MakeSlice(dst.Type(), len(l), len(l)))
	for i, item := range l {
		if err := fillValue(dst.Index(i), item); err != nil {
			return err
		}
	}
	return nil
}

func fillMap(dst reflect.Value, m map[string]any) error {
	dst.Set(reflect.MakeMap(dst.Type()))
	for k, item := range m {
		value := reflect.New(dst.Type().Elem()).Elem()
		if err := fillValue(value, item); err != nil {
			return err
		}
		dst.SetMapIndex(reflect.ValueOf(k), value)
	}
	return nil
}

func fillUnion(dst reflect.Value, v any) error {
	m, ok := v.(map[string]any)
	if !ok || len(m) != 1 {
		return fmt.Errorf("%d members in a union", len(m))
	}
	for name, inner := range m {
		want := dst.Type().Name() + "Member" + title(name)
		for _, candidate := range unionMembers() {
			kind := reflect.TypeOf(candidate).Elem()
			if kind.Name() == want {
				made := reflect.New(kind)
				dst.Set(made)
				return fillValue(made.Elem().FieldByName("Value"), inner)
			}
		}
		return fmt.Errorf("%s has no member %s", dst.Type().Name(), name)
	}
	return nil
}

// loose replaces exact numbers, which smithy's documents do not know.
func loose(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = loose(item)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, item := range v {
			out[k] = loose(item)
		}
		return out
	}
	return v
}
