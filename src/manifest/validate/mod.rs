//! What needs the whole manifest. Each check leaves alone what builds on a value that was already wrong.
//!
//! - `losses`: layers that losses name, in student and teacher;
//! - `names`: names that must exist, cycles, sections that nothing uses;
//! - `imports`: layers that imports name;
//! - `networks`: networks that must build, layers that must match, teachers and students that must fit;
//! - `channels`: what the keys of channel pruning mean to the network;
//! - `steps`: steps with too few images for what is computed over the images of a step;
//! - `training`: what the keys of a training stage mean to each other and to the data;
//! - `weights`: what the keys of weight pruning mean to the network and to the epochs.

mod channels;
mod imports;
mod losses;
mod names;
mod networks;
mod steps;
mod training;
mod weights;

use super::diagnostic::Diagnostics;
use super::matrix::template_of;
use super::scalar;
use super::source::Span;
use super::{Data, Manifest, Stage, Unreadable};
use crate::stage::{Parameters, Split};

/// Notes everything that is wrong.
pub fn validate(manifest: &Manifest, unreadable: &Unreadable, diagnostics: &mut Diagnostics) {
    for stage in manifest.stages.values() {
        names::data(manifest, unreadable, stage, diagnostics);
        for (role, reference) in &stage.inputs {
            names::reference(manifest, unreadable, role, reference, diagnostics);
        }
    }
    let order = names::order(manifest, diagnostics);
    networks::check(manifest, &order, diagnostics);
    for (name, data) in &manifest.data {
        training::data(template_of(name), data, diagnostics);
    }
    for stage in manifest.stages.values() {
        let data = data_of(manifest, stage);
        if let Some(training) = stage.parameters.training() {
            training::check(&stage.template, stage, training, data, diagnostics);
        }
        let (Parameters::Evaluate { split, .. }, Some(data)) = (&stage.parameters, data) else { continue };
        if *split == Split::Validation {
            training::needs_validation(stage, "split", "`split = \"validation\"`", data, diagnostics);
        }
        if *split == Split::Test && data.outline.as_ref().is_some_and(|outline| outline.test == 0) {
            let name = stage.data.as_deref().unwrap_or_default();
            diagnostics
                .error(stage.span("data"), format!("`{}` has no test images", scalar::printable(template_of(name))))
                .hint("raise `test` of the data set, put images into its folder `test`, or evaluate another `split`");
        }
    }
    // What is wrong may be the use of what seems unused.
    if !diagnostics.has_errors() {
        names::unused(manifest, diagnostics);
    }
}

fn data_of<'a>(manifest: &'a Manifest, stage: &Stage) -> Option<&'a Data> {
    manifest.data.get(stage.data.as_ref()?)
}

impl Stage {
    /// Where the value called `path` in keys stands: itself, else the nearest table around it, else the stage's name.
    pub fn span(&self, path: &str) -> Span {
        let mut path = path;
        loop {
            if let Some(span) = self.spans.get(path) {
                return span;
            }
            match path.rfind('.') {
                Some(dot) => path = &path[..dot],
                None => return self.name_span,
            }
        }
    }
}
