//! Units and channels that go between epochs.

use std::collections::BTreeMap;

use super::{Fixture, mlp, resnet, training};
use crate::prune::{ChannelScope, Criterion, Measure, Method};
use crate::train::parameters::{EarlyStop, Optimizer, Penalty, PeriodicPruning, Select, Training};

#[test]
fn an_activation_penalty_silences_units_and_pruning_between_epochs_removes_them() {
    let fixture = Fixture::new();
    let penalty = Penalty::ActivationL1 { layer: "hidden*".into(), strength: 2.0 };
    let method = Method::Inactive { layer: "hidden1".into(), measure: Measure::Maximum, threshold: 0.0, minimum: 4 };
    let mut quiet = Training { penalties: vec![penalty], ..training(6) };
    quiet.optimizer =
        Optimizer::Adam { lr: 1e-2, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.0, decay_all: false };
    let (silent, _) = fixture.run("silent", &quiet, mlp(64), None);
    assert!(silent.history.epochs.last().unwrap().inactive_units.unwrap() > 8, "{:?}", silent.history);
    assert_eq!(silent.model.graph.parameter_count(), mlp(64).graph.parameter_count());
    quiet.prune = Some(PeriodicPruning { every: 2, method, schedule: None });
    let (pruned, _) = fixture.run("pruned", &quiet, mlp(64), None);
    let removed: u64 = pruned.history.epochs.iter().filter_map(|e| e.pruned_units).sum();
    assert!(removed > 8);
    assert_eq!(pruned.model.tensors["hidden1.bias"].data.len() as u64, 64 - removed);
    assert_eq!(pruned.history.epochs.iter().filter(|e| e.pruned_units.is_some()).count(), 3);
    // Interrupted between two prunings, it comes out the same.
    let short = Training { epochs: 3, ..quiet.clone() };
    fixture.run("interrupted", &short, mlp(64), None);
    let (resumed, from) = fixture.run("interrupted", &quiet, mlp(64), None);
    assert_eq!(from, Some(3));
    assert!(resumed.model == pruned.model);
}

#[test]
fn channels_go_step_by_step_between_epochs() {
    let fixture = Fixture::new();
    let method = Method::Channels {
        criterion: Criterion::Taylor,
        ratio: Some(0.6),
        macs: None,
        parameters: None,
        scope: ChannelScope::Global,
        round_to: Some(1),
        minimum: 0.0,
        ignore: Vec::new(),
        layers: BTreeMap::new(),
        steps: 3,
        images: Some(64),
    };
    let prune = PeriodicPruning { every: 1, method, schedule: None };
    assert_eq!((prune.complete_after(), PeriodicPruning { every: 2, ..prune.clone() }.complete_after()), (3, 6));
    let whole = Training { prune: Some(prune), ..training(5) };
    let (trained, _) = fixture.run("whole", &whole, resnet(), None);
    let removed: Vec<Option<u64>> = trained.history.epochs.iter().map(|entry| entry.pruned_units).collect();
    // A fifth of all units each time, and nothing after the last step.
    let units: usize = crate::prune::groups::groups(&resnet().graph).unwrap().iter().map(|group| group.units).sum();
    let fifth = |times: f64| (0.2 * times * units as f64).round() as u64;
    assert_eq!(removed, [Some(fifth(1.0)), Some(fifth(2.0) - fifth(1.0)), Some(fifth(3.0) - fifth(2.0)), None, None]);
    assert!(trained.model.graph.macs() < resnet().graph.macs() / 2);
    // A run that is interrupted between two steps knows what the share is of.
    fixture.run("interrupted", &Training { epochs: 2, ..whole.clone() }, resnet(), None);
    let (resumed, from) = fixture.run("interrupted", &whole, resnet(), None);
    assert_eq!(from, Some(2));
    assert!(resumed.model == trained.model);
    // Only a network that has lost them all is the best one, and only then an early stop counts epochs.
    let rising: Vec<bool> = trained.history.epochs.iter().map(|entry| entry.rising).collect();
    assert_eq!(rising, [true, true, false, false, false]);
    let early_stop = Some(EarlyStop { patience: 1, minimum_gain: 0.99 });
    let choosing = Training { select: Select::Best, early_stop, ..whole };
    let (chosen, _) = fixture.run("choosing", &choosing, resnet(), None);
    assert_eq!((chosen.history.selected, chosen.history.epochs.len()), (chosen.history.best(), 4));
    assert!(chosen.history.selected >= Some(3) && chosen.model.graph == trained.model.graph);
}
