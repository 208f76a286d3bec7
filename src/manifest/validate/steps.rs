//! Steps with too few images for what is computed over the images of a step.

use super::training::images;
use crate::data::Augmentation;
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::{Data, Stage};
use crate::network::Graph;
use crate::train::parameters::Training;
use crate::train::steps::Steps;

/// What needs more than one image in a step.
struct Need {
    images: u64,
    /// What it is, and why.
    reason: String,
}

/// Checks that no step of a training stage has fewer images than it needs. `graph` is of the network that it trains.
pub fn check(stage: &Stage, training: &Training, data: Option<&Data>, graph: &Graph, diagnostics: &mut Diagnostics) {
    let sound = |path: &str| stage.spans.sound(path);
    if !sound("batch") || !sound("last-batch") {
        return;
    }
    let trained = data.and_then(images).map(|(trained, _)| trained);
    let steps = training.steps(trained.unwrap_or(training.batch));
    // A batch of more images than there are is an error of its own.
    if trained.is_some_and(|trained| training.batch > trained) {
        return;
    }
    let Some(Need { images: needed, reason }) = need(training, graph, &sound).filter(|need| steps.last < need.images)
    else {
        return;
    };
    let has = if steps.last == 1 { "one image" } else { "two images" };
    if steps.batch < needed {
        let message = match trained {
            Some(trained) if steps.batch < training.batch => {
                format!("{trained} images make {} steps of {has}", steps.count)
            }
            _ => format!("a step has {has}"),
        };
        diagnostics.error(stage.span("batch"), message).label(reason).hint(match trained {
            Some(trained) if trained < needed => format!("train on more images, and with `batch = {needed}` or more"),
            Some(trained) => format!("use `batch = {}` or more", enough(training, trained, needed)),
            None => format!("use `batch = {needed}` or more"),
        });
    } else {
        diagnostics
            .error(stage.span("last-batch"), format!("the last of {} steps has {has}", steps.count))
            .label(reason)
            .hint("leave `last-batch` out, or choose another `batch`");
    }
}

/// The smallest batch above that of `training` that divides so many images into steps of `needed` or more.
fn enough(training: &Training, trained: u64, needed: u64) -> u64 {
    let suffices = |batch: &u64| Steps::of(trained, *batch, training.last_batch).last >= needed;
    (training.batch + 1..trained).find(suffices).unwrap_or(trained)
}

/// What needs most images, if anything needs more than one.
fn need(training: &Training, graph: &Graph, sound: &dyn Fn(&str) -> bool) -> Option<Need> {
    let normalization = graph.normalization_of_one_value().map(|name| Need {
        images: 2,
        reason: format!("`{name}` normalizes over the step, and would see one value a channel"),
    });
    let losses = training.losses.iter().filter(|loss| sound("losses") && loss.least_images() > 1).map(|loss| Need {
        images: loss.least_images(),
        reason: format!(
            "`{}` compares the images of a step, and needs {}",
            loss.name(),
            if loss.least_images() == 2 { "two" } else { "three" }
        ),
    });
    let mix = |change: &Augmentation| match change {
        Augmentation::Mixup { .. } => Some("mixup"),
        Augmentation::Cutmix { .. } => Some("cutmix"),
        _ => None,
    };
    let mixed = training.augment.iter().filter(|_| sound("augment")).find_map(mix);
    let mixed = mixed.map(|name| Need { images: 2, reason: format!("`{name}` mixes the images of a step") });
    let all = normalization.into_iter().chain(losses).chain(mixed);
    // The first of those that need as many.
    all.reduce(|most, other| if other.images > most.images { other } else { most })
}
