//! `${matrix.x}` in a section: which axes it mentions, and values in place of variables.
//!
//! A string that is one variable takes the value with its type, be it a table; inside a longer string a variable is text.
//! A table with `by = "${matrix.x}"` is a choice: it stands for the value that it has under the label of the axis, else for
//! that under `else`.

use std::collections::BTreeSet;

use super::combinations::AxisSet;
use super::{Axis, SEED};
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::nearest;
use crate::manifest::scalar::printable;
use crate::manifest::value::{Content, Table, Value};

/// The key that makes a table a choice.
const BY: &str = "by";
/// The entry of a choice for every other label.
const ELSE: &str = "else";
/// What variables begin with.
const PREFIX: &str = "matrix.";

/// A stretch of a string.
enum Part<'a> {
    Text(&'a str),
    /// What stands between `${` and `}`.
    Variable(&'a str),
    /// `${` that is never closed.
    Open,
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if start > 0 {
            parts.push(Part::Text(&rest[..start]));
        }
        let inside = &rest[start + 2..];
        let Some(end) = inside.find('}') else {
            parts.push(Part::Open);
            return parts;
        };
        parts.push(Part::Variable(inside[..end].trim()));
        rest = &inside[end + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// The axis that a variable names.
fn axis(axes: &[Axis], variable: &str) -> Option<usize> {
    let name = variable.strip_prefix(PREFIX)?;
    axes.iter().position(|axis| axis.name == name)
}

/// The axis of a string that is one variable and nothing else.
fn whole(axes: &[Axis], text: &str) -> Option<usize> {
    match parts(text)[..] {
        [Part::Variable(variable)] => axis(axes, variable),
        _ => None,
    }
}

/// The axis and the entries of a table that is a choice.
fn choice<'a>(axes: &[Axis], value: &'a Value) -> Option<(usize, &'a Table)> {
    let Content::Table(table) = &value.content else { return None };
    match &table.get(BY)?.1.content {
        Content::String(text) => Some((whole(axes, text)?, table)),
        _ => None,
    }
}

/// Whether anything in `value` is a variable.
pub fn are_in(value: &Value) -> bool {
    match &value.content {
        Content::String(text) => text.contains("${"),
        Content::Array(items) => items.iter().any(are_in),
        Content::Table(table) => table.values().any(|(_, value)| are_in(value)),
        _ => false,
    }
}

/// Notes every variable in `value` that stands for nothing, and every choice that lacks a label or has one too many.
pub fn check(axes: &[Axis], value: &Value, diagnostics: &mut Diagnostics) {
    match &value.content {
        Content::String(text) => check_text(axes, text, value, diagnostics),
        Content::Array(items) => items.iter().for_each(|item| check(axes, item, diagnostics)),
        Content::Table(table) => {
            for (_, inner) in table.values() {
                check(axes, inner, diagnostics);
            }
            if let Some((axis, table)) = choice(axes, value) {
                check_choice(&axes[axis], table, diagnostics);
            }
        }
        _ => {}
    }
}

fn check_text(axes: &[Axis], text: &str, value: &Value, diagnostics: &mut Diagnostics) {
    let parts = parts(text);
    let alone = parts.len() == 1;
    for part in parts {
        match part {
            Part::Text(_) => {}
            Part::Open => {
                diagnostics.error(value.span, "`${` is never closed").hint("write `${matrix.NAME}`");
            }
            Part::Variable(variable) => match axis(axes, variable) {
                Some(axis) => {
                    let axis = &axes[axis];
                    let table = |value: &&super::AxisValue| {
                        matches!(value.value.content, Content::Table(_) | Content::Array(_))
                    };
                    if let Some(value_of) = axis.values.iter().find(table).filter(|_| !alone) {
                        let what = value_of.value.content.name();
                        let message = format!("`{}` of the axis `{}` is {what} and no text", value_of.label, axis.name);
                        diagnostics
                            .error(value.span, message)
                            .hint("a variable that is the whole string takes any value");
                    }
                }
                None => unknown(axes, variable, value, diagnostics),
            },
        }
    }
}

fn unknown(axes: &[Axis], variable: &str, value: &Value, diagnostics: &mut Diagnostics) {
    let shown = printable(variable);
    let Some(name) = variable.strip_prefix(PREFIX) else {
        let error = diagnostics.error(value.span, format!("`${{{shown}}}` is no variable"));
        error.hint("variables are the axes of `[matrix]`, such as `${matrix.seed}`");
        return;
    };
    let name = printable(name);
    let error = diagnostics.error(value.span, format!("there is no axis `{name}`"));
    match nearest::hint(&name, axes.iter().map(|axis| axis.name.as_str())) {
        Some(hint) => error.hint(hint),
        None => error.hint(format!("add `[matrix]` with `{name} = […]`")),
    };
}

fn check_choice(axis: &Axis, table: &Table, diagnostics: &mut Diagnostics) {
    let labels: BTreeSet<&str> = axis.values.iter().map(|value| value.label.as_str()).collect();
    let entries = || table.iter().filter(|(key, _)| *key != BY && *key != ELSE);
    for (key, (span, _)) in entries().filter(|(key, _)| !labels.contains(key.as_str())) {
        // No error: an axis may have been made shorter for a while.
        let message = format!("`{}` is no value of the axis `{}`", printable(key), axis.name);
        let warning = diagnostics.warning(*span, message);
        warning.hints.extend(nearest::hint(key, labels.iter().copied()));
    }
    if table.contains_key(ELSE) {
        return;
    }
    let absent: Vec<&str> = labels.into_iter().filter(|label| !table.contains_key(*label)).collect();
    if let Some(first) = absent.first() {
        let message = format!("there is no choice for `{}` = `{}`", axis.name, absent.join("`, `"));
        diagnostics.error(table[BY].0, message).hint(format!("add `{first} = …`, or `else = …` for all others"));
    }
}

/// The axes that `value` mentions under a combination: of a choice only the branch that it takes counts.
pub fn mentioned(axes: &[Axis], value: &Value, combination: &[usize]) -> AxisSet {
    match &value.content {
        Content::String(text) => in_text(axes, text),
        Content::Array(items) => items.iter().fold(0, |set, item| set | mentioned(axes, item, combination)),
        Content::Table(table) => match choice(axes, value) {
            Some((axis, table)) => {
                let taken = branch(&axes[axis], table, combination[axis]);
                1 << axis | taken.map_or(0, |value| mentioned(axes, value, combination))
            }
            None => table.values().fold(0, |set, (_, value)| set | mentioned(axes, value, combination)),
        },
        _ => 0,
    }
}

/// The axes that `value` mentions under any combination.
pub fn ever_mentioned(axes: &[Axis], value: &Value) -> AxisSet {
    match &value.content {
        Content::String(text) => in_text(axes, text),
        Content::Array(items) => items.iter().fold(0, |set, item| set | ever_mentioned(axes, item)),
        Content::Table(table) => table.values().fold(0, |set, (_, value)| set | ever_mentioned(axes, value)),
        _ => 0,
    }
}

fn in_text(axes: &[Axis], text: &str) -> AxisSet {
    parts(text)
        .into_iter()
        .filter_map(|part| if let Part::Variable(variable) = part { axis(axes, variable) } else { None })
        .fold(0, |set, axis| set | 1 << axis)
}

fn branch<'a>(axis: &Axis, table: &'a Table, value: usize) -> Option<&'a Value> {
    let label = axis.values[value].label.as_str();
    table.get(label).filter(|_| label != BY).or_else(|| table.get(ELSE)).map(|(_, value)| value)
}

/// `value` with the values of a combination in place of variables. What stood in `[matrix]` keeps its place there. What
/// [`check`] has refused stays as it is.
pub fn substitute(axes: &[Axis], value: &Value, combination: &[usize]) -> Value {
    let content = match &value.content {
        Content::String(text) if text.contains("${") => match whole(axes, text) {
            Some(axis) => return axes[axis].values[combination[axis]].value.clone(),
            None => Content::String(interpolated(axes, text, combination)),
        },
        Content::Array(items) => Content::Array(items.iter().map(|item| substitute(axes, item, combination)).collect()),
        Content::Table(table) => {
            if let Some((axis, table)) = choice(axes, value)
                && let Some(taken) = branch(&axes[axis], table, combination[axis])
            {
                return substitute(axes, taken, combination);
            }
            let entry = |(key, (span, value)): (&String, &(_, Value))| {
                (key.clone(), (*span, substitute(axes, value, combination)))
            };
            Content::Table(table.iter().map(entry).collect())
        }
        other => other.clone(),
    };
    Value { content, span: value.span }
}

fn interpolated(axes: &[Axis], text: &str, combination: &[usize]) -> String {
    let mut out = String::new();
    for part in parts(text) {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Variable(variable) => match axis(axes, variable) {
                Some(axis) => out.push_str(&axes[axis].values[combination[axis]].label),
                None => out.push_str(&format!("${{{variable}}}")),
            },
            Part::Open => out.push_str("${"),
        }
    }
    out
}

/// The axis called `seed`, if there is one.
pub fn seed(axes: &[Axis]) -> Option<usize> {
    axes.iter().position(|axis| axis.name == SEED)
}
