//! The list of routes, twice: `fidelity` as a table, `openapi.json` for tools. Both are made from the tables of the route
//! files, so neither can know a route that the others do not.

use axum::Json;
use serde_json::{Map, Value, json};

use super::admin;
use crate::access::Access;
use crate::errors::ApiError;
use crate::routes::fidelity::{ANY_SCOPE, Level, OPEN, Row, TABLES, rows};

/// `GET /_brickyard/fidelity`.
pub(super) async fn fidelity(access: Access) -> Result<Json<Value>, ApiError> {
    admin(&access)?;
    Ok(Json(table(&rows(TABLES))))
}

/// `GET /_brickyard/openapi.json`.
pub(super) async fn document(access: Access) -> Result<Json<Value>, ApiError> {
    admin(&access)?;
    Ok(Json(openapi(&rows(TABLES))))
}

fn table(rows: &[Row]) -> Value {
    let mut counts = Map::new();
    for level in Level::ALL {
        counts.insert(level.as_str().to_owned(), rows.iter().filter(|row| row.level == level).count().into());
    }
    let routes: Vec<Value> = (rows.iter())
        .map(|row| json!({"method": row.method, "path": row.path, "level": row.level.as_str(), "scope": row.scope}))
        .collect();
    json!({"routes": routes, "counts": counts})
}

/// An OpenAPI 3.1 document: paths, methods, path parameters, who may call. The bodies are Databricks' own and are not
/// described again. Whole families that are refused (`ANY`) have no operation to describe.
fn openapi(rows: &[Row]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for row in rows.iter().filter(|row| row.method != "ANY") {
        let path = row.path.replace("{*", "{");
        let item = paths.entry(path.clone()).or_insert_with(|| json!({}));
        item[row.method.to_ascii_lowercase()] = operation(row, &path);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "brickyard",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The routes of Databricks' REST API that brickyard emulates, and its own under /_brickyard/. \
                            x-brickyard-fidelity says how well: real, shape_only or refused.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A personal access token, or an access token of /oidc/v1/token. A requirement names the API scope.",
                }
            },
            "schemas": {
                "Error": {
                    "type": "object",
                    "properties": {"error_code": {"type": ["string", "integer"]}, "message": {"type": "string"}},
                    "required": ["error_code", "message"],
                }
            },
        },
    })
}

fn operation(row: &Row, path: &str) -> Value {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> = names
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    let failure = json!({"description": "Refused or failed", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}});
    let mut responses = Map::new();
    match row.level {
        Level::Refused => {
            responses.insert("501".to_owned(), json!({"description": "Not emulated by brickyard"}))
        }
        Level::Real | Level::ShapeOnly => responses.insert("2XX".to_owned(), json!({"description": "Done"})),
    };
    responses.insert("default".to_owned(), failure);
    let mut operation = json!({
        "operationId": operation_id(row.method, path),
        "responses": responses,
        "security": match row.scope {
            OPEN => json!([]),
            ANY_SCOPE => json!([{"bearer": []}]),
            scope => json!([{"bearer": [scope]}]),
        },
        "x-brickyard-fidelity": row.level.as_str(),
    });
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    operation
}

/// Unique because method and path are, in the letters that every generator takes.
fn operation_id(method: &str, path: &str) -> String {
    let mut id = method.to_ascii_lowercase();
    for part in path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        id.push('_');
        id.push_str(part);
    }
    // Databricks serves some routes with and without a slash at their end.
    if path.len() > 1 && path.ends_with('/') {
        id.push_str("_slash");
    }
    id
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_document_is_one_that_tools_can_read() {
        let document = openapi(&rows(TABLES));
        let (mut ids, mut shapes) = (HashSet::new(), HashSet::new());
        let paths = document["paths"].as_object().expect("paths");
        for (path, item) in paths {
            // Two templates that differ only in the names of their parameters are the same path.
            let shape: Vec<&str> =
                path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect();
            assert!(shapes.insert(shape.join("/")), "{path} is there twice");
            for (method, operation) in item.as_object().expect("operations") {
                assert!(["get", "post", "put", "patch", "delete"].contains(&method.as_str()), "{method}");
                let id = operation["operationId"].as_str().expect("an id");
                assert!(ids.insert(id.to_owned()), "{id} is there twice");
                assert!(!operation["responses"].as_object().expect("responses").is_empty());
                let named = path.matches('{').count();
                let declared = operation["parameters"].as_array().map_or(0, Vec::len);
                assert_eq!(named, declared, "{path}");
            }
        }
        let explain = &document["paths"]["/_brickyard/explain/{request_id}"]["get"];
        assert_eq!(explain["security"], json!([{"bearer": ["all-apis"]}]));
        assert_eq!(explain["parameters"][0]["name"], "request_id");
    }

    #[test]
    fn the_table_counts_what_it_lists() {
        let rows = rows(TABLES);
        let table = table(&rows);
        let counted: u64 =
            table["counts"].as_object().expect("counts").values().filter_map(Value::as_u64).sum();
        assert_eq!(usize::try_from(counted).expect("a small number"), rows.len());
    }
}
