//! The API scopes of a user policy: on the platform's list, spelt as every platform knows them, and of use here.

use brickyard_agents::AuthPolicy;
use brickyard_catalog::user_scopes::substitution;
use brickyard_catalog::{ApiFamily, UserScopes, family};

use super::{Finding, decision};

/// What a user's token reaches in brickyard so far; `iam.*` opens `Me`, which every token does.
static REACHED: [&ApiFamily; 11] = [
    &family::SERVING_ENDPOINTS,
    &family::SERVING_INVOCATIONS,
    &family::DIRECTORY_READ,
    &family::SQL_STATEMENTS,
    &family::SQL_WAREHOUSES_READ,
    &family::UC_CATALOGS,
    &family::UC_TABLES,
    &family::UC_FUNCTIONS,
    &family::UC_CONNECTIONS,
    &family::EXTERNAL_FUNCTION,
    &family::UC_GRANTS,
];

/// Checks each scope.
pub(super) fn check(policy: &AuthPolicy, list: &'static UserScopes, findings: &mut Vec<Finding>) {
    const PLACE: &str = "user_auth_policy.api_scopes";
    if let Err(refused) = list.check(&policy.api_scopes) {
        for scope in &refused.invalid {
            let what = format!(
                "{scope:?} is not on the platform's list: the deployment answers 400, \"Invalid user API scope(s) specified\""
            );
            findings.push(Finding::refused("scope-not-allowed", PLACE, what, substitution(scope, list)));
        }
    }
    for scope in policy.api_scopes.iter().filter(|scope| list.allowed.contains(&scope.as_str())) {
        let refuses = |older: &&&UserScopes| !older.allowed.contains(&scope.as_str());
        if let Some(older) = UserScopes::ALL.iter().filter(|older| older.profile < list.profile).find(refuses)
        {
            let what = format!("{scope:?} was not accepted by the platform of {}", older.profile);
            findings.push(Finding::hint("scope-spelling", PLACE, what, substitution(scope, older)));
        }
        let set = decision::scopes(&AuthPolicy { api_scopes: vec![scope.clone()], ..AuthPolicy::default() });
        if !scope.starts_with("iam.") && !REACHED.iter().any(|family| family.accepts(&set)) {
            let what = format!(
                "{scope:?} is accepted, but brickyard does not emulate yet what it opens: such a call answers 501"
            );
            findings.push(Finding::hint(
                "not-here-yet",
                PLACE,
                what,
                "nothing to mend; try that part of the agent against a real workspace",
            ));
        }
    }
    if policy.api_scopes.is_empty() {
        let what = "no scope is declared, so the user's token opens nothing but the question who the user is";
        let fix = "name what the agent reaches: UserAuthPolicy(api_scopes=[\"serving.serving-endpoints\"])";
        findings.push(Finding::hint("no-scope", PLACE, what, fix));
    }
}
