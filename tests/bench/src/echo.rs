//! The bare axum echo: the body comes back, nothing is checked, nothing is written down.

use std::error::Error;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::IntoResponse;
use axum::routing::post;
use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;

const JSON: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

/// Answers until it is ended.
#[tokio::main]
pub async fn serve(listen: &str) -> Result<(), Box<dyn Error>> {
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let router = Router::new()
        .route("/serving-endpoints/{name}/invocations", post(|body: Bytes| async { (JSON, body) }))
        // Behind `url:` entities: one that echoes, and one that says which user token came, for the check.
        .route("/invocations", post(|body: Bytes| async { (JSON, body) }))
        .route("/seen/invocations", post(seen));
    // What `axum::serve` does, which is behind features that would have DataFusion built twice.
    loop {
        let (connection, _) = listener.accept().await?;
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let connection = TokioIo::new(connection);
            // A connection that breaks is the client's affair.
            let _ =
                Builder::new(TokioExecutor::new()).serve_connection_with_upgrades(connection, service).await;
        });
    }
}

async fn seen(headers: HeaderMap) -> impl IntoResponse {
    let token =
        headers.get("x-forwarded-access-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    axum::Json(serde_json::json!({ "token": token }))
}
