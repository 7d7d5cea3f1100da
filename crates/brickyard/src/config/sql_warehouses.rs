//! `sql_warehouses:`: the id that agents and clients name, a name for people, and who may do what.

use std::collections::HashMap;

use super::directory::{self, Directory};
use super::fields::Fields;
use super::files::Merged;
use super::permissions::{self, PermissionEntry, WarehousePermission};
use super::problem::{Place, Problems, shown};

/// One SQL warehouse.
#[derive(Debug, Clone)]
pub struct SqlWarehouseConfig {
    /// Its id: what a `DatabricksSQLWarehouse` and a `warehouse_id` name.
    pub id: String,
    /// The name that people see; the id without one.
    pub name: String,
    /// Who may do what.
    pub permissions: Vec<PermissionEntry<WarehousePermission>>,
    /// Where it stands.
    pub place: Place,
}

/// Fields of the create request that say how large a warehouse is: there is one engine here, and it has no size.
const NOT_YET: [&str; 8] = [
    "cluster_size",
    "min_num_clusters",
    "max_num_clusters",
    "auto_stop_mins",
    "warehouse_type",
    "enable_serverless_compute",
    "spot_instance_policy",
    "channel",
];

/// Reads the section.
pub(super) fn read(merged: &Merged, directory: &Directory, problems: &Problems) -> Vec<SqlWarehouseConfig> {
    let mut warehouses: Vec<SqlWarehouseConfig> = Vec::new();
    let mut ids: HashMap<String, Place> = HashMap::new();
    let mut names: HashMap<String, Place> = HashMap::new();
    for node in directory::items(merged, "sql_warehouses", problems) {
        let keys: Vec<&str> = ["id", "name", "permissions"].into_iter().chain(NOT_YET).collect();
        let Some(fields) = Fields::of(node, &keys, problems) else { continue };
        for key in NOT_YET.into_iter().filter(|key| fields.node(key).is_some()) {
            fields.refuse(key, format!("brickyard's warehouses have no {key}; remove it"));
        }
        let id = fields.present("id").and_then(|_| fields.text_or_number("id"));
        let name = fields.text("name").map(str::to_owned);
        let permissions = permissions::read(&fields, &WarehousePermission::WORDS, directory, problems);
        let Some(id) = id else { continue };
        if !is_id(&id) {
            fields
                .refuse("id", format!("{} is not an id: 1 to 100 letters, digits, '_' and '-'", shown(&id)));
            continue;
        }
        let name = name.unwrap_or_else(|| id.clone());
        if let Some(first) = ids.insert(id.clone(), fields.place_of("id")) {
            fields.refuse("id", format!("the id {id} is taken; the first is {first}"));
            continue;
        }
        if let Some(first) = names.insert(name.clone(), fields.place_of("name")) {
            fields.refuse("name", format!("the name {} is taken; the first is {first}", shown(&name)));
            continue;
        }
        warehouses.push(SqlWarehouseConfig { id, name, permissions, place: node.place.clone() });
    }
    warehouses
}

/// An id stands in paths and in DSNs, so it is a plain word.
fn is_id(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}
