//! Why a statement did not run, in Databricks' words: `[CONDITION] text SQLSTATE: 00000`.

pub(crate) mod of_engine;
mod of_planner;

use brickyard_catalog::unity::UnityError;
use brickyard_catalog::{DenialKind, Denied, Trace};
use datafusion::error::DataFusionError;

use crate::front::SyntaxError;
use crate::python_function::PythonFunctionError;

/// Why a statement did not run.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// It is no statement, or one that is not supported.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// Somebody may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The catalog.
    #[error(transparent)]
    Unity(#[from] UnityError),
    /// A condition of Databricks' list: `TABLE_OR_VIEW_NOT_FOUND`.
    #[error("[{condition}] {message}")]
    Condition {
        /// The condition.
        condition: &'static str,
        /// What is wrong, and what to do.
        message: String,
        /// Five characters.
        sql_state: &'static str,
    },
    /// The body of a Python function.
    #[error(transparent)]
    Python(#[from] PythonFunctionError),
    /// Planning or running.
    #[error(transparent)]
    Engine(#[from] DataFusionError),
    /// It was cancelled.
    #[error("the statement was cancelled")]
    Cancelled,
}

impl SqlError {
    /// A condition of Databricks' list.
    pub fn condition(condition: &'static str, sql_state: &'static str, message: impl Into<String>) -> Self {
        Self::Condition { condition, message: message.into(), sql_state }
    }

    /// As the engine carries it, until it comes out again as it is.
    pub(crate) fn in_engine(self) -> DataFusionError {
        DataFusionError::External(Box::new(self))
    }

    /// Something that is understood and not supported, by name.
    pub fn unsupported(feature: impl std::fmt::Display) -> Self {
        let message = format!("brickyard does not support {feature}.");
        Self::condition("UNSUPPORTED_FEATURE", "0A000", message)
    }

    /// The five characters of the SQL standard.
    pub fn sql_state(&self) -> &str {
        match self {
            Self::Syntax(error) => error.class.sql_state(),
            Self::Denied(_) => "42501",
            Self::Unity(error) => match error {
                UnityError::AlreadyExists { .. } => "42P07",
                UnityError::NotFound { .. } => "42P01",
                UnityError::NotEmpty { .. } => "2BP01",
                UnityError::NoSuchPrincipal { .. } => "42704",
                UnityError::Name(_) => "42602",
                UnityError::NotGrantable { .. } => "42809",
                UnityError::Store(_) => "XX000",
            },
            Self::Condition { sql_state, .. } => sql_state,
            Self::Python(_) => "39000",
            Self::Engine(error) => match (python_function(error), condition(error)) {
                (Some(_), _) => "39000",
                (_, Some(error)) => error.sql_state(),
                _ => of_engine::condition(error).1,
            },
            Self::Cancelled => "HY008",
        }
    }

    /// The text that a client sees. Of a refusal it is the one that Databricks gives inside a statement.
    pub fn message(&self) -> String {
        let state = self.sql_state();
        match self {
            Self::Syntax(error) => error.to_string(),
            Self::Denied(denied) => match denied.kind() {
                DenialKind::MissingPrivilege { .. } => format!(
                    "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\n{}. SQLSTATE: {state}",
                    denied.message()
                ),
                _ => format!("PERMISSION_DENIED: {}.", denied.message()),
            },
            Self::Unity(error) => format!("[{}] {error}. SQLSTATE: {state}", unity_condition(error)),
            Self::Condition { condition, message, .. } => {
                format!("[{condition}] {message} SQLSTATE: {state}")
            }
            Self::Python(error) => error.to_string(),
            Self::Engine(error) => match (python_function(error), condition(error)) {
                (Some(error), _) => error.to_string(),
                (_, Some(error)) => error.message(),
                _ => {
                    let (condition, text) = (of_engine::condition(error).0, of_engine::text(error));
                    format!("[{condition}] {text} SQLSTATE: {state}")
                }
            },
            Self::Cancelled => "The statement was cancelled.".to_owned(),
        }
    }

    /// Whether the engine contradicted itself. People are told that it is not supported; a test looks for the reason.
    #[cfg(test)]
    pub(crate) fn is_internal(&self) -> bool {
        matches!(self, Self::Engine(error) if matches!(error.find_root(), DataFusionError::Internal(_)))
    }

    /// The chain that was walked, of a refusal.
    pub fn trace(&self) -> Option<&Trace> {
        if let Self::Denied(denied) = self { Some(denied.trace()) } else { None }
    }
}

fn unity_condition(error: &UnityError) -> &'static str {
    use brickyard_catalog::unity::ObjectKind as K;
    match error {
        UnityError::Name(_) => "INVALID_IDENTIFIER",
        UnityError::AlreadyExists { kind, .. } => match kind {
            K::Table => "TABLE_OR_VIEW_ALREADY_EXISTS",
            K::Schema => "SCHEMA_ALREADY_EXISTS",
            K::Function => "ROUTINE_ALREADY_EXISTS",
            K::Connection => "CONNECTION_ALREADY_EXISTS",
            K::Catalog | K::Metastore => "CATALOG_ALREADY_EXISTS",
        },
        UnityError::NotFound { kind, .. } => match kind {
            K::Table => "TABLE_OR_VIEW_NOT_FOUND",
            K::Schema => "SCHEMA_NOT_FOUND",
            K::Function => "ROUTINE_NOT_FOUND",
            K::Connection => "CONNECTION_NOT_FOUND",
            K::Catalog | K::Metastore => "CATALOG_NOT_FOUND",
        },
        UnityError::NotEmpty { .. } => "SCHEMA_NOT_EMPTY",
        UnityError::NoSuchPrincipal { .. } => "PRINCIPAL_DOES_NOT_EXIST",
        UnityError::NotGrantable { .. } => "PRIVILEGE_NOT_APPLICABLE",
        UnityError::Store(_) => "INTERNAL_ERROR",
    }
}

/// What a Python function said while the engine ran it: the engine carries it as somebody else's error.
fn python_function(error: &DataFusionError) -> Option<&PythonFunctionError> {
    match error.find_root() {
        DataFusionError::External(error) => error.downcast_ref(),
        _ => None,
    }
}

/// What this crate said inside of the engine.
fn condition(error: &DataFusionError) -> Option<&SqlError> {
    match error.find_root() {
        DataFusionError::External(error) => error.downcast_ref(),
        _ => None,
    }
}
