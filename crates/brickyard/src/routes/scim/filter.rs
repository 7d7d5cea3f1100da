//! SCIM filters (RFC 7644 section 3.4.2.2), as far as Databricks has them: comparisons joined by `and` and `or`.
//!
//! ```text
//!  filter     = all *( "or" all )          all = comparison *( "and" comparison )
//!  comparison = attribute ( "eq" | "ne" | "co" | "sw" | "ew" ) value  |  attribute "pr"
//! ```
//! Attribute names and operators are read without case, values with it: names are compared byte for byte everywhere in
//! this workspace. Parentheses, `not` and orderings are refused by name, not ignored.

use axum::http::StatusCode;

use super::record::{Attribute, Kind, Record};
use crate::errors::ApiError;

const LONGEST: usize = 4096;
const MOST: usize = 32;

/// What records must be like: one of these lists of comparisons, all of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Filter(Vec<Vec<Comparison>>);

#[derive(Debug, PartialEq, Eq)]
struct Comparison {
    attribute: Attribute,
    operator: Operator,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equals,
    Differs,
    Contains,
    Starts,
    Ends,
    Present,
}

/// A piece of the text.
#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Quoted(String),
}

fn refused(reason: impl AsRef<str>) -> ApiError {
    let message = format!("Invalid filter: {}", reason.as_ref());
    ApiError::scim(StatusCode::BAD_REQUEST, "invalidFilter", message)
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

/// A string as JSON has it, from its opening quote on, and the rest behind it.
pub(super) fn quoted(text: &str) -> Option<(String, &str)> {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find_map(|(at, character)| match character {
        '"' if !escaped => Some(at),
        _ => {
            escaped = character == '\\' && !escaped;
            None
        }
    })?;
    let (literal, rest) = text.split_at(end + 1);
    Some((serde_json::from_str(literal).ok()?, rest))
}

fn tokens(text: &str) -> Result<Vec<Token<'_>>, ApiError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if rest.starts_with('"') {
            let (value, after) = quoted(rest).ok_or_else(|| refused("a quoted value does not end"))?;
            if after.starts_with(|next: char| !next.is_whitespace()) {
                return Err(refused("a space is missing after a quoted value"));
            }
            tokens.push(Token::Quoted(value));
            rest = after.trim_start();
            continue;
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.contains(['(', ')', '[', ']']) {
            return Err(refused("parentheses are not supported"));
        }
        if word.contains(['"', '\'']) {
            return Err(refused("a value is quoted with \" on both sides"));
        }
        tokens.push(Token::Word(word));
        rest = after.trim_start();
    }
    Ok(tokens)
}

impl Filter {
    /// Reads a filter for records of that kind.
    ///
    /// # Errors
    /// `invalidFilter`, with what is not understood.
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Self, ApiError> {
        if text.len() > LONGEST {
            return Err(refused(format!("it is longer than {LONGEST} bytes")));
        }
        let mut tokens = tokens(text)?.into_iter();
        let mut any = vec![Vec::new()];
        for read in 0.. {
            if read == MOST {
                return Err(refused(format!("it has more than {MOST} comparisons")));
            }
            let comparison = Comparison::read(kind, &mut tokens)?;
            if let Some(all) = any.last_mut() {
                all.push(comparison);
            }
            match tokens.next() {
                None => break,
                Some(Token::Word(word)) if word.eq_ignore_ascii_case("and") => {}
                Some(Token::Word(word)) if word.eq_ignore_ascii_case("or") => any.push(Vec::new()),
                Some(_) => return Err(refused("comparisons are joined by and, or")),
            }
        }
        Ok(Self(any))
    }

    /// True if the filter lets the record through.
    pub(super) fn admits(&self, record: &Record<'_>) -> bool {
        self.0.iter().any(|all| all.iter().all(|comparison| comparison.holds(record)))
    }

    /// The attribute and value, if the filter is one plain `eq`.
    pub(super) fn names_one(&self) -> Option<(Attribute, &str)> {
        match self.0.as_slice() {
            [all] => match all.as_slice() {
                [Comparison { attribute, operator: Operator::Equals, value }] => Some((*attribute, value)),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Comparison {
    fn read<'a>(kind: Kind, tokens: &mut impl Iterator<Item = Token<'a>>) -> Result<Self, ApiError> {
        let Some(Token::Word(name)) = tokens.next() else {
            return Err(refused("an attribute name is missing"));
        };
        if name.eq_ignore_ascii_case("not") {
            return Err(refused("not is not supported"));
        }
        let attribute = Attribute::named(kind, name)
            .ok_or_else(|| refused(format!("{} cannot be filtered by {:?}", kind.path(), cut(name))))?;
        let Some(Token::Word(operator)) = tokens.next() else {
            return Err(refused(format!("an operator is missing after {name}")));
        };
        let operator = match operator.to_ascii_lowercase().as_str() {
            "eq" => Operator::Equals,
            "ne" => Operator::Differs,
            "co" => Operator::Contains,
            "sw" => Operator::Starts,
            "ew" => Operator::Ends,
            "pr" => return Ok(Self { attribute, operator: Operator::Present, value: String::new() }),
            other => {
                return Err(refused(format!(
                    "the operator {:?} is not one of eq, ne, co, sw, ew, pr",
                    cut(other)
                )));
            }
        };
        let value = match tokens.next() {
            Some(Token::Quoted(value)) => value,
            Some(Token::Word(word)) => word.to_owned(),
            None => return Err(refused(format!("a value is missing after {name}"))),
        };
        if attribute == Attribute::Active && !matches!(value.as_str(), "true" | "false") {
            return Err(refused("active is true or false"));
        }
        Ok(Self { attribute, operator, value })
    }

    fn holds(&self, record: &Record<'_>) -> bool {
        let Some(held) = record.attribute(self.attribute) else { return self.operator == Operator::Differs };
        let wanted = self.value.as_str();
        match self.operator {
            Operator::Equals => held == wanted,
            Operator::Differs => held != wanted,
            Operator::Contains => held.contains(wanted),
            Operator::Starts => held.starts_with(wanted),
            Operator::Ends => held.ends_with(wanted),
            Operator::Present => !held.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use brickyard_identity::DirectoryEntry;
    use brickyard_types::{Principal, PrincipalId, PrincipalKind};

    use super::*;

    fn entry(name: &str, display_name: &str, active: bool) -> DirectoryEntry {
        DirectoryEntry {
            principal: Principal { id: PrincipalId(7), kind: PrincipalKind::User, name: name.into() },
            display_name: display_name.into(),
            active,
            external_id: None,
            served: None,
        }
    }

    #[test]
    fn a_filter_finds_who_it_describes_and_nobody_else() {
        let ana = entry("ana@example.com", "Ana \"the\" Or And", true);
        let ana = Record::Principal(&ana);
        for (filter, finds) in [
            ("userName eq \"ana@example.com\"", true),
            ("userName eq ana@example.com", true),
            ("USERNAME Eq \"ana@example.com\"", true),
            ("userName eq \"Ana@example.com\"", false),
            ("userName eq \"\"", false),
            ("emails.value eq \"ana@example.com\"", true),
            ("displayName eq \"Ana \\\"the\\\" Or And\"", true),
            ("displayName co \" Or \"", true),
            ("displayName sw \"Ana\" and displayName ew \"And\"", true),
            ("userName ne \"bob@example.com\"", true),
            ("id eq 7", true),
            ("id eq \"8\" or active eq true", true),
            ("active eq false or id eq 7 and userName sw \"b\"", false),
            ("id eq 7 and userName sw \"b\" or active eq \"true\"", true),
            ("externalId pr", false),
            ("externalId ne \"x\"", true),
            ("  id   eq   7  ", true),
        ] {
            let read = Filter::parse(Kind::User, filter).expect(filter);
            assert_eq!(read.admits(&ana), finds, "{filter}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_and_not_ignored() {
        let long = format!("userName eq \"{}\"", "x".repeat(LONGEST));
        let many = vec!["id eq 1"; MOST + 1].join(" or ");
        for bad in [
            "",
            "userName",
            "userName eq",
            "userName eq \"open",
            "userName eq \"a\"b",
            "userName eq 'a'",
            "userName eq \"\\ud800\"",
            "userName gt \"a\"",
            "userName eq \"a\" \"b\"",
            "userName eq \"a\" and",
            "userName eq \"a\" xor id eq 1",
            "not (userName eq \"a\")",
            "(userName eq \"a\")",
            "password eq \"a\"",
            "applicationId eq \"a\"",
            "groups.value eq \"1\"",
            "\"userName\" eq \"a\"",
            "active eq maybe",
            &long,
            &many,
        ] {
            let error = Filter::parse(Kind::User, bad).expect_err(&cut(bad));
            assert_eq!(error.status(), 400, "{}", cut(bad));
            assert!(error.message().starts_with("Invalid filter: "), "{error}");
        }
        assert!(Filter::parse(Kind::ServicePrincipal, "applicationId eq \"a\"").is_ok());
        assert!(Filter::parse(Kind::Group, "userName eq \"a\"").is_err());
    }

    #[test]
    fn a_plain_lookup_is_recognized() {
        let named = |text| Filter::parse(Kind::User, text).expect(text);
        assert_eq!(named("userName eq \"a\"").names_one(), Some((Attribute::UserName, "a")));
        assert_eq!(named("userName ne \"a\"").names_one(), None);
        assert_eq!(named("userName eq \"a\" or id eq 1").names_one(), None);
    }
}
