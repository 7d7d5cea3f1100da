//! Connections: a type and its options. Nothing that is secret is kept in plain text.

use std::collections::BTreeMap;

use brickyard_catalog::unity::{ConnectionDetail, Detail, NewObject, Object, ObjectKind, UnityError};

use crate::error::SqlError;
use crate::run::{Rows, Run, no_rows};
use crate::statement::{CreateConnection, OptionValue};

impl Run<'_> {
    pub(crate) async fn create_connection(&self, create: CreateConnection) -> Result<Rows, SqlError> {
        let kind = ObjectKind::Connection;
        let path = self.path(kind, &create.name)?;
        let permit = self.may_create(kind, &path)?;
        if self.existing(kind, &path).is_some() {
            if create.if_not_exists {
                return Ok(no_rows());
            }
            return Err(UnityError::AlreadyExists { kind, name: path.to_string() }.into());
        }
        let detail = ConnectionDetail {
            connection_type: create.connection_type.to_uppercase(),
            options: plain(create.options)?,
            sealed: BTreeMap::new(),
        };
        let new = NewObject {
            name: path.last().to_owned(),
            uid: self.new_uid(),
            comment: create.comment,
            properties: BTreeMap::new(),
            detail: Detail::Connection(detail),
            at: self.sql.clock.now(),
        };
        self.sql.catalog.create_object(&permit, new).await?;
        Ok(no_rows())
    }

    /// `ALTER CONNECTION .. OPTIONS (..)`.
    pub(crate) fn connection_with(
        &self,
        object: &Object,
        options: Vec<(String, OptionValue)>,
    ) -> Result<Detail, SqlError> {
        let Some(detail) = object.connection() else {
            return Err(SqlError::unsupported(format_args!("OPTIONS of {}", object.full_name)));
        };
        let mut detail = detail.clone();
        detail.options = plain(options)?;
        Ok(Detail::Connection(detail))
    }
}

/// Options that may be seen by anybody who sees the connection.
fn plain(options: Vec<(String, OptionValue)>) -> Result<BTreeMap<String, String>, SqlError> {
    let mut plain = BTreeMap::new();
    for (name, value) in options {
        match value {
            OptionValue::Literal(value) if !is_secret(&name) => plain.insert(name, value),
            _ => {
                return Err(SqlError::unsupported(format_args!(
                    "the secret option '{name}' of a connection in SQL: make the connection in the configuration"
                )));
            }
        };
    }
    Ok(plain)
}

/// Names of options whose values let somebody in.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["password", "secret", "token", "credential", "private_key", "passphrase", "api_key", "apikey", "jwt", "pem"]
        .iter()
        .any(|word| name.contains(word))
        // Where tokens come from is no secret.
        && !matches!(name.as_str(), "token_endpoint" | "authorization_endpoint" | "oauth_credential_exchange_method")
}
