//! Reads `[matrix]`.

use super::combinations::{Changes, MAXIMUM, MAXIMUM_AXES, combinations, find};
use super::{Axis, AxisValue, Coordinate, SEED, number_label, variables};
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::nearest;
use crate::manifest::scalar::{printable, wrong};
use crate::manifest::source::Span;
use crate::manifest::value::{Content, Table, Value};

/// The axes with their combinations.
#[derive(Debug)]
pub struct Matrix {
    /// In the order of the file.
    pub axes: Vec<Axis>,
    /// Each with a value for every axis.
    pub combinations: Vec<Vec<usize>>,
    /// Set when the section was wrong: then nothing can be said about what mentions axes.
    pub unknown: bool,
}

impl Matrix {
    /// That of a manifest without one: a single combination of nothing.
    pub fn single() -> Self {
        Self { axes: Vec::new(), combinations: vec![Vec::new()], unknown: false }
    }

    /// That of a section with errors.
    pub fn unknown() -> Self {
        Self { unknown: true, ..Self::single() }
    }
}

/// Keys that are no axes.
const EXCLUDE: &str = "exclude";
const INCLUDE: &str = "include";
const ZIP: &str = "zip";

/// The most values of an axis.
const MAXIMUM_VALUES: usize = 10_000;

/// Reads the section; `None` when its axes are wrong, one combination when only what is left out, added or zipped is.
pub fn read(section_span: Span, section: &Value, diagnostics: &mut Diagnostics) -> Option<Matrix> {
    let before = diagnostics.len();
    let Content::Table(table) = &section.content else {
        wrong(diagnostics, "`matrix`", section, "a table, such as `[matrix]`");
        return None;
    };
    let mut axes: Vec<Axis> = Vec::new();
    for (name, (span, value)) in table.iter().filter(|(name, _)| !is_reserved(name)) {
        check_name(name, *span, diagnostics);
        axes.extend(axis(name, *span, value, diagnostics));
    }
    if axes.len() > MAXIMUM_AXES {
        let span = axes[MAXIMUM_AXES].span;
        diagnostics.error(span, format!("the matrix has more than {MAXIMUM_AXES} axes"));
    }
    if diagnostics.errors_after(before).next().is_some() {
        return None;
    }
    let listed: Vec<usize> = axes.iter().map(|axis| axis.values.len()).collect();
    let mut changes = Changes { zips: zips(table, &axes, diagnostics), ..Changes::default() };
    let mut places = Vec::new();
    for (span, entry) in entries(table, EXCLUDE, diagnostics) {
        let coordinates = coordinates(&mut axes, entry, EXCLUDE, diagnostics);
        if let Some(coordinates) = coordinates {
            changes.excluded.push(coordinates);
            places.push(span);
        }
    }
    for (_, entry) in entries(table, INCLUDE, diagnostics) {
        changes.included.extend(coordinates(&mut axes, entry, INCLUDE, diagnostics));
    }
    let is_wrong = diagnostics.errors_after(before).next().is_some();
    let Some((combinations, used)) = combinations(&listed, &changes) else {
        let error = diagnostics.error(section_span, format!("the matrix has more than {MAXIMUM} combinations"));
        error.hint("take values away, or split the manifest");
        return None;
    };
    if is_wrong {
        // Which combinations are meant is not known, but one is enough to find what is wrong elsewhere. Of several, some might
        // show mistakes that are none because they are to be excluded.
        let first = combinations.into_iter().next()?;
        return Some(Matrix { axes, combinations: vec![first], unknown: false });
    }
    for (span, _) in places.into_iter().zip(used).filter(|(_, used)| !used) {
        diagnostics.error(span, "no combination is like this").hint("leave it out, or mend its values");
    }
    if combinations.is_empty() {
        diagnostics.error(section_span, "no combination is left").hint("take something out of `exclude`");
    }
    diagnostics.errors_after(before).next().is_none().then_some(Matrix { axes, combinations, unknown: false })
}

fn is_reserved(name: &str) -> bool {
    matches!(name, EXCLUDE | INCLUDE | ZIP)
}

/// Axes are parts of instances' names and of `--only`.
fn check_name(name: &str, span: Span, diagnostics: &mut Diagnostics) {
    let good =
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if !good {
        diagnostics
            .error(span, format!("`{}` is not a name of an axis", printable(name)))
            .hint("a name has 1 to 64 letters, digits, `_` or `-`");
    }
}

fn axis(name: &str, span: Span, value: &Value, diagnostics: &mut Diagnostics) -> Option<Axis> {
    let mut values: Vec<AxisValue> = Vec::new();
    let candidates: Vec<(Option<String>, Span, &Value)> = match &value.content {
        Content::Array(items) => items.iter().map(|item| (label(item), item.span, item)).collect(),
        Content::Table(table) => {
            table.iter().map(|(label, (span, value))| (Some(label.clone()), *span, value)).collect()
        }
        _ => {
            let wanted = "an array of its values, or a table of named values";
            wrong(diagnostics, &format!("the axis `{}`", printable(name)), value, wanted);
            return None;
        }
    };
    if candidates.is_empty() {
        diagnostics.error(value.span, format!("the axis `{}` has no values", printable(name))).hint("add one");
    }
    if candidates.len() > MAXIMUM_VALUES {
        let message = format!("the axis `{}` has more than {MAXIMUM_VALUES} values", printable(name));
        diagnostics.error(value.span, message);
        return None;
    }
    for (label, span, value) in candidates {
        if variables::are_in(value) {
            diagnostics.error(value.span, "a value of an axis holds a variable").hint("write it out");
            continue;
        }
        if name == SEED && !matches!(value.content, Content::Integer(Some(n)) if n >= 0) {
            diagnostics.error(value.span, "a seed is an integer, 0 or more");
            continue;
        }
        let Some(label) = label else {
            let message = format!("a value of `{}` is {}, which has no name", printable(name), value.content.name());
            diagnostics.error(value.span, message).hint(format!("name it: `[matrix.{name}]` with `NAME = …`"));
            continue;
        };
        if !is_label(&label) {
            let message = format!("`{}` cannot be part of a stage's name", printable(&label));
            let hint = format!("name it: `[matrix.{name}]` with `NAME = …`");
            diagnostics.error(span, message).label("it is empty, long, or has one of `[ ] , =` or a space").hint(hint);
        } else if values.iter().any(|other| other.label == label) {
            let message = format!("`{}` is in the axis `{name}` twice", printable(&label));
            diagnostics.error(span, message).hint("leave one out");
        } else {
            values.push(AxisValue { label, value: value.clone() });
        }
    }
    Some(Axis { name: name.to_owned(), span, values, seeds: None })
}

fn is_label(label: &str) -> bool {
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '[' | ']' | ',' | '=' | '"' | '\'' | '$');
    (1..=64).contains(&label.chars().count()) && !label.contains(bad)
}

/// A single value as text; nothing for a table or an array.
pub fn label(value: &Value) -> Option<String> {
    match &value.content {
        Content::String(text) => Some(text.clone()),
        Content::Integer(Some(number)) => Some(number.to_string()),
        Content::Float(number) if number.is_finite() => Some(number_label(*number)),
        Content::Boolean(value) => Some(value.to_string()),
        _ => None,
    }
}

/// Axes that move together: `zip = [["a", "b"]]`.
fn zips(table: &Table, axes: &[Axis], diagnostics: &mut Diagnostics) -> Vec<Vec<usize>> {
    let Some((_, value)) = table.get(ZIP) else { return Vec::new() };
    let example = "an array of arrays of names, such as `[[\"depth\", \"width\"]]`";
    let Content::Array(groups) = &value.content else {
        wrong(diagnostics, "`zip`", value, example);
        return Vec::new();
    };
    if !groups.is_empty() && groups.iter().all(|group| !matches!(group.content, Content::Table(_) | Content::Array(_)))
    {
        diagnostics
            .error(value.span, "`zip` cannot be an axis")
            .label("values as of an axis")
            .hint(format!("call the axis otherwise; `zip` is {example}"));
        return Vec::new();
    }
    let mut zips: Vec<Vec<usize>> = Vec::new();
    for group in groups {
        let Content::Array(names) = &group.content else {
            wrong(diagnostics, "an element of `zip`", group, example);
            continue;
        };
        let mut zip: Vec<usize> = Vec::new();
        for name in names {
            let Content::String(text) = &name.content else {
                wrong(diagnostics, "an axis in `zip`", name, "its name");
                continue;
            };
            let Some(axis) = known_axis(axes, text, name.span, diagnostics) else { continue };
            if zip.contains(&axis) || zips.iter().any(|other| other.contains(&axis)) {
                diagnostics.error(name.span, format!("`{text}` is in `zip` twice")).hint("leave one out");
                continue;
            }
            let (first, length) = (zip.first().map(|first| &axes[*first]), axes[axis].values.len());
            if let Some(first) = first.filter(|first| first.values.len() != length) {
                let message = format!("`{}` has {} values and `{text}` has {length}", first.name, first.values.len());
                diagnostics.error(name.span, message).hint("axes that move together have as many values each");
                continue;
            }
            zip.push(axis);
        }
        // The first of a zip, in the order of the axes, stands for all.
        zip.sort_unstable();
        if zip.len() > 1 {
            zips.push(zip);
        } else if names.len() < 2 {
            diagnostics.error(group.span, "one axis alone has nothing to move with").hint("name at least two");
        }
    }
    zips
}

fn known_axis(axes: &[Axis], name: &str, span: Span, diagnostics: &mut Diagnostics) -> Option<usize> {
    let found = axes.iter().position(|axis| axis.name == name);
    if found.is_none() {
        let message = format!("there is no axis `{}`", printable(name));
        diagnostics.unknown(span, message, name, axes.iter().map(|axis| axis.name.as_str()));
    }
    found
}

/// The tables of `exclude` or `include`.
fn entries<'a>(table: &'a Table, key: &str, diagnostics: &mut Diagnostics) -> Vec<(Span, &'a Table)> {
    let Some((_, value)) = table.get(key) else { return Vec::new() };
    let example = format!("an array of tables, such as `{key} = [{{ seed = 3 }}]`");
    let Content::Array(items) = &value.content else {
        wrong(diagnostics, &format!("`{key}`"), value, &example);
        return Vec::new();
    };
    if !items.is_empty() && items.iter().all(|item| !matches!(item.content, Content::Table(_) | Content::Array(_))) {
        diagnostics
            .error(value.span, format!("`{key}` cannot be an axis"))
            .label("values as of an axis")
            .hint(format!("call the axis otherwise; `{key}` is {example}"));
        return Vec::new();
    }
    let mut entries = Vec::new();
    for item in items {
        match &item.content {
            Content::Table(table) if table.is_empty() => {
                diagnostics
                    .error(item.span, format!("an element of `{key}` is empty"))
                    .hint("name an axis and its value");
            }
            Content::Table(table) => entries.push((item.span, table)),
            _ => wrong(diagnostics, &format!("an element of `{key}`"), item, "a table, such as `{ seed = 3 }`"),
        }
    }
    entries
}

/// The coordinates that an element of `exclude` or `include` names. What `include` names may be new to the axis.
fn coordinates(axes: &mut [Axis], entry: &Table, key: &str, diagnostics: &mut Diagnostics) -> Option<Vec<Coordinate>> {
    let mut coordinates = Vec::new();
    let mut sound = true;
    for (name, (span, value)) in entry {
        let Some(axis) = known_axis(axes, name, *span, diagnostics) else {
            sound = false;
            continue;
        };
        let label = label(value).filter(|label| is_label(label));
        let Some(label) = label else {
            wrong(diagnostics, &format!("`{name}` in `{key}`"), value, "one of the values of the axis, or its name");
            sound = false;
            continue;
        };
        // By its name, or by a value that has another name.
        let same = |other: &AxisValue| self::label(&other.value).as_ref() == Some(&label);
        match find(axes, axis, &label).or_else(|| axes[axis].values.iter().position(same)) {
            Some(found) => coordinates.push((axis, found)),
            None if key == INCLUDE && !variables::are_in(value) => {
                if name == SEED && !matches!(value.content, Content::Integer(Some(n)) if n >= 0) {
                    diagnostics.error(value.span, "a seed is an integer, 0 or more");
                    sound = false;
                }
                axes[axis].values.push(AxisValue { label, value: value.clone() });
                coordinates.push((axis, axes[axis].values.len() - 1));
            }
            None => {
                let labels: Vec<&str> = axes[axis].values.iter().map(|value| value.label.as_str()).collect();
                let message = format!("`{}` is no value of the axis `{name}`", printable(&label));
                let error = diagnostics.error(value.span, message);
                if let Some(hint) = nearest::hint(&label, labels.iter().copied()) {
                    error.hint(hint);
                }
                sound = false;
            }
        }
    }
    sound.then_some(coordinates)
}
