//! The registered models of the configuration, as `mlflow` and `databricks.agents` read them from Unity Catalog: their
//! files, below `/Models/<catalog>/<schema>/<model>/<version>`. Registering by REST is not emulated.
//!
//! Shapes: mlflow 3.17 `databricks_sdk_models_artifact_repo.py`, databricks-sdk `service/files.py`.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, LAST_MODIFIED};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use brickyard_catalog::family;
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::fidelity::Level;
use super::not_emulated::FILES;
use crate::access::{Access, Guard};
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

const BY_SDK: &str =
    "/api/2.0/mlflow/unity-catalog/registered-models:is-databricks-sdk-models-artifact-repository-enabled";

/// How true these routes are.
pub const FIDELITY: &[(&str, Level, &str)] = &[
    (
        "GET /api/2.0/mlflow/unity-catalog/registered-models:is-databricks-sdk-models-artifact-repository-enabled",
        Level::Real,
        "mlflow",
    ),
    // No lineage is kept but the ledger's.
    ("POST /api/2.0/mlflow/unity-catalog/model-versions/emit-lineage", Level::ShapeOnly, "mlflow"),
    ("GET /api/2.0/fs/directories/Models/{*rest}", Level::Real, "files"),
    ("GET /api/2.0/fs/files/Models/{*rest}", Level::Real, "files"),
];

/// The routes.
pub fn routes(workspace: &Arc<Workspace>) -> Router {
    let guarded = |family| Guard { workspace: Arc::clone(workspace), family };
    let registry = Router::new()
        .route(BY_SDK, get(by_sdk))
        .route("/api/2.0/mlflow/unity-catalog/model-versions/emit-lineage", post(lineage))
        .route_layer(guarded(&family::MLFLOW));
    let files = Router::new()
        .route("/api/2.0/fs/directories/Models/{*rest}", get(directory))
        .route("/api/2.0/fs/files/Models/{*rest}", get(file))
        .route_layer(guarded(&FILES));
    registry.merge(files).with_state(Arc::clone(workspace))
}

/// A model's files are read through the Files API, and not from a cloud's storage.
async fn by_sdk(_: Access) -> Json<Value> {
    Json(json!({ "is_databricks_sdk_models_artifact_repository_enabled": true }))
}

#[derive(Deserialize)]
struct Lineage {
    name: String,
    version: Value,
}

async fn lineage(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(body): StrictJson<Lineage>,
) -> Result<Json<Value>, ApiError> {
    let version = body.version.as_str().map_or_else(|| body.version.to_string(), str::to_owned);
    folder(&workspace, &access, &body.name, &version)?;
    Ok(Json(json!({})))
}

async fn directory(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(rest): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let path = find(&workspace, &access, &rest)?;
    let mut entries = tokio::fs::read_dir(&path).await.map_err(|_| nothing(&rest))?;
    let mut contents = Vec::new();
    while let Ok(Some(entry)) = entries.next_entry().await {
        let (name, known) = (entry.file_name().to_string_lossy().into_owned(), entry.metadata().await);
        // A link may lead outside; it is followed nowhere, so it is not shown either.
        let Ok(known) = known else { continue };
        if !known.is_dir() && !known.is_file() {
            continue;
        }
        let mut shown = json!({
            "path": format!("/Models/{}/{name}", rest.trim_matches('/')),
            "name": name,
            "is_directory": known.is_dir(),
        });
        if known.is_file() {
            shown["file_size"] = known.len().into();
        }
        contents.push((name, shown));
    }
    contents.sort_by(|one, other| one.0.cmp(&other.0));
    let contents: Vec<_> = contents.into_iter().map(|(_, shown)| shown).collect();
    Ok(Json(json!({ "contents": contents })))
}

async fn file(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(rest): Path<String>,
) -> Result<Response, ApiError> {
    let path = find(&workspace, &access, &rest)?;
    let file = tokio::fs::File::open(&path).await.map_err(|_| nothing(&rest))?;
    let known = file.metadata().await.map_err(|_| nothing(&rest))?;
    if !known.is_file() {
        return Err(nothing(&rest));
    }
    // Weights are larger than anybody's memory.
    let chunks = stream::try_unfold(file, |mut file| async move {
        let mut chunk = vec![0; 64 << 10];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(chunk), file)))
    });
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_LENGTH, known.len().to_string()),
        (LAST_MODIFIED, workspace.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// `<catalog>/<schema>/<model>/<version>/<path>` as a path of this machine, inside the model's folder.
fn find(workspace: &Workspace, access: &Access, rest: &str) -> Result<PathBuf, ApiError> {
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let [catalog, schema, model, version, inner @ ..] = &parts[..] else { return Err(nothing(rest)) };
    let root = folder(workspace, access, &format!("{catalog}.{schema}.{model}"), version)?;
    inside(&root, inner).ok_or_else(|| nothing(rest))
}

/// What is there, and is not led outside by a name or a link.
fn inside(root: &FilePath, inner: &[&str]) -> Option<PathBuf> {
    let root = root.canonicalize().ok()?;
    let path = root.join(inner.iter().collect::<PathBuf>()).canonicalize().ok()?;
    path.starts_with(&root).then_some(path)
}

/// The folder of a model version, for those who may execute it.
fn folder(workspace: &Workspace, access: &Access, name: &str, version: &str) -> Result<PathBuf, ApiError> {
    if let Some(missing) = workspace.serving.model_lacks(access.caller().principal(), name) {
        missing.trace.iter().for_each(|trace| access.record(trace.clone()));
        return Err(ApiError::permission_denied(missing.reason));
    }
    let models = workspace.serving.registered_models();
    let found = models.into_iter().find(|known| known.name == name && known.version == version);
    found.map(|known| known.source).ok_or_else(|| {
        ApiError::does_not_exist(format!("Model '{name}' version '{version}' does not exist."))
    })
}

fn nothing(rest: &str) -> ApiError {
    let rest: String = rest.chars().take(200).collect();
    ApiError::does_not_exist(format!("No file or directory exists on path /Models/{rest}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_the_models_folder_is_found() {
        let all = tempfile::tempdir().expect("a folder");
        let root = all.path().join("model");
        std::fs::create_dir_all(root.join("code")).expect("made");
        std::fs::write(all.path().join("key"), "secret").expect("written");
        std::fs::write(root.join("MLmodel"), "").expect("written");
        std::os::unix::fs::symlink(all.path().join("key"), root.join("link")).expect("linked");
        for (inner, found) in [
            (&["MLmodel"][..], true),
            (&["code"], true),
            (&[], true),
            (&["code", "..", "MLmodel"], true),
            (&["..", "key"], false),
            (&["link"], false),
            (&["/etc/passwd"], false),
            (&["nothing"], false),
        ] {
            assert_eq!(inside(&root, inner).is_some(), found, "{inner:?}");
        }
    }
}
