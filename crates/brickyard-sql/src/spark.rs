//! What Spark means by a query where DataFusion means something else: literals' types, division, subscripts, the order
//! of NULLs, datetime patterns, and functions that have another name or shape.
//!
//! Sources: "SQL data types", "ANSI compliance" and the function pages of Databricks' SQL language manual.

pub(crate) mod aggregates;
pub(crate) mod arithmetic;
pub(crate) mod built_in;
pub(crate) mod by_type;
pub(crate) mod calls;
pub(crate) mod casts;
pub(crate) mod clauses;
pub(crate) mod comparisons;
mod datetime_pattern;
pub(crate) mod expressions;
pub(crate) mod indexed;
mod intervals;
mod json_options;
pub(crate) mod json_path;
mod json_values;
pub(crate) mod lateral_alias;
pub(crate) mod literals;
pub(crate) mod made;
pub(crate) mod misplaced;
mod moment_text;
pub(crate) mod percentiles;
pub(crate) mod planner;
pub(crate) mod reduce;
pub(crate) mod rounding;
pub(crate) mod set_types;
mod shorthand;
pub(crate) mod struct_wildcard;
pub(crate) mod sums;
pub(crate) mod text_numbers;
pub(crate) mod tuples;
mod value_text;
pub(crate) mod wider;
