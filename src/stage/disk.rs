//! What a stage adds to the store, from its network. An estimate: it decides whether a stage begins on a disk that is nearly
//! full, and never a result.
//!
//! In float32 values, with P the parameters of the network, s the values that the optimizer keeps for each (1 for SGD, 2 for
//! Adam), N the training images and C the classes:
//!
//! | stage | at least | at most |
//! |---|---|---|
//! | trains from fresh weights | `P + 2 P (1 + s)`: the result, and two checkpoints while the second is written | `P + 4 P (2 + s) + N C`: four checkpoints while the fourth is written, each with the best network, and a teacher's logits |
//! | goes on training | `2 P s`: masked weights take no room | the same |
//! | prunes between epochs, or prunes | nothing: nobody knows what will be left | the same, or `P` |
//! | imports | `P` | `P` |
//!
//! A peer doubles checkpoints. A stage of one epoch has one checkpoint. What is no tensor (graphs, histories, records, metrics)
//! counts 32 KiB for each network and each evaluation, at most.

use super::{Description, Parameters};
use crate::data::Outline;
use crate::network::arch::Architecture;
use crate::train::checkpoint::kept;
use crate::train::parameters::{Loss, Optimizer, Training};

/// Bytes of a value.
const VALUE: u64 = size_of::<f32>() as u64;

/// Bytes of what is no tensor.
const FIXED: u64 = 32 << 10;

/// Bytes that a stage adds to the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Disk {
    /// Without so many it cannot end.
    pub least: u64,
    /// It needs no more at any time.
    pub most: u64,
}

/// Where the network comes from that a stage makes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Origin<'a> {
    /// It is built.
    Built(&'a Architecture),
    /// It is that of the input with this role, or a smaller one.
    Input(&'static str),
    /// It makes none.
    None,
}

/// Where the network comes from that a stage with these parameters makes.
pub fn origin(parameters: &Parameters) -> Origin<'_> {
    match parameters {
        Parameters::Train { network, .. }
        | Parameters::Distill { network, .. }
        | Parameters::Import { network, .. } => network.as_ref().map_or(Origin::Input("like"), Origin::Built),
        Parameters::Regularize { .. } | Parameters::FineTune { .. } | Parameters::Prune { .. } => Origin::Input("from"),
        Parameters::Evaluate { .. } => Origin::None,
    }
}

/// What a stage adds whose network has so many parameters.
pub fn disk(description: &Description, outline: Option<&Outline>, network: u64) -> Disk {
    let (least, most, networks) = match (&description.parameters, description.parameters.training()) {
        (parameters, Some(training)) => {
            let goes_on = origin(parameters) == Origin::Input("from");
            let logits = outline.filter(|_| description.inputs.contains_key("teacher") && training.augment.is_empty());
            let logits = logits.map_or(0, |outline| outline.train as u64 * outline.classes as u64);
            let (least, most) = checkpoints(training, network, goes_on);
            let result = if goes_on || training.prune.is_some() { 0 } else { network };
            (result.saturating_add(least), network.saturating_add(most).saturating_add(logits), 5)
        }
        (Parameters::Import { .. }, _) => (network, network, 1),
        (Parameters::Prune { .. }, _) => (0, network, 1),
        _ => (0, 0, 1),
    };
    Disk { least: least.saturating_mul(VALUE), most: most.saturating_mul(VALUE).saturating_add(networks * FIXED) }
}

/// Values of the checkpoints that are there at one time, at least and at most.
fn checkpoints(training: &Training, network: u64, goes_on: bool) -> (u64, u64) {
    let slots = match training.optimizer {
        Optimizer::Sgd { .. } => 1,
        Optimizer::Adam { .. } | Optimizer::Adamw { .. } => 2,
    };
    let peers = if training.losses.iter().any(|loss| matches!(loss, Loss::Mutual { .. })) { 2 } else { 1 };
    let of = |values: u64, number: u64| network.saturating_mul(values * number.min(training.epochs));
    let least = match (training.prune.is_some(), goes_on) {
        (true, _) => 0,
        (false, true) => of(slots, 2),
        (false, false) => of(1 + slots, 2),
    };
    (least, of(peers * (1 + slots) + 1, kept::BEFORE + 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::demand::tests::training;
    use std::collections::BTreeMap;

    #[test]
    fn stages_by_hand() {
        let mlp = || Some(Architecture::Mlp { hidden: vec![3] });
        let adam = Optimizer::Adam { lr: 0.1, betas: [0.5, 0.5], epsilon: 0.1, weight_decay: 0.0, decay_all: false };
        let of = |parameters: Parameters| {
            let description = Description { parameters, seed: 0, data: None, import: None, inputs: BTreeMap::new() };
            let Disk { least, most } = disk(&description, None, 1000);
            (least / VALUE, (most % FIXED) / VALUE)
        };
        let with = |epochs| Training { epochs, ..training(10, adam.clone()) };
        assert_eq!(of(Parameters::Train { network: mlp(), training: with(1) }), (1000 + 3000, 1000 + 4000));
        assert_eq!(of(Parameters::Train { network: mlp(), training: with(2) }), (1000 + 6000, 1000 + 8000 - 8192));
        let many = of(Parameters::Distill { network: None, training: with(50) });
        assert_eq!(many, (1000 + 6000, (1000 + 16_000) % 8192));
        assert_eq!(of(Parameters::FineTune { training: with(50) }).0, 4000);
        let [one, other] = [mlp(), None].map(|network| Parameters::Train { network, training: with(1) });
        assert_eq!(origin(&one), Origin::Built(mlp().as_ref().unwrap()));
        assert_eq!(origin(&other), Origin::Input("like"));
    }
}
