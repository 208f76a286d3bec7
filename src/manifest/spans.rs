//! Where the values of one section stand, and which of them were wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Span;

/// Places by the names that values have in a key (`optimizer.lr`).
#[derive(Debug, Clone, Default)]
pub struct Spans {
    places: BTreeMap<String, Span>,
    /// Values with an error, for which something else stands in. Checks that come later leave them alone, so that one
    /// mistake gives one message.
    doubtful: BTreeSet<String>,
}

impl Spans {
    /// Where a value stands; `None` when the manifest does not mention it.
    pub fn get(&self, path: &str) -> Option<Span> {
        self.places.get(path).copied()
    }

    /// Notes where a value stands.
    pub fn insert(&mut self, path: impl Into<String>, span: Span) {
        self.places.insert(path.into(), span);
    }

    /// Notes that a value was wrong.
    pub fn doubt(&mut self, path: impl Into<String>) {
        self.doubtful.insert(path.into());
    }

    /// Whether neither a value nor anything inside it was wrong.
    pub fn sound(&self, path: &str) -> bool {
        let inside = |other: &String| other.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        !self.doubtful.contains(path) && !self.doubtful.iter().any(inside)
    }

    /// Takes over what is known about the values of another table.
    pub fn extend(&mut self, other: Spans) {
        self.places.extend(other.places);
        self.doubtful.extend(other.doubtful);
    }
}
