//! One compiled rule: does it match, and with which captures?

use std::time::Duration;

use regex::{Captures, Regex};

use crate::request::Request;
use crate::template::{Source, Template};

/// A compiled rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) user: Option<Pattern>,
    pub(crate) tool: Option<Pattern>,
    pub(crate) offered: Option<String>,
    pub(crate) wait: Duration,
    pub(crate) action: Action,
}

/// What a rule does once it matched.
#[derive(Debug)]
pub(crate) enum Action {
    Say(Template),
    Call {
        name: String,
        arguments: Template,
    },
    Identities,
    Fail {
        status: u16,
        error_code: String,
        message: String,
    },
    /// Embeddings: the vectors themselves.
    Embed,
}

/// A regex, with as little of it as its use needs: searching for groups costs much more than searching.
#[derive(Debug)]
pub(crate) enum Pattern {
    Anything,
    Search(Regex),
    Capture(Regex),
}

impl Pattern {
    pub(crate) fn compile(regex: &str) -> Result<Self, String> {
        if regex.is_empty() {
            return Ok(Self::Anything);
        }
        let regex = Regex::new(regex).map_err(|error| format!("is no regex: {error}"))?;
        let has_names = regex.capture_names().flatten().next().is_some();
        Ok(if has_names { Self::Capture(regex) } else { Self::Search(regex) })
    }

    /// The named groups with their numbers.
    pub(crate) fn names(&self) -> impl Iterator<Item = (usize, &str)> {
        let regex = match self {
            Self::Capture(regex) => Some(regex),
            _ => None,
        };
        regex.into_iter().flat_map(|regex| {
            regex.capture_names().enumerate().filter_map(|(number, name)| Some((number, name?)))
        })
    }

    fn find<'t>(&self, text: &'t str) -> Option<Found<'t>> {
        match self {
            Self::Anything => Some(Found::default()),
            Self::Search(regex) => regex.is_match(text).then(Found::default),
            Self::Capture(regex) => Some(Found(Some(regex.captures(text)?))),
        }
    }
}

#[derive(Default)]
struct Found<'t>(Option<Captures<'t>>);

impl<'t> Found<'t> {
    /// A group that took no part in the match captured nothing.
    fn group(&self, number: usize) -> &'t str {
        self.0.as_ref().and_then(|captures| captures.get(number)).map_or("", |group| group.as_str())
    }
}

/// That a rule matched a request: what its templates are filled from.
pub(crate) struct Matched<'t> {
    request: &'t Request<'t>,
    model: &'t str,
    user: Found<'t>,
    tool: Found<'t>,
}

impl<'t> Matched<'t> {
    pub(crate) fn of(&self, source: Source) -> &'t str {
        match source {
            Source::User => self.request.user.as_deref().unwrap_or_default(),
            Source::Tool => self.request.tool.as_deref().unwrap_or_default(),
            Source::Model => self.model,
            Source::UserGroup(number) => self.user.group(number),
            Source::ToolGroup(number) => self.tool.group(number),
        }
    }
}

impl Rule {
    /// All conditions must hold; the cheap one is asked first.
    pub(crate) fn matches<'t>(
        &self,
        request: &'t Request<'t>,
        offered: &[impl AsRef<str>],
        model: &'t str,
    ) -> Option<Matched<'t>> {
        if let Some(name) = &self.offered
            && !offered.iter().any(|tool| tool.as_ref() == name)
        {
            return None;
        }
        let find = |pattern: &Option<Pattern>, text: Option<&'t str>| match pattern {
            None => Some(Found::default()),
            Some(pattern) => pattern.find(text?),
        };
        let tool = find(&self.tool, request.tool.as_deref())?;
        let user = find(&self.user, request.user.as_deref())?;
        Some(Matched { request, model, user, tool })
    }
}
