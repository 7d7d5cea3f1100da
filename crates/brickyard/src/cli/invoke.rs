//! `brickyard invoke`: one call as anybody, the answer, and the tree of identities behind it.
//!
//! ```text
//!  --as ana  -> POST /_brickyard/tokens                      a token of ana's
//!  text      -> GET  /api/2.0/serving-endpoints/{name}       which shape does its task want?
//!            -> POST /serving-endpoints/{name}/invocations   the call, as ana
//!            -> GET  /_brickyard/explain/{x-request-id}      why, as ourselves
//! ```

use std::io::Write;

use reqwest::{Method, Response, header};
use serde_json::{Value, json};

use super::Failure;
use super::arguments::Invoke;
use super::client::{Client, innermost, refused, request_id, text};
use super::explain;
use super::sse::DataLines;
use crate::config::Environment;

pub(super) async fn run(
    invoke: &Invoke,
    environment: &dyn Environment,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let own = Client::open(&invoke.server, environment)?;
    let body = body(invoke, &own).await?;
    let caller = match &invoke.principal {
        Some(principal) => own.with_token(own.token_for(principal, None, None).await?),
        None => own.clone(),
    };
    let path = ["serving-endpoints", invoke.endpoint.as_str(), "invocations"];
    let response = caller.send(caller.request(Method::POST, &path).json(&body)).await?;
    let id = request_id(&response);
    let answer = print_answer(response, out).await;
    if matches!(answer, Err(Failure::Closed)) {
        return answer;
    }
    // A refused call is explained as well: that is when somebody wants to know.
    let explained = match &id {
        Some(id) => {
            writeln!(out)?;
            explain::print(&own, id, out).await
        }
        None => Err(Failure::Failed(
            "the answer has no x-request-id, so it cannot be explained; is it brickyard?".to_owned(),
        )),
    };
    match (answer, explained) {
        (Ok(()), explained) => explained,
        // One reason is enough, and the answer's is the better one.
        (Err(failure), _) => Err(failure),
    }
}

/// The request's body: an object as it is, or text in the shape of the endpoint's task.
async fn body(invoke: &Invoke, client: &Client) -> Result<Value, Failure> {
    let mut body = match object(&invoke.request)? {
        Some(object) => object,
        None => {
            let path = ["api", "2.0", "serving-endpoints", invoke.endpoint.as_str()];
            let endpoint = client.fetch(client.request(Method::GET, &path)).await?;
            let task = serde_json::from_str::<Value>(&endpoint)
                .ok()
                .and_then(|endpoint| Some(endpoint.get("task")?.as_str()?.to_owned()));
            wrap(task.as_deref(), &invoke.request).ok_or_else(|| {
                let task = task.map_or_else(|| "no task".to_owned(), |task| format!("the task {task}"));
                Failure::Usage(format!(
                    "the endpoint {} has {task}, which takes no plain text; give JSON such as '{{\"inputs\": ...}}'",
                    invoke.endpoint
                ))
            })?
        }
    };
    if invoke.stream {
        body["stream"] = true.into();
    }
    Ok(body)
}

/// A JSON object; `None` for text. What begins like an object and is none is a slip, not text.
pub(super) fn object(request: &str) -> Result<Option<Value>, Failure> {
    if !request.trim_start().starts_with('{') {
        return Ok(None);
    }
    serde_json::from_str(request)
        .map(Some)
        .map_err(|error| Failure::Usage(format!("the request is not JSON: {error}")))
}

/// Text in the shape that a task reads.
pub(super) fn wrap(task: Option<&str>, text: &str) -> Option<Value> {
    let message = || json!([{"role": "user", "content": text}]);
    match task? {
        "agent/v1/responses" => Some(json!({"input": message()})),
        "agent/v2/chat" | "agent/v1/chat" | "llm/v1/chat" => Some(json!({"messages": message()})),
        "llm/v1/completions" => Some(json!({"prompt": text})),
        "llm/v1/embeddings" => Some(json!({"input": text})),
        _ => None,
    }
}

async fn print_answer(response: Response, out: &mut dyn Write) -> Result<(), Failure> {
    if !response.status().is_success() {
        return Err(refused(response).await);
    }
    let kind =
        response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("text/event-stream") {
        return print_stream(response, out).await;
    }
    let body = text(response).await?;
    let pretty = serde_json::from_str::<Value>(&body).and_then(|value| serde_json::to_string_pretty(&value));
    writeln!(out, "{}", pretty.unwrap_or(body))?;
    Ok(())
}

async fn print_stream(mut response: Response, out: &mut dyn Write) -> Result<(), Failure> {
    let mut lines = DataLines::default();
    let mut failed = None;
    let mut print = |field: &str, out: &mut dyn Write| -> Result<(), Failure> {
        if field != "[DONE]" {
            writeln!(out, "{field}")?;
            out.flush()?;
        }
        // A stream that fails midway says so in an event: its status was sent long before.
        if let Ok(Value::Object(event)) = serde_json::from_str(field)
            && event.contains_key("error")
        {
            failed = Some(Failure::Failed("the stream ended with an error".to_owned()));
        }
        Ok(())
    };
    loop {
        let chunk = response.chunk().await;
        let chunk =
            chunk.map_err(|error| Failure::Failed(format!("the stream broke off: {}", innermost(&error))))?;
        let Some(chunk) = chunk else { break };
        let fields = lines
            .push(&chunk)
            .map_err(|_| Failure::Failed("the stream has a line without an end".to_owned()))?;
        for field in fields {
            print(&field, out)?;
        }
    }
    if let Some(field) = lines.finish() {
        print(&field, out)?;
    }
    failed.map_or(Ok(()), Err)
}
