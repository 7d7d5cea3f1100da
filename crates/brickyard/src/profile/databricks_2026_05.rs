//! What was different in May 2026: an agent that was logged then may name scopes that were refused.

use brickyard_catalog::UserScopes;

use super::{Fact, Profile, databricks_2026_08};

/// `databricks-2026-05`.
pub(super) const PROFILE: Profile = Profile {
    name: "databricks-2026-05",
    user_api_scopes: Fact {
        value: &UserScopes::DOTTED_ONLY,
        source: "reports of refusals before mid-2026: short names, and so ai-gateway and genie, were not in it (reconstructed)",
    },
    ..databricks_2026_08::PROFILE
};
