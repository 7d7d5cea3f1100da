//! What the engine's errors are called in Databricks' list of conditions, and what they say there.

use datafusion::arrow::error::ArrowError;
use datafusion::common::utils::datafusion_strsim::levenshtein;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;

use super::of_planner::{self, Worded};

/// Columns that are proposed for one that is unknown.
const PROPOSED: usize = 5;

/// What DataFusion says before what is wrong: the condition says it.
const PREFIXES: &[&str] =
    &["Execution error: ", "Error during planning: ", "This feature is not implemented: "];

/// Conditions that functions begin their texts with, and their states.
const NAMED: &[(&str, &str)] = &[
    ("DUPLICATED_MAP_KEY", "23505"),
    ("INVALID_ARRAY_INDEX", "22003"),
    ("INVALID_ARRAY_INDEX_IN_ELEMENT_AT", "22003"),
    ("QUERY_TOO_COMPLEX", "54001"),
];

/// A subquery that would have to be run once for each row.
pub(crate) const CORRELATED: &str = "brickyard does not support a subquery of one value that refers to the query around it \
     and groups, sorts or limits its rows, or refers to it elsewhere than in WHERE and its aggregates. Write it as a JOIN \
     with GROUP BY.";

/// The condition, and its SQLSTATE.
pub(super) fn condition(error: &DataFusionError) -> (&'static str, &'static str) {
    if let Some((condition, state, _)) = worded(error) {
        return (condition, state);
    }
    match error.find_root() {
        DataFusionError::ArrowError(error, _) => match &**error {
            ArrowError::DivideByZero => ("DIVIDE_BY_ZERO", "22012"),
            ArrowError::CastError(_) => ("CAST_INVALID_INPUT", "22018"),
            error if is_overflow(error) => ("ARITHMETIC_OVERFLOW", "22003"),
            _ => ("EXECUTION_ERROR", "22000"),
        },
        DataFusionError::SchemaError(error, _) => match &**error {
            SchemaError::FieldNotFound { valid_fields, .. } if valid_fields.is_empty() => {
                ("UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", "42703")
            }
            SchemaError::FieldNotFound { .. } => ("UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703"),
            SchemaError::AmbiguousReference { .. } => ("AMBIGUOUS_REFERENCE", "42704"),
            // What is grouped by stands beside what is made of the groups: by its alias it is one of those.
            SchemaError::DuplicateUnqualifiedField { name } if name.ends_with(')') => {
                ("GROUP_BY_AGGREGATE", "42903")
            }
            SchemaError::DuplicateQualifiedField { .. } | SchemaError::DuplicateUnqualifiedField { .. } => {
                ("COLUMN_ALREADY_EXISTS", "42711")
            }
        },
        DataFusionError::Plan(_) | DataFusionError::SQL(..) => ("INVALID_STATEMENT", "42000"),
        // Mostly a type that one of its functions takes and then does not know.
        DataFusionError::NotImplemented(_) | DataFusionError::Internal(_) => ("UNSUPPORTED_FEATURE", "0A000"),
        error if is_pattern(error) => ("INVALID_PARAMETER_VALUE.PATTERN", "22023"),
        DataFusionError::ResourcesExhausted(_) => ("RESOURCE_EXHAUSTED", "53200"),
        // A file that is none of Parquet is whoever put it there's.
        DataFusionError::ParquetError(_) => ("FAILED_READ_FILE.NO_HINT", "KD001"),
        // `elt` says it so.
        DataFusionError::Execution(text) if text.contains(" is out of bounds. The array has ") => {
            ("INVALID_ARRAY_INDEX", "22003")
        }
        DataFusionError::Execution(_) => ("EXECUTION_ERROR", "22000"),
        _ => ("INTERNAL_ERROR", "XX000"),
    }
}

/// The engine's text without its own prefixes and without where in its source it came from.
pub(crate) fn text(error: &DataFusionError) -> String {
    if let Some((.., text)) = worded(error) {
        return text;
    }
    match error.find_root() {
        DataFusionError::ParquetError(error) => error.to_string(),
        DataFusionError::ArrowError(error, _) => match &**error {
            ArrowError::DivideByZero => {
                "Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead."
                    .to_owned()
            }
            ArrowError::CastError(text) => {
                let text =
                    of_planner::malformed(text).unwrap_or_else(|| format!("{}.", text.trim_end_matches('.')));
                format!("{text} Use `try_cast` to tolerate malformed input and return NULL instead.")
            }
            ArrowError::ArithmeticOverflow(text) => {
                format!("{text}. Use `try_add` and its kin to tolerate it and return NULL instead.")
            }
            ArrowError::ComputeError(text) if is_overflow(error) => {
                format!("{text}. Use a type that holds the result.")
            }
            other => other.to_string(),
        },
        DataFusionError::SchemaError(error, _) => of_schema(error),
        other => {
            let text = other.strip_backtrace();
            if let Some(expression) = text.split("Physical plan does not support logical expression ").nth(1)
                && let Some(message) = not_decorrelated(expression)
            {
                return message.to_owned();
            }
            let end =
                text.find("\nThis issue was likely caused by a bug in DataFusion").unwrap_or(text.len());
            let text = text[..end].replace("Internal error: ", "");
            let said = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix));
            said.unwrap_or(&text).trim_end().to_owned()
        }
    }
}

/// What is said of a name that is no column's. `known` are the names that are there.
pub(crate) fn unresolved_column<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    let mut known: Vec<&str> = known.collect();
    known.sort_unstable();
    known.dedup();
    known.sort_by_key(|known| levenshtein(known, name));
    let unresolved =
        format!("A column, variable, or function parameter with name {} cannot be resolved.", quoted(name));
    if known.is_empty() {
        return unresolved;
    }
    let proposed: Vec<_> = known.into_iter().take(PROPOSED).map(quoted).collect();
    format!("{unresolved} Did you mean one of the following? [{}].", proposed.join(", "))
}

fn of_schema(error: &SchemaError) -> String {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            // Only the names: where DataFusion looks for them is not always what somebody wrote.
            let known = valid_fields.iter().map(Column::name).filter(|name| !name.starts_with("__"));
            unresolved_column(&field.name, known)
        }
        SchemaError::AmbiguousReference { field } => {
            format!("Reference {} is ambiguous: say whose it is.", quoted(&field.name))
        }
        SchemaError::DuplicateUnqualifiedField { name } if name.ends_with(')') => {
            format!("Aggregate functions are not allowed in GROUP BY, but found {name}.")
        }
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            format!(
                "The column {} already exists. Choose another name or rename the existing column.",
                quoted(name)
            )
        }
    }
}

pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// What is said in the place of a text of DataFusion's, where that is known.
fn worded(error: &DataFusionError) -> Option<Worded> {
    let (DataFusionError::Execution(text)
    | DataFusionError::Plan(text)
    | DataFusionError::NotImplemented(text)) = error.find_root()
    else {
        return None;
    };
    // One error that holds another's text.
    let text = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    named(text).or_else(|| of_planner::worded(text))
}

/// The condition that a function's text begins with.
fn named(text: &str) -> Option<Worded> {
    let text = text.strip_prefix('[')?;
    NAMED.iter().find_map(|(condition, state)| {
        Some((*condition, *state, text.strip_prefix(condition)?.strip_prefix("] ")?.to_owned()))
    })
}

/// DataFusion's functions say it in a text.
fn is_overflow(error: &ArrowError) -> bool {
    match error {
        ArrowError::ArithmeticOverflow(_) => true,
        ArrowError::ComputeError(text) => text.contains("overflow"),
        _ => false,
    }
}

/// A subquery that could not be made a join.
fn not_decorrelated(expression: &str) -> Option<&'static str> {
    let starts = |name: &str| expression.starts_with(name);
    if starts("ScalarSubquery") {
        return Some(CORRELATED);
    }
    if starts("OuterReferenceColumn") {
        return Some(
            "brickyard does not support a LATERAL subquery that refers to the query around it elsewhere than in its own \
             WHERE. Write an expression, or a JOIN.",
        );
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
