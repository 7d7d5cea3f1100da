//! Levels: how much of a securable somebody holds.
//!
//! Three families share the enum, and within one family a higher level holds all that a lower one does:
//!
//! ```text
//! serving endpoints   CAN_VIEW < CAN_QUERY < CAN_MANAGE
//! workspace, tokens   CAN_USE  <             CAN_MANAGE
//! SQL warehouses      CAN_VIEW < CAN_MONITOR, CAN_VIEW < CAN_USE, both < CAN_MANAGE
//! secret scopes       READ     < WRITE     < MANAGE
//! ```
//! `IS_OWNER` is above every other. Levels of different families are not comparable, so a mistake in a
//! table never opens a door.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A permission level, by Databricks' own words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)] // the words are Databricks' own
pub enum Level {
    CanView,
    CanQuery,
    CanMonitor,
    CanUse,
    CanManage,
    Read,
    Write,
    Manage,
    IsOwner,
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::CanView,
        Self::CanQuery,
        Self::CanMonitor,
        Self::CanUse,
        Self::CanManage,
        Self::Read,
        Self::Write,
        Self::Manage,
        Self::IsOwner,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CanView => "CAN_VIEW",
            Self::CanQuery => "CAN_QUERY",
            Self::CanMonitor => "CAN_MONITOR",
            Self::CanUse => "CAN_USE",
            Self::CanManage => "CAN_MANAGE",
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::Manage => "MANAGE",
            Self::IsOwner => "IS_OWNER",
        }
    }

    /// The word in Databricks' refusals: `User does not have permission 'View' on Endpoint <name>`.
    pub const fn spoken(self) -> &'static str {
        match self {
            Self::CanView => "View",
            Self::CanQuery => "Query",
            Self::CanMonitor => "Monitor",
            Self::CanUse => "Use",
            Self::CanManage | Self::Manage => "Manage",
            Self::Read => "Read",
            Self::Write => "Write",
            Self::IsOwner => "Own",
        }
    }

    /// True if somebody with `self` may do what takes `needed`.
    pub fn covers(self, needed: Self) -> bool {
        self >= needed
    }

    /// The higher of two levels of one family. A level of another family never replaces one that is held.
    #[must_use]
    pub fn or_higher(self, other: Self) -> Self {
        if other > self { other } else { self }
    }
}

impl PartialOrd for Level {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        use Level::{CanManage, CanMonitor, CanQuery, CanUse, CanView, IsOwner, Manage, Read, Write};
        let rank = |level: &Self| match level {
            CanView | Read => 0,
            CanQuery | CanMonitor | CanUse | Write => 1,
            CanManage | Manage => 2,
            IsOwner => 3,
        };
        let comparable = match (self, other) {
            (IsOwner, _) | (_, IsOwner) => true,
            // Who may watch a warehouse may not use it, and the other way round.
            (CanQuery | CanMonitor | CanUse, CanQuery | CanMonitor | CanUse) => self == other,
            (Read | Write | Manage, Read | Write | Manage) => true,
            (Read | Write | Manage, _) | (_, Read | Write | Manage) => false,
            _ => true,
        };
        comparable.then(|| rank(self).cmp(&rank(other)))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no permission level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a permission level: CAN_VIEW, CAN_QUERY, CAN_MONITOR, CAN_USE, CAN_MANAGE, IS_OWNER, READ, WRITE or MANAGE is needed"
)]
pub struct UnknownLevel(pub String);

impl FromStr for Level {
    type Err = UnknownLevel;
    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        (Self::ALL.into_iter().find(|level| level.as_str() == text))
            .ok_or_else(|| UnknownLevel(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_level_holds_all_that_a_lower_one_does_and_nothing_of_another_family() {
        let row = |held: Level| -> String {
            Level::ALL.iter().map(|needed| if held.covers(*needed) { '+' } else { '.' }).collect()
        };
        let table: Vec<String> =
            Level::ALL.iter().map(|held| format!("{:<11}{}", held.as_str(), row(*held))).collect();
        assert_eq!(
            table.join("\n"),
            "CAN_VIEW   +........\n\
             CAN_QUERY  ++.......\n\
             CAN_MONITOR+.+......\n\
             CAN_USE    +..+.....\n\
             CAN_MANAGE +++++....\n\
             READ       .....+...\n\
             WRITE      .....++..\n\
             MANAGE     .....+++.\n\
             IS_OWNER   +++++++++"
        );
    }

    #[test]
    fn the_words_are_read_as_they_are_written() {
        for level in Level::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
            assert_eq!(serde_json::to_value(level).unwrap(), level.as_str());
        }
        assert!("can_query".parse::<Level>().is_err());
    }
}
