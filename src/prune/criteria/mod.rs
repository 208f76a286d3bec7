//! The scores of every [`Criterion`], for single weights and for channels.
//!
//! - `evidence`: [`observe`], what a criterion has to see on training images
//! - `slices`: which values of which tensors belong to a unit of a group
//! - `random`: random, the control
//! - `norms`: magnitude, l1, l2, group-norm
//! - `fpgm`: fpgm; `lamp`: lamp; `scales`: bn-scale
//! - `activations`: apoz, mean-activation, inactive
//! - `sensitivity`: taylor, snip, obd
//! - `synflow`: synflow; `flow`: the network of absolute weights that it runs, `scaled`: numbers too large for `f32`
//! - `rank`: hrank
//!
//! A score of a channel is made of the layers that the channel's [`Group`] holds. "Rows" are the channel's rows in the
//! weights of the convolutions (depthwise ones too) and linear layers that make it. Where several layers make it, because
//! their outputs are added, the score is the mean over them, unless the criterion's own file says otherwise.
//!
//! | criterion | of a weight | of a channel | images | one scale for all groups |
//! |---|---|---|---|---|
//! | random | U(0, 1) | U(0, 1) | | yes |
//! | magnitude | \|w\| | as l1 | | no |
//! | l1 | | Σ \|w\| over its rows | | no |
//! | l2 | | √Σ w² over its rows | | no |
//! | group-norm | | mean over all coupled layers of Σ w², divided by the group's mean | | yes |
//! | fpgm | | Σ_k ‖W_j − W_k‖₂ | | no |
//! | bn-scale | | \|γ\| | | yes |
//! | apoz | | 1 − the share of zeros | all | yes |
//! | mean-activation | | mean \|a\| | all | no |
//! | inactive | | max \|a\| | all | no |
//! | taylor | (w g)² | (Σ w g)² | all | yes |
//! | snip | \|w g\| | Σ \|w g\| | all | yes |
//! | obd | ½ E\[g²\] w² | Σ ½ E\[g²\] w² | 500 | yes |
//! | synflow | w ∂ ln R / ∂w | Σ over its rows | | yes |
//! | lamp | w² over the sum of those of its tensor not smaller | the same of Σ w² over its rows | | yes |
//! | hrank | | mean rank of its map | 500 | no |
//!
//! "Images" is how many training images are looked at when the manifest does not say.

mod activations;
pub(super) mod evidence;
mod flow;
mod fpgm;
pub(super) mod lamp;
mod norms;
mod random;
mod rank;
mod scaled;
mod scales;
mod sensitivity;
mod slices;
mod synflow;
#[cfg(test)]
mod tests;

pub use evidence::{Evidence, observe};

use std::collections::BTreeMap;

use super::Criterion;
use super::groups::Group;
use crate::error::{Error, Kind, Result};
use crate::network::{Model, Role};

/// What a weight that is masked already scores: below every other, so that it goes first.
pub const MASKED: f64 = -1.0;

/// A score for every weight of every tensor of [`Role::Weight`]; the lowest go. None but those of masked weights, which
/// are [`MASKED`], is below 0. `seed` matters to [`Criterion::Random`] alone, `evidence` to those that need data.
///
/// # Errors
/// [`Kind::Internal`] when the criterion ranks no weights, or `evidence` was gathered for another one or another network;
/// [`Kind::Diverged`] when a score is not finite.
pub fn weight_scores(
    criterion: Criterion,
    model: &Model,
    evidence: &Evidence,
    seed: u64,
) -> Result<BTreeMap<String, Vec<f64>>> {
    let mut scores = match criterion {
        Criterion::Random => weights(model, |name, values| Ok(random::weights(name, values.len(), seed))),
        Criterion::Magnitude => weights(model, |_, values| Ok(values.iter().map(|w| f64::from(w.abs())).collect())),
        Criterion::Lamp => weights(model, |_, values| {
            Ok(lamp::scores(&values.iter().map(|w| f64::from(*w).powi(2)).collect::<Vec<_>>(), |_| true))
        }),
        Criterion::Taylor | Criterion::Snip | Criterion::Obd => {
            weights(model, |name, values| sensitivity::of_values(criterion, evidence, name, values))
        }
        Criterion::Synflow => synflow::weights(model),
        _ => Err(Error::new(Kind::Internal, format!("`{}` ranks channels, not weights", criterion.name()))),
    }?;
    for (name, scores) in &mut scores {
        if let Some(mask) = model.masks.get(name) {
            scores.iter_mut().zip(mask).filter(|(_, kept)| !**kept).for_each(|(score, _)| *score = MASKED);
        }
        check_finite(criterion, name, scores)?;
    }
    Ok(scores)
}

/// For every group a score for every unit; the lowest go. Scores of different groups can be ranked together as they are
/// if [`Criterion::comparable`] says so, and else after each has been divided by its group's mean.
///
/// # Errors
/// [`Kind::Stage`] when the criterion looks at normalizations and the network has none; [`Kind::Internal`] when `evidence`
/// was gathered for another criterion or another network, or a group does not fit the network; [`Kind::Diverged`] when a
/// score is not finite.
pub fn channel_scores(
    criterion: Criterion,
    model: &Model,
    groups: &[Group],
    evidence: &Evidence,
    seed: u64,
) -> Result<Vec<Vec<f64>>> {
    slices::check(model, groups)?;
    let each = |score: &dyn Fn(&Group) -> Result<Vec<f64>>| groups.iter().map(score).collect::<Result<Vec<_>>>();
    let scores = match criterion {
        Criterion::Random => each(&|group| Ok(random::channels(&model.graph, group, seed))),
        Criterion::Magnitude | Criterion::L1 => each(&|group| norms::l1(model, group)),
        Criterion::L2 => each(&|group| norms::l2(model, group)),
        Criterion::GroupNorm => each(&|group| norms::group_norm(model, group)),
        Criterion::Fpgm => each(&|group| fpgm::channels(model, group)),
        Criterion::BnScale => scales::channels(model, groups),
        Criterion::Apoz | Criterion::MeanActivation | Criterion::Inactive => {
            each(&|group| activations::channels(criterion, model, group, evidence))
        }
        Criterion::Taylor | Criterion::Snip | Criterion::Obd => {
            each(&|group| sensitivity::channels(criterion, model, group, evidence))
        }
        Criterion::Synflow => synflow::channels(model, groups),
        Criterion::Lamp => each(&|group| lamp::channels(model, group)),
        Criterion::Hrank => each(&|group| rank::channels(model, group, evidence)),
    }?;
    for (group, scores) in groups.iter().zip(&scores) {
        check_finite(criterion, slices::name(&model.graph, group), scores)?;
    }
    Ok(scores)
}

/// `score(name, values)` of every weight tensor.
fn weights(model: &Model, score: impl Fn(&str, &[f32]) -> Result<Vec<f64>>) -> Result<BTreeMap<String, Vec<f64>>> {
    let names = model.graph.parameters().into_iter().filter(|spec| spec.role == Role::Weight).map(|spec| spec.name);
    names.map(|name| Ok((name.clone(), score(&name, &slices::tensor(model, &name)?.data)?))).collect()
}

fn check_finite(criterion: Criterion, what: &str, scores: &[f64]) -> Result<()> {
    if let Some(index) = scores.iter().position(|score| !score.is_finite()) {
        let message = format!("the score `{}` of `{what}` is {} at {index}", criterion.name(), scores[index]);
        return Err(Error::new(Kind::Diverged, message).hint("the network's weights have grown out of bounds"));
    }
    Ok(())
}
