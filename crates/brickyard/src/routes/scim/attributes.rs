//! From attributes as they were sent to changes: one attribute, one [`Edit`], whether it came in a create, a replace or a
//! patch. What has no effect here is refused by name.

use brickyard_types::PrincipalId;
use serde_json::{Map, Value};

use super::record::{Kind, id_of};
use super::{immutable, invalid_path, invalid_value, not_found};
use crate::errors::ApiError;

const LONGEST_TEXT: usize = 255;
const MOST_MEMBERS: usize = 10_000;

/// What happens to an attribute that holds several values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum How {
    Add,
    Replace,
    Remove,
}

/// One change to one record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Edit {
    /// The user name or application id: given to a new record, and the same ever after.
    Identifier(String),
    DisplayName(String),
    Active(bool),
    ExternalId(Option<String>),
    /// A user's addresses, which are the user name and nothing else.
    Addresses(Vec<String>),
    /// A group's members.
    Members(How, Vec<PrincipalId>),
    /// The groups that the record itself is in.
    Groups(How, Vec<PrincipalId>),
}

/// Reads a whole record, or the value of a patch without a path.
///
/// # Errors
/// For an attribute that is unknown, has no effect here, or has a value that cannot be.
pub(super) fn read_all(kind: Kind, how: How, object: Map<String, Value>) -> Result<Vec<Edit>, ApiError> {
    let named = object.keys().any(|name| name.eq_ignore_ascii_case("displayName"));
    let mut edits = Vec::new();
    for (name, value) in object {
        // A record that was read and is sent back has both; the display name is the one that is kept.
        if named && name.eq_ignore_ascii_case("name") {
            continue;
        }
        edits.extend(read(kind, how, &name, value)?);
    }
    Ok(edits)
}

/// Reads one attribute. `null` is as good as absent (RFC 7643 section 2.5).
///
/// # Errors
/// As [`read_all`].
pub(super) fn read(kind: Kind, how: How, name: &str, value: Value) -> Result<Option<Edit>, ApiError> {
    let principal = kind != Kind::Group;
    let edit = match name.to_ascii_lowercase().as_str() {
        // Read-only, and sent back by whoever read the record.
        "schemas" | "id" | "meta" | "$ref" => return Ok(None),
        _ if value.is_null() => return Ok(None),
        "username" if kind == Kind::User => Edit::Identifier(text("userName", value)?),
        "applicationid" if kind == Kind::ServicePrincipal => Edit::Identifier(text("applicationId", value)?),
        "displayname" => Edit::DisplayName(display_name("displayName", value)?),
        "name" if kind == Kind::User => match full_name(value)? {
            Some(name) => Edit::DisplayName(name),
            None => return Ok(None),
        },
        "active" if principal => Edit::Active(truth(&value)?),
        "externalid" => Edit::ExternalId(Some(text("externalId", value)?)),
        "emails" if kind == Kind::User => Edit::Addresses(addresses(value)?),
        "members" if kind == Kind::Group => Edit::Members(how, ids("members", value)?),
        "groups" => Edit::Groups(how, ids("groups", value)?),
        "entitlements" | "roles" if is_empty(&value) => return Ok(None),
        "entitlements" | "roles" => {
            return Err(invalid_path(format!("{name} are not emulated by brickyard: leave them out")));
        }
        _ => return Err(unsupported(kind, name)),
    };
    Ok(Some(edit))
}

/// Reads the removal of an attribute; `value` says which of several values, all without one.
///
/// # Errors
/// As [`read_all`], and for an attribute that every record has.
pub(super) fn remove(kind: Kind, name: &str, value: Option<Value>) -> Result<Option<Edit>, ApiError> {
    match (name.to_ascii_lowercase().as_str(), kind) {
        ("members", Kind::Group) => Ok(Some(match value {
            None | Some(Value::Null) => Edit::Members(How::Replace, Vec::new()),
            Some(value) => Edit::Members(How::Remove, ids("members", value)?),
        })),
        ("groups", _) => Ok(Some(match value {
            None | Some(Value::Null) => Edit::Groups(How::Replace, Vec::new()),
            Some(value) => Edit::Groups(How::Remove, ids("groups", value)?),
        })),
        ("externalid", _) => Ok(Some(Edit::ExternalId(None))),
        ("displayname", _) | ("username", Kind::User) | ("applicationid", Kind::ServicePrincipal) => {
            Err(immutable(format!("{name} cannot be removed")))
        }
        ("active", Kind::User | Kind::ServicePrincipal) => {
            Err(immutable("active cannot be removed: replace it with false"))
        }
        _ => Err(unsupported(kind, name)),
    }
}

/// The refusal that names the path.
pub(super) fn unsupported(kind: Kind, path: &str) -> ApiError {
    let path: String = path.chars().take(80).collect();
    invalid_path(format!("{path:?} is not an attribute of {} that can be changed here", kind.path()))
}

fn text(name: &str, value: Value) -> Result<String, ApiError> {
    match value {
        Value::String(text) if text.len() <= LONGEST_TEXT => Ok(text),
        Value::String(_) => Err(invalid_value(format!("{name} is longer than {LONGEST_TEXT} bytes"))),
        _ => Err(invalid_value(format!("{name} must be a string"))),
    }
}

fn display_name(name: &str, value: Value) -> Result<String, ApiError> {
    let text = text(name, value)?;
    // One line, so that it stays one wherever it is shown.
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(invalid_value(format!("{name} must be one line of text")));
    }
    Ok(text)
}

fn full_name(value: Value) -> Result<Option<String>, ApiError> {
    let Value::Object(mut parts) = value else { return Err(invalid_value("name must be an object")) };
    let mut part = |name: &str| -> Result<Option<String>, ApiError> {
        match parts.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => Ok(Some(text(name, value)?).filter(|text| !text.is_empty())),
        }
    };
    let (given, family, formatted) = (part("givenName")?, part("familyName")?, part("formatted")?);
    let full = match (given, family) {
        (Some(given), Some(family)) => Some(format!("{given} {family}")),
        (given, family) => given.or(family).or(formatted),
    };
    full.map(|full| display_name("name", Value::String(full))).transpose()
}

/// A boolean; some identity providers send it as text.
fn truth(value: &Value) -> Result<bool, ApiError> {
    match value {
        Value::Bool(truth) => Ok(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(invalid_value("active must be true or false")),
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

/// One value or several.
fn several(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        one => vec![one],
    }
}

fn addresses(value: Value) -> Result<Vec<String>, ApiError> {
    let address = |value: Value| match value {
        Value::Object(mut address) => match address.remove("value") {
            Some(value) => text("emails.value", value),
            None => Err(invalid_value("emails need a value each")),
        },
        _ => Err(invalid_value("emails must be objects with a value")),
    };
    several(value).into_iter().map(address).collect()
}

/// The ids of `[{"value": "<id>"}]`. A group that is there only by way of another one is not meant.
fn ids(name: &str, value: Value) -> Result<Vec<PrincipalId>, ApiError> {
    let values = several(value);
    if values.len() > MOST_MEMBERS {
        return Err(invalid_value(format!("{name} has more than {MOST_MEMBERS} values; send them in parts")));
    }
    let mut ids = Vec::with_capacity(values.len());
    for value in values {
        let Some(id) = value.get("value").and_then(Value::as_str) else {
            return Err(invalid_value(format!(
                "{name} must be objects with a value, which is an id in quotes"
            )));
        };
        if value.get("type").and_then(Value::as_str) != Some("indirect") {
            ids.push(id_of(id).ok_or_else(|| not_found("Principal", id))?);
        }
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn a_record_that_was_read_can_be_sent_back() {
        let read = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "7", "userName": "ana@example.com",
            "displayName": "Ana Lima", "name": {"givenName": "Ana", "familyName": "Lima"}, "active": true,
            "emails": [{"type": "work", "value": "ana@example.com", "primary": true}],
            "groups": [{"value": "1000001", "type": "direct"}, {"value": "1000002", "type": "indirect"}],
            "entitlements": [], "roles": [], "externalId": null, "meta": {"resourceType": "User"},
        });
        let mut edits = read_all(Kind::User, How::Replace, object(read)).expect("every attribute is known");
        edits.sort_by_key(|edit| format!("{edit:?}"));
        assert_eq!(
            edits,
            [
                Edit::Active(true),
                Edit::Addresses(vec!["ana@example.com".into()]),
                Edit::DisplayName("Ana Lima".into()),
                Edit::Groups(How::Replace, vec![PrincipalId(1_000_001)]),
                Edit::Identifier("ana@example.com".into()),
            ]
        );
    }

    #[test]
    fn a_name_in_parts_is_the_display_name_when_there_is_no_other() {
        for (name, expected) in [
            (json!({"givenName": "Ana", "familyName": "Lima"}), Some("Ana Lima")),
            (json!({"familyName": "Lima"}), Some("Lima")),
            (json!({"formatted": "Dr. Lima"}), Some("Dr. Lima")),
            (json!({}), None),
        ] {
            let edits = read_all(Kind::User, How::Replace, object(json!({ "name": name }))).expect("a name");
            assert_eq!(
                edits,
                expected.map(|text| Edit::DisplayName(text.into())).into_iter().collect::<Vec<_>>()
            );
        }
    }

    #[test]
    fn what_has_no_effect_or_no_meaning_is_refused_by_name() {
        for (kind, name, value, status) in [
            (Kind::User, "entitlements", json!([{"value": "allow-cluster-create"}]), 400),
            (Kind::User, "roles", json!("x"), 400),
            (Kind::User, "password", json!("x"), 400),
            (Kind::User, "applicationId", json!("x"), 400),
            (Kind::User, "members", json!([]), 400),
            (Kind::Group, "active", json!(true), 400),
            (Kind::Group, "userName", json!("x"), 400),
            (Kind::User, "active", json!("yes"), 400),
            (Kind::User, "active", json!(1), 400),
            (Kind::User, "displayName", json!(7), 400),
            (Kind::User, "displayName", json!("two\nlines"), 400),
            (Kind::User, "displayName", json!(" "), 400),
            (Kind::User, "displayName", json!("x".repeat(256)), 400),
            (Kind::User, "name", json!("Ana"), 400),
            (Kind::User, "emails", json!(["ana@example.com"]), 400),
            (Kind::Group, "members", json!(["7"]), 400),
            (Kind::Group, "members", json!([{"value": 7}]), 400),
            (Kind::Group, "members", json!([{"value": "x"}]), 404),
            (Kind::Group, "members", json!([{"value": "+7"}]), 404),
        ] {
            let error = read(kind, How::Add, name, value.clone()).expect_err(name);
            assert_eq!(error.status(), status, "{name} {value}: {error}");
        }
        let error = read(Kind::User, How::Add, "urn:custom:thing", json!(1)).expect_err("unknown");
        assert!(error.message().contains("urn:custom:thing"), "{error}");
    }
}
