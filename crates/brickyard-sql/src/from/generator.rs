//! Generators: functions that make rows of one row. `explode`, `posexplode`, `inline`, their `_outer` forms, `stack`.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, NullHandling, ScalarValue, TableReference, UnnestOptions};
use datafusion::error::{DataFusionError, Result};
use datafusion::functions::core::expr_fn::get_field;
use datafusion::functions_nested::expr_fn::{array_length, make_array, map_entries, range};
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast, lit};
use datafusion::sql::sqlparser::ast::{
    FunctionArg, FunctionArgExpr, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor,
    TableWithJoins,
};

use crate::rewrite::parts;

const OUTER: &str = "_outer";

/// Whether a name without a schema is a generator's.
pub(crate) fn is_generator(name: &ObjectName) -> bool {
    let parts = parts(name);
    let [one] = parts.as_slice() else { return false };
    matches!(one.strip_suffix(OUTER).unwrap_or(one), "explode" | "posexplode" | "inline") || one == "stack"
}

/// The name of the form that keeps rows without elements.
pub(crate) fn outer(name: &str) -> String {
    if name == "stack" || name.ends_with(OUTER) { name.to_owned() } else { format!("{name}{OUTER}") }
}

/// Whether a join in brackets is some relation and, right of it, a generator.
pub(super) fn stands_right(table: &TableWithJoins) -> bool {
    match table.joins.as_slice() {
        [join] => matches!(&join.relation, TableFactor::Function { name, .. } if is_generator(name)),
        _ => false,
    }
}

/// A relation, and a generator for each of its rows.
pub(super) fn joined(table: TableWithJoins, context: &mut dyn RelationPlannerContext) -> Result<LogicalPlan> {
    let left = context.plan(table.relation)?;
    let Some(join) = table.joins.into_iter().next() else { return Ok(left) };
    let keeps = match &join.join_operator {
        JoinOperator::CrossJoin(_) => false,
        JoinOperator::Join(on) | JoinOperator::Inner(on) if plain(on) => false,
        JoinOperator::Left(on) | JoinOperator::LeftOuter(on) if plain(on) => true,
        _ => {
            return Err(not_done(
                "this kind of join with a generator. Write CROSS JOIN or LEFT JOIN without ON",
            ));
        }
    };
    let TableFactor::Function { name, args, alias, .. } = join.relation else {
        return Err(not_done("this relation behind LATERAL"));
    };
    let name = parts(&name).concat();
    let name = if keeps { outer(&name) } else { name };
    generated(left, &name, args, alias, context)
}

fn plain(on: &JoinConstraint) -> bool {
    matches!(on, JoinConstraint::None)
}

/// A generator that stands by itself.
pub(super) fn alone(
    name: &ObjectName,
    args: Vec<FunctionArg>,
    alias: Option<TableAlias>,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let row = LogicalPlanBuilder::empty(true).build()?;
    generated(row, &parts(name).concat(), args, alias, context)
}

fn generated(
    left: LogicalPlan,
    name: &str,
    args: Vec<FunctionArg>,
    alias: Option<TableAlias>,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let mut given = Vec::with_capacity(args.len());
    for arg in args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) = arg else {
            return Err(DataFusionError::Plan(format!("{name} takes no names of arguments")));
        };
        given.push(context.sql_to_expr(arg, left.schema())?);
    }
    let (base, keeps) = match name.strip_suffix(OUTER) {
        Some(base) => (base, true),
        None => (name, false),
    };
    let lists = lists(base, given, &left)?;
    // Beside the relation's own columns, one for each list; all lists of a row are equally long.
    let mut shown: Vec<Expr> = left.schema().columns().into_iter().map(Expr::Column).collect();
    let kept = shown.clone();
    let places: Vec<Column> =
        (0..lists.arrays.len()).map(|at| Column::new_unqualified(format!("__generated_{at}"))).collect();
    for (array, place) in lists.arrays.into_iter().zip(&places) {
        shown.push(array.alias(&place.name));
    }
    let null_handling = if keeps { NullHandling::PreserveAndExpandEmpty } else { NullHandling::Drop };
    let options = UnnestOptions { null_handling, ..UnnestOptions::default() };
    let rows = LogicalPlanBuilder::from(left).project(shown)?;
    let rows = rows.unnest_columns_with_options(places.clone(), options)?;
    let qualifier = alias.as_ref().map(|alias| TableReference::bare(alias.name.value.clone()));
    let names: Vec<String> = match &alias {
        Some(alias) if !alias.columns.is_empty() => {
            if alias.columns.len() != lists.columns.len() {
                return Err(DataFusionError::Plan(format!(
                    "{name} makes {} columns, and {} names are given",
                    lists.columns.len(),
                    alias.columns.len()
                )));
            }
            alias.columns.iter().map(|column| column.name.value.clone()).collect()
        }
        _ => lists.columns.iter().map(|made| made.name.clone()).collect(),
    };
    let mut all = kept;
    for (made, name) in lists.columns.into_iter().zip(names) {
        let value = Expr::Column(places[made.list].clone());
        let value = match made.field {
            Some(field) => get_field(value, field),
            None => value,
        };
        let value = if made.position { cast(value, DataType::Int32) } else { value };
        all.push(value.alias_qualified(qualifier.clone(), name));
    }
    rows.project(all)?.build()
}

/// What a generator unnests, and the columns made of it.
struct Lists {
    arrays: Vec<Expr>,
    columns: Vec<Made>,
}

/// One column: the element of a list, or a field of it.
struct Made {
    list: usize,
    field: Option<String>,
    name: String,
    position: bool,
}

impl Made {
    fn whole(list: usize, name: impl Into<String>) -> Self {
        Self { list, field: None, name: name.into(), position: false }
    }

    fn field(list: usize, name: &str) -> Self {
        Self { list, field: Some(name.to_owned()), name: name.to_lowercase(), position: false }
    }
}

fn lists(base: &str, mut given: Vec<Expr>, left: &LogicalPlan) -> Result<Lists> {
    if base == "stack" {
        return stacked(given);
    }
    let (Some(arg), true) = (given.pop(), given.is_empty()) else {
        return Err(DataFusionError::Plan(format!("{base} takes one argument")));
    };
    let data_type = arg.get_type(left.schema())?;
    let (array, columns) = match (&data_type, base) {
        (DataType::Map(..), "explode" | "posexplode") => {
            (map_entries(arg), vec![Made::field(0, "key"), Made::field(0, "value")])
        }
        (
            DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _),
            "inline",
        ) => match element.data_type() {
            DataType::Struct(fields) => {
                (arg, fields.iter().map(|field| Made::field(0, field.name())).collect::<Vec<_>>())
            }
            _ => return Err(wrong_type(base, "an ARRAY of STRUCTs")),
        },
        (
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..),
            "explode" | "posexplode",
        ) => (arg, vec![Made::whole(0, "col")]),
        (_, "inline") => return Err(wrong_type(base, "an ARRAY of STRUCTs")),
        _ => return Err(wrong_type(base, "an ARRAY or a MAP")),
    };
    if base != "posexplode" {
        return Ok(Lists { arrays: vec![array], columns });
    }
    let places = range(lit(0_i64), cast(array_length(array.clone()), DataType::Int64), lit(1_i64));
    let position = Made { position: true, ..Made::whole(1, "pos") };
    let columns = std::iter::once(position).chain(columns).collect();
    Ok(Lists { arrays: vec![array, places], columns })
}

/// `stack(rows, value, value, ..)`.
fn stacked(given: Vec<Expr>) -> Result<Lists> {
    let mut given = given.into_iter();
    let rows = match given.next() {
        Some(Expr::Literal(ScalarValue::Int32(Some(rows)), _)) => usize::try_from(rows).unwrap_or(0),
        _ => 0,
    };
    let values: Vec<Expr> = given.collect();
    if rows == 0 || values.is_empty() {
        return Err(DataFusionError::Plan("stack takes a number of rows, and values".to_owned()));
    }
    let width = values.len().div_ceil(rows);
    let mut arrays = Vec::with_capacity(width);
    let mut columns = Vec::with_capacity(width);
    for at in 0..width {
        let value =
            |row: usize| values.get(row * width + at).cloned().unwrap_or_else(|| lit(ScalarValue::Null));
        arrays.push(make_array((0..rows).map(value).collect()));
        columns.push(Made::whole(at, format!("col{at}")));
    }
    Ok(Lists { arrays, columns })
}

fn wrong_type(name: &str, wanted: &str) -> DataFusionError {
    DataFusionError::Plan(format!("{name} takes {wanted}"))
}

fn not_done(feature: &str) -> DataFusionError {
    DataFusionError::NotImplemented(feature.to_owned())
}
