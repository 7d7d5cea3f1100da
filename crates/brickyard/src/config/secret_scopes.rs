//! `secret_scopes:`: scopes, the secrets in them, and who may read them.

use std::collections::HashMap;

use brickyard_types::{Secret, SecretKey, SecretRef, SecretScopeName};

use super::directory::{self, Directory, PrincipalRef};
use super::fields::{Fields, nearest};
use super::files::{Merged, folder_of};
use super::permissions::PermissionEntry;
use super::problem::{Place, Problems};
use super::secret_source::{self, Environment};

/// What somebody may do with a secret scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopePermission {
    /// Read secrets.
    Read,
    /// Write them too.
    Write,
    /// Change the ACL too.
    Manage,
}

/// One secret.
#[derive(Debug, Clone)]
pub struct SecretConfig {
    /// Its key.
    pub key: SecretKey,
    /// Its value.
    pub value: Secret,
}

/// One scope.
#[derive(Debug, Clone)]
pub struct SecretScopeConfig {
    /// Its name.
    pub scope: SecretScopeName,
    /// What is in it.
    pub secrets: Vec<SecretConfig>,
    /// Who may do what; workspace admins need no entry.
    pub acls: Vec<PermissionEntry<ScopePermission>>,
}

/// Which secrets there are, for the references to them. Holds those whose value could not be read, too: one
/// mistake is one problem.
#[derive(Default)]
pub(super) struct SecretNames(HashMap<String, Vec<String>>);

impl SecretNames {
    /// Notes at `place` what is missing, if the secret does not exist.
    pub(super) fn expect(&self, place: &Place, wanted: &SecretRef, problems: &Problems) {
        let scope = wanted.scope.as_str().to_ascii_lowercase();
        match self.0.get(&scope) {
            None => {
                let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
                problems.at(
                    place,
                    format!("no secret scope {} in the configuration{}", wanted.scope, hint(&scope, &known)),
                );
            }
            Some(keys) if !keys.iter().any(|key| key == wanted.key.as_str()) => {
                let known: Vec<&str> = keys.iter().map(String::as_str).collect();
                let hint = hint(wanted.key.as_str(), &known);
                problems.at(place, format!("no secret {} in the scope {}{hint}", wanted.key, wanted.scope));
            }
            Some(_) => {}
        }
    }
}

fn hint(name: &str, known: &[&str]) -> String {
    nearest(name, known).map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

/// Reads the section.
pub(super) fn read(
    merged: &Merged,
    directory: &Directory,
    environment: &dyn Environment,
    problems: &Problems,
) -> (Vec<SecretScopeConfig>, SecretNames) {
    let (mut scopes, mut names) = (Vec::new(), SecretNames::default());
    for node in directory::items(merged, "secret_scopes", problems) {
        let Some(fields) = Fields::of(node, &["scope", "secrets", "acls"], problems) else { continue };
        let (mut secrets, mut keys) = (Vec::new(), Vec::new());
        for node in fields.list("secrets") {
            let Some(fields) = Fields::of(node, &["key", "value", "env", "file"], problems) else { continue };
            let value = secret_source::read(&fields, &folder_of(&node.place), environment);
            let Some(key) = fields.required::<SecretKey>("key") else { continue };
            if keys.iter().any(|other| other == key.as_str()) {
                fields.refuse("key", format!("the key {key} is listed twice"));
                continue;
            }
            keys.push(key.as_str().to_owned());
            secrets.extend(value.map(|value| SecretConfig { key, value }));
        }
        let acls = read_acls(&fields, directory, problems);
        let Some(scope) = fields.required::<SecretScopeName>("scope") else { continue };
        // Databricks' scope names ignore case.
        if names.0.insert(scope.as_str().to_ascii_lowercase(), keys).is_some() {
            fields.refuse("scope", format!("the scope {scope} is listed twice"));
        } else {
            scopes.push(SecretScopeConfig { scope, secrets, acls });
        }
    }
    (scopes, names)
}

fn read_acls(
    scope: &Fields<'_>,
    directory: &Directory,
    problems: &Problems,
) -> Vec<PermissionEntry<ScopePermission>> {
    const WORDS: [(&str, ScopePermission); 3] = [
        ("READ", ScopePermission::Read),
        ("WRITE", ScopePermission::Write),
        ("MANAGE", ScopePermission::Manage),
    ];
    let mut acls: Vec<PermissionEntry<ScopePermission>> = Vec::new();
    for node in scope.list("acls") {
        let Some(fields) = Fields::of(node, &["principal", "permission"], problems) else { continue };
        let level = fields.present("permission").and_then(|_| fields.word("permission", &WORDS));
        let Some(name) = fields.present("principal").and_then(|_| fields.text("principal")) else { continue };
        let Some(principal): Option<PrincipalRef> =
            directory.expect(&fields.place_of("principal"), name, problems)
        else {
            continue;
        };
        if acls.iter().any(|entry| entry.principal == principal) {
            fields.refuse("principal", format!("{name:?} has an entry already"));
        } else if let Some(level) = level {
            acls.push(PermissionEntry { principal, level });
        }
    }
    acls
}
