//! Every penalty by hand on a network of a few weights, and what training under it comes to.

use std::collections::BTreeMap;

use super::growing::ranks;
use super::*;
use crate::network::{HostTensor, Mode, Model};
use crate::tensor::{Cpu, Gradients, backward, tape};
use crate::train::parameters::{PeriodicPruning, Training};
use crate::train::tests::{Fixture, mlp, resnet, training};

/// A 1x1 convolution from 2 channels to 3, a normalization, and a linear layer with 2 logits.
fn network() -> Executor<Cpu> {
    let description = r#"{"input": [1, 1, 2], "layers": [
        {"name": "conv", "op": "convolution", "in_channels": 2, "out_channels": 3, "kernel": [1, 1], "stride": [1, 1],
         "padding": [0, 0], "bias": false, "inputs": ["input"]},
        {"name": "bn", "op": "batch-norm", "channels": 3, "epsilon": 0.00001, "momentum": 0.1, "inputs": ["conv"]},
        {"name": "pool", "op": "global-average-pool", "inputs": ["bn"]},
        {"name": "fc", "op": "linear", "in_features": 3, "out_features": 2, "bias": false, "inputs": ["pool"]}]}"#;
    let description = description.replace("in_", "in-").replace("out_", "out-");
    let graph = Graph::from_json(description.as_bytes()).unwrap();
    let mut model = Model::initialise(graph, 1).unwrap();
    let mut set = |name: &str, values: &[f32]| {
        let tensor: &mut HostTensor = model.tensors.get_mut(name).unwrap();
        assert_eq!(tensor.data.len(), values.len());
        tensor.data = values.to_vec();
    };
    set("conv.weight", &[3.0, 4.0, 0.0, 0.0, -0.6, 0.8]);
    set("bn.weight", &[0.0, -1.0, 4.0]);
    set("fc.weight", &[1.0, 0.0, -2.0, 0.5, 0.0, 0.0]);
    Executor::new(&model, &Cpu::default()).unwrap()
}

/// The sum of the terms of `penalties`, and its gradients for `names`.
fn objective(penalties: &Penalties, network: &Executor<Cpu>, names: &[&str]) -> (f64, Vec<Vec<f32>>) {
    let device = Cpu::default();
    let mut tape = tape(&device, network.alloc_gradients().unwrap()).unwrap();
    let pixels = device.upload(&[1.0, -1.0, 0.5, 2.0]).unwrap();
    let keep: Vec<usize> = penalties.keep().collect();
    let forward = network.forward(pixels, 2, Mode::Evaluate, &keep, &mut tape).unwrap();
    let terms = penalties.terms(network, &forward, 2, &mut tape).unwrap();
    let terms: Vec<_> = terms.into_iter().map(|term| (1.0, term)).collect();
    let loss = device.weighted_sum(&terms, tape).unwrap();
    let value = f64::from(loss.as_vec()[0]);
    let gradients: Gradients<f32, Cpu> = backward(loss).unwrap();
    let of = |name: &&str| {
        let parameter = network.parameters().iter().find(|parameter| parameter.name == **name).unwrap();
        Cpu::gradient(&gradients, &parameter.tensor)
    };
    (value, names.iter().map(of).collect())
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()), "{a} instead of {b}");
}

#[test]
fn each_term_by_hand() {
    let network = network();
    let all = || "*".to_owned();
    let value = |penalty: Penalty| objective(&Penalties::new(&[penalty], network.graph()), &network, &[]).0;
    close(value(Penalty::L1 { layer: all(), strength: 0.5 }), 0.5 * (8.4 + 3.5));
    close(value(Penalty::L1 { layer: "conv".into(), strength: 0.5 }), 0.5 * 8.4);
    close(value(Penalty::BnL1 { layer: all(), strength: 0.1 }), 0.5);
    // Rows of 2 weights with norms 5, 0, 1; the logits' rows are no channels.
    let norms = 2f64.sqrt() * 6.0;
    close(value(Penalty::GroupLasso { layer: all(), strength: 0.1 }), 0.1 * norms);
    for proximal in [false, true] {
        let both = Penalty::SparseGroupLasso { layer: all(), strength: 0.1, l1_strength: 0.5, proximal };
        close(value(both), 0.1 * norms + 0.5 * 8.4);
    }
    // γ = 0, −1, 4 with mean 1: Σ|γ| = 5, Σ|γ − 1| = 1 + 2 + 3.
    close(value(Penalty::Polarization { layer: all(), strength: 0.5, l1_factor: 1.2 }), 0.5 * (1.2 * 5.0 - 6.0));
    // Nothing has grown yet.
    close(value(Penalty::Growing { layer: all(), delta: 0.5 }), 0.0);
    // The activation of `conv` is what its normalization makes of (1, −1) and (0.5, 2), with mean 0 and variance 1: γ
    // times −1, 0, −1.4 and 9.5, 0, 1.3.
    let activation = Penalty::ActivationL1 { layer: "conv".into(), strength: 0.5 };
    close(value(activation), 0.5 * 0.5 * 4.0 * (1.4 + 1.3));
}

#[test]
fn the_proximal_part_is_not_in_the_gradient() {
    let network = network();
    let gradient = |proximal| {
        let penalty = Penalty::SparseGroupLasso { layer: "conv".into(), strength: 0.1, l1_strength: 0.25, proximal };
        objective(&Penalties::new(&[penalty], network.graph()), &network, &["conv.weight"]).1.remove(0)
    };
    assert_eq!(gradient(true), [0.25, 0.25, 0.0, 0.0, -0.25, 0.25]);
    let lasso = 0.1 * 2f32.sqrt();
    let expected = [0.6 * lasso + 0.25, 0.8 * lasso + 0.25, 0.0, 0.0, -0.6 * lasso - 0.25, 0.8 * lasso + 0.25];
    crate::tensor::check::assert_close(&gradient(false), &expected, 1e-6);
}

#[test]
fn a_proximal_step_by_hand() {
    let mut network = network();
    let penalty = Penalty::SparseGroupLasso { layer: "*".into(), strength: 2.0, l1_strength: 0.0, proximal: true };
    let penalties = Penalties::new(&[penalty], network.graph());
    // t λ √n = 0.5 · 2 · √2: longer than the third row, which becomes zero.
    penalties.after_step(&mut network, 0.5).unwrap();
    let tensors = network.download().tensors;
    let factor = 1.0 - 2f32.sqrt() / 5.0;
    let expected = [3.0 * factor, 4.0 * factor, 0.0, 0.0, 0.0, 0.0];
    crate::tensor::check::assert_close(&tensors["conv.weight"].data, &expected, 1e-6);
    assert_eq!(tensors["conv.weight"].data[4..], [0.0, 0.0]);
    assert_eq!(tensors["fc.weight"].data, [1.0, 0.0, -2.0, 0.5, 0.0, 0.0], "the logits stay");
}

#[test]
fn strengths_grow_by_rank() {
    assert_eq!(ranks(&[5.0, 0.0, 1.0]), [0.0, 1.0, 0.5]);
    // Two equal ones share the ranks 1/4 and 2/4.
    assert_eq!(ranks(&[2.0, 9.0, 2.0, 1.0, 0.5]), [0.375, 0.0, 0.375, 0.75, 1.0]);
    assert_eq!(ranks(&[3.0, 3.0]), [0.5, 0.5]);
    assert_eq!(ranks(&[3.0]), [0.0]);

    let network = network();
    let mut penalties = Penalties::new(&[Penalty::Growing { layer: "conv".into(), delta: 0.5 }], network.graph());
    penalties.begin_epoch(&network);
    // Norms 5, 0, 1: strengths 0, 0.5, 0.25.
    let (value, gradients) = objective(&penalties, &network, &["conv.weight"]);
    close(value, 0.5 * 0.25 * 1.0);
    crate::tensor::check::assert_close(&gradients[0], &[0.0, 0.0, 0.0, 0.0, -0.15, 0.2], 1e-6);
    penalties.begin_epoch(&network);
    let saved = penalties.save();
    assert_eq!(saved["growing.0/conv.weight"].data, [0.0, 1.0, 0.5]);
    let mut restored = Penalties::new(&[Penalty::Growing { layer: "conv".into(), delta: 0.5 }], network.graph());
    restored.restore(&saved).unwrap();
    assert_eq!(restored.save(), saved);
    assert!(restored.restore(&Tensors::new()).is_err());
}

fn under(penalty: Penalty, epochs: u64) -> Training {
    Training { penalties: vec![penalty], ..training(epochs) }
}

/// How many rows of a weight are zero throughout.
fn empty_rows(model: &Model, name: &str) -> usize {
    let tensor = &model.tensors[name];
    let rows = tensor.data.chunks(tensor.data.len() / tensor.dims[0]);
    rows.filter(|row| row.iter().all(|value| *value == 0.0)).count()
}

#[test]
fn proximal_steps_make_whole_rows_zero_and_gradients_do_not() {
    let fixture = Fixture::new();
    let lasso =
        |proximal| Penalty::SparseGroupLasso { layer: "hidden*".into(), strength: 0.05, l1_strength: 0.0, proximal };
    let empty = |name: &str, proximal| {
        empty_rows(&fixture.run(name, &under(lasso(proximal), 4), mlp(48), None).0.model, "hidden1.weight")
    };
    let rows = empty("proximal", true);
    assert!((8..48).contains(&rows), "{rows}");
    assert_eq!(empty("gradient", false), 0);
}

#[test]
fn scales_become_small_or_part() {
    let fixture = Fixture::new();
    let scales = |name: &str, penalties: Vec<Penalty>| {
        let model = fixture.run(name, &Training { penalties, ..training(3) }, resnet(), None).0.model;
        let scales = model.tensors.iter().filter(|(name, _)| name.contains("bn") && name.ends_with(".weight"));
        scales.flat_map(|(_, tensor)| tensor.data.clone()).collect::<Vec<f32>>()
    };
    let sum = |scales: &[f32]| scales.iter().map(|scale| scale.abs()).sum::<f32>();
    let deviations = |scales: &[f32]| {
        let mean = scales.iter().sum::<f32>() / scales.len() as f32;
        scales.iter().map(|scale| (scale - mean).abs()).sum::<f32>()
    };
    let without = scales("without", Vec::new());
    let slim = scales("slim", vec![Penalty::BnL1 { layer: "*".into(), strength: 3e-2 }]);
    assert!(sum(&slim) < 0.8 * sum(&without), "{} {}", sum(&slim), sum(&without));
    let polar = Penalty::Polarization { layer: "*".into(), strength: 1e-2, l1_factor: 0.5 };
    let polar = scales("polar", vec![polar]);
    assert!(deviations(&polar) > 1.2 * deviations(&without), "{} {}", deviations(&polar), deviations(&without));
}

#[test]
fn a_growing_penalty_that_was_interrupted_is_bit_for_bit_the_same() {
    let fixture = Fixture::new();
    let growing = |epochs| under(Penalty::Growing { layer: "*".into(), delta: 0.05 }, epochs);
    let (fresh, _) = fixture.run("fresh", &growing(4), mlp(24), None);
    fixture.run("resumed", &growing(2), mlp(24), None);
    let (resumed, from) = fixture.run("resumed", &growing(4), mlp(24), None);
    assert_eq!(from, Some(2));
    assert!(resumed.model == fresh.model);
    assert_eq!(resumed.history, fresh.history);
    // It does what it should: the less important half of the rows is smaller than without it.
    let small = |model: &Model| {
        let weight = &model.tensors["hidden1.weight"].data;
        let mut norms: Vec<f32> = weight.chunks(64).map(|row| row.iter().map(|w| w * w).sum()).collect();
        norms.sort_by(f32::total_cmp);
        norms[..12].iter().sum::<f32>()
    };
    let (plain, _) = fixture.run("plain", &training(4), mlp(24), None);
    assert!(small(&fresh.model) < 0.8 * small(&plain.model), "{} {}", small(&fresh.model), small(&plain.model));
}

#[test]
fn pruning_weights_between_epochs_keeps_what_has_grown() {
    let fixture = Fixture::new();
    let method = crate::prune::Method::Weights {
        criterion: crate::prune::Criterion::Magnitude,
        sparsity: 0.5,
        scope: crate::prune::WeightScope::Global,
        steps: None,
        ignore: Vec::new(),
        layers: BTreeMap::new(),
        minimum: None,
        images: None,
    };
    let with = |epochs| Training {
        prune: Some(PeriodicPruning { every: 2, method: method.clone(), schedule: None }),
        ..under(Penalty::Growing { layer: "*".into(), delta: 0.05 }, epochs)
    };
    let (fresh, _) = fixture.run("fresh", &with(3), mlp(24), None);
    fixture.run("resumed", &with(2), mlp(24), None);
    let (resumed, from) = fixture.run("resumed", &with(3), mlp(24), None);
    assert_eq!(from, Some(2));
    assert!(resumed.model == fresh.model);
}
