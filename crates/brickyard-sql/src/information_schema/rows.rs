//! The rows of each relation: objects that the speaker may know about, and no other.

use std::collections::BTreeMap;
use std::sync::Arc;

use brickyard_catalog::family;
use brickyard_catalog::unity::{
    Column, EffectivePrivilege, FunctionBody, FunctionParameter, FunctionReturns, Identity, ManageObject,
    Object, ObjectKind, PolicyArgument, ReadGrants, SeeObject, TableKind, Target,
};

use super::cell::{Cell, position, table_type_cells, type_cells, yes};
use super::{NAME, shape};
use crate::arrow_types::to_sql;
use crate::run::Run;

/// Who made and owns what nobody made.
const SYSTEM: &str = "System user";

pub(super) type Row = Vec<Cell>;

/// What one statement's speaker sees of some catalogs.
pub(super) struct Reader<'r, 's> {
    pub run: &'r Run<'s>,
    /// The catalogs that the relation is about.
    pub catalogs: Vec<Arc<Object>>,
    /// What `information_schema_catalog_name` says.
    pub named: String,
}

impl Reader<'_, '_> {
    pub(super) fn rows(&self, relation: &str) -> Vec<Row> {
        match relation {
            "catalogs" => self.catalogs.iter().map(|catalog| self.catalog(catalog)).collect(),
            "schemata" => self.schemata(),
            "tables" => self.tables(),
            "columns" => self.columns(),
            "views" => self.objects(ObjectKind::Table).iter().filter_map(|view| self.view(view)).collect(),
            "routines" => self.functions().filter_map(|function| self.routine(&function)).collect(),
            "parameters" => self.functions().flat_map(|function| parameters(&function)).collect(),
            "routine_columns" => self.functions().flat_map(|function| routine_columns(&function)).collect(),
            "row_filters" => {
                self.objects(ObjectKind::Table).iter().filter_map(|table| filter(table)).collect()
            }
            "table_constraints" => self.table_constraints(),
            "key_column_usage" => self.key_columns(),
            "referential_constraints" => self.references(),
            "column_masks" => self.objects(ObjectKind::Table).iter().flat_map(|table| masks(table)).collect(),
            "catalog_privileges" => self.privileges(&self.catalogs, 1),
            "schema_privileges" => self.privileges(&self.objects(ObjectKind::Schema), 1),
            "table_privileges" => self.privileges(&self.objects(ObjectKind::Table), 1),
            // The specific name of a function is its name: it has no overloads.
            "routine_privileges" => self.privileges(&self.objects(ObjectKind::Function), 2),
            "catalog_tags" => self.catalogs.iter().flat_map(|one| tags(names(one), &one.tags)).collect(),
            "schema_tags" => self.tagged(ObjectKind::Schema),
            "table_tags" => self.tagged(ObjectKind::Table),
            "column_tags" => {
                self.objects(ObjectKind::Table).iter().flat_map(|table| column_tags(table)).collect()
            }
            "information_schema_catalog_name" => vec![vec![self.named.as_str().into()]],
            _ => Vec::new(),
        }
    }

    /// Everything of one kind in the catalogs, that the speaker may know about, by name.
    pub(super) fn objects(&self, kind: ObjectKind) -> Vec<Arc<Object>> {
        let catalog = &self.run.sql.catalog;
        let unity = catalog.unity();
        let speaker = self.run.session.speaker().principal();
        let mut found = Vec::new();
        for above in &self.catalogs {
            for schema in unity.children_of_kind(above.id, ObjectKind::Schema) {
                if kind == ObjectKind::Schema {
                    found.push(Arc::clone(schema));
                } else {
                    found.extend(unity.children_of_kind(schema.id, kind).cloned());
                }
            }
        }
        found.retain(|object| catalog.sees(speaker, &object.reference()));
        found
    }

    fn tagged(&self, kind: ObjectKind) -> Vec<Row> {
        self.objects(kind).iter().flat_map(|object| tags(names(object), &object.tags)).collect()
    }

    fn functions(&self) -> impl Iterator<Item = Arc<Object>> + use<> {
        self.objects(ObjectKind::Function).into_iter()
    }

    fn owner(&self, object: &Object) -> Cell {
        self.run.sql.catalog.grantee_name(object.owner).into()
    }

    fn catalog(&self, catalog: &Object) -> Row {
        let mut row = names(catalog);
        row.extend([self.owner(catalog), catalog.comment.clone().into()]);
        row.extend(history(catalog));
        row
    }

    fn schemata(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for schema in self.objects(ObjectKind::Schema) {
            let mut row = names(&schema);
            row.extend([self.owner(&schema), schema.comment.clone().into()]);
            row.extend(history(&schema));
            rows.push(row);
        }
        for catalog in &self.catalogs {
            let mut row = names(catalog);
            row.extend([NAME.into(), SYSTEM.into(), Cell::Null]);
            row.extend(made_with(catalog));
            rows.push(row);
        }
        rows
    }

    fn tables(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for object in self.objects(ObjectKind::Table) {
            let Some(table) = object.table() else { continue };
            let (kind, insertable) = match table.table_kind {
                TableKind::Managed => ("MANAGED", true),
                TableKind::External => ("EXTERNAL", false),
                TableKind::View => ("VIEW", false),
            };
            let format = table.format.as_deref().unwrap_or("UNKNOWN_DATA_SOURCE_FORMAT");
            let mut row = names(&object);
            row.extend([kind.into(), yes(insertable), "PRESERVE".into(), self.owner(&object)]);
            row.push(object.comment.clone().into());
            row.extend(history(&object));
            row.extend([format.to_uppercase().into(), table.location.clone().into()]);
            rows.push(row);
        }
        for catalog in &self.catalogs {
            for (relation, _) in shape::RELATIONS {
                let mut row = names(catalog);
                row.extend([NAME.into(), (*relation).into(), "VIEW".into(), yes(false), "PRESERVE".into()]);
                row.extend([SYSTEM.into(), Cell::Null]);
                row.extend(made_with(catalog));
                row.extend(["UNKNOWN_DATA_SOURCE_FORMAT".into(), Cell::Null]);
                rows.push(row);
            }
        }
        rows
    }

    fn columns(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for object in self.objects(ObjectKind::Table) {
            let Some(table) = object.table() else { continue };
            let updatable = table.table_kind == TableKind::Managed;
            for (index, column) in table.columns.iter().enumerate() {
                let mut row = names(&object);
                row.extend([column.name.as_str().into(), position(index), column.default.clone().into()]);
                row.push(yes(column.nullable));
                row.extend(type_cells(&column.data_type));
                row.extend(plain_column(updatable, column.identity.as_ref()));
                row.push(column.comment.clone().into());
                rows.push(row);
            }
        }
        for catalog in &self.catalogs {
            for (relation, _) in shape::RELATIONS {
                let Some(schema) = shape::of(relation) else { continue };
                for (index, field) in schema.fields().iter().enumerate() {
                    let Some(data_type) = to_sql(field.data_type()) else { continue };
                    let mut row = names(catalog);
                    row.extend([NAME.into(), (*relation).into(), field.name().as_str().into()]);
                    row.extend([position(index), Cell::Null, yes(true)]);
                    row.extend(type_cells(&data_type));
                    row.extend(plain_column(false, None));
                    row.push(Cell::Null);
                    rows.push(row);
                }
            }
        }
        rows
    }

    /// The definition is shown to who may change it.
    fn view(&self, view: &Object) -> Option<Row> {
        let table = view.table().filter(|table| table.table_kind == TableKind::View)?;
        let text = table.view_query.clone().filter(|_| self.manages(view));
        let mut row = names(view);
        row.extend([
            text.into(),
            "NONE".into(),
            yes(false),
            yes(false),
            path(&table.view_context),
            yes(false),
        ]);
        Some(row)
    }

    fn routine(&self, object: &Object) -> Option<Row> {
        let function = object.function()?;
        let (body, language, text) = match &function.body {
            FunctionBody::Sql(text) => ("SQL", None, text),
            FunctionBody::Python(text) => ("EXTERNAL", Some("Python"), text),
        };
        let text = Some(text.clone()).filter(|_| self.manages(object));
        let mut row = names(object);
        row.extend(names(object));
        row.extend([self.owner(object), "FUNCTION".into()]);
        row.extend(match &function.returns {
            FunctionReturns::Scalar(data_type) => type_cells(data_type),
            FunctionReturns::Table(columns) => {
                let columns = columns.iter().map(|column| format!("{} {}", column.name, column.data_type));
                table_type_cells(format!("table({})", columns.collect::<Vec<_>>().join(", ")))
            }
        });
        row.extend([body.into(), text.into(), Cell::Null, language.into(), "SQL".into()]);
        row.extend([yes(function.deterministic), function.data_access.replace('_', " ").into(), yes(false)]);
        row.extend([path(&function.context), "DEFINER".into(), yes(false), object.comment.clone().into()]);
        row.extend(history(object));
        Some(row)
    }

    /// Everybody's privileges for who manages the object, the speaker's own for who sees it, as `SHOW GRANTS`. Who granted
    /// is not kept. `times` is how often the object's name stands in a row.
    fn privileges(&self, objects: &[Arc<Object>], times: usize) -> Vec<Row> {
        let mut rows = Vec::new();
        for object in objects {
            for held in self.held(object) {
                let from = held.inherited_from.map_or("NONE", |above| above.kind.word());
                let mut row = vec![Cell::Null, held.name.into()];
                for _ in 0..times {
                    row.extend(names(object));
                }
                row.extend([held.privilege.as_str().into(), yes(false), from.into()]);
                rows.push(row);
            }
        }
        rows
    }

    fn held(&self, object: &Object) -> Vec<EffectivePrivilege> {
        let catalog = &self.run.sql.catalog;
        let asker = self.run.session.speaker().asker();
        let target = Target::new(object.reference(), &family::SQL_STATEMENTS);
        if let Ok(permit) = catalog.authorize_as(&asker, ReadGrants(target.clone())) {
            return catalog.effective_grants(&permit);
        }
        let seen = catalog.authorize_as(&asker, SeeObject(target));
        seen.map(|permit| catalog.own_effective_grants(&permit)).unwrap_or_default()
    }

    fn manages(&self, object: &Object) -> bool {
        let target = Target::new(object.reference(), &family::SQL_STATEMENTS);
        let asker = self.run.session.speaker().asker();
        self.run.sql.catalog.authorize_as(&asker, ManageObject(target)).is_ok()
    }
}

/// The parts of an object's name. Databricks keeps names in lower case.
pub(super) fn names(object: &Object) -> Row {
    object.full_name.split('.').map(|part| part.to_lowercase().into()).collect()
}

/// A row for each tag of what these cells name.
fn tags(named: Row, tags: &BTreeMap<String, String>) -> Vec<Row> {
    let row = |(name, value): (&String, &String)| {
        let mut row = named.clone();
        row.extend([name.as_str().into(), value.as_str().into()]);
        row
    };
    tags.iter().map(row).collect()
}

fn column_tags(object: &Object) -> Vec<Row> {
    let columns = object.table().map(|table| table.columns.as_slice()).unwrap_or_default();
    let of = |column: &Column| {
        let mut named = names(object);
        named.push(column.name.as_str().into());
        tags(named, &column.tags)
    };
    columns.iter().flat_map(of).collect()
}

/// `created`, `created_by`, `last_altered`, `last_altered_by`.
fn history(object: &Object) -> [Cell; 4] {
    [
        object.created_at.into(),
        (*object.created_by).into(),
        object.updated_at.into(),
        (*object.updated_by).into(),
    ]
}

/// The same of what came with a catalog.
fn made_with(catalog: &Object) -> [Cell; 4] {
    [catalog.created_at.into(), SYSTEM.into(), catalog.created_at.into(), SYSTEM.into()]
}

/// From `is_identity` to `partition_index`.
fn plain_column(updatable: bool, identity: Option<&Identity>) -> Row {
    let mut cells = vec![yes(identity.is_some())];
    match identity {
        Some(identity) => {
            let how = if identity.always { "ALWAYS" } else { "BY DEFAULT" };
            let numbers =
                [identity.start, identity.step].map(|number| Cell::from(number.to_string().as_str()));
            cells.push(how.into());
            cells.extend(numbers);
            cells.extend([Cell::Null, Cell::Null, yes(false)]);
        }
        None => cells.extend(vec![Cell::Null; 6]),
    }
    cells.extend([yes(false), Cell::Null, yes(false), yes(false), Cell::Null, yes(updatable), Cell::Null]);
    cells
}

/// Where names are looked up.
fn path(context: &(Option<String>, Option<String>)) -> Cell {
    let parts: Vec<_> = [&context.0, &context.1].into_iter().flatten().map(String::as_str).collect();
    Some(parts.join(".")).filter(|path| !path.is_empty()).into()
}

fn parameters(object: &Object) -> Vec<Row> {
    let Some(function) = object.function() else { return Vec::new() };
    let row = |(index, parameter): (usize, &FunctionParameter)| {
        let mut row = names(object);
        row.extend([position(index), "IN".into(), yes(false), yes(false), parameter.name.as_str().into()]);
        row.extend(type_cells(&parameter.data_type));
        row.extend([parameter.default.clone().into(), parameter.comment.clone().into()]);
        row
    };
    function.parameters.iter().enumerate().map(row).collect()
}

fn routine_columns(object: &Object) -> Vec<Row> {
    let Some(FunctionReturns::Table(columns)) = object.function().map(|function| &function.returns) else {
        return Vec::new();
    };
    let row = |(index, column): (usize, &FunctionParameter)| {
        let mut row = names(object);
        row.extend([position(index), column.name.as_str().into()]);
        row.extend(type_cells(&column.data_type));
        row.push(column.comment.clone().into());
        row
    };
    columns.iter().enumerate().map(row).collect()
}

fn filter(object: &Object) -> Option<Row> {
    let filter = object.table()?.row_filter.as_ref()?;
    let mut row = names(object);
    row.extend(function_names(&filter.function_name));
    row.push(usage(&filter.arguments).into());
    Some(row)
}

fn masks(object: &Object) -> Vec<Row> {
    let Some(table) = object.table() else { return Vec::new() };
    let masked = table.columns.iter().filter_map(|column| {
        let mask = column.mask.as_ref()?;
        let mut row = names(object);
        row.push(column.name.as_str().into());
        row.extend(function_names(&mask.function_name));
        row.push(Some(usage(&mask.arguments)).filter(|usage| !usage.is_empty()).into());
        Some(row)
    });
    masked.collect()
}

fn function_names(full: &str) -> Row {
    let mut parts: Row = full.split('.').map(|part| part.to_lowercase().into()).collect();
    parts.resize(3, Cell::Null);
    parts
}

fn usage(arguments: &[PolicyArgument]) -> String {
    let texts = arguments.iter().map(|argument| match argument {
        PolicyArgument::Column(name) => name.as_str(),
        PolicyArgument::Constant(text) => text.as_str(),
    });
    texts.collect::<Vec<_>>().join(",")
}
