//! The caller's token is there during the request, for what the request started, and for nothing else.

use brickyard_agents::{Job, PredictError};
use brickyard_types::{BearerToken, Secret};
use serde_json::{Value, json};

use crate::fake::{Fake, job, start, try_start};

async fn as_user(fake: &Fake, user: &str, what: &str) -> Result<Value, PredictError> {
    fake.run(Job { user_token: Some(BearerToken::new(user)), ..job(json!({"do": what})) }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_lookups_work_from_every_thread_that_serves_the_request() {
    let fake = start(|spec| spec.environment.push(("FAKE_OLDER_THREAD".to_owned(), Secret::from("1")))).await;
    for user in ["ana", "bob", "ana"] {
        let seen = as_user(&fake, user, "threads").await.expect("an answer");
        assert_eq!(seen, json!({"thread": user, "pool": user, "older thread": user, "main thread": user}));
    }
    let seen = fake.ask(json!({"do": "threads"})).await.expect("an answer");
    assert_eq!(seen, json!({"thread": null, "pool": null, "older thread": null, "main thread": null}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_left_behind_never_sees_the_next_callers_token() {
    let fake = start(|_| {}).await;
    as_user(&fake, "ana", "leave a thread behind").await.expect("an answer");
    let seen = as_user(&fake, "bob", "ask the thread left behind").await.expect("an answer");
    assert_eq!(seen, json!({"left behind": null, "own": "bob"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_user_token_is_there_while_the_model_is_loaded() {
    let start =
        try_start(|spec| spec.environment.push(("FAKE_LOAD".to_owned(), Secret::from("raise"))), None).await;
    let Err((error, dir)) = start else { panic!("it cannot load") };
    assert_eq!(
        error.to_string(),
        "the model could not be loaded: RuntimeError: the model's own words; user token: None"
    );
    let left: Vec<_> = std::fs::read_dir(dir.path().join("run")).expect("there").flatten().collect();
    assert_eq!(left.len(), 1, "only the script is left: {left:?}");
}
