//! `s.*` where `s` is a struct: its fields.
//!
//! Whether a name is a table or a column, and what its fields are called, is known only when a query is planned. So a
//! wildcard of no table becomes a call that has no type; the call says which fields there are, and these take its place.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Ident, Select, SelectItem, SelectItemQualifiedWildcardKind, VisitMut, VisitorMut,
};

use super::calls::{function, nested, text};
use crate::rewrite::parts;

const FIELDS_OF: &str = "__fields_of";

/// The fields of the struct that a numbered call is about.
#[derive(Debug)]
struct Fields {
    at: String,
    names: Vec<String>,
}

impl std::fmt::Display for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a struct's fields are not in their place")
    }
}

impl std::error::Error for Fields {}

/// Puts the wildcards that an error is about into the tree's next form; false if it is about something else.
pub(crate) fn resolved<T: VisitMut>(tree: &mut T, error: &DataFusionError) -> bool {
    let root = error.find_root();
    let found = match root {
        DataFusionError::External(inner) => inner.downcast_ref::<Fields>(),
        _ => None,
    };
    let mut step = match found {
        Some(fields) => Step::Spell(fields),
        None => {
            let text = root.strip_backtrace();
            let Some(name) = text.strip_prefix("Error during planning: Invalid qualifier ") else {
                return false;
            };
            Step::Ask { name: name.to_owned(), asked: 0 }
        }
    };
    let mut selects = Selects { step: &mut step, changed: false };
    let _ = tree.visit(&mut selects);
    selects.changed
}

enum Step<'a> {
    /// Wildcards of this name become numbered calls.
    Ask { name: String, asked: usize },
    /// The call of this number becomes fields.
    Spell(&'a Fields),
}

struct Selects<'a, 'b> {
    step: &'a mut Step<'b>,
    changed: bool,
}

impl VisitorMut for Selects<'_, '_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut items = Vec::with_capacity(select.projection.len());
        for item in std::mem::take(&mut select.projection) {
            let next = match self.step {
                Step::Ask { name, asked } => asked_of(&item, name, asked).map(|item| vec![item]),
                Step::Spell(fields) => spelled(&item, fields),
            };
            self.changed |= next.is_some();
            items.extend(next.unwrap_or_else(|| vec![item]));
        }
        select.projection = items;
        ControlFlow::Continue(())
    }
}

fn asked_of(item: &SelectItem, wanted: &str, asked: &mut usize) -> Option<SelectItem> {
    let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) = item
    else {
        return None;
    };
    // Other clauses of a wildcard are about columns.
    let except = match &options.opt_except {
        None => Vec::new(),
        Some(except) => {
            let names = std::iter::once(&except.first_element).chain(&except.additional_elements);
            names.map(|name| name.value.to_lowercase()).collect()
        }
    };
    if parts(name).join(".") != wanted || options.opt_rename.is_some() || options.opt_replace.is_some() {
        return None;
    }
    let idents: Vec<Ident> = name.0.iter().filter_map(|part| part.as_ident()).cloned().collect();
    let value = match idents.as_slice() {
        [one] => Expr::Identifier(one.clone()),
        _ => Expr::CompoundIdentifier(idents),
    };
    *asked += 1;
    let mut args = vec![value, text(asked.to_string())];
    args.extend(except.into_iter().map(text));
    Some(SelectItem::UnnamedExpr(function(FIELDS_OF, args)))
}

fn spelled(item: &SelectItem, fields: &Fields) -> Option<Vec<SelectItem>> {
    let SelectItem::UnnamedExpr(Expr::Function(call)) = item else { return None };
    if parts(&call.name) != [FIELDS_OF] {
        return None;
    }
    let args = super::calls::plain(call)?;
    let (value, at) = (args.first()?, args.get(1)?);
    if super::calls::constant(at) != Some(fields.at.as_str()) {
        return None;
    }
    let left_out: Vec<&str> = args.iter().skip(2).filter_map(super::calls::constant).collect();
    let kept = fields.names.iter().filter(|name| !left_out.contains(&name.to_lowercase().as_str()));
    Some(
        kept.map(|name| {
            let alias = Ident::with_quote('`', name.to_lowercase());
            let field = AccessExpr::Dot(text(name.clone()));
            let expr = Expr::CompoundFieldAccess {
                root: Box::new(nested(value.clone())),
                access_chain: vec![field],
            };
            SelectItem::ExprWithAlias { expr, alias }
        })
        .collect(),
    )
}

/// The call.
pub(crate) fn fields_of() -> ScalarUDF {
    ScalarUDF::from(FieldsOf { signature: Signature::variadic_any(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FieldsOf {
    signature: Signature,
}

impl ScalarUDFImpl for FieldsOf {
    fn name(&self) -> &str {
        FIELDS_OF
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Err(DataFusionError::Plan(format!("{FIELDS_OF} is no function")))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let at = args.scalar_arguments.get(1).copied().flatten().and_then(ScalarValue::try_as_str).flatten();
        match (args.arg_fields.first().map(|field| field.data_type()), at) {
            (Some(DataType::Struct(fields)), Some(at)) => {
                let names = fields.iter().map(|field| field.name().clone()).collect();
                Err(DataFusionError::External(Box::new(Fields { at: at.to_owned(), names })))
            }
            _ => {
                Err(DataFusionError::Plan("what stands before .* is neither a table nor a struct".to_owned()))
            }
        }
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(DataFusionError::Plan(format!("{FIELDS_OF} is no function")))
    }
}
