//! What Databricks documented in August 2026. Where two pages disagree, the source says what the other one has.

use super::{Fact, Profile, WorkloadSize};

const LIMITS: &str = "docs.databricks.com machine-learning/model-serving/model-serving-limits";
const LIMITS_NEW: &str = "learn.microsoft.com azure/databricks machine-learning/model-serving/model-serving-limits (older pages have less)";
const DEBUG: &str = "docs.databricks.com machine-learning/model-serving/model-serving-debug (18 June 2026)";
const SDK: &str = "databricks-sdk service/serving.py, ServedEntityInput";
const SECRETS: &str = "databricks-sdk service/workspace.py; docs.databricks.com security/secrets";

const fn fact<T>(value: T, source: &'static str) -> Fact<T> {
    Fact { value, source }
}

/// `databricks-2026-08`.
pub(super) const PROFILE: Profile = Profile {
    name: "databricks-2026-08",
    agent_payload_bytes: fact(4 << 20, LIMITS),
    model_payload_bytes: fact(16 << 20, LIMITS),
    execution_seconds: fact(
        297,
        "docs.databricks.com machine-learning/model-serving/model-serving-timeouts (an older page has 120, a report of 2026 has 597)",
    ),
    environment_variables: fact(30, LIMITS),
    served_entities: fact(15, "databricks-agents deployments.py, which matches the platform's text"),
    endpoints: fact(1000, LIMITS_NEW),
    provisioned_concurrency: fact(1024, LIMITS_NEW),
    // The page gives the beginning of this text only.
    too_many_in_workspace: fact("Exceeded max number of parallel requests", DEBUG),
    too_many_in_entity: fact(
        "Too many concurrent requests. Consider increasing the provisioned concurrency of the served entity.",
        DEBUG,
    ),
    workload_sizes: fact(
        &[
            WorkloadSize { name: "Small", most: 4 },
            WorkloadSize { name: "Medium", most: 16 },
            WorkloadSize { name: "Large", most: 64 },
        ],
        SDK,
    ),
    workload_types: fact(
        &[
            "CPU",
            "CPU_MEDIUM",
            "CPU_LARGE",
            "GPU_SMALL",
            "GPU_MEDIUM",
            "GPU_LARGE",
            "GPU_XLARGE",
            "GPU_XLARGE_8",
            "MULTIGPU_MEDIUM",
        ],
        SDK,
    ),
    scale_to_zero_seconds: fact(
        1800,
        "docs.databricks.com machine-learning/model-serving/custom-models (a summary)",
    ),
    scale_down_seconds: fact(
        300,
        "docs.databricks.com machine-learning/model-serving/custom-models (a summary): down every five minutes",
    ),
    access_token_seconds: fact(3600, "docs.databricks.com dev-tools/auth/oauth-m2m: expires_in 3600"),
    user_api_scopes: fact(
        &brickyard_catalog::UserScopes::LATEST,
        "the platform's own refusal, as reported in August 2026 (the set grows; earlier in 2026 ai-gateway was not in it)",
    ),
    secret_bytes: fact(128 << 10, SECRETS),
    secrets_in_scope: fact(1000, SECRETS),
    secret_scopes: fact(1000, "docs.databricks.com security/secrets (older pages have 100)"),
};
