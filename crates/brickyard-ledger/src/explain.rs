//! Why it was allowed or refused: one request, the credentials it gave its agent, and every request that
//! the agent made with them, as a tree that a person can read.

use std::fmt;
use std::sync::Arc;

use brickyard_catalog::Check;
use brickyard_identity::TokenKind;
use brickyard_types::RequestId;
use serde::Serialize;

use crate::entry::{Decision, Entry, Method, Outcome, token_kind};
use crate::ring::Ledger;

/// Agents may call agents; a tree deeper than this is cut (and a loop ends).
const DEPTH: usize = 16;

/// The tree of one request. `Serialize` gives the JSON of `GET /_brickyard/explain/{id}`, `Display` the text that
/// `brickyard explain` prints.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The request itself.
    #[serde(flatten)]
    pub entry: Arc<Entry>,
    /// The fix for the first check that failed, here or in a request that the agent made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// Where the agent was refused under one identity and then asked the same under another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<String>,
    /// What the agent did, oldest first.
    pub calls: Vec<Explanation>,
    /// The fix for a missing scope, where the one who lacked it was the agent's caller.
    #[serde(skip)]
    callers_token: Option<String>,
}

impl Explanation {
    pub(crate) fn of(ledger: &Ledger, id: &RequestId, depth: usize) -> Option<Self> {
        let entry = ledger.get(id)?;
        let calls: Vec<Self> = if depth < DEPTH {
            let children = ledger.caused_by(id);
            children.iter().filter_map(|child| Self::of(ledger, &child.request_id, depth + 1)).collect()
        } else {
            Vec::new()
        };
        let own = own_fix(ledger, &entry).or_else(|| entry.hints.first().cloned());
        let fix = own.or_else(|| calls.iter().find_map(|call| call.fix.clone()));
        let fallbacks = fallbacks(&calls);
        let callers_token = callers_token(ledger, &entry);
        Some(Self { entry, fix, fallbacks, calls, callers_token })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        let pad = " ".repeat(indent);
        let entry = &self.entry;
        let mark = match (entry.decision, &entry.outcome) {
            (Decision::Refused, _) => "REFUSED",
            (_, Outcome::Failed { .. }) => "FAILED",
            (_, Outcome::Cancelled) => "CANCELLED",
            _ => "ALLOWED",
        };
        writeln!(f, "{pad}{mark} {} {}", entry.status, entry.called())?;
        writeln!(
            f,
            "{pad}  request {} at {} ({:.1} ms)",
            entry.request_id,
            entry.at,
            entry.took.as_secs_f64() * 1e3
        )?;
        match &entry.caller {
            Some(caller) => {
                write!(f, "{pad}  as {} by {}", caller.principal(), token_kind(caller.kind()))?;
                if let Some((_, method)) = entry.caused_by {
                    write!(f, " ({})", method.as_str())?;
                }
                writeln!(f, ", jti {}, scopes: {}", caller.jti(), caller.scopes())?;
            }
            None => writeln!(f, "{pad}  as nobody: no token was accepted")?,
        }
        if let Some(entity) = &entry.served_entity {
            write!(f, "{pad}  served by {entity}")?;
            if let Some(worker) = &entry.worker {
                write!(f, " on worker {worker}")?;
            }
            writeln!(f)?;
        }
        for trace in &entry.traces {
            for link in trace.links() {
                let mark = if link.passed { "ok" } else { "NO" };
                writeln!(
                    f,
                    "{pad}  [{mark}] {}: needs {}, has {}",
                    link.name(),
                    link.required(),
                    link.held()
                )?;
                if let (false, Some(fix)) = (link.passed, self.callers_token.clone().or_else(|| link.fix())) {
                    writeln!(f, "{pad}       fix: {fix}")?;
                }
            }
        }
        for given in &entry.credentials {
            write!(f, "{pad}  gave {}", given.method.as_str())?;
            if let Some(variable) = &given.variable {
                write!(f, " {variable}")?;
            }
            write!(f, ": {}", given.principal)?;
            if !given.scopes.is_empty() {
                write!(f, ", scopes: {}", given.scopes)?;
            }
            if let Some(jti) = &given.jti {
                write!(f, ", jti {jti}")?;
            }
            writeln!(f)?;
        }
        // The lines of a log stay in the tree.
        let inner = |message: &str| message.replace('\n', &format!("\n{pad}    "));
        match &entry.outcome {
            Outcome::Refused { message } => writeln!(f, "{pad}  refused: {}", inner(message))?,
            Outcome::Failed { message } => writeln!(f, "{pad}  failed: {}", inner(message))?,
            Outcome::Answered | Outcome::Cancelled => {}
        }
        for hint in &entry.hints {
            writeln!(f, "{pad}  hint: {hint}")?;
        }
        for call in &self.calls {
            call.write(f, indent + 4)?;
        }
        for fallback in &self.fallbacks {
            writeln!(f, "{pad}  FALLS BACK: {fallback}")?;
        }
        Ok(())
    }
}

/// The fix for the first check of the request itself that failed.
fn own_fix(ledger: &Ledger, entry: &Entry) -> Option<String> {
    let link = entry.traces.iter().find_map(|trace| trace.first_failing())?;
    callers_token(ledger, entry).or_else(|| link.fix())
}

/// An agent's user token never opens more than its caller's own token did. Where that one lacked the scope already,
/// declaring it again would not help.
fn callers_token(ledger: &Ledger, entry: &Entry) -> Option<String> {
    let link = entry.traces.iter().find_map(|trace| trace.first_failing())?;
    let Check::ApiScope { family, .. } = &link.check else { return None };
    let (cause, Method::OnBehalfOfUser) = entry.caused_by? else { return None };
    let asked = ledger.get(&cause)?;
    let caller = asked.caller.as_ref()?;
    let word = family.declared()?;
    if family.accepts(caller.scopes()) {
        return None;
    }
    let how = match caller.kind() {
        TokenKind::PersonalAccessToken => "create the personal access token with",
        TokenKind::AccessToken | TokenKind::OnBehalfOfUser | TokenKind::Passthrough => {
            "request the token with"
        }
    };
    Some(format!("the caller's own token lacks it: {how} the scope {word} too"))
}

/// Requests that were refused to one identity and then allowed to another: an agent that swallows a refusal and goes
/// on with whatever credentials it finds answers with the wrong rights, and nobody notices.
fn fallbacks(calls: &[Explanation]) -> Vec<String> {
    let mut found = Vec::new();
    for (index, refused) in calls.iter().enumerate() {
        let again = calls[index + 1..].iter().find(|later| {
            let (before, after) = (&refused.entry, &later.entry);
            before.decision == Decision::Refused
                && after.decision == Decision::Allowed
                && same_thing(before, after)
                && who(before).is_some_and(|before| who(after).is_some_and(|after| before.0 != after.0))
        });
        if let Some((before, after)) =
            again.and_then(|later| Some((who(&refused.entry)?, who(&later.entry)?)))
        {
            found.push(format!(
                "{} was refused to {} ({}) and then asked as {} ({})",
                refused.entry.called(),
                before.1,
                before.0.as_str(),
                after.1,
                after.0.as_str()
            ));
        }
    }
    found
}

/// The same endpoint, by whichever path; or else the same call.
fn same_thing(one: &Entry, other: &Entry) -> bool {
    match (&one.endpoint, &other.endpoint) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.called() == other.called(),
        _ => false,
    }
}

fn who(entry: &Entry) -> Option<(Method, &str)> {
    Some((entry.caused_by?.1, &entry.caller.as_ref()?.principal().name))
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)?;
        if let Some(fix) = &self.fix {
            writeln!(f, "fix: {fix}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Kind;

    fn entry(route: &'static str, endpoint: Option<&str>) -> Entry {
        Entry {
            request_id: "00000000000000000000000000000001".parse().expect("an id"),
            at: brickyard_types::Timestamp::UNIX_EPOCH,
            took: std::time::Duration::ZERO,
            kind: Kind::Invocation,
            route: route.into(),
            path: None,
            caller: None,
            endpoint: endpoint.map(|name| name.parse().expect("a name")),
            served_entity: None,
            worker: None,
            caused_by: None,
            decision: Decision::Allowed,
            traces: Vec::new(),
            credentials: Vec::new(),
            outcome: Outcome::Answered,
            hints: Vec::new(),
            status: 200,
        }
    }

    #[test]
    fn the_same_is_asked_again_when_the_endpoint_is_the_same_by_whichever_path() {
        const BY_NAME: &str = "POST /serving-endpoints/{name}/invocations";
        const OPENAI: &str = "POST /serving-endpoints/chat/completions";
        for ((one, first), (other, second), same) in [
            ((OPENAI, Some("a")), (OPENAI, Some("a")), true),
            ((OPENAI, Some("a")), (OPENAI, Some("b")), false),
            ((OPENAI, Some("a")), (BY_NAME, Some("a")), true),
            ((BY_NAME, Some("a")), (BY_NAME, Some("b")), false),
            (("GET /api/2.0/x", None), ("GET /api/2.0/x", None), true),
            (("GET /api/2.0/x", None), ("GET /api/2.0/y", None), false),
            (("GET /api/2.0/x", None), (BY_NAME, Some("a")), false),
        ] {
            assert_eq!(
                same_thing(&entry(one, first), &entry(other, second)),
                same,
                "{one} {first:?} {other} {second:?}"
            );
        }
    }
}
