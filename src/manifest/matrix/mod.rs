//! `[matrix]`: one manifest made into a sweep.
//!
//! - `axes` reads the section: axes and their values, and what is taken away from or added to their product;
//! - `combinations` is that product, and its projections onto some of the axes;
//! - `seeds` says which axes are seeds, whatever they are called;
//! - `variables` finds `${matrix.x}` in a section and puts values in their place.
//!
//! A section that mentions axes is a template. It stands for one instance for each different choice of the values of the
//! axes that reach it: those that it mentions, and those that reach what it takes something from. So one teacher that
//! mentions no axis serves the whole sweep, without anybody saying so. `decode::instances` puts this together.

pub(super) mod axes;
pub(super) mod combinations;
pub(super) mod seeds;
#[cfg(test)]
mod tests;
pub(super) mod variables;

use super::source::Span;
use super::value::{Content, Value};

/// The axis that is the seed of every stage that gives none.
pub const SEED: &str = "seed";

/// One axis of the matrix.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    /// Its name.
    pub name: String,
    /// Where it is named.
    pub span: Span,
    /// Its values: those of its list, and those that only `include` gives it.
    pub values: Vec<AxisValue>,
    /// What [`seeds::find`] finds once the stages are known.
    pub seeds: Option<Vec<usize>>,
}

/// One value of an axis.
#[derive(Debug, Clone)]
pub(super) struct AxisValue {
    /// As instances are named: its text, or the name that the manifest gives it.
    pub label: String,
    /// What takes the place of `${matrix.x}`.
    pub value: Value,
}

/// The place of an axis, and of a value among its values.
pub type Coordinate = (usize, usize);

/// A number as instances are named: `0.5`, `1e-5`.
pub fn number_label(number: f64) -> String {
    let (plain, scientific) = (number.to_string(), format!("{number:e}"));
    if plain.len() <= scientific.len() + 1 { plain } else { scientific }
}

/// The name of the section that an instance was made from. Names of sections have no brackets.
pub fn template_of(instance: &str) -> &str {
    instance.split('[').next().unwrap_or(instance)
}

/// The name of an instance: `pruned[criterion=l1,sparsity=0.5]`.
pub(super) fn instance_name(template: &str, axes: &[Axis], coordinates: &[Coordinate]) -> String {
    if coordinates.is_empty() {
        return template.to_owned();
    }
    let mut name = format!("{template}[");
    for (place, (axis, value)) in coordinates.iter().enumerate() {
        let axis = &axes[*axis];
        name.push_str(if place > 0 { "," } else { "" });
        name.push_str(&axis.name);
        name.push('=');
        name.push_str(&axis.values[*value].label);
    }
    name.push(']');
    name
}

impl From<&Axis> for super::Axis {
    fn from(axis: &Axis) -> Self {
        // What has a name of its own is shown by it.
        let plain = |value: &AxisValue| match &value.value.content {
            _ if axes::label(&value.value).as_ref() != Some(&value.label) => value.label.clone().into(),
            Content::Integer(Some(number)) => (*number).into(),
            Content::Float(number) => (*number).into(),
            Content::Boolean(value) => (*value).into(),
            _ => value.label.clone().into(),
        };
        Self {
            name: axis.name.clone(),
            labels: axis.values.iter().map(|value| value.label.clone()).collect(),
            values: axis.values.iter().map(plain).collect(),
            seeds: axis.seeds.clone(),
        }
    }
}
