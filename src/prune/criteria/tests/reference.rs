use serde::Deserialize;

use super::*;
use crate::network::arch::Architecture;
use crate::network::{Graph, HostTensor};

#[derive(Deserialize)]
struct Reference {
    graph: Graph,
    tensors: BTreeMap<String, Tensor>,
    synflow: BTreeMap<String, Vec<f64>>,
    lamp: BTreeMap<String, Vec<f64>>,
}

#[derive(Deserialize)]
struct Tensor {
    dims: Vec<usize>,
    data: Vec<f32>,
}

/// What `fixtures/reference.py` worked out.
fn reference() -> (Model, Reference) {
    let mut reference: Reference = serde_json::from_str(include_str!("../fixtures/reference.json")).unwrap();
    let tensors = std::mem::take(&mut reference.tensors).into_iter();
    let tensors = tensors.map(|(name, Tensor { dims, data })| (name, HostTensor { dims, data })).collect();
    (Model { graph: reference.graph.clone(), tensors, masks: BTreeMap::new() }, reference)
}

#[test]
fn synflow_and_lamp_agree_with_numpy() {
    let (model, reference) = reference();
    for (criterion, expected) in [(Criterion::Synflow, &reference.synflow), (Criterion::Lamp, &reference.lamp)] {
        let found = weight_scores(criterion, &model, &Evidence::default(), 0).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, expected) in expected {
            // Central differences are good to about 1e-9 of the whole.
            for (index, (found, expected)) in found[name].iter().zip(expected).enumerate() {
                let error = (found - expected).abs();
                assert!(error < 1e-5 * expected + 1e-9, "{criterion:?} {name} {index}: {found}, not {expected}");
            }
            assert_eq!(found[name].len(), expected.len());
        }
    }
}

fn scores(model: &Model) -> BTreeMap<String, Vec<f64>> {
    weight_scores(Criterion::Synflow, model, &Evidence::default(), 0).unwrap()
}

#[test]
fn flow_is_conserved_where_numbers_overflow() {
    // R is about 10^500 here, beyond f64; each layer carries all of it.
    let graph = Architecture::Mlp { hidden: vec![16; 150] }.build([4, 4, 1], 3).unwrap();
    let mut model = Model::initialise(graph, 1).unwrap();
    model.tensors.values_mut().flat_map(|tensor| &mut tensor.data).for_each(|value| *value *= 1000.0);
    for (name, scores) in scores(&model) {
        close(&name, &[scores.iter().sum()], &[1.0], 1e-4);
    }
}

#[test]
fn the_scale_of_a_layer_changes_no_share() {
    // Branches that are added: scaling one by a factor does, scaling what all paths cross does not.
    let architecture: Architecture = serde_json::from_str(r#"{"arch":"resnet","depth":8,"width":3}"#).unwrap();
    let model = Model::initialise(architecture.build([8, 8, 1], 4).unwrap(), 3).unwrap();
    let scaled = |name: &str| {
        let mut scaled = model.clone();
        scaled.tensors.get_mut(name).unwrap().data.iter_mut().for_each(|value| *value *= 1e20);
        scores(&scaled)
    };
    let original = scores(&model);
    for (name, scores) in scaled("conv1.weight") {
        close(&name, &scores, &original[&name], 1e-4);
    }
    assert!(scaled("layer1.0.conv1.weight")["layer1.0.conv2.weight"].iter().sum::<f64>() > 0.999);
    assert!(original["layer1.0.conv2.weight"].iter().sum::<f64>() < 0.999);
}

#[test]
fn nothing_flows_through_a_network_of_zeros() {
    let (mut model, _) = reference();
    model.tensors.get_mut("fc.weight").unwrap().data.fill(0.0);
    assert!(scores(&model).values().flatten().all(|score| *score == 0.0));
}
