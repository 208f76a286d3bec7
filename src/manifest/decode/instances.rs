//! Sections as templates: the instances that the matrix makes of them.

use std::collections::{BTreeSet, HashMap, HashSet};

use indexmap::IndexMap;

use super::import;
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::matrix::combinations::{AxisSet, projection};
use crate::manifest::matrix::{Coordinate, axes::Matrix, instance_name, variables};
use crate::manifest::order::{Cycles, order};
use crate::manifest::source::Span;
use crate::manifest::value::{Content, Table, Value};
use crate::manifest::{Seed, Stage};

/// More instances of stages, data sets or networks than this are refused, as more sections of the file are.
const MAXIMUM: usize = super::MAXIMUM_STAGES;

/// The most pairs of a stage's section and a combination: each is looked at.
const MAXIMUM_PAIRS: usize = 2_000_000;

/// The instances of `[data.*]` or `[networks.*]`, each read by `read`, which gets its name, the place of the template's
/// name and the table.
pub fn of_sections<T>(
    table: &Table,
    matrix: &Matrix,
    unreadable: &mut BTreeSet<String>,
    diagnostics: &mut Diagnostics,
    mut read: impl FnMut(&str, Span, &Value, &mut Diagnostics) -> Option<T>,
) -> IndexMap<String, T> {
    let mut all = IndexMap::new();
    for (name, (span, template)) in table {
        if !is_sound(matrix, template, diagnostics) {
            unreadable.insert(name.clone());
            continue;
        }
        let first = diagnostics.len();
        for (coordinates, combination) in projections(matrix, template) {
            let instance = instance_name(name, &matrix.axes, &coordinates);
            let value = variables::substitute(&matrix.axes, template, combination);
            let before = diagnostics.len();
            match read(&instance, *span, &value, diagnostics) {
                Some(item) => {
                    all.insert(instance, item);
                }
                None => {
                    unreadable.insert(name.clone());
                }
            }
            diagnostics.forget_repeats(first, before);
            if all.len() > MAXIMUM {
                too_many(*span, diagnostics);
                unreadable.extend(table.keys().cloned());
                return IndexMap::new();
            }
            if diagnostics.are_many() {
                break;
            }
        }
    }
    all
}

fn too_many(span: Span, diagnostics: &mut Diagnostics) {
    let message = format!("the matrix makes more than {MAXIMUM} instances");
    diagnostics.error(span, message).hint("take values away, or split the manifest");
}

/// Whether every variable of a template stands for something.
fn is_sound(matrix: &Matrix, template: &Value, diagnostics: &mut Diagnostics) -> bool {
    if matrix.unknown {
        return !variables::are_in(template);
    }
    let before = diagnostics.len();
    variables::check(&matrix.axes, template, diagnostics);
    diagnostics.errors_after(before).next().is_none()
}

/// Each different choice of what a template mentions, with one of the combinations that make it.
fn projections<'m>(matrix: &'m Matrix, template: &Value) -> IndexMap<Vec<Coordinate>, &'m [usize]> {
    let mut all = IndexMap::new();
    for combination in &matrix.combinations {
        let mentioned = variables::mentioned(&matrix.axes, template, combination);
        all.entry(projection(combination, mentioned)).or_insert(combination.as_slice());
        if mentioned == 0 {
            break;
        }
    }
    all
}

/// What stages can name, as templates.
pub struct Sections<'a> {
    /// `[data.*]`.
    pub data: &'a Table,
    /// `[networks.*]`.
    pub networks: &'a Table,
}

/// The string that a stage has under `key` with the values of a combination.
fn text(matrix: &Matrix, stage: &Value, key: &str, combination: &[usize]) -> Option<String> {
    let Content::Table(stage) = &stage.content else { return None };
    match variables::substitute(&matrix.axes, &stage.get(key)?.1, combination).content {
        Content::String(text) => Some(text),
        _ => None,
    }
}

/// A stage's template with the values of the axes that it mentions itself.
struct Variant {
    /// `None` when it could not be read.
    stage: Option<Stage>,
}

/// What a stage is read with under one combination.
pub struct Reading<'a> {
    /// The stage with values in place of variables.
    pub value: &'a Value,
    /// The seed that it has if it gives none.
    pub seed: Seed,
    /// The instance of the network that it names.
    pub network: Option<String>,
}

/// The instances of `[stages.*]`, in the order of the file. A stage's instance depends on the axes that it mentions, that
/// the data set and the network it names mention, and that reach its inputs. A stage that draws random numbers and gives
/// no seed mentions the axis `seed`.
pub fn of_stages(
    table: &Table,
    matrix: &Matrix,
    sections: &Sections,
    seed: Seed,
    unreadable: &mut BTreeSet<String>,
    diagnostics: &mut Diagnostics,
    mut read: impl FnMut(&str, Span, Reading, &mut Diagnostics) -> Option<Stage>,
) -> IndexMap<String, Stage> {
    let axes = &matrix.axes;
    if let Some((span, _)) = table.values().next().filter(|_| table.len() * matrix.combinations.len() > MAXIMUM_PAIRS) {
        let message = format!("{} stages are too many for {} combinations", table.len(), matrix.combinations.len());
        diagnostics.error(*span, message).hint("take values out of the matrix, or split the manifest");
        unreadable.extend(table.keys().cloned());
        return IndexMap::new();
    }
    let mut made = 0;
    let mut variants: Vec<Variants> = Vec::with_capacity(table.len());
    // Of each template and combination.
    let mut mentioned: Vec<Vec<AxisSet>> = Vec::with_capacity(table.len());
    for (name, (span, template)) in table {
        let (mut of_template, mut sets) = (HashMap::new(), vec![0; matrix.combinations.len()]);
        let sound = is_sound(matrix, template, diagnostics);
        let first = diagnostics.len();
        for (combination, set) in matrix.combinations.iter().zip(&mut sets).filter(|_| sound) {
            // A section with the axes that it mentions.
            let section = |table: &Table, key: &str| {
                let name = text(matrix, template, key, combination)?;
                let (_, section) = table.get(&name)?;
                Some((name, variables::mentioned(axes, section, combination)))
            };
            let (data, network) = (section(sections.data, "data"), section(sections.networks, "network"));
            let drawn = variables::seed(axes).filter(|_| draws_by_default(matrix, template, combination));
            let own = variables::mentioned(axes, template, combination);
            let through = data.iter().chain(&network).fold(own, |set, (_, mentioned)| set | mentioned);
            *set = drawn.map_or(through, |axis| through | 1 << axis);
            if diagnostics.are_many() && !of_template.is_empty() {
                continue;
            }
            let before = diagnostics.len();
            of_template.entry(projection(combination, *set)).or_insert_with(|| {
                let instance =
                    |(name, set): (String, AxisSet)| instance_name(&name, axes, &projection(combination, set));
                let value = &variables::substitute(axes, template, combination);
                let seed = drawn.map_or(seed, |axis| seed_of(&axes[axis].values[combination[axis]].value));
                let mut stage = read(name, *span, Reading { value, seed, network: network.map(instance) }, diagnostics);
                if let (Some(stage), Some(data)) = (&mut stage, data) {
                    stage.data = Some(instance(data));
                }
                Variant { stage }
            });
            diagnostics.forget_repeats(first, before);
            if made + of_template.len() > MAXIMUM {
                too_many(*span, diagnostics);
                unreadable.extend(table.keys().cloned());
                return IndexMap::new();
            }
        }
        made += of_template.len();
        if of_template.is_empty() || of_template.values().any(|variant| variant.stage.is_none()) {
            unreadable.insert(name.clone());
        }
        variants.push(of_template);
        mentioned.push(sets);
    }
    expand(table, matrix, &variants, &mentioned, diagnostics)
}

/// Whether a stage of this kind draws random numbers, and the manifest gives it no seed.
fn draws_by_default(matrix: &Matrix, stage: &Value, combination: &[usize]) -> bool {
    let has = |key: &str| matches!(&stage.content, Content::Table(stage) if stage.contains_key(key));
    let kind = text(matrix, stage, "kind", combination);
    let draws = kind.is_some_and(|kind| match kind.as_str() {
        "evaluate" => false,
        "import" => import::DRAWN.iter().any(|key| has(key)),
        _ => true,
    });
    draws && !has("seed")
}

fn seed_of(value: &Value) -> Seed {
    let number = match value.content {
        Content::Integer(Some(number)) => number as u64,
        _ => 0,
    };
    Seed { value: number, span: Some(value.span) }
}

/// A template's variants, by the values of the axes that it mentions.
type Variants = HashMap<Vec<Coordinate>, Variant>;

/// Adds to the axes that templates mention those that reach them through their inputs.
fn reach(table: &Table, matrix: &Matrix, variants: &[Variants], own: &[Vec<AxisSet>]) -> Vec<Vec<AxisSet>> {
    let stages = |template: usize| variants[template].values().filter_map(|variant| variant.stage.as_ref());
    let edges = (0..table.len()).flat_map(|to| {
        let producers = stages(to).flat_map(|stage| stage.inputs.values()).filter_map(|r| table.get_index_of(&r.stage));
        producers.collect::<BTreeSet<usize>>().into_iter().map(move |from| (from, to))
    });
    let (ordered, rest) = match order(table.len(), edges) {
        Ok(ordered) => (ordered, Vec::new()),
        Err(Cycles { ordered, .. }) => {
            let done: BTreeSet<usize> = ordered.iter().copied().collect();
            (ordered, (0..table.len()).filter(|template| !done.contains(template)).collect())
        }
    };
    let mut reaching = own.to_vec();
    let mut update = |template: usize| {
        let mut changed = false;
        for (number, combination) in matrix.combinations.iter().enumerate() {
            let variant = variants[template].get(&projection(combination, own[template][number]));
            let Some(Variant { stage: Some(stage) }) = variant else { continue };
            let producers = stage.inputs.values().filter_map(|r| table.get_index_of(&r.stage));
            let before = reaching[template][number];
            let set = producers.fold(before, |set, producer| set | reaching[producer][number]);
            reaching[template][number] = set;
            changed |= set != before;
        }
        changed
    };
    for template in ordered {
        update(template);
    }
    // A circle is told later; until then its stages must find each other.
    while rest.iter().fold(false, |changed, template| update(*template) | changed) {}
    reaching
}

/// Joins each variant with what reaches it through its inputs.
fn expand(
    table: &Table,
    matrix: &Matrix,
    variants: &[Variants],
    own: &[Vec<AxisSet>],
    diagnostics: &mut Diagnostics,
) -> IndexMap<String, Stage> {
    let reaching = reach(table, matrix, variants, own);
    let mut instances = IndexMap::new();
    for (template, (name, (span, _))) in table.iter().enumerate() {
        let mut seen: HashSet<Vec<Coordinate>> = HashSet::new();
        for (number, combination) in matrix.combinations.iter().enumerate() {
            let variant = variants[template].get(&projection(combination, own[template][number]));
            let Some(Variant { stage: Some(stage) }) = variant else { continue };
            let coordinates = projection(combination, reaching[template][number]);
            if !seen.insert(coordinates.clone()) {
                continue;
            }
            let mut stage = stage.clone();
            for reference in stage.inputs.values_mut() {
                if let Some(producer) = table.get_index_of(&reference.stage) {
                    let of_producer = projection(combination, reaching[producer][number]);
                    reference.stage = instance_name(&reference.stage, &matrix.axes, &of_producer);
                }
            }
            stage.template = name.clone();
            let instance = instance_name(name, &matrix.axes, &coordinates);
            stage.coordinates = coordinates;
            instances.insert(instance, stage);
            if instances.len() > MAXIMUM {
                too_many(*span, diagnostics);
                return IndexMap::new();
            }
        }
    }
    unused(matrix, &reaching, diagnostics);
    instances
}

/// An axis that reaches nothing is allowed, but seldom meant.
fn unused(matrix: &Matrix, reaching: &[Vec<AxisSet>], diagnostics: &mut Diagnostics) {
    // What is wrong may be the mention of it.
    if diagnostics.has_errors() {
        return;
    }
    let used = reaching.iter().flatten().fold(0, |all, set| all | set);
    for (_, axis) in matrix.axes.iter().enumerate().filter(|(number, _)| used & (1 << number) == 0) {
        diagnostics
            .warning(axis.span, format!("no stage depends on the axis `{}`", axis.name))
            .hint(format!("mention it as `${{matrix.{}}}`", axis.name));
    }
}
