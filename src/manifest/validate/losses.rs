//! Layers that losses name must be in student and teacher, once, and must be able to meet.

use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::scalar::printable;
use crate::manifest::{Manifest, Stage};
use crate::network::Graph;
use crate::prune::Method;
use crate::stage::Parameters;
use crate::train::losses::features::{self, Problem, Side};
use crate::train::parameters::Training;

/// How many layers that match are named.
const SHOWN: usize = 4;

/// Checks the losses of one training stage on what is known of its networks.
pub fn check(
    manifest: &Manifest,
    stage: &Stage,
    training: &Training,
    student: &Graph,
    teacher: &Graph,
    diagnostics: &mut Diagnostics,
) {
    for (index, loss) in training.losses.iter().enumerate() {
        let path = format!("losses.{index}");
        if !stage.spans.sound(&format!("{path}.layers")) || !stage.spans.sound(&format!("{path}.kind")) {
            continue;
        }
        for problem in features::pairs(loss, student, teacher).err().unwrap_or_default() {
            let message = problem.message(loss);
            match &problem {
                Problem::Name { pair, side, found } => {
                    let (written, graph) = match side {
                        Side::Student => (&loss.layers()[*pair].student, student),
                        Side::Teacher => (&loss.layers()[*pair].teacher, teacher),
                    };
                    let span = stage.span(&format!("{path}.layers.{pair}.{}", side.name()));
                    if found.is_empty() {
                        let message = message.replace(written.as_str(), &printable(written));
                        let names = graph.layers.iter().map(|layer| layer.name.as_str());
                        diagnostics.unknown(span, message, written, names);
                    } else {
                        let few: Vec<&str> = found.iter().take(SHOWN).map(String::as_str).collect();
                        let more = if found.len() > SHOWN { " and others" } else { "" };
                        diagnostics
                            .error(span, message)
                            .label(format!("`{}`{more}", few.join("`, `")))
                            .hint("a pair is of one layer each; name one, and add a pair for every other");
                    }
                }
                Problem::Shapes { pair, of_channels, .. } => {
                    // What pruning leaves is not known yet; the stage itself looks again.
                    if *of_channels
                        && (is_narrowed(manifest, stage, "from")
                            || is_narrowed(manifest, stage, "like")
                            || is_narrowed(manifest, stage, "teacher"))
                    {
                        continue;
                    }
                    diagnostics
                        .error(stage.span(&format!("{path}.layers.{pair}")), message)
                        .hint("choose another layer on one of the two sides");
                }
            }
        }
    }
}

/// Whether pruning may have taken channels from the network of the stage that `stage` names as `role`.
fn is_narrowed(manifest: &Manifest, stage: &Stage, role: &str) -> bool {
    let mut next = stage.inputs.get(role);
    // Every stage is passed at most once on a way without a circle.
    for _ in 0..manifest.stages.len() {
        let Some(before) = next.and_then(|reference| manifest.stages.get(&reference.stage)) else { return false };
        let pruned = match &before.parameters {
            Parameters::Prune { method } => removes_channels(method),
            other => {
                let pruning = other.training().and_then(|training| training.prune.as_ref());
                pruning.is_some_and(|pruning| removes_channels(&pruning.method))
            }
        };
        if pruned {
            return true;
        }
        next = before.inputs.get("from").or_else(|| before.inputs.get("like"));
    }
    false
}

fn removes_channels(method: &Method) -> bool {
    matches!(method, Method::Inactive { .. } | Method::Channels { .. })
}

/// Connectors and flows know the student's channels, so these must stay while a stage trains.
pub fn pruning(stage: &Stage, training: &Training, diagnostics: &mut Diagnostics) {
    let removes = training.prune.as_ref().is_some_and(|pruning| removes_channels(&pruning.method));
    if !removes || !stage.spans.sound("prune") || !stage.spans.sound("losses") {
        return;
    }
    if let Some(index) = training.losses.iter().position(|loss| loss.needs_channels()) {
        let name = training.losses[index].name();
        diagnostics
            .error(
                stage.span(&format!("losses.{index}.kind")),
                format!("`{name}` cannot follow a student whose channels change"),
            )
            .label("`prune` removes channels between epochs")
            .hint("prune in a stage of its own, or use `attention`, `sp`, `rkd` or a loss on logits");
    }
}
