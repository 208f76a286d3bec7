//! What a table can hold, found out by asking the very code that reads it: a reader that describes reads an empty table
//! and notes all that it is asked for. A function that reads tables of several kinds is run once for each.

use std::ops::RangeInclusive;

use super::diagnostic::Diagnostics;
use super::reader::Reader;
use super::scalar::Limits;
use super::source::Span;
use super::value::Table;

/// A table of one kind.
#[derive(Debug, Clone, Default)]
pub struct Described {
    /// The key that decides the kind, and the kind; none for a table that has only one.
    pub kind: Option<(&'static str, &'static str)>,
    /// Every key with what it can hold, in the order in which they are read.
    pub fields: Vec<(&'static str, Field)>,
    /// Keys without a default.
    pub needed: Vec<&'static str>,
    /// Keys of which at least one is needed; empty where it is not so.
    pub alternatives: Vec<&'static str>,
}

/// What a key can hold.
#[derive(Debug, Clone)]
pub enum Field {
    /// An integer.
    Integer(RangeInclusive<u64>, Option<u64>),
    /// A number.
    Number(Limits, Option<f64>),
    /// `true` or `false`.
    Boolean(bool),
    /// A string.
    String,
    /// One of several words.
    Choice(Vec<&'static str>, Option<&'static str>),
    /// An array of strings.
    Strings,
    /// A table whose keys are free, with numbers.
    Numbers(Limits),
    /// A table.
    Table(Vec<Described>),
    /// An array of tables.
    Tables(Vec<Described>),
    /// An array in which each element is a table, or its kind alone; each kind once.
    Kinds(Vec<Described>),
    /// Something that the reading code takes apart itself.
    Other,
}

/// What a reader notes while it describes.
#[derive(Debug, Default)]
pub struct Notes {
    pub(super) described: Described,
    /// Which of the kinds is described.
    chosen: usize,
    /// How many there are.
    kinds: usize,
}

impl Notes {
    pub(super) fn note(&mut self, key: &'static str, field: Field) {
        if let Some((_, known)) = self.described.fields.iter_mut().find(|(name, _)| *name == key) {
            // Asked for first as a raw value, then as what it is.
            if matches!(known, Field::Other) {
                *known = field;
            }
        } else {
            self.described.fields.push((key, field));
        }
    }

    pub(super) fn kind<T: Copy>(&mut self, key: &'static str, choices: &[(&'static str, T)]) -> T {
        self.kinds = choices.len();
        let (word, kind) = choices[self.chosen];
        self.described.kind = Some((key, word));
        kind
    }
}

/// Every kind of table that `read` can read.
pub fn describe<T>(read: impl Fn(&mut Reader) -> T) -> Vec<Described> {
    let mut all = Vec::new();
    loop {
        let (table, mut diagnostics) = (Table::new(), Diagnostics::default());
        let mut reader = Reader::new(&table, Span::default(), "", "", &mut diagnostics);
        reader.notes = Some(Notes { chosen: all.len(), ..Notes::default() });
        read(&mut reader);
        let notes = reader.described().expect("just set");
        all.push(notes.described);
        if all.len() >= notes.kinds {
            return all;
        }
    }
}
