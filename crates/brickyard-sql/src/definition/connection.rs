//! Connections: a type and its options. Nothing that is secret is kept in plain text.

use std::collections::BTreeMap;

use brickyard_catalog::ReadSecret;
use brickyard_catalog::unity::{ConnectionDetail, Detail, NewObject, Object, ObjectKind, UnityError};
use brickyard_types::{Secret, SecretRef};

use crate::error::SqlError;
use crate::outside::{CONNECTION_TYPES, PUBLIC_OPTIONS};
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
        let connection_type = create.connection_type.to_uppercase();
        if !CONNECTION_TYPES.contains(&connection_type.as_str()) {
            return Err(wrong(format!("{connection_type} is no type of connection.")));
        }
        let uid = self.new_uid();
        let mut detail =
            ConnectionDetail { connection_type, options: BTreeMap::new(), sealed: BTreeMap::new() };
        self.take_options(&uid, create.options, &mut detail)?;
        let has_host = detail.options.keys().any(|name| name.eq_ignore_ascii_case("host"));
        if detail.connection_type == "HTTP" && !has_host {
            return Err(wrong("A connection of type HTTP needs the option host.".to_owned()));
        }
        let new = NewObject {
            name: path.last().to_owned(),
            uid,
            comment: create.comment,
            properties: BTreeMap::new(),
            detail: Detail::Connection(detail),
            at: self.sql.clock.now(),
        };
        match self.sql.catalog.create_object(&permit, new).await {
            Err(UnityError::AlreadyExists { .. }) if create.if_not_exists => Ok(no_rows()),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(no_rows()),
        }
    }

    /// `ALTER CONNECTION .. OPTIONS (..)`. Options that are not named stay as they are: nobody can write down again a
    /// secret that is never shown.
    pub(crate) fn connection_with(
        &self,
        object: &Object,
        options: Vec<(String, OptionValue)>,
    ) -> Result<Detail, SqlError> {
        let Some(detail) = object.connection() else {
            return Err(SqlError::unsupported(format_args!("OPTIONS of {}", object.full_name)));
        };
        let mut detail = detail.clone();
        self.take_options(&object.uid, options, &mut detail)?;
        Ok(Detail::Connection(detail))
    }

    /// Sorts options into what is shown and what is sealed. A value that came out of a secret scope is always sealed.
    fn take_options(
        &self,
        connection: &str,
        options: Vec<(String, OptionValue)>,
        detail: &mut ConnectionDetail,
    ) -> Result<(), SqlError> {
        for (name, value) in options {
            let public = PUBLIC_OPTIONS.contains(&name.to_ascii_lowercase().as_str());
            let value = match value {
                OptionValue::Literal(value) if public => {
                    detail.options.insert(name, value);
                    continue;
                }
                OptionValue::Secret { .. } if public => {
                    return Err(wrong(format!(
                        "The option {name} is shown to everybody who sees the connection: give it as a literal."
                    )));
                }
                OptionValue::Literal(value) => Secret::new(value),
                OptionValue::Secret { scope, key } => self.stored_secret(&scope, &key)?,
            };
            let sealed = self.sql.outside()?.seal(connection, &name, value.expose());
            detail.sealed.retain(|old, _| !old.eq_ignore_ascii_case(&name));
            detail.sealed.insert(name, sealed);
        }
        Ok(())
    }

    /// `secret('scope', 'key')`, for a speaker who may read it.
    fn stored_secret(&self, scope: &str, key: &str) -> Result<Secret, SqlError> {
        let (Ok(in_scope), Ok(of_key)) = (scope.parse(), key.parse()) else {
            return Err(wrong(format!("secret('{scope}', '{key}') names no secret.")));
        };
        let named = SecretRef { scope: in_scope, key: of_key };
        let permit = self.authorize(ReadSecret(named))?;
        self.sql.outside()?.secret(&permit).map_err(|reason| {
            SqlError::condition("SECRET_FUNCTION_INVALID_LOCATION", "42K0E", format!("{reason}."))
        })
    }
}

fn wrong(message: String) -> SqlError {
    SqlError::condition("INVALID_PARAMETER_VALUE", "22023", message)
}
