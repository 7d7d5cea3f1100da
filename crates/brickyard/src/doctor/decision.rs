//! The documented decision flow, for one declared resource after the other.

use std::fmt;

use brickyard_agents::AuthPolicy;
use brickyard_catalog::{Declarable, declarable};
use brickyard_ledger::Method;
use brickyard_types::{DeclaredResource, EndpointName, ResourceType, Scope, ScopeSet};

use super::Finding;

/// What the flow says of one resource.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The resource.
    pub resource: DeclaredResource,
    /// Its row in the table of what can be declared.
    pub row: &'static Declarable,
    /// Does the user's own access matter, and how that is known.
    pub per_user: (bool, &'static str),
    /// The method that the flow ends at.
    pub applies: Method,
    /// The methods that the model's declarations let the agent use.
    pub used: Vec<Method>,
    /// True if a finding refuses it.
    pub refused: bool,
}

/// The scopes of a policy that are scopes at all.
pub(super) fn scopes(policy: &AuthPolicy) -> ScopeSet {
    policy.api_scopes.iter().filter_map(|text| text.parse::<Scope>().ok()).collect()
}

/// Walks every declared resource.
pub(super) fn walk(policy: &AuthPolicy, findings: &mut Vec<Finding>) -> Vec<Verdict> {
    let scopes = scopes(policy);
    policy.resources.iter().map(|resource| decide(policy, &scopes, resource, findings)).collect()
}

fn decide(
    policy: &AuthPolicy,
    scopes: &ScopeSet,
    resource: &DeclaredResource,
    findings: &mut Vec<Finding>,
) -> Verdict {
    let row = declarable(resource.kind);
    let missing: Vec<&str> = row.user_scopes.iter().copied().filter(|scope| !scopes.covers(scope)).collect();
    let opened = policy.user_auth && row.on_behalf_of_user && missing.is_empty();
    let per_user = match (resource.on_behalf_of_user, opened) {
        (true, _) => (true, "declared with on_behalf_of_user"),
        (false, true) => (false, "declared for the system; the user scopes open it too"),
        (false, false) => (false, "declared for the system"),
    };
    let applies = match (per_user.0, row.on_behalf_of_user, row.passthrough) {
        (true, true, _) => Method::OnBehalfOfUser,
        (false, _, true) => Method::Passthrough,
        (true, false, _) | (false, _, false) => Method::Manual,
    };
    let mut used = Vec::new();
    if !resource.on_behalf_of_user && row.passthrough {
        used.push(Method::Passthrough);
    }
    if opened {
        used.push(Method::OnBehalfOfUser);
    }
    let before = findings.len();
    refusals(resource, row, &missing, findings);
    let refused = findings.len() > before;
    hints(policy, resource, row, findings);
    Verdict { resource: resource.clone(), row, per_user, applies, used, refused }
}

fn place(resource: &DeclaredResource) -> String {
    format!("{} {}", resource.kind, resource.name)
}

fn refusals(resource: &DeclaredResource, row: &Declarable, missing: &[&str], findings: &mut Vec<Finding>) {
    let python = resource.kind.python(&resource.name);
    if !row.stands_in {
        let what = format!(
            "brickyard does not stand in for a {} yet and refuses the deployment by name",
            resource.kind
        );
        let fix = format!("leave {python} out to try the rest here");
        findings.push(Finding::refused("not-here-yet", place(resource), what, fix));
    }
    if resource.kind == ResourceType::ServingEndpoint && resource.name.parse::<EndpointName>().is_err() {
        let what = "no serving endpoint can have this name";
        let fix = "declare the endpoint's name, not its URL or id";
        findings.push(Finding::refused("no-such-name", place(resource), what, fix));
    }
    match (resource.on_behalf_of_user, row.on_behalf_of_user, row.passthrough) {
        (true, false, _) => findings.push(Finding::refused(
            "not-on-behalf-of-user",
            place(resource),
            format!("it cannot be reached on behalf of the user: {}", row.note),
            format!("declare it without on_behalf_of_user: {python} is reached by passthrough"),
        )),
        (true, true, _) if !missing.is_empty() => findings.push(Finding::refused(
            "scope-not-declared",
            place(resource),
            format!("the user's token will lack {}", missing.join(", ")),
            format!("log the model with auth_policy=AuthPolicy(..., user_auth_policy=UserAuthPolicy(api_scopes=[{}]))", quoted(missing)),
        )),
        (false, _, false) => findings.push(Finding::refused(
            "not-by-passthrough",
            place(resource),
            "the endpoint's service principal cannot be given it",
            "use manual authentication: a service principal of your own, its secret in a secret scope",
        )),
        _ => {}
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
}

/// What the resource reaches in turn is reached as the same identity, and must be declared as well.
fn hints(policy: &AuthPolicy, resource: &DeclaredResource, row: &Declarable, findings: &mut Vec<Finding>) {
    let declared = |kind: &ResourceType| policy.resources.iter().any(|other| other.kind == *kind);
    let absent: Vec<&ResourceType> = row.also.iter().filter(|kind| !declared(kind)).collect();
    if absent.is_empty() {
        return;
    }
    let kinds: Vec<&str> = absent.iter().map(|kind| kind.as_str()).collect();
    let classes: Vec<String> = absent.iter().map(|kind| kind.python("...")).collect();
    findings.push(Finding::hint(
        "transitive-dependency",
        place(resource),
        format!("no {} is declared: {}", kinds.join(" and no "), row.note),
        format!("declare what it uses: resources=[{}]", classes.join(", ")),
    ));
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (row, answer) = (self.row, |yes: bool| if yes { "yes" } else { "no" });
        let words =
            |methods: &[Method]| methods.iter().map(|method| method.as_str()).collect::<Vec<_>>().join(", ");
        writeln!(f, "{}", place(&self.resource))?;
        writeln!(
            f,
            "  does the user's own access matter?  {:<3}  {}",
            answer(self.per_user.0),
            self.per_user.1
        )?;
        writeln!(
            f,
            "  supports on_behalf_of_user?         {:<3}  {}",
            answer(row.on_behalf_of_user),
            row.user_scopes.join(", ")
        )?;
        writeln!(
            f,
            "  supports passthrough?               {:<3}  {} for the creator and the endpoint",
            answer(row.passthrough),
            row.privilege
        )?;
        writeln!(f, "  does brickyard stand in for it?     {}", answer(row.stands_in))?;
        writeln!(
            f,
            "  applies: {}; used: {}",
            self.applies.as_str(),
            if self.used.is_empty() { "none".to_owned() } else { words(&self.used) }
        )?;
        writeln!(f, "  {}", if self.refused { "will be refused, see below" } else { "ok" })
    }
}
