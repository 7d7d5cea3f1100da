//! Why a statement did not run, in Databricks' words: `[CONDITION] text SQLSTATE: 00000`.

use brickyard_catalog::unity::UnityError;
use brickyard_catalog::{DenialKind, Denied, Trace};
use datafusion::arrow::error::ArrowError;
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
                _ => engine_state(error),
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
                _ => format!("[{}] {} SQLSTATE: {state}", engine_condition(error), plain(error)),
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

fn engine_state(error: &DataFusionError) -> &'static str {
    match error.find_root() {
        DataFusionError::ArrowError(error, _) if matches!(**error, ArrowError::DivideByZero) => "22012",
        DataFusionError::ArrowError(error, _) if matches!(**error, ArrowError::ArithmeticOverflow(_)) => {
            "22003"
        }
        DataFusionError::ArrowError(error, _) if matches!(**error, ArrowError::CastError(_)) => "22018",
        DataFusionError::SchemaError(..) => "42703",
        DataFusionError::Plan(_) | DataFusionError::SQL(..) => "42000",
        // Mostly a type that one of its functions takes and then does not know.
        DataFusionError::NotImplemented(_) | DataFusionError::Internal(_) => "0A000",
        error if is_pattern(error) => "22023",
        DataFusionError::ResourcesExhausted(_) => "53200",
        DataFusionError::ParquetError(_) => "KD001",
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_) => "22000",
        _ => "XX000",
    }
}

fn engine_condition(error: &DataFusionError) -> &'static str {
    match error.find_root() {
        DataFusionError::ArrowError(error, _) if matches!(**error, ArrowError::DivideByZero) => {
            "DIVIDE_BY_ZERO"
        }
        DataFusionError::ArrowError(error, _) if matches!(**error, ArrowError::CastError(_)) => {
            "CAST_INVALID_INPUT"
        }
        DataFusionError::ArrowError(error, _) if matches!(**error, ArrowError::ArithmeticOverflow(_)) => {
            "ARITHMETIC_OVERFLOW"
        }
        DataFusionError::SchemaError(..) => "UNRESOLVED_COLUMN",
        DataFusionError::Plan(_) | DataFusionError::SQL(..) => "INVALID_STATEMENT",
        DataFusionError::NotImplemented(_) | DataFusionError::Internal(_) => "UNSUPPORTED_FEATURE",
        error if is_pattern(error) => "INVALID_PARAMETER_VALUE.PATTERN",
        DataFusionError::ResourcesExhausted(_) => "RESOURCE_EXHAUSTED",
        // A file that is none of Parquet is whoever put it there's.
        DataFusionError::ParquetError(_) => "FAILED_READ_FILE.NO_HINT",
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_) => "EXECUTION_ERROR",
        _ => "INTERNAL_ERROR",
    }
}

/// The engine's text without its own prefixes and without where in its source it came from.
pub(crate) fn plain(error: &DataFusionError) -> String {
    match error.find_root() {
        DataFusionError::ParquetError(error) => error.to_string(),
        DataFusionError::ArrowError(error, _) => match &**error {
            ArrowError::DivideByZero => {
                "Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead."
                    .to_owned()
            }
            ArrowError::CastError(text) => {
                format!("{text}. Use `try_cast` to tolerate it and return NULL instead.")
            }
            ArrowError::ArithmeticOverflow(text) => {
                format!("{text}. Use `try_add` and its kin to tolerate it and return NULL instead.")
            }
            other => other.to_string(),
        },
        other => {
            let text = other.strip_backtrace();
            if let Some(expression) = text.split("Physical plan does not support logical expression ").nth(1)
                && let Some(message) = not_decorrelated(expression)
            {
                return message.to_owned();
            }
            let end =
                text.find("\nThis issue was likely caused by a bug in DataFusion").unwrap_or(text.len());
            text[..end].replace("Internal error: ", "").trim_end().to_owned()
        }
    }
}

/// A subquery that would have to be run once for each row.
pub(crate) const CORRELATED: &str = "brickyard does not support a subquery of one value that refers to the query around it \
     and groups, sorts or limits its rows, or refers to it elsewhere than in WHERE and its aggregates. Write it as a JOIN \
     with GROUP BY.";

/// A subquery that could not be made a join.
fn not_decorrelated(expression: &str) -> Option<&'static str> {
    let starts = |name: &str| expression.starts_with(name);
    if starts("ScalarSubquery") {
        return Some(CORRELATED);
    }
    (starts("Exists") || starts("InSubquery")).then_some(
        "brickyard does not support EXISTS and IN (SELECT ..) that refer to the query around them elsewhere than in the \
         subquery's own WHERE. Write a LEFT JOIN.",
    )
}

/// True for a pattern that is none, or too large.
fn is_pattern(error: &DataFusionError) -> bool {
    // The planner, which knows a constant's value already, parses it itself.
    matches!(error, DataFusionError::External(inner) if inner.is::<regex::Error>() || inner.is::<regex_syntax::Error>())
}
