//! The configuration's SQL warehouses.

use brickyard_catalog::{Grant, Level, ManagePermissions, Securable};
use brickyard_types::Principal;

use super::{Applied, Thing, at, grantee};
use crate::config::{Config, SqlWarehouseConfig, WarehousePermission};
use crate::workspace::Workspace;

impl Workspace {
    pub(super) async fn seed_warehouses(&self, config: &Config, admin: &Principal, done: &mut Applied) {
        for warehouse in &config.sql_warehouses {
            let new = self.warehouses.find(&warehouse.id).is_none();
            done.names(Thing::Warehouse(warehouse.id.to_string()), new);
            if let Err(reason) = self.seed_warehouse(warehouse, admin).await {
                done.errors.push(at(format!("sql_warehouses {}", warehouse.id), reason));
            }
        }
    }

    async fn seed_warehouse(&self, warehouse: &SqlWarehouseConfig, admin: &Principal) -> Result<(), String> {
        let made = (self.warehouses.seed(&warehouse.id, &warehouse.name, admin).await)
            .map_err(|error| error.to_string())?;
        let grants: Vec<_> = (warehouse.permissions.iter())
            .map(|entry| Grant {
                grantee: grantee(&entry.principal),
                level: match entry.level {
                    WarehousePermission::CanView => Level::CanView,
                    WarehousePermission::CanMonitor => Level::CanMonitor,
                    WarehousePermission::CanUse => Level::CanUse,
                    WarehousePermission::CanManage => Level::CanManage,
                },
            })
            .collect();
        let manage = ManagePermissions(Securable::from(&made));
        let permit = self.catalog.authorize_creator(admin, manage).map_err(|denied| denied.to_string())?;
        self.catalog.set_access(&permit, &grants).await.map_err(|error| error.to_string())
    }
}
