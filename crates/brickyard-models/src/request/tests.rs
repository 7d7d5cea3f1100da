use super::*;

fn read(task: Task, body: &str) -> Result<Request<'_>, String> {
    Request::read(task, body.as_bytes()).map_err(|failure| failure.to_string())
}

#[test]
fn what_the_rules_ask_about_is_found() {
    use Task::{AgentChat, AgentResponses, LlmChat, LlmCompletions};
    for (task, body, user, tool) in [
        (LlmChat, r#"{"messages":[{"role":"user","content":"hi"}]}"#, Some("hi"), None),
        (LlmChat, r#"{"messages":[{"role":"user","content":"a\n\"b\""}]}"#, Some("a\n\"b\""), None),
        (LlmChat, r#"{"m\u0065ssages":[{"r\u006fle":"us\u0065r","content":"hi"}]}"#, Some("hi"), None),
        (
            LlmChat,
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{}},{"text":"b","type":"text"}]}]}"#,
            Some("a\nb"),
            None,
        ),
        (
            LlmChat,
            r#"{"messages":[{"role":"user","content":"1"},{"role":"assistant","content":null,"tool_calls":[]},{"role":"tool","content":"22","tool_call_id":"x"}]}"#,
            Some("1"),
            Some("22"),
        ),
        (
            LlmChat,
            r#"{"messages":[{"role":"tool","content":"22"},{"role":"user","content":"2"}]}"#,
            Some("2"),
            None,
        ),
        (LlmChat, r#"{"messages":[{"role":"system","content":"s"}]}"#, None, None),
        (
            AgentChat,
            r#"{"messages":[{"role":"user","content":"hi","id":"1"}],"custom_inputs":{"input":[]}}"#,
            Some("hi"),
            None,
        ),
        (AgentResponses, r#"{"input":[]}"#, None, None),
        (AgentResponses, r#"{"input":[{"role":"user","content":"hi"}],"messages":3}"#, Some("hi"), None),
        (
            AgentResponses,
            r#"{"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"22"}]}"#,
            Some("hi"),
            Some("22"),
        ),
        (LlmCompletions, r#"{"prompt":"once"}"#, Some("once"), None),
        (LlmCompletions, r#"{"prompt":["once"]}"#, Some("once"), None),
    ] {
        let request = read(task, body).expect(body);
        assert_eq!((request.user.as_deref(), request.tool.as_deref()), (user, tool), "{body}");
    }
}

#[test]
fn a_plain_text_is_not_copied() {
    let request = read(Task::LlmChat, r#"{"messages":[{"role":"user","content":"hi"}]}"#).expect("reads");
    assert!(matches!(request.user, Some(Cow::Borrowed("hi"))));
}

#[test]
fn what_is_no_json_is_told_so() {
    for body in [
        "",
        "{",
        "nope",
        "{\"messages\":[]",
        "{\"messages\":[]} x",
        "{\"messages\":[],}",
        "{\"x\":NaN,\"messages\":[]}",
        "\u{feff}{}",
    ] {
        assert_eq!(read(Task::LlmChat, body).expect_err(body), NOT_JSON, "{body}");
    }
    let failure =
        Request::read(Task::LlmChat, b"{\"x\":\"\xff\",\"messages\":[]}").expect_err("broken UTF-8");
    assert_eq!(failure.to_string(), NOT_JSON);
}

#[test]
fn another_shape_is_told_what_is_expected_without_repeating_the_body() {
    use Task::{AgentResponses, LlmChat, LlmCompletions, LlmEmbeddings};
    for (task, body) in [
        (LlmChat, "[]"),
        (LlmChat, "\"private\""),
        (LlmChat, "{}"),
        (LlmChat, r#"{"messages":"private"}"#),
        (LlmChat, r#"{"messages":null}"#),
        (LlmChat, r#"{"messages":["private"]}"#),
        (LlmChat, r#"{"messages":[["user","private"]]}"#),
        (LlmChat, r#"{"messages":[{"content":"private"}]}"#),
        (LlmChat, r#"{"messages":[{"role":1,"content":"private"}]}"#),
        (LlmChat, r#"{"messages":[{"role":"user","content":1}]}"#),
        (LlmChat, r#"{"messages":[{"role":"user","content":"a","content":"private"}]}"#),
        (LlmChat, r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#),
        (LlmChat, r#"{"messages":[{"role":"user","content":[{"type":"text","text":["private"]}]}]}"#),
        (AgentResponses, r#"{"input":"private"}"#),
        (AgentResponses, r#"{"input":[{"role":"user"}]}"#),
        (AgentResponses, r#"{"input":[{}]}"#),
        (LlmCompletions, r#"{"prompt":["a","private"]}"#),
        (LlmCompletions, r#"{"prompt":[]}"#),
        (LlmEmbeddings, r#"{"input":[1,2]}"#),
    ] {
        let message = read(task, body).expect_err(body);
        assert!(message.starts_with("Failed to enforce schema of data"), "{body}: {message}");
        assert!(!message.contains("private"), "{body}: {message}");
    }
}

#[test]
fn a_key_given_twice_is_refused() {
    for body in [
        r#"{"messages":[],"messages":[]}"#,
        r#"{"custom_inputs":{},"messages":[],"custom_inputs":{}}"#,
        r#"{"a":1,"messages":[],"\u0061":1}"#,
    ] {
        let message = read(Task::LlmChat, body).expect_err(body);
        assert!(message.contains("is given more than once"), "{body}: {message}");
    }
}

#[test]
fn nesting_however_deep_does_not_overflow_the_stack() {
    for depth in [200, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            for body in [
                nested.clone(),
                open.repeat(depth),
                format!(r#"{{"messages":[],"custom_inputs":{nested}}}"#),
                format!(r#"{{"messages":{nested}}}"#),
                format!(r#"{{"messages":[],"tools":{nested}}}"#),
            ] {
                let read = read(Task::LlmChat, &body);
                let read = read.and_then(|request| request.offered().map_err(|failure| failure.to_string()));
                assert!(depth == 200 || read.is_err());
            }
        }
    }
    let text = format!(r#"{{"messages":[{{"role":"user","content":"\\\"{}"}}]}}"#, "[".repeat(100_000));
    assert!(read(Task::LlmChat, &text).is_ok(), "brackets in a text do not nest");
}

#[test]
fn tools_are_offered_by_either_api() {
    let body = r#"{"messages":[],"tools":[{"type":"function","function":{"name":"nested"}},{"type":"function","name":"flat"},{"type":"web_search"}]}"#;
    let request = read(Task::LlmChat, body).expect("reads");
    assert_eq!(request.offered().expect("reads"), ["nested", "flat"]);
    for (body, ok) in [
        (r#"{"messages":[],"tools":null}"#, true),
        (r#"{"messages":[]}"#, true),
        (r#"{"messages":[],"tools":"x"}"#, false),
        (r#"{"messages":[],"tools":[{"name":1}]}"#, false),
    ] {
        assert_eq!(read(Task::LlmChat, body).expect(body).offered().is_ok(), ok, "{body}");
    }
}

#[test]
fn embeddings_take_some_texts_but_not_any_number() {
    assert_eq!(read(Task::LlmEmbeddings, r#"{"input":["a","b"]}"#).expect("reads").inputs, ["a", "b"]);
    assert!(read(Task::LlmEmbeddings, r#"{"input":[]}"#).is_err());
    let many = vec!["\"\""; MAX_INPUTS + 1].join(",");
    assert!(read(Task::LlmEmbeddings, &format!(r#"{{"input":[{many}]}}"#)).is_err());
}
