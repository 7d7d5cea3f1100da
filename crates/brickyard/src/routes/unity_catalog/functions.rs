//! `/functions`. A function that is made here is checked when it is first called, as its body is not run before.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use brickyard_catalog::family;
use brickyard_catalog::unity::{
    Detail, FunctionBody, FunctionDetail, FunctionParameter, FunctionReturns, ObjectKind,
};
use brickyard_types::SqlType;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::change::{Wanted, change, drop_it, make, only};
use super::lookup::{create_in, find, manage, see_or_browse};
use super::paging::{Page, Sent, asked, needed};
use super::wire::{Omit, item, item_for};
use super::{Answer, done, listed, paged};
use crate::access::Access;
use crate::errors::ApiError;
use crate::http::json::Json as StrictJson;
use crate::workspace::Workspace;

const KIND: ObjectKind = ObjectKind::Function;

#[derive(Deserialize)]
pub(super) struct Create {
    function_info: Option<New>,
}

#[derive(Deserialize)]
struct New {
    name: Option<String>,
    catalog_name: Option<String>,
    schema_name: Option<String>,
    comment: Option<String>,
    /// One text of JSON.
    properties: Option<String>,
    input_params: Option<Parameters>,
    return_params: Option<Parameters>,
    data_type: Option<String>,
    full_data_type: Option<String>,
    routine_body: Option<String>,
    routine_definition: Option<String>,
    external_language: Option<String>,
    is_deterministic: Option<bool>,
    sql_data_access: Option<String>,
    security_type: Option<String>,
    parameter_style: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    name: String,
    type_text: String,
    comment: Option<String>,
    parameter_default: Option<String>,
    #[serde(default)]
    position: i64,
}

pub(super) async fn list(State(workspace): State<Arc<Workspace>>, access: Access, sent: Sent) -> Answer {
    let asked = asked(sent)?;
    let page = Page::by_max_results(&asked)?;
    let catalog = needed("catalog_name", asked.catalog_name.as_ref())?;
    let schema = needed("schema_name", asked.schema_name.as_ref())?;
    let schema = format!("{catalog}.{schema}");
    let schema = find(&workspace, &access, ObjectKind::Schema, &schema, &family::UC_FUNCTIONS)?;
    let (items, next) = listed(&workspace, &access, schema.id, KIND, &page, asked.browses());
    let items: Vec<Value> =
        items.iter().map(|object| item_for(&workspace, &access, object, Omit::default())).collect();
    Ok(paged("functions", items, next))
}

pub(super) async fn read(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
    sent: Sent,
) -> Answer {
    let browses = asked(sent)?.browses();
    let object = see_or_browse(&workspace, &access, KIND, &name, &family::UC_FUNCTIONS, browses)?;
    Ok(Json(item_for(&workspace, &access, &object, Omit::default())))
}

pub(super) async fn create(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    StrictJson(body): StrictJson<Create>,
) -> Answer {
    let new = body
        .function_info
        .ok_or_else(|| ApiError::invalid_parameter("Missing required field: function_info"))?;
    needed("name", new.name.as_ref())?;
    let catalog = needed("catalog_name", new.catalog_name.as_ref())?;
    let schema = needed("schema_name", new.schema_name.as_ref())?;
    let schema =
        find(&workspace, &access, ObjectKind::Schema, &format!("{catalog}.{schema}"), &family::UC_FUNCTIONS)?;
    let permit = create_in(&access, schema.reference(), KIND, &family::UC_FUNCTIONS)?;
    only(&new.rest, &[])?;
    let detail = detail(&new)?;
    let properties = match new.properties.as_deref() {
        None | Some("") => None,
        Some(text) => Some(serde_json::from_str(text).map_err(|_| {
            ApiError::invalid_parameter("properties is not a JSON object of texts, written as one text")
        })?),
    };
    let wanted = Wanted { name: new.name, comment: new.comment, properties, ..Wanted::default() };
    let made = make(&workspace, &permit, wanted, Detail::Function(detail)).await?;
    Ok(Json(item(&workspace, &made)))
}

fn detail(new: &New) -> Result<FunctionDetail, ApiError> {
    let definition = needed("routine_definition", new.routine_definition.as_ref())?.to_owned();
    let python =
        new.external_language.as_deref().is_some_and(|language| language.eq_ignore_ascii_case("python"));
    let body = match needed("routine_body", new.routine_body.as_ref())? {
        "SQL" => FunctionBody::Sql(definition),
        "EXTERNAL" if python => FunctionBody::Python(definition),
        "EXTERNAL" => {
            return Err(ApiError::not_emulated("An EXTERNAL function in a language other than Python"));
        }
        _ => return Err(ApiError::invalid_parameter("routine_body is SQL or EXTERNAL")),
    };
    one_of("security_type", new.security_type.as_deref(), &["DEFINER"])?;
    one_of("parameter_style", new.parameter_style.as_deref(), &["S"])?;
    one_of("sql_data_access", new.sql_data_access.as_deref(), &["CONTAINS_SQL", "READS_SQL_DATA", "NO_SQL"])?;
    let returns = match (new.data_type.as_deref(), &new.return_params) {
        (Some("TABLE_TYPE"), Some(columns)) => FunctionReturns::Table(parameters(columns)?),
        (Some("TABLE_TYPE"), None) => {
            return Err(ApiError::invalid_parameter(
                "A function of data_type TABLE_TYPE takes return_params",
            ));
        }
        (data_type, _) => {
            let text = new.full_data_type.as_deref().filter(|text| !text.is_empty()).or(data_type);
            let text =
                text.ok_or_else(|| ApiError::invalid_parameter("Missing required field: full_data_type"))?;
            FunctionReturns::Scalar(type_of(text)?)
        }
    };
    let none = Parameters { parameters: Vec::new() };
    let usual = if python { "NO_SQL" } else { "CONTAINS_SQL" };
    Ok(FunctionDetail {
        parameters: parameters(new.input_params.as_ref().unwrap_or(&none))?,
        returns,
        body,
        deterministic: new.is_deterministic.unwrap_or(false),
        data_access: new.sql_data_access.clone().unwrap_or_else(|| usual.to_owned()),
        context: (new.catalog_name.clone(), new.schema_name.clone()),
    })
}

fn one_of(field: &str, value: Option<&str>, known: &[&str]) -> Result<(), ApiError> {
    match value {
        Some(value) if !known.contains(&value) => {
            Err(ApiError::invalid_parameter(format!("{field} is not one of {}", known.join(", "))))
        }
        _ => Ok(()),
    }
}

fn type_of(text: &str) -> Result<SqlType, ApiError> {
    text.parse()
        .map_err(|error: brickyard_types::InvalidSqlType| ApiError::invalid_parameter(error.to_string()))
}

fn parameters(list: &Parameters) -> Result<Vec<FunctionParameter>, ApiError> {
    let mut sorted: Vec<&Parameter> = list.parameters.iter().collect();
    sorted.sort_by_key(|parameter| parameter.position);
    let mut found: Vec<FunctionParameter> = Vec::with_capacity(sorted.len());
    for parameter in sorted {
        let name = parameter.name.clone();
        if name.is_empty() || found.iter().any(|other| other.name.eq_ignore_ascii_case(&name)) {
            return Err(ApiError::invalid_parameter("A parameter's name is empty, or there twice"));
        }
        found.push(FunctionParameter {
            name,
            data_type: type_of(&parameter.type_text)?,
            default: parameter.parameter_default.clone(),
            comment: parameter.comment.clone().filter(|text| !text.is_empty()),
        });
    }
    Ok(found)
}

pub(super) async fn update(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
    StrictJson(wanted): StrictJson<Wanted>,
) -> Answer {
    let (before, permit) = manage(&workspace, &access, KIND, &name, &family::UC_FUNCTIONS)?;
    wanted.nothing_else(&[])?;
    let after = change(&workspace, &permit, &before, wanted, None).await?;
    Ok(Json(item(&workspace, &after)))
}

/// `force` says nothing here: nothing is inside a function.
pub(super) async fn delete(
    State(workspace): State<Arc<Workspace>>,
    access: Access,
    Path(name): Path<String>,
) -> Answer {
    let (_, permit) = manage(&workspace, &access, KIND, &name, &family::UC_FUNCTIONS)?;
    drop_it(&workspace, &permit, true).await?;
    Ok(done())
}
