use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::builtin::foundation_model;
use crate::compile::tests::{EXAMPLE, scripted};

fn shown() -> Vec<IdentityShown> {
    vec![IdentityShown {
        method: "on_behalf_of_user",
        principal: "ana@example.com".to_owned(),
        scopes: "sql".to_owned(),
        expires_at: Some(Timestamp::from_second(1_700_000_900).expect("a time")),
        name: None,
    }]
}

fn ask(scripted: &Scripted, body: &[u8], stream: bool) -> Result<ScriptedAnswer, ScriptedFailure> {
    let created_at = Timestamp::from_second(1_700_000_000).expect("a time");
    let call = ScriptedCall { body, model: "m\"1", request_id: "r1", created_at, stream, identities: &shown };
    scripted.answer(&call)
}

fn json_of(scripted: &Scripted, body: &Value) -> Value {
    match ask(scripted, body.to_string().as_bytes(), false).expect("answers").content {
        ScriptedContent::Json(bytes) => serde_json::from_slice(&bytes).expect("JSON"),
        ScriptedContent::Stream(_) => panic!("no stream was asked for"),
    }
}

fn chunks_of(scripted: &Scripted, body: &Value) -> Vec<Value> {
    match ask(scripted, body.to_string().as_bytes(), true).expect("answers").content {
        ScriptedContent::Stream(chunks) => {
            chunks.iter().map(|chunk| serde_json::from_slice(chunk).expect("JSON")).collect()
        }
        ScriptedContent::Json(_) => panic!("a stream was asked for"),
    }
}

fn user(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": text}]})
}

fn input(text: &str) -> Value {
    json!({"input": [{"role": "user", "content": text}]})
}

#[test]
fn a_chat_model_says_calls_and_fails_by_the_first_rule_that_matches() {
    let model = scripted(EXAMPLE);
    assert_eq!(
        json_of(&model, &user("hello")),
        json!({
            "id": "chatcmpl-r1", "object": "chat.completion", "created": 1_700_000_000, "model": "m\"1",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "I do not know."}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4},
        })
    );
    let mut body = user("the weather in Paris?");
    assert_eq!(json_of(&model, &body)["choices"][0]["message"]["content"], "I do not know.", "not offered");
    body["tools"] = json!([{"type": "function", "function": {"name": "get_weather"}}]);
    assert_eq!(
        json_of(&model, &body)["choices"][0],
        json!({
            "index": 0, "finish_reason": "tool_calls",
            "message": {"role": "assistant", "content": null, "tool_calls": [{
                "id": "call_r1", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Paris\"}"},
            }]},
        })
    );
    body["messages"]
        .as_array_mut()
        .expect("list")
        .push(json!({"role": "tool", "content": "sunny", "tool_call_id": "call_r1"}));
    assert_eq!(json_of(&model, &body)["choices"][0]["message"]["content"], "It is sunny.");
    assert_eq!(
        ask(&model, user("boom").to_string().as_bytes(), false),
        Err(ScriptedFailure::Scripted {
            status: 500,
            error_code: "INTERNAL_ERROR".to_owned(),
            message: "boom".to_owned(),
            wait: Duration::ZERO,
        })
    );
}

#[test]
fn a_chat_stream_ends_with_its_finish_and_usage() {
    let chunks = chunks_of(&scripted(EXAMPLE), &user("hello"));
    let deltas: Vec<_> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    assert_eq!(*deltas[0], json!({"role": "assistant", "content": "I "}));
    let said: String = deltas.iter().filter_map(|delta| delta["content"].as_str()).collect();
    assert_eq!(said, "I do not know.");
    let last = chunks.last().expect("a chunk");
    assert_eq!(
        (&last["choices"][0]["finish_reason"], &last["usage"]["total_tokens"]),
        (&json!("stop"), &json!(4))
    );
    assert!(
        chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["id"] == "chatcmpl-r1")
    );
}

#[test]
fn a_streamed_tool_call_has_an_index() {
    let model = scripted("{task: agent/v1/chat, rules: [{call: {name: f, arguments: {a: '{user}', n: 1}}}]}");
    let chunks = chunks_of(&model, &user("\"x\""));
    let call = &chunks[0]["choices"][0]["delta"]["tool_calls"][0];
    assert_eq!(call["index"], 0);
    assert_eq!(call["function"]["arguments"], r#"{"a":"\"x\"","n":1}"#);
    assert_eq!(chunks[1]["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn a_responses_agent_answers_with_items_and_events_that_share_the_item() {
    let agent = scripted(
        "{task: agent/v1/responses, rules: [{when: {user: call}, call: {name: f}}, {say: 'hi {user}'}]}",
    );
    let reply = json_of(&agent, &input("there"));
    let item = json!({
        "type": "message", "id": "msg_r1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "hi there", "annotations": []}],
    });
    assert_eq!((&reply["object"], &reply["output"]), (&json!("response"), &json!([item])));
    assert_eq!(
        chunks_of(&agent, &input("there")),
        [
            json!({"type": "response.output_text.delta", "item_id": "msg_r1", "delta": "hi "}),
            json!({"type": "response.output_text.delta", "item_id": "msg_r1", "delta": "there"}),
            json!({"type": "response.output_item.done", "item": item}),
        ]
    );
    let call = json!({
        "type": "function_call", "id": "fc_r1", "call_id": "call_r1", "name": "f", "arguments": "{}", "status": "completed",
    });
    assert_eq!(json_of(&agent, &input("call"))["output"], json!([call]));
    assert_eq!(
        chunks_of(&agent, &input("call")),
        [json!({"type": "response.output_item.done", "item": call})]
    );
}

#[test]
fn a_chat_agent_answers_with_messages_and_deltas_that_have_ids() {
    let agent =
        scripted("{task: agent/v2/chat, rules: [{when: {user: call}, call: {name: f}}, {say: 'hi {user}'}]}");
    assert_eq!(
        json_of(&agent, &user("there")),
        json!({
            "messages": [{"role": "assistant", "content": "hi there", "id": "msg_r1"}], "finish_reason": "stop",
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        })
    );
    let chunks = chunks_of(&agent, &user("there"));
    assert_eq!(chunks[0], json!({"delta": {"role": "assistant", "content": "hi ", "id": "msg_r1"}}));
    assert_eq!(
        (&chunks[1]["delta"]["content"], &chunks[1]["finish_reason"]),
        (&json!("there"), &json!("stop"))
    );
    let message = &json_of(&agent, &user("call"))["messages"][0];
    assert_eq!(message["tool_calls"][0]["function"], json!({"name": "f", "arguments": "{}"}));
}

#[test]
fn an_agent_tells_its_identities_in_words_and_in_custom_outputs() {
    let expected = json!({"identities": [{
        "method": "on_behalf_of_user", "principal": "ana@example.com", "scopes": "sql", "expires_at": "2023-11-14T22:28:20Z",
    }]});
    let agent = scripted("{task: agent/v1/responses, rules: [{identities: true}]}");
    let reply = json_of(&agent, &input("whoami"));
    assert_eq!(reply["custom_outputs"], expected);
    let text = reply["output"][0]["content"][0]["text"].as_str().expect("text");
    assert_eq!(serde_json::from_str::<Value>(text).expect("JSON"), expected);
    assert_eq!(chunks_of(&agent, &input("whoami")).last().expect("an event")["custom_outputs"], expected);
    for task in ["agent/v2/chat", "agent/v1/chat"] {
        let agent = scripted(&format!("{{task: {task}, rules: [{{identities: true}}]}}"));
        assert_eq!(json_of(&agent, &user("whoami"))["custom_outputs"], expected);
        assert_eq!(chunks_of(&agent, &user("whoami")).last().expect("a chunk")["custom_outputs"], expected);
    }
    assert_eq!(json_of(&scripted(EXAMPLE), &user("whoami")).get("custom_outputs"), None, "a model has none");
}

#[test]
fn completions_continue_a_prompt() {
    let model = scripted("{task: llm/v1/completions, rules: [{say: 'upon a time', wait: 250ms}]}");
    let body = json!({"prompt": "once"});
    assert_eq!(json_of(&model, &body)["choices"][0]["text"], "upon a time");
    let said: String = chunks_of(&model, &body)
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["text"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(said, "upon a time");
    let wait = ask(&model, br#"{"prompt":"once"}"#, false).expect("answers").wait;
    assert_eq!(wait, Duration::from_millis(250));
}

#[test]
fn embeddings_come_in_the_order_of_their_inputs() {
    let model = scripted(
        "{task: llm/v1/embeddings, dimensions: 8, rules: [{when: {user: boom}, fail: {status: 429, error_code: X, message: x}}]}",
    );
    let reply = json_of(&model, &json!({"input": ["a b", "c"], "encoding_format": "base64"}));
    assert_eq!(reply["data"][1]["index"], 1);
    let vector: Vec<f32> = serde_json::from_value(reply["data"][0]["embedding"].clone()).expect("numbers");
    assert_eq!(vector, crate::embed("a b", 8));
    assert_eq!(reply["usage"], json!({"prompt_tokens": 1, "total_tokens": 1}));
    assert!(matches!(
        ask(&model, br#"{"input":"boom"}"#, false),
        Err(ScriptedFailure::Scripted { status: 429, .. })
    ));
}

#[test]
fn without_a_matching_rule_the_error_says_what_to_add() {
    let model = scripted("{task: llm/v1/chat, rules: [{when: {user: x}, say: x}]}");
    let failure = ask(&model, user("hello").to_string().as_bytes(), false).expect_err("no rule");
    assert!(matches!(failure, ScriptedFailure::NoRule { .. }));
    assert!(failure.to_string().contains("without `when`"), "{failure}");
}

#[test]
fn a_built_in_model_says_what_it_is_and_repeats_a_tools_result() {
    let model = foundation_model("databricks-claude-sonnet-4").expect("built in");
    let model = Scripted::compile(&model.scripted).expect("compiles");
    let text = |body: &Value| json_of(&model, body)["choices"][0]["message"]["content"].clone();
    assert_eq!(
        text(&user("hi {tool}\nyou")),
        "databricks-claude-sonnet-4 (brickyard built-in) heard: hi {tool}\nyou"
    );
    assert_eq!(text(&json!({"messages": [{"role": "tool", "content": "a\nb"}]})), "a\nb");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z{}\"\\\\\u{0}-\u{1f}é]{0,6}".prop_map(Value::from),
        prop::sample::select(vec![
            "user",
            "tool",
            "message",
            "text",
            "input_text",
            "function_call_output",
            "boom"
        ])
        .prop_map(Value::from),
    ];
    let keys = vec![
        "messages", "input", "prompt", "tools", "role", "content", "type", "text", "output", "name",
        "function",
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(keys.clone()), inner, 0..4).prop_map(|map| map
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect::<Value>()),
        ]
    })
}

const EACH_TASK: [&str; 6] = [
    EXAMPLE,
    "{task: llm/v1/completions, rules: [{say: '{user}'}]}",
    "{task: llm/v1/embeddings, dimensions: 4}",
    "{task: agent/v1/responses, rules: [{when: {tool: '(?P<a>.)'}, call: {name: f, arguments: {a: '{a}{user}'}}}, {say: '{user}'}]}",
    "{task: agent/v2/chat, rules: [{when: {user: '(?P<a>.)?'}, call: {name: f, arguments: {a: '{a}'}}}, {say: '{user}'}]}",
    "{task: agent/v1/chat, rules: [{when: {offered: boom}, say: '{user}'}, {identities: true}]}",
];

static MODELS: LazyLock<Vec<Scripted>> = LazyLock::new(|| EACH_TASK.into_iter().map(scripted).collect());

/// Answers twice, the same, with nothing but JSON inside.
fn check(model: &Scripted, body: &[u8]) {
    for stream in [false, true] {
        let answer = ask(model, body, stream);
        assert_eq!(answer, ask(model, body, stream), "the same call, the same bytes");
        let parts = match answer.map(|answer| answer.content) {
            Ok(ScriptedContent::Json(bytes)) => vec![bytes],
            Ok(ScriptedContent::Stream(chunks)) => chunks,
            Err(_) => Vec::new(),
        };
        for part in parts {
            let reply: Value = serde_json::from_slice(&part).expect("JSON");
            for path in [
                "/choices/0/message/tool_calls/0/function/arguments",
                "/output/0/arguments",
                "/item/arguments",
            ] {
                if let Some(arguments) = reply.pointer(path) {
                    serde_json::from_str::<Value>(arguments.as_str().expect("text")).expect("JSON arguments");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn any_body_is_answered_or_refused_the_same_way_twice(
        body in any_json(),
        conversation in prop::collection::vec(any_json(), 0..4),
        bytes in any::<Vec<u8>>(),
    ) {
        for model in MODELS.iter() {
            check(model, body.to_string().as_bytes());
            check(model, json!({"messages": conversation, "input": conversation, "tools": body}).to_string().as_bytes());
            check(model, &bytes);
        }
    }

    #[test]
    fn whatever_a_user_says_comes_back_whole(text in any::<String>()) {
        for yaml in ["{task: agent/v1/responses, rules: [{say: '{user}'}]}", "{task: agent/v1/responses, rules: [{when: {user: '(?s)(?P<all>.*)'}, say: '{all}'}]}"] {
            let agent = scripted(yaml);
            let whole = json_of(&agent, &input(&text));
            prop_assert_eq!(whole["output"][0]["content"][0]["text"].as_str(), Some(text.as_str()));
            let said: String = chunks_of(&agent, &input(&text)).iter().filter_map(|event| event["delta"].as_str().map(str::to_owned)).collect();
            prop_assert_eq!(said, text.as_str());
        }
    }
}
