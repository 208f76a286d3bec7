//! Masks of earlier stages, and masks that change while a network is trained.

use super::{Fixture, magnitude, mlp, prune, sgd, training};
use crate::prune::{Method, WeightScope};
use crate::train::parameters::{
    EarlyStop, Loss, Optimizer, Penalty, PeriodicPruning, Select, SparsitySchedule, Training,
};

#[test]
fn masked_weights_stay_zero_whatever_the_optimizer_does() {
    let fixture = Fixture::new();
    let mut start = mlp(16);
    prune(&magnitude(0.8), &mut start);
    let adamw = Optimizer::Adamw { lr: 1e-2, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.1, decay_all: true };
    for (name, optimizer) in [("sgd", sgd(0.1, 1e-2)), ("adamw", adamw)] {
        let (trained, _) = fixture.run(name, &Training { optimizer, ..training(2) }, start.clone(), None);
        assert_eq!(trained.model.masks, start.masks);
        for (tensor, mask) in &start.masks {
            let values = &trained.model.tensors[tensor].data;
            assert!(values.iter().zip(mask).all(|(w, kept)| *kept || *w == 0.0), "{name} {tensor}");
            assert!(values.iter().zip(mask).any(|(w, kept)| *kept && *w != 0.0));
        }
    }
}

fn surgery() -> Method {
    let layers = [("hidden1".to_owned(), 0.25)].into();
    Method::Surgery { c: 0.5, gamma: 0.1, power: 1.0, ignore: Vec::new(), layers }
}

fn rigl() -> Method {
    let scope = WeightScope::Erk;
    let (ignore, minimum) = (vec!["classifier".into()], None);
    Method::Rigl { sparsity: 0.8, scope, every_steps: 5, alpha: 0.3, until: 0.75, ignore, minimum }
}

fn pruned_by(method: Method, epochs: u64) -> Training {
    Training { prune: Some(PeriodicPruning { every: 1, method, schedule: None }), ..training(epochs) }
}

fn under_lasso(training: Training) -> Training {
    let lasso = Penalty::SparseGroupLasso { layer: "hidden1".into(), strength: 0.05, l1_strength: 0.0, proximal: true };
    Training { penalties: vec![lasso], ..training }
}

#[test]
fn masks_that_change_in_training_are_bit_for_bit_the_same_after_a_resumption() {
    let fixture = Fixture::new();
    let agp = |epochs| {
        let schedule = Some(SparsitySchedule::Agp { initial: 0.1, begin: 1, end: 3 });
        Training {
            prune: Some(PeriodicPruning { every: 1, method: magnitude(0.8), schedule }),
            select: Select::Best,
            ..training(epochs)
        }
    };
    let adam = |training: Training| {
        let optimizer =
            Optimizer::Adam { lr: 1e-2, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 1e-3, decay_all: false };
        Training { optimizer, clip_norm: Some(1.0), ..training }
    };
    let with_peer = |training: Training| {
        let cross_entropy = Loss::CrossEntropy { smoothing: 0.0, weight: 1.0 };
        Training { losses: vec![cross_entropy, Loss::Mutual { weight: 1.0 }], ..training }
    };
    let cases: [(&str, &dyn Fn(u64) -> Training); 6] = [
        ("agp", &agp),
        ("surgery", &|epochs| pruned_by(surgery(), epochs)),
        ("surgery, adam", &|epochs| adam(pruned_by(surgery(), epochs))),
        ("rigl", &|epochs| adam(pruned_by(rigl(), epochs))),
        ("rigl, peer", &|epochs| adam(with_peer(pruned_by(rigl(), epochs)))),
        ("surgery, proximal", &|epochs| under_lasso(pruned_by(surgery(), epochs))),
    ];
    for (name, training) in cases {
        let (fresh, _) = fixture.run(&format!("{name} fresh"), &training(4), mlp(24), None);
        // Killed after two epochs: the records of the others are not there.
        let store = format!("{name} killed");
        fixture.stopped_after(2, &store, &training(4), mlp(24));
        let (resumed, from) = fixture.run(&store, &training(4), mlp(24), None);
        assert_eq!(from, Some(2), "{name}");
        assert!(resumed.model == fresh.model, "{name}");
        assert_eq!(resumed.history, fresh.history, "{name}");
        let sparsities: Vec<f64> = fresh.history.epochs.iter().map(|entry| entry.sparsity.unwrap()).collect();
        assert!(sparsities[3] > 0.3, "{name}: {sparsities:?}");
        for (tensor, mask) in &fresh.model.masks {
            let values = &fresh.model.tensors[tensor].data;
            assert!(values.iter().zip(mask).all(|(w, kept)| *kept || w.to_bits() == 0), "{name} {tensor}");
        }
        let accuracy = fresh.history.epochs[3].validation_accuracy.unwrap();
        assert!(accuracy > 0.6, "{name}: {accuracy}");
    }
}

#[test]
fn the_best_epoch_is_one_with_the_whole_sparsity() {
    let fixture = Fixture::new();
    let schedule = Some(SparsitySchedule::Agp { initial: 0.0, begin: 0, end: 3 });
    let prune = Some(PeriodicPruning { every: 1, method: magnitude(0.97), schedule });
    let rising = Training { prune, select: Select::Best, ..training(4) };
    let (trained, _) = fixture.run("rising", &rising, mlp(24), None);
    let accuracies: Vec<f64> = trained.history.epochs.iter().map(|entry| entry.validation_accuracy.unwrap()).collect();
    assert!(accuracies[0] > accuracies[2].max(accuracies[3]), "the test says something: {accuracies:?}");
    assert!(trained.history.selected >= Some(3));
    let masked = trained.model.masks.values().flatten().filter(|kept| !**kept).count();
    assert_eq!(masked, (0.97 * (24.0 * 64.0 + 240.0_f64)).round() as usize);
    // An early stop waits too.
    let early_stop = Some(EarlyStop { patience: 1, minimum_gain: 0.9 });
    let (stopped, _) = fixture.run("stopping", &Training { early_stop, ..rising }, mlp(24), None);
    assert_eq!(stopped.history.epochs.len(), 4);
}

#[test]
fn surgery_lets_weights_come_back_and_rigl_moves_them() {
    let fixture = Fixture::new();
    let masks = |name: &str, method: &Method, epochs| {
        fixture.run(&format!("{name} {epochs}"), &pruned_by(method.clone(), epochs), mlp(24), None).0.model.masks
    };
    for (name, method) in [("surgery", surgery()), ("rigl", rigl())] {
        let (early, late) = (masks(name, &method, 1), masks(name, &method, 4));
        let back = early["hidden1.weight"].iter().zip(&late["hidden1.weight"]).filter(|(a, b)| !**a && **b).count();
        assert!(back > 10, "{name}: {back}");
        if name == "rigl" {
            let kept = |masks: &std::collections::BTreeMap<String, Vec<bool>>| {
                masks["hidden1.weight"].iter().filter(|kept| **kept).count()
            };
            assert_eq!((kept(&early), kept(&late)), (307, 307), "a fifth of 1,536");
            assert!(!late.contains_key("classifier.weight"), "it is ignored");
        }
    }
    // Masks of an earlier stage are where surgery begins.
    let mut start = mlp(24);
    prune(&magnitude(0.9), &mut start);
    let (trained, _) = fixture.run("pruned before", &pruned_by(surgery(), 2), start.clone(), None);
    let back = start.masks["hidden1.weight"].iter().zip(&trained.model.masks["hidden1.weight"]);
    assert!(back.filter(|(before, now)| !**before && **now).count() > 0);
}

/// The proximal step is taken on the weights that surgery goes on from, and not on a copy that it throws away.
#[test]
fn proximal_steps_reach_the_weights_under_surgery() {
    let fixture = Fixture::new();
    let norm = |name: &str, training: Training| {
        let weight = &fixture.run(name, &training, mlp(24), None).0.model.tensors["hidden1.weight"].data;
        weight.iter().map(|w| w * w).sum::<f32>().sqrt()
    };
    let (without, with) =
        (norm("without", pruned_by(surgery(), 4)), norm("with", under_lasso(pruned_by(surgery(), 4))));
    assert!(with < 0.8 * without, "{with} against {without}");
}

#[test]
fn a_longer_rigl_begins_anew() {
    let fixture = Fixture::new();
    fixture.run("rigl", &pruned_by(rigl(), 2), mlp(16), None);
    assert_eq!(fixture.run("rigl", &pruned_by(rigl(), 3), mlp(16), None).1, None, "its cosine has another length");
    fixture.run("surgery", &pruned_by(surgery(), 2), mlp(16), None);
    assert_eq!(fixture.run("surgery", &pruned_by(surgery(), 3), mlp(16), None).1, Some(2));
}
