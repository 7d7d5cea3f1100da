//! Fields of the create and update requests that ask for something brickyard does not do. They are refused by name, as
//! in the configuration: an endpoint that answered as if it had a rate limit would pass tests that production fails.
//!
//! Clients send such fields empty, or back as they read them: what asks for nothing is let pass.

use serde::Deserialize;
use serde_json::Value;

use crate::errors::ApiError;

/// Beside `config`.
#[derive(Debug, Default, Deserialize)]
pub struct OfEndpoint {
    ai_gateway: Option<Value>,
    rate_limits: Option<Value>,
    budget_policy_id: Option<Value>,
    email_notifications: Option<Value>,
    telemetry_config: Option<Value>,
    route_optimized: Option<Value>,
}

/// Beside `served_entities`.
#[derive(Debug, Default, Deserialize)]
pub struct OfConfig {
    auto_capture_config: Option<Value>,
}

/// In a served entity.
#[derive(Debug, Default, Deserialize)]
pub struct OfEntity {
    instance_profile_arn: Option<Value>,
    min_provisioned_throughput: Option<Value>,
    max_provisioned_throughput: Option<Value>,
    provisioned_model_units: Option<Value>,
    burst_scaling_enabled: Option<Value>,
}

impl OfEndpoint {
    /// Without `inference_tables` to be refused, one that is asked for is left out: whoever set
    /// `workspace.refuse_inference_tables: false` knows.
    ///
    /// # Errors
    /// 501 with the first field that asks for something.
    pub fn refuse(&self, inference_tables: bool) -> Result<(), ApiError> {
        let mut gateway = self.ai_gateway.clone();
        let fields = gateway.as_mut().and_then(Value::as_object_mut);
        let table = fields.and_then(|fields| fields.remove("inference_table_config"));
        if inference_tables && table.as_ref().is_some_and(asks) {
            return Err(ApiError::not_emulated(
                "ai_gateway.inference_table_config of a serving endpoint (with workspace.refuse_inference_tables: false \
                 endpoints are made without it)",
            ));
        }
        refuse(&[
            ("ai_gateway", &gateway),
            ("rate_limits", &self.rate_limits),
            ("budget_policy_id", &self.budget_policy_id),
            ("email_notifications", &self.email_notifications),
            ("telemetry_config", &self.telemetry_config),
            ("route_optimized", &self.route_optimized),
        ])
    }
}

impl OfConfig {
    /// # Errors
    /// 501 with the first field that asks for something.
    pub fn refuse(&self) -> Result<(), ApiError> {
        refuse(&[("auto_capture_config", &self.auto_capture_config)])
    }
}

impl OfEntity {
    /// # Errors
    /// 501 with the first field that asks for something.
    pub fn refuse(&self) -> Result<(), ApiError> {
        refuse(&[
            ("instance_profile_arn", &self.instance_profile_arn),
            ("min_provisioned_throughput", &self.min_provisioned_throughput),
            ("max_provisioned_throughput", &self.max_provisioned_throughput),
            ("provisioned_model_units", &self.provisioned_model_units),
            ("burst_scaling_enabled", &self.burst_scaling_enabled),
        ])
    }
}

fn refuse(fields: &[(&str, &Option<Value>)]) -> Result<(), ApiError> {
    let asked = fields.iter().find(|(_, value)| value.as_ref().is_some_and(asks));
    match asked {
        None => Ok(()),
        Some((name, _)) => Err(ApiError::not_emulated(format_args!("{name} of a serving endpoint"))),
    }
}

/// True if the value asks for anything: nothing is asked by `{}`, by `0` and by what says `enabled: false`.
fn asks(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(asks),
        Value::Object(fields) => {
            fields.get("enabled") != Some(&Value::Bool(false)) && fields.values().any(asks)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_asks_for_something_is_refused_and_by_its_name() {
        for (body, refused) in [
            (json!({}), None),
            (
                json!({"ai_gateway": {}, "rate_limits": [], "route_optimized": false, "budget_policy_id": ""}),
                None,
            ),
            (
                json!({"ai_gateway": {"inference_table_config": {"enabled": false, "catalog_name": "main"}}}),
                None,
            ),
            (json!({"ai_gateway": {"usage_tracking_config": {"enabled": true}}}), Some("ai_gateway")),
            (
                json!({"ai_gateway": null, "rate_limits": [{"calls": 5, "renewal_period": "minute"}]}),
                Some("rate_limits"),
            ),
            (
                json!({"ai_gateway": {"inference_table_config": {"enabled": true}}}),
                Some("ai_gateway.inference_table_config"),
            ),
            (json!({"route_optimized": true}), Some("route_optimized")),
            (json!({"email_notifications": {"on_update_failure": ["a@b.c"]}}), Some("email_notifications")),
        ] {
            let fields: OfEndpoint = serde_json::from_value(body.clone()).expect("fields");
            match (fields.refuse(true), refused) {
                (Ok(()), None) => {}
                (Err(error), Some(name)) => {
                    assert!(error.status() == 501 && error.message().contains(name), "{body} {error}");
                }
                (got, _) => panic!("{body}: {got:?}"),
            }
        }
        // What databricks.agents asks for goes, if it is said to; the rest of the gateway does not.
        for (body, refused) in [
            (json!({"ai_gateway": {"inference_table_config": {"enabled": true}}}), false),
            (
                json!({"ai_gateway": {"inference_table_config": {"enabled": true}, "guardrails": {"input": {"safety": true}}}}),
                true,
            ),
        ] {
            let fields: OfEndpoint = serde_json::from_value(body.clone()).expect("fields");
            assert_eq!(fields.refuse(false).is_err(), refused, "{body}");
        }
    }
}
