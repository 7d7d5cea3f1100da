//! `PATCH` (RFC 7644 section 3.5.2): a list of operations, read as a whole before the first one has an effect.
//!
//! A path is an attribute, or one value of an attribute with several: `members[value eq "1000001"]`. Without a path the
//! value is an object of attributes. Every other path is refused, and the refusal names it.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::attributes::{Edit, How, read, read_all, remove, unsupported};
use super::filter::quoted;
use super::record::Kind;
use crate::errors::ApiError;

const MOST: usize = 1000;

fn refused(detail: &str) -> ApiError {
    ApiError::scim(StatusCode::BAD_REQUEST, "invalidSyntax", detail.to_owned())
}

/// Reads the operations of a patch.
///
/// # Errors
/// If one of them cannot be understood or has no effect here.
pub(super) fn read_patch(kind: Kind, mut body: Map<String, Value>) -> Result<Vec<Edit>, ApiError> {
    // Named `Operations`; some clients write it small.
    let operations = body.remove("Operations").or_else(|| body.remove("operations"));
    let Some(Value::Array(operations)) = operations else { return Err(refused("Operations must be a list")) };
    if operations.is_empty() || operations.len() > MOST {
        return Err(refused("Operations must have 1 to 1000 entries"));
    }
    let mut edits = Vec::new();
    for operation in operations {
        let Value::Object(operation) = operation else {
            return Err(refused("an operation must be an object"));
        };
        edits.extend(read_operation(kind, operation)?);
    }
    Ok(edits)
}

fn read_operation(kind: Kind, mut operation: Map<String, Value>) -> Result<Vec<Edit>, ApiError> {
    let Some(Value::String(op)) = operation.remove("op") else {
        return Err(refused("op must be add, replace or remove"));
    };
    let path = match operation.remove("path") {
        None | Some(Value::Null) => None,
        Some(Value::String(path)) if path.is_empty() => None,
        Some(Value::String(path)) => Some(path),
        Some(_) => return Err(refused("path must be a string")),
    };
    let value = operation.remove("value");
    let how = match op.to_ascii_lowercase().as_str() {
        "add" => How::Add,
        "replace" => How::Replace,
        "remove" => How::Remove,
        _ => return Err(refused("op must be add, replace or remove")),
    };
    let Some(path) = path else {
        return match (how, value) {
            (How::Remove, _) => {
                let detail = "remove needs a path";
                Err(ApiError::scim(StatusCode::BAD_REQUEST, "noTarget", detail))
            }
            (how, Some(Value::Object(value))) => read_all(kind, how, value),
            _ => Err(refused("an operation without a path needs an object of attributes as its value")),
        };
    };
    let Some((name, one)) = attribute_of(&path) else { return Err(unsupported(kind, &path)) };
    let edit = match (how, one) {
        (How::Remove, Some(id)) => remove(kind, name, Some(json!([{ "value": id }])))?,
        (How::Remove, None) => remove(kind, name, value)?,
        // One value of several can be taken out; nothing in it can be changed.
        (_, Some(_)) => return Err(unsupported(kind, &path)),
        (how, None) => match value {
            Some(value) if !value.is_null() => read(kind, how, name, value)?,
            _ => return Err(refused("value is missing")),
        },
    };
    Ok(edit.into_iter().collect())
}

/// The attribute that a path names, and the id in its brackets.
fn attribute_of(path: &str) -> Option<(&str, Option<String>)> {
    let path = match path.strip_prefix("urn:") {
        // urn:ietf:params:scim:schemas:core:2.0:User:active
        Some(qualified) => qualified.rsplit_once(':')?.1,
        None => path,
    };
    let Some((name, rest)) = path.split_once('[') else { return Some((path, None)) };
    let (attribute, rest) = rest.trim_start().split_once(' ')?;
    let (operator, rest) = rest.trim_start().split_once(' ')?;
    if !attribute.eq_ignore_ascii_case("value") || !operator.eq_ignore_ascii_case("eq") {
        return None;
    }
    let rest = rest.trim_start();
    let (id, rest) = if rest.starts_with('"') { quoted(rest)? } else { return None };
    (rest.trim_start() == "]").then_some((name, Some(id)))
}

#[cfg(test)]
mod tests {
    use brickyard_types::PrincipalId;

    use super::*;

    fn patch(kind: Kind, operations: Value) -> Result<Vec<Edit>, ApiError> {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": operations,
        });
        read_patch(kind, body.as_object().expect("an object").clone())
    }

    #[test]
    fn each_operation_is_read_as_it_was_meant() {
        let seven = || vec![PrincipalId(7)];
        for (kind, operation, edits) in [
            (
                Kind::User,
                json!({"op": "replace", "path": "active", "value": false}),
                vec![Edit::Active(false)],
            ),
            (
                Kind::User,
                json!({"op": "Replace", "path": "active", "value": "False"}),
                vec![Edit::Active(false)],
            ),
            (
                Kind::User,
                json!({"op": "replace", "value": {"active": true, "displayName": "Ana"}}),
                vec![Edit::Active(true), Edit::DisplayName("Ana".into())],
            ),
            (
                Kind::User,
                json!({"op": "add", "path": "displayName", "value": "Ana"}),
                vec![Edit::DisplayName("Ana".into())],
            ),
            (
                Kind::User,
                json!({"op": "add", "path": "urn:ietf:params:scim:schemas:core:2.0:User:active", "value": true}),
                vec![Edit::Active(true)],
            ),
            (
                Kind::Group,
                json!({"op": "add", "path": "members", "value": [{"value": "7"}]}),
                vec![Edit::Members(How::Add, seven())],
            ),
            (
                Kind::Group,
                json!({"op": "add", "path": "members", "value": {"value": "7"}}),
                vec![Edit::Members(How::Add, seven())],
            ),
            (
                Kind::Group,
                json!({"op": "add", "value": {"members": [{"value": "7"}]}}),
                vec![Edit::Members(How::Add, seven())],
            ),
            (
                Kind::Group,
                json!({"op": "replace", "path": "members", "value": []}),
                vec![Edit::Members(How::Replace, vec![])],
            ),
            (
                Kind::Group,
                json!({"op": "remove", "path": "members[value eq \"7\"]"}),
                vec![Edit::Members(How::Remove, seven())],
            ),
            (
                Kind::Group,
                json!({"op": "remove", "path": "members", "value": [{"value": "7"}]}),
                vec![Edit::Members(How::Remove, seven())],
            ),
            (
                Kind::Group,
                json!({"op": "remove", "path": "members"}),
                vec![Edit::Members(How::Replace, vec![])],
            ),
            (
                Kind::ServicePrincipal,
                json!({"op": "add", "path": "groups", "value": [{"value": "7"}]}),
                vec![Edit::Groups(How::Add, seven())],
            ),
            (
                Kind::User,
                json!({"op": "remove", "path": "groups[value eq \"7\"]"}),
                vec![Edit::Groups(How::Remove, seven())],
            ),
            (Kind::User, json!({"op": "remove", "path": "externalId"}), vec![Edit::ExternalId(None)]),
            (Kind::User, json!({"op": "add", "path": "entitlements", "value": []}), vec![]),
        ] {
            let mut read =
                patch(kind, json!([operation])).unwrap_or_else(|error| panic!("{operation}: {error}"));
            read.sort_by_key(|edit| format!("{edit:?}"));
            assert_eq!(read, edits, "{operation}");
        }
    }

    #[test]
    fn a_path_that_is_not_supported_is_named_in_the_refusal() {
        for (kind, path) in [
            (Kind::User, "name.givenName"),
            (Kind::User, "emails[type eq \"work\"].value"),
            (Kind::User, "members"),
            (Kind::Group, "members[display eq \"x\"]"),
            (Kind::Group, "members[value eq 7]"),
            (Kind::Group, "members[value eq \"7\"].display"),
            (Kind::Group, "members[value eq \"7\""),
            (Kind::Group, "active"),
            (Kind::ServicePrincipal, "userName"),
            (Kind::User, "nothing"),
            (Kind::User, "["),
        ] {
            for op in ["add", "replace", "remove"] {
                let error = patch(kind, json!([{"op": op, "path": path, "value": "x"}])).expect_err(path);
                assert_eq!(error.status(), 400, "{op} {path}");
                let shown = format!("{path:?}");
                assert!(error.message().contains(&shown), "{op} {path}: {error}");
            }
        }
    }

    #[test]
    fn operations_without_sense_are_refused_before_any_has_an_effect() {
        for operations in [
            json!(null),
            json!([]),
            json!({}),
            json!(["x"]),
            json!([{"path": "active", "value": true}]),
            json!([{"op": "move", "path": "active", "value": true}]),
            json!([{"op": 1, "path": "active", "value": true}]),
            json!([{"op": "replace", "path": 7, "value": true}]),
            json!([{"op": "replace", "path": "active"}]),
            json!([{"op": "replace", "value": true}]),
            json!([{"op": "replace"}]),
            json!([{"op": "remove"}]),
            json!([{"op": "remove", "path": "userName"}]),
            json!([{"op": "remove", "path": "active"}]),
            json!([{"op": "replace", "path": "active", "value": true}, {"op": "x"}]),
            Value::Array(vec![json!({"op": "replace", "path": "active", "value": true}); MOST + 1]),
        ] {
            assert_eq!(patch(Kind::User, operations).expect_err("no sense").status(), 400);
        }
    }
}
