//! Which weights go: against an independent computation, and what must hold for any network.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::network::Role;
use crate::network::arch::Architecture;
use crate::prune::{Criterion, criteria};

/// Computed by `tests/fixtures/weight_pruning.py`.
fn fixture(part: &str) -> Value {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/weight_pruning.json"));
    serde_json::from_str::<Value>(text).unwrap()[part].take()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn lenet() -> Model {
    let architecture = Architecture::Lenet { channels: [6, 16], hidden: vec![40, 24] };
    Model::initialise(architecture.build([8, 8, 1], 10).unwrap(), 3).unwrap()
}

fn magnitude(model: &Model) -> Scores {
    criteria::weight_scores(Criterion::Magnitude, model, &criteria::Evidence::default(), 0).unwrap()
}

fn target<'a>(sparsity: f64, scope: WeightScope, layers: &'a BTreeMap<String, f64>) -> Target<'a> {
    Target { sparsity, scope, ignore: &[], layers, minimum: 0.0, steps: 1, share: 1.0 }
}

/// Masks by magnitude; the share that is gone of every weight tensor, and of all.
fn masked(model: &mut Model, target: &Target) -> (BTreeMap<String, f64>, f64) {
    mask(model, target, |model| Ok(Some(magnitude(model)))).unwrap();
    for (name, mask) in &model.masks {
        let zeros = model.tensors[name].data.iter().zip(mask).filter(|(_, kept)| !**kept);
        assert!(zeros.clone().all(|(weight, _)| weight.to_bits() == 0), "{name}");
    }
    let gone = |mask: &Vec<bool>| mask.iter().filter(|kept| !**kept).count() as f64;
    let all: usize = model.masks.values().map(Vec::len).sum();
    let shares = model.masks.iter().map(|(name, mask)| (name.clone(), gone(mask) / mask.len() as f64)).collect();
    (shares, model.masks.values().map(gone).sum::<f64>() / all as f64)
}

#[test]
fn lamp_scores_and_their_threshold_are_numpys() {
    let case = fixture("lamp");
    let mut model = Model::initialise(Architecture::Mlp { hidden: vec![6] }.build([8, 8, 1], 10).unwrap(), 1).unwrap();
    for name in ["hidden1.weight", "classifier.weight"] {
        let weights = numbers(&case["weights"][name]);
        let sizes: Vec<f64> = weights.iter().map(|weight| weight * weight).collect();
        for (ours, theirs) in lamp::scores(&sizes, |_| true).iter().zip(numbers(&case["scores"][name])) {
            assert!((ours - theirs).abs() <= 1e-12 * theirs, "{name}: {ours} {theirs}");
        }
        model.tensors.get_mut(name).unwrap().data = weights.iter().map(|weight| *weight as f32).collect();
    }
    masked(&mut model, &target(case["sparsity"].as_f64().unwrap(), WeightScope::Lamp, &BTreeMap::new()));
    for (name, kept) in case["kept"].as_object().unwrap() {
        let kept: Vec<bool> = kept.as_array().unwrap().iter().map(|kept| kept.as_bool().unwrap()).collect();
        assert_eq!(model.masks[name], kept, "{name}");
    }
    // What is masked has no part in the sums: by hand, 3² of 3² + 4², and 4² of itself.
    assert_eq!(lamp::scores(&[9.0, 25.0, 16.0], |index| index != 1), [9.0 / 25.0, 0.0, 1.0]);
    assert_eq!(lamp::scores(&[0.0, 0.0], |_| true), [0.0, 0.0]);
}

#[test]
fn erk_densities_are_numpys() {
    for case in fixture("erk").as_array().unwrap() {
        let shapes: Vec<Vec<usize>> = serde_json::from_value(case["shapes"].clone()).unwrap();
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        let ours = allocation::erdos_renyi_kernel(&shapes, case["density"].as_f64().unwrap());
        for (ours, theirs) in ours.iter().zip(numbers(&case["densities"])) {
            assert!((ours - theirs).abs() < 1e-9, "{}: {ours} {theirs}", case["density"]);
        }
    }
    assert_eq!(allocation::erdos_renyi_kernel(&[&[4, 4], &[2, 2]], 1.0), [1.0, 1.0]);
    assert_eq!(allocation::erdos_renyi_kernel(&[], 0.5), [] as [f64; 0]);
}

#[test]
fn every_scope_comes_to_the_sparsity_and_no_layer_is_empty() {
    for (name, scope) in WeightScope::ALL {
        for sparsity in [0.0, 0.5, 0.9, 0.99, 0.9985] {
            let mut model = lenet();
            let (shares, all) = masked(&mut model, &target(sparsity, scope, &BTreeMap::new()));
            assert!((all - sparsity).abs() < 1e-3, "{name} {sparsity}: {all}");
            assert!(shares.values().all(|share| *share < 1.0), "{name} {sparsity}: {shares:?}");
        }
    }
    // Of a layer whose weights are all tiny, a global ranking leaves one: the largest.
    let mut model = lenet();
    model.tensors.get_mut("conv1.weight").unwrap().data.iter_mut().for_each(|weight| *weight *= 1e-9);
    let largest = |model: &Model| {
        let data = &model.tensors["conv1.weight"].data;
        (0..data.len()).max_by(|a, b| data[*a].abs().total_cmp(&data[*b].abs())).unwrap()
    };
    let expected = largest(&model);
    masked(&mut model, &target(0.5, WeightScope::Global, &BTreeMap::new()));
    let kept: Vec<usize> = (0..150).filter(|index| model.masks["conv1.weight"].get(*index) == Some(&true)).collect();
    assert_eq!(kept, [expected]);
}

/// How many weights of every layer stay.
fn kept(model: &Model) -> BTreeMap<&str, usize> {
    let kept = |mask: &Vec<bool>| mask.iter().filter(|kept| **kept).count();
    model.masks.iter().map(|(name, mask)| (name.trim_end_matches(".weight"), kept(mask))).collect()
}

/// RigL's `get_sparsities_erdos_renyi` and LAMP's `_compute_erk_densities` take the sum of a weight's own dimensions: those
/// of a linear layer are two.
#[test]
fn erk_counts_are_those_of_the_authors() {
    let none = BTreeMap::new();
    let mlp = Architecture::Mlp { hidden: vec![300, 100] }.build([32, 32, 3], 10).unwrap();
    let mut mlp = Model::initialise(mlp, 1).unwrap();
    masked(&mut mlp, &target(0.99, WeightScope::Erk, &none));
    assert_eq!(kept(&mlp)["classifier"], 270);
    let lenet = Architecture::Lenet { channels: [6, 16], hidden: vec![120, 84] }.build([32, 32, 3], 10).unwrap();
    let mut lenet = Model::initialise(lenet, 1).unwrap();
    masked(&mut lenet, &target(0.9, WeightScope::Erk, &none));
    assert_eq!((kept(&lenet)["classifier"], kept(&lenet)["hidden1"]), (746, 5521));
}

#[test]
fn equal_weights_go_from_every_layer_alike() {
    let none = BTreeMap::new();
    let mut model = lenet();
    for (name, tensor) in &mut model.tensors {
        tensor.data.iter_mut().filter(|_| name.ends_with("weight")).for_each(|weight| *weight = 0.1);
    }
    for (steps, share) in [(1, 1.0), (3, 1.0), (1, 0.5)] {
        let mut model = model.clone();
        let (shares, _) = masked(&mut model, &Target { steps, share, ..target(0.8, WeightScope::Global, &none) });
        assert!(shares.values().all(|gone| (gone - 0.8 * share).abs() < 0.01), "{steps}: {shares:?}");
    }
}

/// One score for all of a layer, 1/n, took all but one weight of the largest. The authors' code, by whose scores a layer of n
/// equal weights has 1/n, 1/(n − 1), … 1, leaves as many weights in each.
#[test]
fn equal_weights_under_lamp_leave_as_many_in_every_layer() {
    let none = BTreeMap::new();
    let mut model = lenet();
    for (name, tensor) in &mut model.tensors {
        tensor.data.iter_mut().filter(|_| name.ends_with("weight")).for_each(|weight| *weight = 0.1);
    }
    // 150, 2400, 2560, 960 and 240 weights.
    for steps in [1, 3] {
        let mut model = model.clone();
        masked(&mut model, &Target { steps, ..target(0.8, WeightScope::Lamp, &none) });
        let kept: Vec<usize> = kept(&model).into_values().collect();
        assert!(kept.iter().all(|kept| [150, 240, 290, 291].contains(kept)), "{steps}: {kept:?}");
    }
    // As a criterion of weights, and of channels.
    let mut by_criterion = model.clone();
    let lamp = |model: &Model| criteria::weight_scores(Criterion::Lamp, model, &criteria::Evidence::default(), 0);
    mask(&mut by_criterion, &target(0.8, WeightScope::Global, &none), |model| Ok(Some(lamp(model)?))).unwrap();
    let mut by_scope = model;
    masked(&mut by_scope, &target(0.8, WeightScope::Lamp, &none));
    assert!(by_criterion == by_scope);
}

#[test]
fn starved_layers_are_told_and_a_share_can_be_kept() {
    let none = BTreeMap::new();
    let mut model = lenet();
    model.tensors.get_mut("hidden2.weight").unwrap().data.iter_mut().for_each(|weight| *weight *= 1e-9);
    let told = |target: &Target, kept_of: &str| {
        let mut model = model.clone();
        let notes = mask(&mut model, target, |model| Ok(Some(magnitude(model)))).unwrap();
        (kept(&model)[kept_of], notes.join("\n"))
    };
    let global = target(0.5, WeightScope::Global, &none);
    let (left, notes) = told(&global, "hidden2");
    assert_eq!(left, 1);
    insta::assert_snapshot!(
        notes,
        @"hidden2 (1 of 960): starved of weights; `minimum` keeps a share of every layer"
    );
    let floor = Target { minimum: 0.25, ..global };
    assert_eq!(told(&floor, "hidden2"), (240, String::new()));
    assert_eq!(told(&Target { steps: 3, ..floor }, "hidden2"), (240, String::new()));
    let (left, notes) = told(&Target { minimum: 0.6, ..target(0.5, WeightScope::Uniform, &none) }, "hidden2");
    assert_eq!(left, 576);
    insta::assert_snapshot!(notes, @"631 weights that were to go are the least that their layers keep");
}

#[test]
fn layers_are_ignored_or_have_sparsities_of_their_own() {
    let layers = BTreeMap::from([("hidden*".to_owned(), 0.75), ("hidden2".to_owned(), 0.25)]);
    for (_, scope) in WeightScope::ALL {
        let mut model = lenet();
        let ignore = ["conv1".to_owned(), "class*".to_owned()];
        let (shares, _) = masked(&mut model, &Target { ignore: &ignore, ..target(0.5, scope, &layers) });
        let near = |layer: &str, share: f64| (shares[layer] - share).abs() < 1e-3;
        assert!(
            near("hidden1.weight", 0.75) && near("hidden2.weight", 0.25) && near("conv2.weight", 0.5),
            "{shares:?}"
        );
        assert_eq!(shares.len(), 3, "no other layer has a mask");
    }
}

#[test]
fn rounds_score_the_masked_network_again_and_thin_it_out_evenly() {
    let mut model = lenet();
    let mut nonzeros = Vec::new();
    let none = BTreeMap::new();
    let rounds = Target { steps: 4, ..target(0.9375, WeightScope::Global, &none) };
    let weights: usize = model
        .graph
        .parameters()
        .iter()
        .filter(|s| s.role == Role::Weight)
        .map(|s| s.dims.iter().product::<usize>())
        .sum();
    mask(&mut model, &rounds, |model| {
        let kept = model.masks.values().flatten().filter(|kept| !**kept).count();
        nonzeros.push(1.0 - kept as f64 / weights as f64);
        Ok(Some(magnitude(model)))
    })
    .unwrap();
    for (density, expected) in nonzeros.iter().zip([1.0, 0.5, 0.25, 0.125]) {
        assert!((density - expected).abs() < 1e-3, "{nonzeros:?}");
    }
    // By magnitude nothing changes between rounds, so all at once is the same.
    let mut once = lenet();
    masked(&mut once, &target(0.9375, WeightScope::Global, &none));
    assert!(once == model);
    // And a share of the way is that share of the sparsity.
    let mut half = lenet();
    let (_, all) = masked(&mut half, &Target { share: 0.5, ..target(0.8, WeightScope::Erk, &none) });
    assert!((all - 0.4).abs() < 1e-3, "{all}");
}

#[test]
fn what_would_be_empty_is_known_before() {
    let graph = lenet().graph;
    let none = BTreeMap::new();
    let emptied = |sparsity, scope| emptied(&graph, &target(sparsity, scope, &none)).map(|(what, _)| what);
    // Of the 150 weights of conv1.
    assert_eq!(emptied(0.997, WeightScope::Uniform).as_deref(), Some("`conv1.weight`"));
    for scope in [WeightScope::Global, WeightScope::Erk, WeightScope::Lamp] {
        assert_eq!(emptied(0.997, scope), None);
        assert_eq!(emptied(0.999999, scope).as_deref(), Some("the network"));
    }
    let floor = Target { minimum: 0.001, ..target(0.997, WeightScope::Uniform, &none) };
    assert_eq!(super::emptied(&graph, &floor), None, "one weight stays");
    let own = BTreeMap::from([("conv1".to_owned(), 0.997)]);
    let told = super::emptied(&graph, &target(0.5, WeightScope::Global, &own));
    assert_eq!(told, Some(("`conv1.weight`".to_owned(), 0.997)));
}

#[test]
fn scores_that_do_not_fit_are_refused() {
    let none = BTreeMap::new();
    let told = |scores: Scores| {
        mask(&mut lenet(), &target(0.5, WeightScope::Uniform, &none), |_| Ok(Some(scores.clone()))).unwrap_err().message
    };
    let mut scores = magnitude(&lenet());
    scores.get_mut("conv2.weight").unwrap()[3] = f64::NAN;
    let first = told(scores.clone());
    scores.remove("conv1.weight");
    insta::assert_snapshot!([first, told(scores)].join("\n"), @r"
    the score of weight 3 of `conv2.weight` is not a number
    `conv1.weight` has no scores that fit
    ");
}
