//! What DataFusion says in sentences of its own, in those of Databricks.
//!
//! Its planner knows one kind of error, with a text. A sentence that is not known here keeps its words, as
//! `INVALID_STATEMENT`: less to go by, but nothing wrong.
//!
//! Source of the conditions and texts: Databricks, "Error conditions".

use datafusion::arrow::datatypes::DataType;

use super::of_engine::quoted;
use crate::arrow_types::to_sql;

/// A condition, its SQLSTATE and what is said.
pub(super) type Worded = (&'static str, &'static str, String);

/// The sentences, each with what it is called.
const SENTENCES: &[fn(&str) -> Option<Worded>] = &[
    ungrouped,
    number_of_arguments,
    operands,
    predicate,
    number_of_columns,
    scalar_subquery,
    limit,
    parts_of_a_name,
    impossible_cast,
    misplaced,
    arguments,
];

/// What is said instead of one of DataFusion's sentences.
pub(super) fn worded(text: &str) -> Option<Worded> {
    SENTENCES.iter().find_map(|sentence| sentence(text))
}

/// What is said of a text that is none of a type's: `Cannot cast string 'x' to value of Int32 type`.
pub(super) fn malformed(text: &str) -> Option<String> {
    let (value, rest) = text.strip_prefix("Cannot cast string ")?.rsplit_once(" to value of ")?;
    let wanted = shown(rest.strip_suffix(" type")?);
    Some(format!(
        "The value {value} of the type \"STRING\" cannot be cast to \"{wanted}\" because it is malformed. Correct the value \
         as per the syntax, or change its target type."
    ))
}

fn ungrouped(text: &str) -> Option<Worded> {
    let (clause, _) = text.strip_prefix("Column in ")?.split_once(" must be in GROUP BY")?;
    let column = between(text, "column \"", "\" must appear")?;
    let column = column.rsplit('.').next().unwrap_or(column);
    let said = format!(
        "The non-aggregating expression \"{column}\" in {clause} is based on columns which are not participating in the GROUP \
         BY clause. Add the columns or the expression to the GROUP BY, aggregate the expression, or use \
         \"any_value({column})\" if you do not care which of the values within a group is returned."
    );
    Some(("MISSING_AGGREGATION", "42803", said))
}

fn number_of_arguments(text: &str) -> Option<Worded> {
    let (before, rest) = text.split_once("' expects ")?;
    let (_, function) = before.rsplit_once('\'')?;
    let (wanted, rest) = rest.split_once(" arguments but received ")?;
    let given = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    let said =
        format!("The {} requires {wanted} parameters but the actual number is {given}.", quoted(function));
    Some(("WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "42605", said))
}

/// An operator between two types.
fn operands(text: &str) -> Option<Worded> {
    let pair = between(text, "Cannot coerce arithmetic expression ", " to valid types").or_else(|| {
        let rest = text.strip_prefix("Cannot infer common argument type for ")?;
        rest.strip_prefix("comparison operation ").or_else(|| rest.strip_prefix("logical boolean operation "))
    })?;
    // A type may have spaces inside: `Timestamp(µs, "UTC")`.
    let (left, right) = pair.match_indices(' ').find_map(|(at, _)| {
        let (left, rest) = (pair.get(..at)?, pair.get(at + 1..)?);
        let (_, right) = rest.split_once(' ')?;
        Some((left.parse::<DataType>().ok()?, right.parse::<DataType>().ok()?))
    })?;
    let said = format!(
        "Cannot resolve the expression due to data type mismatch: the left and right operands of the binary operator have \
         incompatible types (\"{}\" and \"{}\").",
        named(&left),
        named(&right)
    );
    Some(("DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", "42K09", said))
}

fn predicate(text: &str) -> Option<Worded> {
    let predicate = between(text, "Cannot create filter with non-boolean predicate '", "' returning ")?;
    let (_, is) = text.rsplit_once("' returning ")?;
    let said = format!("Filter expression \"{predicate}\" of type \"{}\" is not a boolean.", shown(is));
    Some(("DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", "42K09", said))
}

fn number_of_columns(text: &str) -> Option<Worded> {
    let operator = text.strip_suffix(" queries have different number of columns")?;
    let said = format!("{operator} can only be performed on inputs with the same number of columns.");
    Some(("NUM_COLUMNS_MISMATCH", "42826", said))
}

fn scalar_subquery(text: &str) -> Option<Worded> {
    if text.starts_with("Scalar subquery returned more than one row") {
        let said = "More than one row returned by a subquery used as an expression.".to_owned();
        return Some(("SCALAR_SUBQUERY_TOO_MANY_ROWS", "21000", said));
    }
    text.strip_prefix("Too many columns! The subquery should only return one column")?;
    let said = "Invalid subquery: Scalar subquery must return only one column.".to_owned();
    Some(("INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN", "42823", said))
}

fn limit(text: &str) -> Option<Worded> {
    let number = between(text, "LIMIT must be >= 0, '", "' was provided")?;
    let said = format!(
        "The limit like expression \"{number}\" is invalid. The limit expression must be equal to or greater than 0, but got \
         {number}."
    );
    Some(("INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE", "42K0E", said))
}

fn parts_of_a_name(text: &str) -> Option<Worded> {
    let name = between(text, "Unsupported compound identifier '", "'. Expected 1, 2 or 3 parts")?;
    let said = format!("{} is not a valid identifier as it has more than 3 name parts.", quoted(name));
    Some(("IDENTIFIER_TOO_MANY_NAME_PARTS", "42601", said))
}

fn impossible_cast(text: &str) -> Option<Worded> {
    let (from, to) = text.strip_prefix("Unsupported CAST from ")?.split_once(" to ")?;
    let said = format!("Cannot cast \"{}\" to \"{}\".", shown(from), shown(to));
    Some(("DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", "42K09", said))
}

/// What only a group or a window has, in a place that nobody looked at before.
fn misplaced(text: &str) -> Option<Worded> {
    let expression = text.strip_prefix("Physical plan does not support logical expression ")?;
    let what = if expression.starts_with("AggregateFunction(") {
        "an aggregate function"
    } else if expression.starts_with("WindowFunction(") {
        "a window function"
    } else {
        return None;
    };
    let said = format!(
        "A query operator contains one or more unsupported expressions: {what} where there is no group and no window. Rewrite \
         the query to avoid it there."
    );
    Some(("UNSUPPORTED_EXPR_FOR_OPERATOR", "42K0E", said))
}

/// Types that a function does not take.
fn arguments(text: &str) -> Option<Worded> {
    let function = between(text, "Failed to coerce arguments to satisfy a call to '", "' function")
        .or_else(|| between(text, "Function '", "' failed to match any signature"))
        .or_else(|| between(text, "Function '", "' requires "))
        .or_else(|| between(text, "Unary operator '", "' requires a boolean"))
        .or_else(|| text.strip_prefix("unnest() can only be applied to").map(|_| "explode"))?;
    // One sentence may hold another about the same function.
    let function = function.rsplit('\'').next().unwrap_or(function);
    let given = between(text, " coercion from ", " to the signature")
        .or_else(|| between(text, "but received ", " (DataType:"))
        .or_else(|| between(text, "requires a boolean expression, got ", ""));
    let given = given.map(|given| format!(" ({})", shown(given))).unwrap_or_default();
    let said = format!("{} does not take arguments of these types{given}: cast them.", quoted(function));
    Some(("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "42K09", said))
}

/// The first stretch between two texts; to the end if there is no second.
fn between<'t>(text: &'t str, before: &str, behind: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(before)?;
    if behind.is_empty() { Some(rest) } else { rest.split_once(behind).map(|(found, _)| found) }
}

/// A type, or more of them, by the names that SQL has for them.
fn shown(types: &str) -> String {
    let read = |text: &str| text.trim().parse::<DataType>().ok().map(|of| named(&of));
    let each = || types.split(", ").map(read).collect::<Option<Vec<_>>>();
    read(types).or_else(|| Some(each()?.join(", "))).unwrap_or_else(|| types.to_owned())
}

fn named(of: &DataType) -> String {
    to_sql(of).map_or_else(|| of.to_string(), |sql| sql.to_string().to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_that_is_not_known_keeps_its_words() {
        for text in
            ["", "'", "Column in", "Function 'f", "Cannot coerce arithmetic expression a", "LIMIT must be"]
        {
            assert_eq!(worded(text), None, "{text}");
        }
        assert_eq!(malformed("Cannot cast string"), None);
    }

    #[test]
    fn a_sentence_inside_of_another_is_the_one_that_counts() {
        let text = "Function 'avg' user-defined coercion failed with: Internal error: Function 'avg' failed to match any \
                    signature, errors: Error during planning: Function 'avg' expects 1 arguments but received 2,Error ..";
        let (condition, _, said) = worded(text).unwrap();
        assert_eq!(condition, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION");
        assert_eq!(said, "The `avg` requires 1 parameters but the actual number is 2.");
    }

    #[test]
    fn types_are_called_what_sql_calls_them() {
        let said = |text| worded(text).map(|(condition, _, said)| (condition, said)).unwrap();
        let (condition, text) =
            said("Cannot coerce arithmetic expression Timestamp(µs, \"UTC\") + List(Int32) to valid types");
        assert_eq!(condition, "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES");
        assert!(text.contains("(\"TIMESTAMP\" and \"ARRAY<INT>\")"), "{text}");
        assert_eq!(
            malformed("Cannot cast string 'a to value of b' to value of Int64 type").as_deref(),
            Some(
                "The value 'a to value of b' of the type \"STRING\" cannot be cast to \"BIGINT\" because it is malformed. \
                 Correct the value as per the syntax, or change its target type."
            )
        );
    }
}
