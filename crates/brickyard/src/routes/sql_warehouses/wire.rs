//! A warehouse on the wire: `CreateWarehouseRequest`, `EditWarehouseRequest`, `EndpointInfo`.

use std::sync::Arc;

use brickyard_sql::warehouses::{Warehouse, WarehouseSpec};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::errors::ApiError;
use crate::workspace::Workspace;

const SIZES: [&str; 10] = [
    "2X-Small", "X-Small", "Small", "Medium", "Large", "X-Large", "2X-Large", "3X-Large", "4X-Large",
    "5X-Large",
];

/// What is to be different from what is there.
#[derive(Deserialize)]
pub(super) struct Wanted {
    name: Option<String>,
    cluster_size: Option<String>,
    warehouse_type: Option<String>,
    enable_serverless_compute: Option<bool>,
    enable_photon: Option<bool>,
    min_num_clusters: Option<u32>,
    max_num_clusters: Option<u32>,
    auto_stop_mins: Option<u32>,
    spot_instance_policy: Option<String>,
    tags: Option<Tags>,
}

#[derive(Deserialize)]
struct Tags {
    custom_tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
struct Tag {
    key: Option<String>,
    value: Option<String>,
}

impl Wanted {
    /// `spec` with what is wanted.
    pub(super) fn over(self, mut spec: WarehouseSpec) -> Result<WarehouseSpec, ApiError> {
        if let Some(name) = self.name {
            spec.name = name.into();
        }
        if spec.name.is_empty() || spec.name.chars().count() > 100 {
            return Err(ApiError::invalid_parameter("name is required and has at most 100 characters"));
        }
        if let Some(size) = self.cluster_size {
            spec.cluster_size = one_of("cluster_size", size, &SIZES)?;
        }
        if let Some(kind) = self.warehouse_type {
            spec.warehouse_type = one_of("warehouse_type", kind, &["PRO", "CLASSIC"])?;
        }
        if let Some(policy) = self.spot_instance_policy {
            let policies = ["COST_OPTIMIZED", "RELIABILITY_OPTIMIZED", "POLICY_UNSPECIFIED"];
            spec.spot_instance_policy = one_of("spot_instance_policy", policy, &policies)?;
        }
        if let Some(minutes) = self.auto_stop_mins {
            spec.auto_stop_mins = minutes;
        }
        if let Some(serverless) = self.enable_serverless_compute {
            spec.enable_serverless_compute = serverless;
        }
        if let Some(photon) = self.enable_photon {
            spec.enable_photon = photon;
        }
        if let Some(least) = self.min_num_clusters {
            spec.min_num_clusters = least;
        }
        if let Some(most) = self.max_num_clusters {
            spec.max_num_clusters = most;
        }
        spec.max_num_clusters = spec.max_num_clusters.max(spec.min_num_clusters);
        if let Some(tags) = self.tags.and_then(|tags| tags.custom_tags) {
            let tags = tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
            spec.tags = tags.collect();
        }
        Ok(spec)
    }
}

fn one_of(field: &str, value: String, allowed: &[&str]) -> Result<Arc<str>, ApiError> {
    if allowed.contains(&value.as_str()) {
        return Ok(value.into());
    }
    Err(ApiError::invalid_parameter(format!("{field} is one of {}", allowed.join(", "))))
}

/// What a client sees of a warehouse.
pub(super) fn shown(workspace: &Workspace, warehouse: &Warehouse) -> Value {
    let Warehouse { id, spec, creator_name, stopped, .. } = warehouse;
    let (secure, authority) = match workspace.host.split_once("://") {
        Some((scheme, authority)) => (scheme == "https", authority),
        None => (false, workspace.host.as_str()),
    };
    let (hostname, port) = match authority.rsplit_once(':') {
        Some((hostname, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (hostname, port.parse().ok()),
        _ => (authority, None),
    };
    let port: u16 = port.unwrap_or(if secure { 443 } else { 80 });
    let path = format!("/sql/1.0/warehouses/{id}");
    let jdbc = format!(
        "jdbc:spark://{hostname}:{port}/default;transportMode=http;ssl={};AuthMech=3;httpPath={path};",
        u8::from(secure)
    );
    let tags: Vec<Value> = spec.tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    json!({
        "id": id,
        "name": spec.name,
        "cluster_size": spec.cluster_size,
        "warehouse_type": spec.warehouse_type,
        "enable_serverless_compute": spec.enable_serverless_compute,
        "enable_photon": spec.enable_photon,
        "spot_instance_policy": spec.spot_instance_policy,
        "state": if *stopped { "STOPPED" } else { "RUNNING" },
        "min_num_clusters": spec.min_num_clusters,
        "max_num_clusters": spec.max_num_clusters,
        "num_clusters": u8::from(!stopped),
        "num_active_sessions": 0,
        "auto_stop_mins": spec.auto_stop_mins,
        "auto_resume": true,
        "creator_name": creator_name,
        "channel": {"name": "CHANNEL_NAME_CURRENT"},
        "tags": {"custom_tags": tags},
        "jdbc_url": jdbc,
        "odbc_params": {
            "hostname": hostname,
            "path": path,
            "port": port,
            "protocol": if secure { "https" } else { "http" },
        },
        "health": {"status": "HEALTHY"},
    })
}
