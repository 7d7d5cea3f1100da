//! `brickyard doctor`: judges one logged model before it is deployed.
//!
//! ```text
//!  MLmodel ──▶ decision.rs      for each declared resource: the documented flow, and which method applies
//!              user_scopes.rs   each API scope of the user policy, against the platform's list
//!              requirements.rs  is mlflow too old for what the model declares?
//!              scan.rs          what the agent's code looks like (a text scan: hints, never a verdict)
//!  --config ─▶ creator.rs       may each endpoint's creator do what the agent declares?
//!              rights.rs        the same for warehouses, tables and functions, asked of the seeded catalog
//! ```
//! **Rule:** only what is certain is a refusal. Reading code without running it never is, so what the scan finds is a
//! hint with file and line, and does not change the verdict.
//!
//! The flow, as documented: *does the user's own access matter?* then **on_behalf_of_user**, if the resource can be reached
//! so. *Else, can the endpoint's service principal be given it?* then **passthrough**. *Else* **manual**.

mod creator;
mod decision;
mod requirements;
mod rights;
mod scan;
mod source;
mod user_scopes;

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use brickyard_agents::{LoggedModel, ModelError};

use crate::cli::{DoctorOptions, Failure};
use crate::config::{self, Config};
use crate::profile::Profile;

pub use decision::Verdict;

/// The largest code file that is looked at.
const MAX_CODE: u64 = 1 << 20;

/// How sure a finding is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// The deployment, or a call of the agent, will be refused.
    Refused,
    /// Worth a look.
    Hint,
}

/// Something to mend.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How sure it is.
    pub weight: Weight,
    /// A short name that stays, for tests and for searching.
    pub rule: &'static str,
    /// Where: `agent.py:12`, `requirements.txt`, `endpoint concierge`.
    pub place: String,
    /// What is the matter.
    pub what: String,
    /// The one-line fix.
    pub fix: String,
}

impl Finding {
    fn refused(
        rule: &'static str,
        place: impl Into<String>,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { weight: Weight::Refused, rule, place: place.into(), what: what.into(), fix: fix.into() }
    }

    fn hint(
        rule: &'static str,
        place: impl Into<String>,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { weight: Weight::Hint, rule, place: place.into(), what: what.into(), fix: fix.into() }
    }
}

/// What the doctor says of one model.
#[derive(Clone, Debug)]
pub struct Report {
    /// The folder.
    pub model_dir: PathBuf,
    /// What kind of agent: `agent/v1/responses`; `None` for a plain model.
    pub task: Option<String>,
    /// One for each declared resource, in order.
    pub resources: Vec<Verdict>,
    /// The API scopes that the model declares for its users; `None` if it does not act on their behalf.
    pub user_scopes: Option<Vec<String>>,
    /// The code file that was scanned.
    pub scanned: Option<String>,
    /// The endpoints of the configuration that serve this folder; `None` without a configuration.
    pub endpoints: Option<Vec<String>>,
    /// All findings: refusals first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// True if something will be refused: exit code 1.
    pub fn will_be_refused(&self) -> bool {
        self.count(Weight::Refused) > 0
    }

    fn count(&self, weight: Weight) -> usize {
        self.findings.iter().filter(|finding| finding.weight == weight).count()
    }
}

/// The command: prints the report.
///
/// # Errors
/// If the model or the configuration cannot be read, or something will be refused.
pub fn run(options: &DoctorOptions, out: &mut dyn Write) -> Result<(), Failure> {
    let config = match &options.config[..] {
        // Without a configuration the model is judged alone; `config/` may be about something else.
        [] => None,
        paths => Some(config::load(paths, &*options.environment)?),
    };
    let report =
        judge(&options.model_dir, config.as_ref()).map_err(|error| Failure::Failed(error.to_string()))?;
    write!(out, "{report}")?;
    match report.count(Weight::Refused) {
        0 => Ok(()),
        1 => Err(Failure::Failed("1 thing will be refused".to_owned())),
        count => Err(Failure::Failed(format!("{count} things will be refused"))),
    }
}

/// Judges the model in `model_dir`, and with a configuration the creators of the endpoints that serve it.
///
/// # Errors
/// If the folder holds no model that could be served.
pub fn judge(model_dir: &Path, config: Option<&Config>) -> Result<Report, ModelError> {
    let model = LoggedModel::read(model_dir)?;
    let policy = &model.auth_policy;
    let mut findings = Vec::new();
    let resources = decision::walk(policy, &mut findings);
    if policy.user_auth {
        let profile = config.map_or_else(Profile::newest, |config| config.workspace.profile);
        user_scopes::check(policy, profile.user_api_scopes.value, &mut findings);
    }
    requirements::check(&model, &mut findings);
    let source = code(&model);
    let scanned = source.as_ref().map(|(name, text)| {
        scan::scan(&model, name, text, &mut findings);
        name.clone()
    });
    let endpoints = config.map(|config| {
        let names = creator::check(&model, source.as_ref().map(|(_, text)| &**text), config, &mut findings);
        rights::check(&model, config, &mut findings);
        names
    });
    findings.sort_by_key(|finding| finding.weight != Weight::Refused);
    Ok(Report {
        model_dir: model_dir.to_owned(),
        task: model.task.clone(),
        resources,
        user_scopes: policy.user_auth.then(|| policy.api_scopes.clone()),
        scanned,
        endpoints,
        findings,
    })
}

/// The agent's code, if the model was logged from code and it is text of a bearable size.
fn code(model: &LoggedModel) -> Option<(String, String)> {
    let path = model.code.as_ref()?;
    let name = path.file_name()?.to_string_lossy().into_owned();
    let small = std::fs::metadata(path).is_ok_and(|file| file.len() <= MAX_CODE);
    let text = if small { std::fs::read_to_string(path).ok()? } else { return None };
    Some((name, text))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.task.as_deref().unwrap_or("a model without a task");
        writeln!(f, "{}: {task}", self.model_dir.display())?;
        if self.resources.is_empty() {
            writeln!(f, "\nno resource is declared: passthrough reaches nothing")?;
        }
        for verdict in &self.resources {
            write!(f, "\n{verdict}")?;
        }
        match &self.user_scopes {
            None => writeln!(f, "\nno user policy is declared: on_behalf_of_user reaches nothing")?,
            Some(scopes) if scopes.is_empty() => writeln!(f, "\nthe user policy declares no API scope")?,
            Some(scopes) => writeln!(f, "\non_behalf_of_user may use: {}", scopes.join(", "))?,
        }
        match self.endpoints.as_deref() {
            None => {}
            Some([]) => writeln!(f, "no endpoint of the configuration serves this folder")?,
            Some(endpoints) => writeln!(f, "served by: {}", endpoints.join(", "))?,
        }
        for (weight, title) in [(Weight::Refused, "will be refused"), (Weight::Hint, "hints")] {
            if self.count(weight) == 0 {
                continue;
            }
            writeln!(f, "\n{title}:")?;
            for finding in self.findings.iter().filter(|finding| finding.weight == weight) {
                writeln!(f, "  {} [{}] {}", finding.place, finding.rule, finding.what)?;
                writeln!(f, "    fix: {}", finding.fix)?;
            }
        }
        match &self.scanned {
            Some(file) => writeln!(
                f,
                "\n{file} was read as text: its hints are not certain, and calls are not followed"
            )?,
            None => writeln!(f, "\nno code was read: the model has no code file of at most 1 MiB")?,
        }
        let (refused, hints) = (self.count(Weight::Refused), self.count(Weight::Hint));
        match refused {
            0 => writeln!(f, "verdict: nothing will be refused ({hints} hints)"),
            _ => writeln!(f, "verdict: {refused} will be refused ({hints} hints)"),
        }
    }
}

#[cfg(test)]
mod promises;
