//! `[expect]`: what networks have to be, for a gate.

use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::expectation::{Bound, Expectation};
use crate::manifest::matrix::{Coordinate, template_of};
use crate::manifest::reader::Reader;
use crate::manifest::scalar::{printable, string, wrong};
use crate::manifest::value::{Content, Value};
use crate::manifest::{Manifest, Stage, Unreadable};
use crate::stage::Parameters;
use crate::stage::evaluate::{MEASURES, OF_REFERENCE, SHARES};

/// More expectations than this are refused: nobody writes them by hand.
const MAXIMUM: usize = 1000;

/// Reads the section: tables of measures by the name of the networks.
pub fn expect(reader: &mut Reader) -> Vec<Expectation> {
    let Some(value) = reader.value("expect") else { return Vec::new() };
    let diagnostics = &mut *reader.diagnostics;
    let Content::Table(networks) = &value.content else {
        wrong(diagnostics, "`expect`", value, "a table, such as `{ tuned.accuracy = \">= 0.91\" }`");
        return Vec::new();
    };
    let mut all = Vec::new();
    for (name, (name_span, value)) in networks {
        let Content::Table(measures) = &value.content else {
            let wanted = format!("a table, such as `{}.accuracy = \">= 0.91\"`", printable(name));
            wrong(diagnostics, &format!("`{}`", printable(name)), value, &wanted);
            continue;
        };
        for (measure, (measure_span, value)) in measures {
            let Some(bound) = bound(&format!("`{}.{}`", printable(name), printable(measure)), value, diagnostics)
            else {
                continue;
            };
            let (name, section, measure) = (name.clone(), template_of(name).to_owned(), measure.clone());
            let (name_span, measure_span, span) = (*name_span, *measure_span, value.span);
            all.push(Expectation { name, section, part: Vec::new(), measure, bound, name_span, measure_span, span });
        }
    }
    if let Some(first) = all.get(MAXIMUM) {
        let message = format!("`expect` has {} lines, more than {MAXIMUM}", all.len());
        diagnostics
            .error(first.name_span, message)
            .hint("a line without values of axes holds for all networks of a section");
        all.truncate(MAXIMUM);
    }
    all
}

fn bound(what: &str, value: &Value, diagnostics: &mut Diagnostics) -> Option<Bound> {
    if !matches!(value.content, Content::String(_)) {
        wrong(diagnostics, what, value, "a string, such as `\">= 0.91\"`");
        return None;
    }
    let (text, span) = string(diagnostics, what, value)?;
    let bound = Bound::parse(&text);
    if bound.is_none() {
        diagnostics
            .error(span, format!("{what} cannot be `{}`", printable(&text)))
            .label("expected a relation and a number")
            .hint("write it as `>= 0.91`, `<= 100e3`, or with a confidence level from 50 % to below 100 %, `<= 0.01 at 95 %`");
    }
    bound
}

/// Checks what is expected against the stages, and finds the values of axes that are named.
pub fn check(manifest: &mut Manifest, unreadable: &Unreadable, diagnostics: &mut Diagnostics) {
    let mut all = std::mem::take(&mut manifest.expectations);
    for expectation in &mut all {
        if !unreadable.stages.contains(&expectation.section)
            && check_stage(expectation, manifest, unreadable, diagnostics)
        {
            check_measure(expectation, manifest, diagnostics);
            expectation.part = part(expectation, manifest, diagnostics);
        }
    }
    manifest.expectations = all;
}

/// The evaluate stages, each with the sections of its models.
fn evaluations(manifest: &Manifest) -> impl Iterator<Item = (&Stage, Vec<&str>)> {
    let of = |stage: &'_ Stage| matches!(stage.parameters, Parameters::Evaluate { .. });
    manifest
        .stages
        .values()
        .filter(move |stage| of(stage))
        .map(|stage| (stage, stage.inputs.values().map(|reference| template_of(&reference.stage)).collect()))
}

/// Whether the networks are known, and evaluated.
fn check_stage(
    expectation: &Expectation,
    manifest: &Manifest,
    unreadable: &Unreadable,
    diagnostics: &mut Diagnostics,
) -> bool {
    let Expectation { section, name_span, .. } = expectation;
    let mut evaluated: Vec<&str> = evaluations(manifest).flat_map(|(_, models)| models).collect();
    evaluated.sort_unstable();
    evaluated.dedup();
    let Some(stage) = manifest.stages.values().find(|stage| stage.template == *section) else {
        let message = format!("there is no stage `{}`", printable(section));
        diagnostics.unknown(*name_span, message, section, evaluated.iter().copied());
        return false;
    };
    if !stage.parameters.makes_network() {
        let error = diagnostics.error(*name_span, format!("`{section}` is an evaluate stage"));
        error.hint("name one of its models; what is expected of it is looked for in all evaluations of it");
        return false;
    }
    let is_evaluated = evaluated.contains(&section.as_str());
    // One that could not be read may evaluate it.
    if !is_evaluated && unreadable.stages.is_empty() {
        let error = diagnostics.error(*name_span, format!("no stage evaluates `{section}`"));
        error.hint("add it to the `models` of an evaluate stage");
    }
    is_evaluated
}

fn check_measure(expectation: &Expectation, manifest: &Manifest, diagnostics: &mut Diagnostics) {
    let Expectation { section, measure, bound, .. } = expectation;
    let own = manifest.report.metrics.iter().map(|(name, _)| name.as_str());
    let known: Vec<&str> = MEASURES.into_iter().chain(OF_REFERENCE).chain(own).collect();
    if !known.contains(&measure.as_str()) {
        let message = format!("there is no measure `{}`", printable(measure));
        diagnostics.unknown(expectation.measure_span, message, measure, known.iter().copied());
        return;
    }
    let is_drop = measure == OF_REFERENCE[0];
    if (SHARES.contains(&measure.as_str()) || measure == "accuracy" || is_drop) && bound.limit.abs() > 1.0 {
        diagnostics
            .error(expectation.span, format!("`{measure}` is a share, never more than 1"))
            .hint("write a share such as `0.91`, or `91 %`");
    }
    if OF_REFERENCE.contains(&measure.as_str()) && !has_reference(section, manifest) {
        diagnostics
            .error(
                expectation.measure_span,
                format!("`{measure}` is measured against a reference, and `{section}` has none"),
            )
            .hint(format!("add `reference = \"…\"`, another network, to the stage that evaluates `{section}`"));
    }
}

/// Whether some evaluation of a section has another network as the reference.
fn has_reference(section: &str, manifest: &Manifest) -> bool {
    evaluations(manifest).any(|(stage, models)| {
        let Parameters::Evaluate { reference, .. } = stage.parameters else { return false };
        let reference = reference.and_then(|place| models.get(usize::try_from(place).ok()?));
        models.contains(&section) && reference.is_some_and(|reference| *reference != section)
    })
}

/// The values of axes in `section[axis=value,…]`.
fn part(expectation: &Expectation, manifest: &Manifest, diagnostics: &mut Diagnostics) -> Vec<Coordinate> {
    let Expectation { name, section, name_span, .. } = expectation;
    let Some(inside) = name[section.len()..].strip_prefix('[') else { return Vec::new() };
    let of_section = || manifest.stages.values().filter(|stage| stage.template == *section);
    let mut part = Vec::new();
    for pair in inside.trim_end_matches(']').split(',') {
        let Some((axis, label)) = pair.split_once('=').map(|(axis, label)| (axis.trim(), label.trim())) else {
            let error = diagnostics.error(*name_span, format!("`{}` is no value of an axis", printable(pair)));
            error.hint(format!("write `\"{section}[AXIS=VALUE]\"`"));
            continue;
        };
        let reaching: Vec<&str> = (0..manifest.axes.len())
            .filter(|place| of_section().any(|stage| stage.coordinates.iter().any(|(axis, _)| axis == place)))
            .map(|place| manifest.axes[place].name.as_str())
            .collect();
        let Some(place) =
            manifest.axes.iter().position(|other| other.name == axis).filter(|_| reaching.contains(&axis))
        else {
            let message = format!("no axis `{}` reaches `{section}`", printable(axis));
            let of_settings = |name: &&str| {
                let place = manifest.axes.iter().position(|other| other.name == *name);
                place.is_some_and(|place| manifest.tells_apart(place))
            };
            let names: Vec<&str> = reaching.into_iter().filter(of_settings).collect();
            let error = diagnostics.unknown(*name_span, message, axis, names.iter().copied());
            if names.is_empty() {
                error.hint(format!("name `{section}` alone"));
            }
            continue;
        };
        if !manifest.tells_apart(place) {
            let error = diagnostics.error(*name_span, format!("results are averaged over `{axis}`"));
            error.hint(format!("leave `{axis}` out, or name it in `group-by` of `[report]`"));
            continue;
        }
        match manifest.axes[place].find(label) {
            Some(value) => part.push((place, value)),
            None => {
                let labels: Vec<&str> = manifest.axes[place].labels.iter().map(String::as_str).collect();
                let message = format!("`{}` is no value of the axis `{axis}`", printable(label));
                diagnostics.unknown(*name_span, message, label, labels.iter().copied());
            }
        }
    }
    let has = |stage: &Stage| part.iter().all(|coordinate| stage.coordinates.contains(coordinate));
    if !part.is_empty() && !of_section().any(has) {
        let error = diagnostics.error(*name_span, format!("no `{section}` has these values"));
        error.hint("`pleach plan MANIFEST --expand` lists the stages with their values");
    }
    part
}
