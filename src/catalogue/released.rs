//! Every revision of the built-in profiles that was ever released: what a set is pinned to is known to
//! every later version of stateward.
//!
//! The file has a line of JSON for each and only grows. A line is read when a pin asks for it: the
//! revisions of today come from the profiles themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::Profile;
use super::cluster::Content;

/// The lines of the binary.
const LINES: &str = include_str!("released.jsonl");

/// Revisions that are read when they are asked for.
#[derive(Debug, Default)]
pub(super) struct Released {
    text: &'static str,
    lines: OnceLock<Lines>,
}

/// By profile and revision.
type Lines = BTreeMap<&'static str, BTreeMap<&'static str, Line>>;

#[derive(Debug)]
struct Line {
    text: &'static str,
    profile: OnceLock<Option<Arc<Profile>>>,
}

/// What a line is found by.
#[derive(Deserialize)]
struct Key {
    profile: &'static str,
    revision: &'static str,
}

/// A whole line, as a kept revision holds it.
#[derive(Deserialize, Serialize)]
struct Whole {
    profile: String,
    revision: String,
    content: Content,
}

impl Released {
    /// Those of the binary.
    pub(super) fn built_in() -> Self {
        Self::of(LINES)
    }

    /// Those of a text.
    pub(super) fn of(text: &'static str) -> Self {
        Self { text, lines: OnceLock::new() }
    }

    /// A revision.
    pub(super) fn get(&self, profile: &str, revision: &str) -> Option<&Arc<Profile>> {
        self.line(profile, revision)?.profile()
    }

    /// The revisions of a profile.
    pub(super) fn all_of(&self, profile: &str) -> impl Iterator<Item = &Arc<Profile>> + use<'_> {
        let lines = self.lines().get(profile).into_iter().flat_map(BTreeMap::values);
        lines.filter_map(Line::profile)
    }

    /// What a revision holds.
    pub(super) fn content(&self, profile: &str, revision: &str) -> Option<Content> {
        Some(self.line(profile, revision)?.read()?.content)
    }

    fn line(&self, profile: &str, revision: &str) -> Option<&Line> {
        self.lines().get(profile)?.get(revision)
    }

    fn lines(&self) -> &Lines {
        self.lines.get_or_init(|| {
            let mut lines = Lines::new();
            for text in self.text.lines() {
                if let Ok(Key { profile, revision }) = serde_json::from_str(text) {
                    let line = Line { text, profile: OnceLock::new() };
                    lines.entry(profile).or_default().insert(revision, line);
                }
            }
            lines
        })
    }
}

impl Line {
    /// A test reads all of them, so each can be read.
    fn read(&self) -> Option<Whole> {
        serde_json::from_str(self.text).ok()
    }

    fn profile(&self) -> Option<&Arc<Profile>> {
        let resolve = || {
            let Whole { revision, content, .. } = self.read()?;
            content.resolve_as(&revision)
        };
        self.profile.get_or_init(resolve).as_ref()
    }
}

/// The line of a revision.
#[cfg(test)]
pub(super) fn line(profile: &str, revision: &str, content: Content) -> String {
    let whole = Whole { profile: profile.to_owned(), revision: revision.to_owned(), content };
    serde_json::to_string(&whole).unwrap_or_default()
}

#[cfg(test)]
mod tests;
