//! Keys, as rows. A foreign key is shown to who may know about both tables.

use std::sync::Arc;

use brickyard_catalog::unity::{Object, ObjectKind};

use super::cell::{Cell, position, yes};
use super::rows::{Reader, Row, names};

/// A constraint of a table.
struct Key<'t> {
    name: String,
    columns: &'t [String],
    /// Of a foreign key: what it refers to.
    other: Option<Arc<Object>>,
}

impl Reader<'_, '_> {
    pub(super) fn table_constraints(&self) -> Vec<Row> {
        self.of_each_key(|table, key| {
            let mut row = named(table, &key.name);
            row.extend(names(table));
            let kind = if key.other.is_some() { "FOREIGN KEY" } else { "PRIMARY KEY" };
            row.extend([kind.into(), yes(false), yes(false), yes(false), Cell::Null]);
            vec![row]
        })
    }

    pub(super) fn key_columns(&self) -> Vec<Row> {
        self.of_each_key(|table, key| {
            let row = |(index, column): (usize, &String)| {
                let mut row = named(table, &key.name);
                row.extend(names(table));
                let referred = if key.other.is_some() { position(index) } else { Cell::Null };
                row.extend([column.as_str().into(), position(index), referred]);
                row
            };
            key.columns.iter().enumerate().map(row).collect()
        })
    }

    pub(super) fn references(&self) -> Vec<Row> {
        self.of_each_key(|table, key| {
            let Some((other, detail)) = key.other.as_ref().and_then(|other| Some((other, other.table()?)))
            else {
                return Vec::new();
            };
            let mut row = named(table, &key.name);
            row.extend(named(other, &detail.key_name(&other.name)));
            row.extend(["FULL".into(), "NO ACTION".into(), "NO ACTION".into()]);
            vec![row]
        })
    }

    fn of_each_key(&self, rows: impl Fn(&Object, &Key<'_>) -> Vec<Row>) -> Vec<Row> {
        let mut all = Vec::new();
        for object in self.objects(ObjectKind::Table) {
            let Some(table) = object.table() else { continue };
            if !table.primary_key.is_empty() {
                let name = table.key_name(&object.name);
                all.extend(rows(&object, &Key { name, columns: &table.primary_key, other: None }));
            }
            for key in &table.foreign_keys {
                let Some(other) = self.run.referred_to(key) else { continue };
                let (name, columns) = (key.name.clone(), key.columns.as_slice());
                all.extend(rows(&object, &Key { name, columns, other: Some(other) }));
            }
        }
        all
    }
}

/// The catalog, the schema and the name of a table's constraint.
fn named(table: &Object, constraint: &str) -> Row {
    let mut row = names(table);
    row.truncate(2);
    row.push(constraint.to_lowercase().into());
    row
}
