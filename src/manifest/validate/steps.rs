//! Steps with too few images for what is computed over the images of a step.

use super::training::images;
use crate::data::Augmentation;
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::{Data, Stage};
use crate::network::Graph;
use crate::train::parameters::Training;

/// Checks that no step of a training stage has one image where two are needed. `graph` is of the network that it trains.
pub fn check(stage: &Stage, training: &Training, data: Option<&Data>, graph: &Graph, diagnostics: &mut Diagnostics) {
    let sound = |path: &str| stage.spans.sound(path);
    if !sound("batch") || !sound("last-batch") {
        return;
    }
    let trained = data.and_then(images).map(|(trained, _)| trained);
    let steps = training.steps(trained.unwrap_or(training.batch));
    // A batch of more images than there are is an error of its own.
    if steps.last != 1 || trained.is_some_and(|trained| training.batch > trained) {
        return;
    }
    let Some(reason) = alone(training, graph, &sound) else { return };
    if steps.batch == 1 {
        diagnostics.error(stage.span("batch"), "a step has one image").label(reason).hint(match trained {
            Some(1) => "train on more images, and with `batch = 2` or more",
            _ => "use `batch = 2` or more",
        });
    } else {
        diagnostics
            .error(stage.span("last-batch"), format!("the last of {} steps has one image", steps.count))
            .label(reason)
            .hint("leave `last-batch` out, or choose another `batch`");
    }
}

/// What a step of one image does not do, if anything.
fn alone(training: &Training, graph: &Graph, sound: &dyn Fn(&str) -> bool) -> Option<String> {
    if let Some(name) = graph.normalization_of_one_value() {
        return Some(format!("`{name}` normalizes over the step, and would see one value a channel"));
    }
    if sound("losses")
        && let Some(loss) = training.losses.iter().find(|loss| loss.compares_images())
    {
        return Some(format!("`{}` compares the images of a step", loss.name()));
    }
    let mix = |change: &Augmentation| match change {
        Augmentation::Mixup { .. } => Some("mixup"),
        Augmentation::Cutmix { .. } => Some("cutmix"),
        _ => None,
    };
    let mixed = training.augment.iter().filter(|_| sound("augment")).find_map(mix);
    mixed.map(|name| format!("`{name}` mixes the images of a step"))
}
