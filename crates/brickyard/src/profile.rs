//! Profiles: Databricks' documented limits and texts, by the date of the documentation.
//!
//! Databricks changes its numbers, and its pages disagree. So a number is data with its source, a profile is a set of
//! numbers that were documented together, and `workspace.profile` picks one. Code asks the profile and knows no number.
//!
//! **Absent on purpose:** what nothing here is held to. brickyard limits no rates (of queries, of changes to endpoints), logs
//! no payloads and optimizes no routes, so a profile has no numbers for them.

mod databricks_2026_05;
mod databricks_2026_08;

use brickyard_catalog::UserScopes;

/// A documented value and the page that says so.
#[derive(Debug, Clone, Copy)]
pub struct Fact<T> {
    /// The value.
    pub value: T,
    /// Where it is from, and what speaks against it.
    pub source: &'static str,
}

/// One `workload_size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkloadSize {
    /// `Small`, `Medium`, `Large`.
    pub name: &'static str,
    /// Units of concurrency at most. One unit works on one request at a time.
    pub most: usize,
}

/// The limits and texts of one time.
#[derive(Debug, Clone)]
pub struct Profile {
    /// What `workspace.profile` says.
    pub name: &'static str,
    /// Bytes of a request to an agent, a foundation model or an external model.
    pub agent_payload_bytes: Fact<usize>,
    /// Bytes of a request to any other served model.
    pub model_payload_bytes: Fact<usize>,
    /// Seconds that one request may take.
    pub execution_seconds: Fact<u64>,
    /// Environment variables of one served entity.
    pub environment_variables: Fact<usize>,
    /// Served entities of one endpoint.
    pub served_entities: Fact<usize>,
    /// Endpoints of one workspace.
    pub endpoints: Fact<usize>,
    /// Provisioned concurrency of one model.
    pub provisioned_concurrency: Fact<usize>,
    /// 429 of the workspace, its beginning.
    pub too_many_in_workspace: Fact<&'static str>,
    /// 429 of one served entity.
    pub too_many_in_entity: Fact<&'static str>,
    /// The sizes.
    pub workload_sizes: Fact<&'static [WorkloadSize]>,
    /// The words of `workload_type`.
    pub workload_types: Fact<&'static [&'static str]>,
    /// Seconds without a request after which an endpoint that may sleep does.
    pub scale_to_zero_seconds: Fact<u64>,
    /// Seconds after which units of concurrency that are not needed go.
    pub scale_down_seconds: Fact<u64>,
    /// Seconds that an OAuth machine-to-machine token lives.
    pub access_token_seconds: Fact<u64>,
    /// The scopes that a `user_auth_policy` may name, in the order of the platform's refusal.
    pub user_api_scopes: Fact<&'static UserScopes>,
    /// Bytes of one secret.
    pub secret_bytes: Fact<usize>,
    /// Secrets of one scope.
    pub secrets_in_scope: Fact<usize>,
    /// Secret scopes of one workspace.
    pub secret_scopes: Fact<usize>,
}

/// A profile that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no profile {name:?}; known are {}", Profile::names().join(", "))]
pub struct UnknownProfile {
    name: String,
}

impl Profile {
    /// All profiles, the newest last.
    const ALL: [&'static Self; 2] = [&databricks_2026_05::PROFILE, &databricks_2026_08::PROFILE];

    /// The names of all profiles.
    pub fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|profile| profile.name).collect()
    }

    /// The profile that a configuration without one gets.
    pub fn newest() -> &'static Self {
        Self::ALL[Self::ALL.len() - 1]
    }

    /// The profile of this name.
    ///
    /// # Errors
    /// If there is none; the error names those there are.
    pub fn named(name: &str) -> Result<&'static Self, UnknownProfile> {
        let found = Self::ALL.into_iter().find(|profile| profile.name == name);
        found.ok_or_else(|| UnknownProfile { name: name.chars().take(80).collect() })
    }

    /// The size of this name.
    pub fn workload_size(&self, name: &str) -> Option<WorkloadSize> {
        self.workload_sizes.value.iter().find(|size| size.name == name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes are words of the serving crate, which knows no profile: here the two are held together.
    #[test]
    fn an_endpoint_grows_to_what_its_workload_size_says() {
        use brickyard_serving::WorkloadSize as Size;
        let sizes = [("Small", Size::Small), ("Medium", Size::Medium), ("Large", Size::Large)];
        for name in Profile::names() {
            let profile = Profile::named(name).expect("known");
            let documented: Vec<_> =
                profile.workload_sizes.value.iter().map(|size| (size.name, size.most)).collect();
            assert_eq!(documented, sizes.map(|(name, size)| (name, size.concurrency())), "{}", profile.name);
        }
    }

    #[test]
    fn an_unknown_profile_names_the_known_ones() {
        let error = Profile::named("databricks-2031-01").expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "no profile \"databricks-2031-01\"; known are databricks-2026-05, databricks-2026-08"
        );
        assert_eq!(Profile::named("databricks-2026-08").expect("known").execution_seconds.value, 297);
    }

    #[test]
    fn a_profile_has_the_user_scopes_of_its_own_time() {
        for profile in Profile::ALL {
            assert_eq!(profile.user_api_scopes.value.profile, profile.name);
        }
    }
}
