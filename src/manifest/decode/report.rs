//! `[report]`: how results are shown.

use crate::expression::{Calculator, Names};
use crate::manifest::matrix::axes::Matrix;
use crate::manifest::nearest;
use crate::manifest::reader::Reader;
use crate::manifest::scalar::{printable, string, wrong};
use crate::manifest::source::Span;
use crate::manifest::value::{Content, Value};
use crate::manifest::{Comparison, Report};
use crate::stage::evaluate::MEASURES;

/// Reads the section.
pub fn report(reader: &mut Reader, matrix: &Matrix) -> Report {
    let group_by = axes(reader, "group-by", matrix);
    let group_by = reader.has("group-by").then_some(group_by);
    let panel = axis(reader, "panel", matrix);
    let compare = axis(reader, "compare", matrix);
    let against = against(reader, compare, matrix);
    Report { group_by, panel, compare: compare.map(|axis| Comparison { axis, against }), metrics: metrics(reader) }
}

fn place(matrix: &Matrix, name: &str, span: Span, reader: &mut Reader) -> Option<usize> {
    let found = matrix.axes.iter().position(|axis| axis.name == name);
    if found.is_none() && !matrix.unknown {
        let names: Vec<&str> = matrix.axes.iter().map(|axis| axis.name.as_str()).collect();
        let message = format!("there is no axis `{}`", printable(name));
        let error = reader.diagnostics.unknown(span, message, name, names.iter().copied());
        if names.is_empty() {
            error.hint("the manifest has no `[matrix]`");
        }
    }
    found
}

fn axis(reader: &mut Reader, key: &'static str, matrix: &Matrix) -> Option<usize> {
    let (name, span) = reader.optional_string(key)?;
    place(matrix, &name, span, reader)
}

fn axes(reader: &mut Reader, key: &'static str, matrix: &Matrix) -> Vec<usize> {
    let names = reader.strings(key, "an axis");
    let places = |(index, name): (usize, &String), reader: &mut Reader| {
        let span = reader.place(&format!("{key}.{index}"));
        place(matrix, name, span, reader)
    };
    names.iter().enumerate().filter_map(|name| places(name, reader)).collect()
}

/// The value of the compared axis that the others are held against.
fn against(reader: &mut Reader, compare: Option<usize>, matrix: &Matrix) -> Option<usize> {
    let (label, span) = reader.optional_string("against")?;
    let Some(axis) = compare.map(|axis| &matrix.axes[axis]) else {
        if !reader.has("compare") {
            reader.diagnostics.error(span, "`against` needs `compare`").hint("add `compare = \"AXIS\"`");
        }
        return None;
    };
    let found = axis.values.iter().position(|value| value.label == label);
    if found.is_none() {
        let labels: Vec<&str> = axis.values.iter().map(|value| value.label.as_str()).collect();
        let message = format!("`{}` is no value of the axis `{}`", printable(&label), axis.name);
        reader.diagnostics.unknown(span, message, &label, labels.iter().copied());
    }
    found
}

/// Measures of the user's own, each an expression over the others and those before it.
fn metrics(reader: &mut Reader) -> Vec<(String, String)> {
    let Some(value) = reader.value("metrics") else { return Vec::new() };
    let Content::Table(table) = &value.content else {
        let wanted = "a table, such as `{ loss-of-accuracy = \"reference.accuracy - accuracy\" }`";
        wrong(reader.diagnostics, "`metrics`", value, wanted);
        return Vec::new();
    };
    let calculator = Calculator::default();
    let mut metrics: Vec<(String, String)> = Vec::new();
    for (name, (span, value)) in table {
        let good = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && name.starts_with(|c: char| c.is_ascii_lowercase());
        if !good || MEASURES.contains(&name.as_str()) {
            let message = match good {
                true => format!("there is a measure `{name}` already"),
                false => format!("`{}` is not the name of a measure", printable(name)),
            };
            reader.diagnostics.error(*span, message).hint("a name has small letters, digits and `-`");
            continue;
        }
        let Some((expression, _)) = string(reader.diagnostics, &format!("`{name}`"), value) else { continue };
        check(&calculator, &expression, value, &metrics, reader);
        metrics.push((name.clone(), expression));
    }
    metrics
}

/// Names in expressions have `_` where those of the manifest have `-`.
pub fn variable(name: &str) -> String {
    name.replace('-', "_")
}

fn check(calculator: &Calculator, expression: &str, value: &Value, before: &[(String, String)], reader: &mut Reader) {
    let own = MEASURES.iter().copied().chain(before.iter().map(|(name, _)| name.as_str()));
    // Any number will do; these make neither a division by zero nor a whole number.
    let names: Vec<(String, f64)> = own.zip(1..).map(|(name, n)| (variable(name), 1.0 / (n as f64 + 0.5))).collect();
    let known = Names { own: names.clone(), reference: Some(names.clone()) };
    let Err(wrong) = calculator.evaluate(expression, &known) else { return };
    // Inside the quotes, where what stands in the file is what was read.
    let inside = wrong.at.and_then(|at| {
        let offset = expression.char_indices().nth(at).map_or(expression.len(), |(offset, _)| offset);
        let (start, whole) = (value.span.start as usize + 1, (value.span.end - value.span.start) as usize);
        let length = wrong.unknown.as_ref().map_or(1, String::len);
        (whole == expression.len() + 2)
            .then(|| Span::new(value.span.source, start + offset..start + (offset + length).min(expression.len() + 1)))
    });
    let error = reader.diagnostics.error(inside.unwrap_or(value.span), wrong.message);
    match &wrong.unknown {
        Some(name) => {
            let candidates = names.iter().map(|(name, _)| name.as_str());
            error.hints.extend(nearest::hint(name, candidates));
        }
        None => {
            error.hint("an expression is arithmetic over measures, such as `accuracy / reference.accuracy`");
        }
    }
}
