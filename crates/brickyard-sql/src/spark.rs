//! What Spark means by a query where DataFusion means something else: literals' types, division, subscripts, the order
//! of NULLs, datetime patterns, and functions that have another name or shape.
//!
//! Sources: "SQL data types", "ANSI compliance" and the function pages of Databricks' SQL language manual.

pub(crate) mod calls;
pub(crate) mod clauses;
mod datetime_pattern;
pub(crate) mod json_path;
pub(crate) mod literals;
pub(crate) mod planner;
