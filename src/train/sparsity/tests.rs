//! Masks that move, against an independent computation.

use serde_json::Value;

use super::*;
use crate::prune::{Criterion, WeightScope};
use crate::train::parameters::{PeriodicPruning, SparsitySchedule};

/// Computed by `tests/fixtures/weight_pruning.py`.
fn cases(part: &str) -> Vec<Value> {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/weight_pruning.json"));
    serde_json::from_str::<Value>(text).unwrap()[part].as_array().unwrap().clone()
}

fn weights(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

fn mask(value: &Value) -> Vec<bool> {
    value.as_array().unwrap().iter().map(|kept| kept.as_bool().unwrap()).collect()
}

#[test]
fn surgery_is_numpys() {
    for case in cases("surgery") {
        let threshold = surgery::threshold(weights(&case["start"]).into_iter(), case["c"].as_f64().unwrap());
        let theirs = case["threshold"].as_f64().unwrap();
        assert!((threshold - theirs).abs() < 1e-12, "{threshold} {theirs}");
        let mut masked = vec![true; 40];
        for (step, kept) in case["trajectory"].as_array().unwrap().iter().zip(case["masks"].as_array().unwrap()) {
            surgery::update(&weights(step), &mut masked, threshold);
            assert_eq!(masked, mask(kept));
        }
    }
}

#[test]
fn surgery_leaves_a_weight_in_every_layer() {
    let mut masked = vec![true; 4];
    surgery::update(&[0.1, -0.3, 0.3, 0.2], &mut masked, 10.0);
    assert_eq!(masked, [false, true, false, false], "the first of the largest");
    assert_eq!(surgery::threshold([0.5_f32, -0.5].into_iter(), -3.0), 0.5, "no deviation");
    assert_eq!(surgery::threshold([0.0_f32, 1.0].into_iter(), -3.0), 0.0, "never below 0");
    assert_eq!(surgery::threshold([].into_iter(), 1.0), 0.0);
}

#[test]
fn rigl_is_numpys() {
    for case in cases("rigl") {
        let mut masked = mask(&case["mask"]);
        let share = case["share"].as_f64().unwrap();
        let grown = rigl::regrow(&weights(&case["weights"]), &weights(&case["gradient"]), &mut masked, share);
        assert_eq!(masked, mask(&case["after"]));
        assert_eq!(serde_json::json!(grown), case["grown"]);
    }
}

/// RigL had no floor, and said nothing of a layer that it left with next to nothing.
#[test]
fn rigl_keeps_the_least_and_tells_what_starves() {
    let mlp = crate::network::arch::Architecture::Mlp { hidden: vec![24] }.build([8, 8, 1], 10).unwrap();
    let mask = |scope, minimum| {
        let (sparsity, every_steps, alpha, until, ignore) = (0.98, 5, 0.3, 0.75, Vec::new());
        let rigl = Method::Rigl { sparsity, scope, every_steps, alpha, until, ignore, minimum };
        let mut model = Model::initialise(mlp.clone(), 3).unwrap();
        let notes = rigl::mask(rigl.target(), &mut model, 1).unwrap();
        let kept = |name: &str| model.masks[name].iter().filter(|kept| **kept).count();
        ([kept("hidden1.weight"), kept("classifier.weight")], notes.join("\n"))
    };
    let mut told = String::new();
    for (scope, minimum, expected) in [
        (WeightScope::Uniform, None, [31, 5]),
        (WeightScope::Uniform, Some(0.05), [77, 12]),
        (WeightScope::Erk, None, [26, 10]),
        (WeightScope::Erk, Some(0.05), [77, 12]),
    ] {
        let (kept, notes) = mask(scope, minimum);
        assert_eq!(kept, expected);
        told += format!("{scope:?} {minimum:?}: {notes}").trim_end();
        told += "\n";
    }
    insta::assert_snapshot!(told, @r"
    Uniform None: classifier (5 of 240): starved of weights; `minimum` keeps a share of every layer
    Uniform Some(0.05): 53 weights that were to go are the least that their layers keep
    Erk None:
    Erk Some(0.05): 53 weights that were to go are the least that their layers keep
    ");
}

#[test]
fn rigl_moves_less_and_less_and_then_nothing() {
    let rigl = Rigl::new(10, 0.4, 0.5, 200, &[]);
    let moves: Vec<u64> = (0..200).filter(|step| rigl.share(*step).is_some()).collect();
    assert_eq!(moves, [10, 20, 30, 40, 50, 60, 70, 80, 90]);
    assert!((rigl.share(50).unwrap() - 0.2).abs() < 1e-12, "half the cosine");
    assert!(rigl.share(10).unwrap() > rigl.share(20).unwrap());
}

#[test]
fn gradual_sparsity_follows_its_cubic() {
    let method = Method::Weights {
        criterion: Criterion::Magnitude,
        sparsity: 0.8,
        scope: WeightScope::Global,
        steps: None,
        ignore: Vec::new(),
        layers: Default::default(),
        minimum: None,
        images: None,
    };
    let agp = |every, initial, begin, end| PeriodicPruning {
        every,
        method: method.clone(),
        schedule: Some(SparsitySchedule::Agp { initial, begin, end }),
    };
    let sparsities = |pruning: &PeriodicPruning, epochs| {
        let sparsity = |epoch| pruning.share_after(epoch).map(|share| (share * 0.8 * 1e4).round() / 1e4);
        (1..=epochs).map(sparsity).collect::<Vec<Option<f64>>>()
    };
    // 0.8 − 0.8 (1 − t/4)³.
    let pruning = agp(1, 0.0, 0, 4);
    assert_eq!(sparsities(&pruning, 5), [Some(0.4625), Some(0.7), Some(0.7875), Some(0.8), Some(0.8)]);
    assert_eq!((pruning.complete_after(), pruning.share_after(4)), (4, Some(1.0)));
    // From epoch 2 at 0.4, every other epoch: 0.8 − 0.4 (1 − (t − 2)/3)³, whole at 6, the first from 5 on.
    let pruning = agp(2, 0.4, 2, 5);
    assert_eq!(sparsities(&pruning, 6), [None, Some(0.4), None, Some(0.7852), None, Some(0.8)]);
    assert_eq!(pruning.complete_after(), 6);
    assert_eq!(sparsities(&agp(1, 0.0, 1, 2), 2), [None, Some(0.8)], "nothing at a sparsity of 0");
    let at_once = PeriodicPruning { schedule: None, ..agp(2, 0.0, 0, 1) };
    assert_eq!(sparsities(&at_once, 2), [None, Some(0.8)]);
    assert_eq!(at_once.complete_after(), 2);
}
