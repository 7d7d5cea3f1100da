//! Dropping an object of the catalog, with the files of the managed tables in it: by SQL and over REST alike.

use brickyard_catalog::Permit;
use brickyard_catalog::unity::{ManageObject, TableKind, UnityError};

use crate::delta;
use crate::engine::{Inner, Sql};

impl Sql {
    /// Drops an object and, if `cascade`, what is inside; then nothing is left of the managed tables among them.
    ///
    /// # Errors
    /// If it is not there any more, or holds something and `cascade` is false.
    pub async fn drop_object(&self, permit: &Permit<ManageObject>, cascade: bool) -> Result<(), UnityError> {
        drop_object(&self.0, permit, cascade).await
    }
}

pub(crate) async fn drop_object(
    inner: &Inner,
    permit: &Permit<ManageObject>,
    cascade: bool,
) -> Result<(), UnityError> {
    let _writer = inner.writers.only(permit.on().id).await;
    for object in inner.catalog.drop_object(permit, cascade).await? {
        if object.table().is_some_and(|table| table.table_kind == TableKind::Managed) {
            delta::remove(inner, &object.uid).await;
        }
    }
    Ok(())
}
