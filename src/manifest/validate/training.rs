//! What the keys of a training stage mean to each other and to the data.

use super::{losses, weights};
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::{Data, Stage};
use crate::train::parameters::{Loss, Optimizer, Penalty, Schedule, Select, Training};

/// Checks one training stage.
pub fn check(name: &str, stage: &Stage, training: &Training, data: Option<&Data>, diagnostics: &mut Diagnostics) {
    schedule(name, stage, training, diagnostics);
    if matches!(training.optimizer, Optimizer::Sgd { momentum: 0.0, nesterov: true, .. })
        && stage.spans.sound("optimizer.momentum")
    {
        diagnostics.error(stage.span("optimizer.nesterov"), "`nesterov` needs a momentum").hint("add `momentum = 0.9`");
    }
    teacher(stage, training, diagnostics);
    weights::schedule(stage, training, diagnostics);
    if let Some(prune) = &training.prune {
        super::channels::steps(stage, &prune.method, prune.every, training.epochs, diagnostics);
    }
    growing(stage, training, diagnostics);
    losses::pruning(stage, training, diagnostics);
    let Some(data) = data else { return };
    if training.select == Select::Best {
        needs_validation(stage, "select", "`select = \"best\"`", data, diagnostics);
    }
    if training.early_stop.is_some() {
        needs_validation(stage, "early-stop", "`early-stop`", data, diagnostics);
    }
    if let Some((trained, _)) = images(data)
        && stage.spans.sound("batch")
        && training.batch > trained
        && trained > 0
    {
        let batch = match stage.spans.get("batch") {
            Some(_) => format!("a batch of {}", training.batch),
            None => format!("the default batch of {}", training.batch),
        };
        diagnostics
            .error(stage.span("batch"), format!("{batch} is larger than the {trained} training images"))
            .hint(format!("`batch` can be from 1 to {trained}"));
    }
}

/// A split must leave something to train on.
pub fn data(name: &str, data: &Data, diagnostics: &mut Diagnostics) {
    if let Some((0, _)) = images(data) {
        let span = data.spans.get("data.validation").unwrap_or(data.name_span);
        diagnostics
            .error(span, format!("no training image of `{name}` is left"))
            .hint("choose a smaller `validation`, or a larger `limit`");
    }
}

/// A choice on the validation split needs one.
pub fn needs_validation(stage: &Stage, key: &str, what: &str, data: &Data, diagnostics: &mut Diagnostics) {
    if let Some((_, 0)) = images(data) {
        let hint = format!("add `validation = 0.1` to `[data.{}]`", stage.data.as_deref().unwrap_or_default());
        diagnostics.error(stage.span(key), format!("{what} needs a validation split, and it is empty")).hint(hint);
    }
}

/// How many images are trained on, and how many validate: the rule of the split itself. Nothing when a value it depends on
/// was wrong.
pub fn images(data: &Data) -> Option<(u64, u64)> {
    if !["data.source", "data.validation", "data.limit"].iter().all(|path| data.spans.sound(path)) {
        return None;
    }
    let outline = data.outline.as_ref()?;
    let available = data.limit.unwrap_or(u64::MAX).min(outline.train as u64);
    if outline.validation > 0 {
        return Some((available, outline.validation as u64));
    }
    let validation = (available as f64 * data.validation).round() as u64;
    Some((available - validation, validation))
}

fn schedule(name: &str, stage: &Stage, training: &Training, diagnostics: &mut Diagnostics) {
    if !stage.spans.sound("schedule") || !stage.spans.sound("epochs") {
        return;
    }
    let (Schedule::Constant { warmup } | Schedule::Step { warmup, .. } | Schedule::Cosine { warmup, .. }) =
        &training.schedule;
    if *warmup > training.epochs as f64 {
        diagnostics
            .error(
                stage.span("schedule.warmup"),
                format!("the warm-up is longer than the {} epochs of `{name}`", training.epochs),
            )
            .hint(format!("it can be from 0 to {}", training.epochs));
    }
    if let Schedule::Step { milestones, .. } = &training.schedule
        && milestones.last().is_some_and(|last| *last >= training.epochs)
    {
        diagnostics
            .warning(
                stage.span("schedule.milestones"),
                format!("a milestone lies after the {} epochs of `{name}`", training.epochs),
            )
            .hint("epochs are counted from 0, and the rate falls at the start of the milestone");
    }
}

fn teacher(stage: &Stage, training: &Training, diagnostics: &mut Diagnostics) {
    if !stage.spans.sound("losses") || !stage.spans.sound("teacher") {
        return;
    }
    let uses = training.losses.iter().position(Loss::needs_teacher);
    match (uses, stage.inputs.get("teacher")) {
        (Some(index), None) => {
            let message = format!("`{}` needs a teacher", training.losses[index].name());
            diagnostics.error(stage.span(&format!("losses.{index}.kind")), message).hint(
                match stage.parameters.kind() {
                    "train" => "make the stage a `distill` stage with `teacher = \"a stage\"`, or use `cross-entropy`",
                    _ => "add `teacher = \"a stage\"`, or use `cross-entropy`",
                },
            );
        }
        (None, Some(reference)) => {
            diagnostics.error(reference.span, "no loss uses the teacher").hint(match stage.parameters.kind() {
                "distill" => "add `{ kind = \"kd\" }` to `losses`, or make the stage a `train` stage without `teacher`",
                _ => "add `{ kind = \"kd\" }` to `losses`, or leave `teacher` out",
            });
        }
        _ => {}
    }
}

/// What a growing penalty has learnt of each channel would be lost with the channels that go.
fn growing(stage: &Stage, training: &Training, diagnostics: &mut Diagnostics) {
    let Some(prune) = &training.prune else { return };
    if prune.method.masks_weights() || !stage.spans.sound("prune") {
        return;
    }
    for (index, penalty) in training.penalties.iter().enumerate() {
        let path = format!("penalties.{index}.kind");
        if matches!(penalty, Penalty::Growing { .. }) && stage.spans.sound(&path) {
            diagnostics
                .error(stage.span(&path), "`growing` cannot be used while `prune` removes channels")
                .label("it keeps a strength for every channel from epoch to epoch")
                .hint("leave `prune` out and put a `prune` stage behind this one");
        }
    }
}
