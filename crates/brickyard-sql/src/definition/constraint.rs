//! `PRIMARY KEY` and `FOREIGN KEY`: kept and shown, and never enforced.
//! Source: Databricks' SQL manual, "CONSTRAINT clause" and "ADD CONSTRAINT clause".

use std::sync::Arc;

use brickyard_catalog::unity::{self, Object, ObjectKind, SelectTable, TableDetail};

use crate::definition::columns::position;
use crate::error::SqlError;
use crate::run::Run;
use crate::statement::{Dropped, ForeignKey, PrimaryKey};

/// Gives a table its primary key.
pub(super) fn add_key(table: &mut TableDetail, key: &PrimaryKey) -> Result<(), SqlError> {
    if !table.primary_key.is_empty() {
        return Err(invalid("The table has a primary key: drop that first."));
    }
    let columns = own_columns(table, &key.columns)?;
    for name in &columns {
        if table.columns[position(&table.columns, name)?].nullable {
            return Err(invalid(&format!(
                "Cannot create the primary key because its child column(s) `{name}` is nullable. Please change the \
                 column nullability and retry."
            )));
        }
    }
    free_name(table, key.name.as_deref())?;
    table.primary_key = columns;
    table.primary_key_name.clone_from(&key.name);
    Ok(())
}

/// A column that a constraint names stays until the constraint is dropped.
pub(super) fn not_in_one(own: &str, table: &TableDetail, column: &str) -> Result<(), SqlError> {
    let names = |columns: &[String]| columns.iter().any(|one| one.eq_ignore_ascii_case(column));
    let key = names(&table.primary_key).then(|| table.key_name(own));
    let other = || table.foreign_keys.iter().find(|key| names(&key.columns)).map(|key| key.name.clone());
    match key.or_else(other) {
        Some(name) => {
            Err(invalid(&format!("The constraint '{name}' uses the column '{column}': drop that first.")))
        }
        None => Ok(()),
    }
}

impl Run<'_> {
    /// Gives a table a foreign key. The speaker may read the other table: what is declared about a table tells of it.
    pub(super) fn add_foreign_key(
        &self,
        own: &str,
        table: &mut TableDetail,
        key: &ForeignKey,
    ) -> Result<(), SqlError> {
        let other = self.object(ObjectKind::Table, &key.table)?;
        self.authorize(SelectTable(Self::target(&other)))?;
        let referenced = other.table().filter(|other| !other.primary_key.is_empty());
        let Some(referenced) = referenced else {
            return Err(invalid(&format!("'{}' has no primary key to refer to.", other.full_name)));
        };
        let given = if key.referenced.is_empty() { &referenced.primary_key } else { &key.referenced };
        let columns = own_columns(table, &key.columns)?;
        if given.len() != columns.len() || given.len() != referenced.primary_key.len() {
            return Err(not_the_key(&other, referenced));
        }
        let mut ordered = Vec::with_capacity(columns.len());
        for theirs in &referenced.primary_key {
            let at = given.iter().position(|one| one.eq_ignore_ascii_case(theirs));
            let at = at.ok_or_else(|| not_the_key(&other, referenced))?;
            let mine = &table.columns[position(&table.columns, &columns[at])?];
            let their_type = &referenced.columns[position(&referenced.columns, theirs)?].data_type;
            if mine.data_type != *their_type {
                return Err(invalid(&format!(
                    "The column '{}' is {} and refers to '{theirs}', which is {their_type}.",
                    mine.name, mine.data_type
                )));
            }
            ordered.push(columns[at].clone());
        }
        free_name(table, key.name.as_deref())?;
        let name = key.name.clone().unwrap_or_else(|| {
            let plain = format!("{own}_{}_fk", other.name);
            let taken = |name: &str| table.foreign_keys.iter().any(|key| key.name == name);
            let mut numbered = (2..).map(|number: u32| format!("{plain}_{number}"));
            let chosen = if taken(&plain) { numbered.find(|name| !taken(name)) } else { None };
            chosen.unwrap_or(plain)
        });
        table.foreign_keys.push(unity::ForeignKey { name, columns: ordered, table: other.id });
        Ok(())
    }

    /// `DROP CONSTRAINT`, `DROP PRIMARY KEY`, `DROP FOREIGN KEY`. A foreign key whose primary key is gone is gone too, which
    /// is said with `CASCADE`.
    pub(super) fn drop_constraint(
        &self,
        object: &Object,
        table: &mut TableDetail,
        dropped: &Dropped,
        if_exists: bool,
        cascade: bool,
    ) -> Result<(), SqlError> {
        let key_name = table.key_name(&object.name);
        let is_key = match dropped {
            Dropped::PrimaryKey => true,
            Dropped::Named(name) => name.eq_ignore_ascii_case(&key_name),
            Dropped::ForeignKey(_) => false,
        };
        if is_key && !table.primary_key.is_empty() {
            if !cascade && self.is_referred_to(object) {
                return Err(invalid(&format!(
                    "Foreign keys refer to the primary key '{key_name}': drop them first, or use CASCADE."
                )));
            }
            table.primary_key.clear();
            table.primary_key_name = None;
            return Ok(());
        }
        let before = table.foreign_keys.len();
        table.foreign_keys.retain(|key| match dropped {
            Dropped::PrimaryKey => true,
            Dropped::Named(name) => !key.name.eq_ignore_ascii_case(name),
            Dropped::ForeignKey(columns) => !same_names(&key.columns, columns),
        });
        if before == table.foreign_keys.len() && !if_exists {
            let what = match dropped {
                Dropped::Named(name) => format!("constraint '{name}'"),
                Dropped::PrimaryKey => "primary key".to_owned(),
                Dropped::ForeignKey(columns) => format!("foreign key ({})", columns.join(", ")),
            };
            return Err(invalid(&format!("'{}' has no {what}.", object.full_name)));
        }
        Ok(())
    }

    fn is_referred_to(&self, object: &Object) -> bool {
        let unity = self.sql.catalog.unity();
        let all = unity.descendants(unity::ObjectId::METASTORE);
        all.iter()
            .filter(|other| other.id != object.id)
            .filter_map(|other| other.table())
            .any(|other| other.foreign_keys.iter().any(|key| key.table == object.id))
    }

    /// The table that a foreign key refers to, if it still has such a key and the speaker may know about it.
    pub(crate) fn referred_to(&self, key: &unity::ForeignKey) -> Option<Arc<Object>> {
        let catalog = &self.sql.catalog;
        let other = catalog.unity().get(key.table).cloned()?;
        let fits = other.table().is_some_and(|other| other.primary_key.len() == key.columns.len());
        (fits && catalog.sees(self.session.speaker().principal(), &other.reference())).then_some(other)
    }
}

/// Columns as the table spells them, each once.
fn own_columns(table: &TableDetail, names: &[String]) -> Result<Vec<String>, SqlError> {
    let mut found: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let column = &table.columns[position(&table.columns, name)?].name;
        if found.contains(column) {
            return Err(invalid(&format!("The column '{column}' stands in the constraint twice.")));
        }
        found.push(column.clone());
    }
    if found.is_empty() {
        return Err(invalid("A constraint names at least one column."));
    }
    Ok(found)
}

fn free_name(table: &TableDetail, name: Option<&str>) -> Result<(), SqlError> {
    let Some(name) = name else { return Ok(()) };
    let key = table.primary_key_name.as_deref().filter(|_| !table.primary_key.is_empty());
    let mut names = table.foreign_keys.iter().map(|key| key.name.as_str()).chain(key);
    match names.any(|one| one.eq_ignore_ascii_case(name)) {
        true => Err(invalid(&format!("The table has a constraint '{name}'."))),
        false => Ok(()),
    }
}

fn same_names(left: &[String], right: &[String]) -> bool {
    left.len() == right.len()
        && left.iter().all(|one| right.iter().any(|other| one.eq_ignore_ascii_case(other)))
}

fn not_the_key(other: &Object, referenced: &TableDetail) -> SqlError {
    invalid(&format!(
        "A foreign key refers to the whole primary key of '{}', which is ({}).",
        other.full_name,
        referenced.primary_key.join(", ")
    ))
}

fn invalid(message: &str) -> SqlError {
    SqlError::condition("INVALID_PARAMETER_VALUE", "22023", message)
}
