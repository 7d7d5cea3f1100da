//! Objects as the REST API writes them. Shapes: databricks-sdk `service/catalog.py`.

use brickyard_catalog::Catalog;
use brickyard_catalog::unity::{
    FunctionBody, FunctionParameter, FunctionReturns, Object, ObjectId, ObjectKind, PolicyArgument,
    TableKind, Unity,
};
use brickyard_types::{SqlType, WorkspaceId, spark_field};
use serde_json::{Map, Value, json};

use crate::access::Access;
use crate::workspace::Workspace;

/// The metastore's id: made from the workspace's, so that it is the same at every start.
pub(super) fn metastore_id(id: WorkspaceId) -> String {
    format!("00000000-0000-4000-8001-{:012x}", id.0 & 0xffff_ffff_ffff)
}

/// What is left out of an item.
#[derive(Clone, Copy, Default)]
pub(super) struct Omit {
    pub columns: bool,
    pub properties: bool,
    pub username: bool,
    /// The text of a view or function.
    pub definition: bool,
}

/// An object as the caller may be shown it.
pub(super) fn item_for(workspace: &Workspace, access: &Access, object: &Object, omit: Omit) -> Value {
    let (who, on) = (access.caller().principal(), object.reference());
    let definition = !workspace.catalog.reads_definition(who, &on);
    let mut item = item_without(workspace, object, Omit { definition, ..omit });
    if let Value::Object(item) = &mut item
        && workspace.catalog.only_browses(who, &on)
    {
        item.insert("browse_only".to_owned(), true.into());
    }
    item
}

/// An object, whole: for who made or manages it.
pub(super) fn item(workspace: &Workspace, object: &Object) -> Value {
    item_without(workspace, object, Omit::default())
}

/// An object without what the caller does not want.
pub(super) fn item_without(workspace: &Workspace, object: &Object, omit: Omit) -> Value {
    let unity = workspace.catalog.unity();
    let mut item = common(&workspace.catalog, object, omit);
    item.insert("metastore_id".to_owned(), metastore_id(workspace.id).into());
    let more = match object.kind {
        ObjectKind::Metastore => json!({}),
        ObjectKind::Catalog => json!({
            "catalog_type": "MANAGED_CATALOG", "isolation_mode": "OPEN", "securable_type": "CATALOG",
        }),
        ObjectKind::Schema => json!({"catalog_type": "MANAGED_CATALOG", "schema_id": object.uid}),
        ObjectKind::Table => table(&unity, object, omit),
        ObjectKind::Function => function(object, omit),
        ObjectKind::Connection => connection(object),
    };
    if let Value::Object(more) = more {
        item.extend(more);
    }
    Value::Object(item)
}

fn common(catalog: &Catalog, object: &Object, omit: Omit) -> Map<String, Value> {
    let mut item = Map::new();
    let mut put = |key: &str, value: Value| item.insert(key.to_owned(), value);
    put("name", object.name.as_ref().into());
    put("full_name", object.full_name.as_ref().into());
    let parts: Vec<&str> = object.full_name.split('.').collect();
    match (object.kind, parts.as_slice()) {
        (ObjectKind::Schema, [catalog, _]) => {
            put("catalog_name", (*catalog).into());
        }
        (ObjectKind::Table | ObjectKind::Function, [catalog, schema, _]) => {
            put("catalog_name", (*catalog).into());
            put("schema_name", (*schema).into());
        }
        _ => {}
    }
    if !omit.username {
        put("owner", catalog.grantee_name(object.owner).into());
        put("created_by", object.created_by.as_ref().into());
        put("updated_by", object.updated_by.as_ref().into());
    }
    put("created_at", object.created_at.as_millisecond().into());
    put("updated_at", object.updated_at.as_millisecond().into());
    if let Some(comment) = &object.comment {
        put("comment", comment.as_str().into());
    }
    if !omit.properties {
        match object.kind {
            // A function's are one text.
            ObjectKind::Function if object.properties.is_empty() => {}
            ObjectKind::Function => {
                put("properties", json!(object.properties).to_string().into());
            }
            _ => {
                put("properties", json!(object.properties));
            }
        }
    }
    item
}

/// The word of the REST API.
pub(super) fn table_type(kind: TableKind) -> &'static str {
    match kind {
        TableKind::Managed => "MANAGED",
        TableKind::External => "EXTERNAL",
        TableKind::View => "VIEW",
    }
}

fn table(unity: &Unity, object: &Object, omit: Omit) -> Value {
    let Some(table) = object.table() else { return json!({}) };
    let mut item = Map::new();
    let mut put = |key: &str, value: Value| item.insert(key.to_owned(), value);
    put("table_id", object.uid.as_ref().into());
    put("table_type", table_type(table.table_kind).into());
    if let Some(format) = &table.format {
        put("data_source_format", format.as_str().into());
    }
    if let Some(location) = &table.location {
        put("storage_location", location.as_str().into());
    }
    if let Some(query) = table.view_query.as_ref().filter(|_| !omit.definition) {
        put("view_definition", query.as_str().into());
    }
    if !table.primary_key.is_empty() {
        let key = json!({"name": table.key_name(&object.name), "child_columns": table.primary_key});
        put("table_constraints", json!([{ "primary_key_constraint": key }]));
    }
    if let Some(filter) = &table.row_filter {
        let names = ("input_column_names", "input_arguments");
        put("row_filter", policy(unity, filter.function, &filter.function_name, &filter.arguments, names));
    }
    if !omit.columns {
        let columns = table.columns.iter().enumerate().map(|(position, column)| {
            let mut item = typed(&column.name, &column.data_type, column.nullable, position);
            item.insert("nullable".to_owned(), column.nullable.into());
            if let Some(comment) = &column.comment {
                item.insert("comment".to_owned(), comment.as_str().into());
            }
            if let Some(mask) = &column.mask {
                let names = ("using_column_names", "using_arguments");
                let mask = policy(unity, mask.function, &mask.function_name, &mask.arguments, names);
                item.insert("mask".to_owned(), mask);
            }
            Value::Object(item)
        });
        put("columns", columns.collect());
    }
    Value::Object(item)
}

/// A row filter or a mask. The list of arguments is there only where it says more than the list of columns.
fn policy(
    unity: &Unity,
    function: ObjectId,
    known_as: &str,
    arguments: &[PolicyArgument],
    (columns_key, arguments_key): (&str, &str),
) -> Value {
    let name = unity.get(function).map_or(known_as, |function| &function.full_name);
    let columns = arguments.iter().filter_map(|argument| match argument {
        PolicyArgument::Column(name) => Some(name.as_str()),
        PolicyArgument::Constant(_) => None,
    });
    let mut item = Map::new();
    item.insert("function_name".to_owned(), name.into());
    item.insert(columns_key.to_owned(), columns.collect());
    if arguments.iter().any(|argument| matches!(argument, PolicyArgument::Constant(_))) {
        let all = arguments.iter().map(|argument| match argument {
            PolicyArgument::Column(name) => json!({ "column": name }),
            PolicyArgument::Constant(sql) => json!({ "constant": sql }),
        });
        item.insert(arguments_key.to_owned(), all.collect());
    }
    Value::Object(item)
}

/// What columns and parameters have in common.
fn typed(name: &str, data_type: &SqlType, nullable: bool, position: usize) -> Map<String, Value> {
    let mut item = Map::new();
    let mut put = |key: &str, value: Value| item.insert(key.to_owned(), value);
    put("name", name.into());
    put("type_text", data_type.to_string().into());
    put("type_name", data_type.type_name().into());
    put("type_json", spark_field(name, data_type, nullable).to_string().into());
    put("position", position.into());
    if let SqlType::Decimal(precision, scale) = data_type {
        put("type_precision", (*precision).into());
        put("type_scale", (*scale).into());
    }
    item
}

fn function(object: &Object, omit: Omit) -> Value {
    let Some(function) = object.function() else { return json!({}) };
    let mut item = Map::new();
    let mut put = |key: &str, value: Value| item.insert(key.to_owned(), value);
    put("function_id", object.uid.as_ref().into());
    match &function.returns {
        FunctionReturns::Scalar(data_type) => {
            put("data_type", data_type.type_name().into());
            put("full_data_type", data_type.in_capitals().into());
        }
        FunctionReturns::Table(columns) => {
            put("data_type", "TABLE_TYPE".into());
            let columns_text: Vec<_> = columns
                .iter()
                .map(|column| format!("{} {}", column.name, column.data_type.in_capitals()))
                .collect();
            put("full_data_type", format!("({})", columns_text.join(", ")).into());
            put("return_params", json!({ "parameters": parameters(columns, "COLUMN") }));
        }
    }
    // Clients take a list without parameters for a mistake: a function without any has no such key.
    if !function.parameters.is_empty() {
        put("input_params", json!({ "parameters": parameters(&function.parameters, "PARAM") }));
    }
    let text = match &function.body {
        FunctionBody::Sql(text) => {
            put("routine_body", "SQL".into());
            text
        }
        FunctionBody::Python(text) => {
            put("routine_body", "EXTERNAL".into());
            put("external_language", "Python".into());
            text
        }
    };
    if !omit.definition {
        put("routine_definition", text.as_str().into());
    }
    put("parameter_style", "S".into());
    put("is_deterministic", function.deterministic.into());
    put("sql_data_access", function.data_access.as_str().into());
    put("is_null_call", false.into());
    put("security_type", "DEFINER".into());
    put("specific_name", object.name.as_ref().into());
    Value::Object(item)
}

fn parameters(list: &[FunctionParameter], what: &str) -> Vec<Value> {
    let shown = list.iter().enumerate().map(|(position, parameter)| {
        let mut item = typed(&parameter.name, &parameter.data_type, true, position);
        item.insert("parameter_mode".to_owned(), "IN".into());
        item.insert("parameter_type".to_owned(), what.into());
        if let Some(comment) = &parameter.comment {
            item.insert("comment".to_owned(), comment.as_str().into());
        }
        if let Some(default) = &parameter.default {
            item.insert("parameter_default".to_owned(), default.as_str().into());
        }
        Value::Object(item)
    });
    shown.collect()
}

fn connection(object: &Object) -> Value {
    let Some(connection) = object.connection() else { return json!({}) };
    let has = |key: &str| connection.options.contains_key(key) || connection.sealed.contains_key(key);
    let mut item = json!({
        "connection_id": object.uid,
        "connection_type": connection.connection_type,
        "options": connection.options,
        "securable_type": "CONNECTION",
    });
    let credential_type = match connection.connection_type.as_str() {
        "HTTP" if has("bearer_token") => Some("BEARER_TOKEN"),
        "HTTP" if has("authorization_endpoint") => Some("OAUTH_U2M"),
        "HTTP" if has("client_id") => Some("OAUTH_M2M"),
        _ if has("user") && has("password") => Some("USERNAME_PASSWORD"),
        _ => None,
    };
    if let (Some(credential_type), Value::Object(item)) = (credential_type, &mut item) {
        item.insert("credential_type".to_owned(), credential_type.into());
    }
    item
}
