//! Promises of the stack alone; those that need a socket are in `accept/tests.rs`.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::{get, post};
use brickyard_types::SeededEntropy;
use futures_util::stream;
use tower::ServiceExt;

use super::*;
use crate::errors::ApiError;

fn parts() -> StackParts {
    StackParts {
        entropy: Arc::new(SeededEntropy::new(7)),
        limits: HttpLimits { own_hosts: vec!["localhost:8080".into()], ..HttpLimits::default() },
        last_call: CancellationToken::new(),
    }
}

async fn ask(router: Router, request: Request<Body>) -> (StatusCode, axum::http::HeaderMap, String) {
    let Ok(response) = stack(router, parts()).oneshot(request).await;
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    (head.status, head.headers, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn every_answer_has_its_own_id_and_a_refusal_says_it_twice() {
    let router = || {
        Router::new()
            .route("/no", get(async || ApiError::permission_denied("no")))
            .fallback(crate::errors::no_api)
    };
    let mut seen = std::collections::HashSet::new();
    let stack = stack(router(), parts());
    for (path, explained) in [("/no", true), ("/nothing", false)] {
        let request =
            Request::get(path).header("host", "h").header("x-request-id", "mine").body(Body::empty());
        let Ok(response) = stack.clone().oneshot(request.expect("a request")).await;
        let id = response.headers()["x-request-id"].to_str().expect("text").to_owned();
        let explain =
            response.headers().get("x-brickyard-explain").map(|v| v.to_str().expect("text").to_owned());
        assert_eq!(explain, explained.then(|| format!("/_brickyard/explain/{id}")));
        let body = axum::body::to_bytes(response.into_body(), 4096).await.expect("a body");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(body["details"][0]["request_id"], id.as_str());
        assert!(seen.insert(id));
    }
}

#[tokio::test]
async fn a_json_body_is_read_strictly_and_refused_in_the_envelope() {
    let router = || {
        Router::new()
            .route("/", post(async |json::Json(body): json::Json<serde_json::Value>| body.to_string()))
    };
    for (content_type, body, expected) in [
        (Some("application/json"), "{\"a\":1}", 200),
        (Some("application/json"), "{\"a\":1,\"a\":2}", 400),
        (Some("application/json"), "", 400),
        (Some("text/plain"), "{}", 415),
        (None, "{}", 415),
    ] {
        let mut request = Request::post("/").header("host", "h");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let (status, headers, text) = ask(router(), request.body(body.into()).expect("a request")).await;
        assert_eq!(status, expected, "{content_type:?} {body:?} {text}");
        assert!(
            expected == 200
                || (text.contains("\"error_code\"") && headers["content-type"] == "application/json")
        );
    }
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_the_stream() {
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let gone = Arc::new(AtomicBool::new(false));
    let flag = gone.clone();
    let router = Router::new().route(
        "/",
        get(async move || {
            sse::sse(stream::unfold(Flag(flag.clone()), |flag| async {
                Some((Ok::<_, ApiError>(Bytes::from("1")), flag))
            }))
        }),
    );
    let request = Request::get("/").header("host", "h").body(Body::empty()).expect("a request");
    let Ok(response) = stack(router, parts()).oneshot(request).await;
    let mut body = response.into_body();
    http_body_util::BodyExt::frame(&mut body).await.expect("a frame").expect("data");
    assert!(!gone.load(Ordering::SeqCst));
    drop(body);
    assert!(gone.load(Ordering::SeqCst));
}
