//! Real models, logged by a real mlflow and served unchanged. `BRICKYARD_TEST_PYTHON` names a Python that has mlflow,
//! databricks-sdk and databricks-ai-bridge; without it there is nothing to try.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use brickyard_agents::{
    AgentError, Answer, Job, LogRing, LoggedModel, PredictError, StartError, WorkerPool, WorkerSpec,
};
use brickyard_types::{BearerToken, Secret, SystemClock, SystemEntropy};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fake::{Fake, job, numbered};

struct Logged {
    python: PathBuf,
    dir: TempDir,
}

impl Logged {
    fn agents(kinds: &[&str]) -> Option<Self> {
        let Some(python) = std::env::var_os("BRICKYARD_TEST_PYTHON") else {
            eprintln!("not tried: BRICKYARD_TEST_PYTHON names no Python with mlflow");
            return None;
        };
        let dir = TempDir::new().expect("a folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests-python/log_agents.py");
        let output = Command::new(&python).arg(script).arg(dir.path()).args(kinds).output().expect("python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(Self { python: python.into(), dir })
    }

    async fn try_serve(&self, kind: &str, variables: &[(&str, &str)]) -> Result<Fake, StartError> {
        let dir = TempDir::new().expect("a folder");
        let spec = WorkerSpec {
            python: self.python.clone(),
            model_dir: self.dir.path().join(kind),
            host_url: "http://127.0.0.1:1".to_owned(),
            run_dir: dir.path().join("run"),
            environment: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Secret::from(*value)))
                .collect(),
            max_workers: 1,
            ..WorkerSpec::new("entity-1", "endpoint-1")
        };
        let logs = Arc::new(LogRing::new(Arc::new(SystemClock)));
        let pool = WorkerPool::start(spec, Some(numbered()), Arc::new(SystemEntropy), logs).await?;
        Ok(Fake { pool, dir })
    }

    async fn serve(&self, kind: &str, variables: &[(&str, &str)]) -> Fake {
        match self.try_serve(kind, variables).await {
            Ok(fake) => fake,
            Err(StartError::Load { traceback, .. }) => panic!("{traceback}"),
            Err(error) => panic!("{error}"),
        }
    }
}

fn ask(text: &str) -> Value {
    json!({"input": [{"role": "user", "content": text}]})
}

async fn said(fake: &Fake, text: &str) -> String {
    let job = Job { user_token: Some(BearerToken::new("users-token")), ..job(ask(text)) };
    let answer = fake.run(job).await.expect(text);
    answer["output"][0]["content"][0]["text"].as_str().expect("a text").to_owned()
}

async fn refused(fake: &Fake, job: Job) -> AgentError {
    match fake.run(job).await {
        // Whoever is told of the failure without the trace is told what was raised.
        Err(error @ PredictError::Agent(_)) if error.to_string().contains("unexpected error") => {
            let PredictError::Agent(agent) = &error else { panic!("{error:?}") };
            let trace = agent.stack_trace.as_deref().expect("a trace").trim_end();
            let raised: String = trace.lines().next_back().expect("a line").chars().take(300).collect();
            assert!(error.to_string().ends_with(&format!(" ({raised})")), "{error}");
            *agent.clone()
        }
        Err(PredictError::Agent(error)) => *error,
        other => panic!("{other:?}"),
    }
}

async fn streamed(fake: &Fake, body: Value) -> Vec<Value> {
    match fake.pool.predict(job(body)).await.expect("a stream") {
        Answer::Stream { chunks, .. } => {
            chunks
                .map(|chunk| serde_json::from_slice(&chunk.expect("a chunk")).expect("JSON"))
                .collect()
                .await
        }
        Answer::Json { body, .. } => panic!("{body:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_responses_agent_finds_every_credential_where_it_looks() {
    let Some(logged) = Logged::agents(&["responses", "outside"]) else { return };
    let model = LoggedModel::read(&logged.dir.path().join("responses")).expect("a model");
    assert_eq!(model.task.as_deref(), Some("agent/v1/responses"));
    assert_eq!(model.auth_policy.api_scopes, ["sql"]);

    let fake = logged.serve("responses", &[]).await;
    assert_eq!(fake.pool.ready().task.as_deref(), Some("agent/v1/responses"));
    assert!(fake.pool.ready().streamable);
    let (worker, pid) = fake.pool.pids()[0].clone();
    let system = format!("system token 1 of {worker}");
    if cfg!(target_os = "linux") {
        let started = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("a command line");
        assert!(started.contains("brickyard_template.py"), "forked, not started: {started}");
    }
    assert_eq!(said(&fake, "user, by ai-bridge").await, "Bearer users-token");
    assert_eq!(said(&fake, "user, by the sdk").await, "Bearer users-token");
    assert_eq!(said(&fake, "system, by the sdk").await, format!("Bearer {system}"));
    assert_eq!(said(&fake, "system, by mlflow").await, system);

    let nobody = refused(&fake, job(ask("user, by ai-bridge"))).await;
    assert_eq!(nobody.error_code, "BAD_REQUEST");
    assert!(
        nobody.stack_trace.expect("a trace").contains("Unable to detect credentials for user authorization")
    );

    let Err(StartError::Load { message, .. }) = logged.try_serve("outside", &[]).await else {
        panic!("it loads")
    };
    assert!(message.contains("Unable to detect credentials for user authorization"), "{message}");
    assert!(message.contains("outside of predict()"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_workers_throw_the_same_dice() {
    let Some(logged) = Logged::agents(&["responses"]) else { return };
    let fake = logged.serve("responses", &[]).await;
    let mut thrown = std::collections::HashSet::new();
    for deaths in 0..4 {
        assert!(thrown.insert(said(&fake, "chance").await), "{thrown:?}");
        let pid = nix::unistd::Pid::from_raw(i32::try_from(fake.pool.pids()[0].1).expect("a process id"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("killed");
        fake.until("another one is there", |stats| (stats.ready, stats.ended) == (1, deaths + 1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_responses_agent_answers_streams_and_refuses_as_the_scoring_server_does() {
    let Some(logged) = Logged::agents(&["responses"]) else { return };
    let fake = logged.serve("responses", &[]).await;
    let mut body = ask("hello");
    body["custom_inputs"] = json!({"k": 1});
    body["databricks_options"] = json!({"conversation_id": "c"});
    body["unknown"] = json!(true);
    let answer = fake.ask(body.clone()).await.expect("an answer");
    assert_eq!(answer["object"], "response");
    assert_eq!(answer["custom_outputs"], json!({"k": 1}));
    assert_eq!(answer.get("databricks_output"), None);

    body["stream"] = json!(true);
    let events = streamed(&fake, body.clone()).await;
    let types: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    let delta = "response.output_text.delta";
    assert_eq!(types, [delta, delta, delta, "response.output_item.done"]);

    let records = json!({"dataframe_records": [{"input": [{"role": "user", "content": "rows"}]}]});
    let answer = fake.ask(records).await.expect("an answer");
    assert_eq!(answer["predictions"]["output"][0]["content"][0]["text"], "you said rows");

    let schema = refused(&fake, job(json!({"input": "text"}))).await;
    assert_eq!(schema.error_code, "INVALID_PARAMETER_VALUE");
    assert!(
        schema
            .message
            .starts_with("Failed to predict data '{'input': 'text'}'. \nError: Failed to enforce schema")
    );
    let envelope: Value = serde_json::from_slice(&schema.body).expect("JSON");
    assert_eq!(
        (&envelope["sqlstate"], &envelope["error_class"]),
        (&json!("KAM01"), &json!("SCHEMA_ENFORCEMENT_FAILED"))
    );

    let neither = refused(&fake, job(json!({"question": 1}))).await;
    assert_eq!(neither.error_code, "BAD_REQUEST");
    assert!(
        neither
            .message
            .starts_with("The input must be a JSON dictionary with exactly one of the input fields")
    );
    let raised = refused(&fake, job(ask("raise"))).await;
    assert_eq!(raised.error_code, "BAD_REQUEST");
    assert!(raised.stack_trace.expect("a trace").contains("ValueError: the agent's own words"));
    // The author reads the log, and may not see the answer.
    fake.until("the trace is in the log", |_| {
        fake.pool.logs().text().contains("ValueError: the agent's own words")
    })
    .await;
    // A stream says whose fault it is: it has no room for the trace.
    let mut midway = ask("raise half way");
    midway["stream"] = json!(true);
    let Answer::Stream { chunks, .. } = fake.pool.predict(job(midway)).await.expect("a stream") else {
        panic!("no stream")
    };
    let chunks: Vec<_> = chunks.collect().await;
    let Some(Err(PredictError::Agent(error))) = chunks.last() else { panic!("{chunks:?}") };
    assert!(chunks.len() > 1);
    assert_eq!(error.message, "ValueError: the agent's own words, half way");
    let other = Job { content_type: Some("text/html".to_owned()), ..job(ask("x")) };
    let Err(PredictError::UnsupportedMediaType { message }) = fake.run(other).await else {
        panic!("HTML is read")
    };
    assert!(message.starts_with("This predictor only supports the following content types"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_is_returned_when_it_is_asked_for_and_tracing_is_on() {
    let Some(logged) = Logged::agents(&["responses"]) else { return };
    let fake = logged.serve("responses", &[("ENABLE_MLFLOW_TRACING", "true")]).await;
    let mut body = ask("hello");
    body["databricks_options"] = json!({"return_trace": true});
    let job = job(body.clone());
    let id = job.request_id.to_string();
    let answer = fake.run(job).await.expect("an answer");
    let output = &answer["databricks_output"];
    assert_eq!(output["databricks_request_id"], id.as_str());
    assert_eq!(output["trace"]["info"]["client_request_id"], id.as_str(), "{output}");
    assert!(!output["trace"]["data"]["spans"].as_array().expect("spans").is_empty());

    body["stream"] = json!(true);
    let events = streamed(&fake, body).await;
    let (last, rest) = events.split_last().expect("events");
    assert!(last["databricks_output"]["trace"]["info"].is_object(), "{last}");
    // A chunk that waited for the trace is not lost when the agent fails.
    let mut midway = ask("raise half way");
    midway["stream"] = json!(true);
    midway["databricks_options"] = json!({"return_trace": true});
    let Answer::Stream { chunks, .. } = fake.pool.predict(crate::fake::job(midway)).await.expect("a stream")
    else {
        panic!("no stream")
    };
    let chunks: Vec<_> = chunks.collect().await;
    assert!(chunks.len() == 6 && chunks[..5].iter().all(Result::is_ok), "{chunks:?}");
    assert!(rest.len() == 3 && rest.iter().all(|event| event.get("databricks_output").is_none()));
    assert_eq!(said(&fake, "plain").await, "you said plain");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_older_kind_of_agent_is_served_too() {
    let Some(logged) = Logged::agents(&["chat", "old chat", "plain", "silent"]) else { return };
    let messages = json!({"messages": [{"role": "user", "content": "hello"}]});
    let mut streaming = messages.clone();
    streaming["stream"] = json!(true);

    let chat = logged.serve("chat", &[("RETURN_REQUEST_ID_IN_RESPONSE", "true")]).await;
    assert_eq!(chat.pool.ready().task.as_deref(), Some("agent/v2/chat"));
    let answer = chat.ask(messages.clone()).await.expect("an answer");
    assert_eq!(answer["messages"][0]["content"], "you said hello");
    assert!(answer["databricks_output"]["databricks_request_id"].is_string());
    assert_eq!(streamed(&chat, streaming.clone()).await.len(), 3);
    drop(chat);

    let old = logged.serve("old-chat", &[]).await;
    assert_eq!(old.pool.ready().task.as_deref(), Some("agent/v1/chat"));
    let answer = old.ask(messages.clone()).await.expect("an answer");
    assert_eq!(answer["choices"][0]["message"]["content"], "you said hello");
    drop(old);

    let plain = logged.serve("plain", &[]).await;
    let body = json!({"dataframe_split": {"columns": ["q"], "data": [["a"], ["b"]]}, "params": {"depth": 3}});
    let answer = plain.ask(body).await.expect("an answer");
    assert_eq!(answer, json!({"predictions": [{"type": "DataFrame", "rows": 2, "params": {"depth": 3}}]}));
    let csv = Job { content_type: Some("text/csv".to_owned()), body: "q\na\n".into(), ..job(json!({})) };
    let answer = plain.run(csv).await.expect("an answer");
    assert_eq!(answer["predictions"][0]["rows"], 1);
    let chunks = streamed(&plain, json!({"inputs": ["a"], "stream": true})).await;
    assert_eq!(chunks, [json!({"first": 1}), json!("second")]);
    drop(plain);

    let silent = logged.serve("silent", &[]).await;
    let answer = silent.ask(json!({"inputs": [1]})).await.expect("an answer");
    assert_eq!(answer, json!({"predictions": [0, 1, 2]}));
    let error = refused(&silent, job(json!({"inputs": [1], "stream": true}))).await;
    assert_eq!(error.error_code, "BAD_REQUEST");
    assert!(error.message.contains("does not support streaming"), "{}", error.message);
}
