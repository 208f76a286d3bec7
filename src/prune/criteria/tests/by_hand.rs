//! One network for all: conv1, bn1, relu, conv2, the sum of both, the mean over positions, fc. All convolutions are 1x1.
//! The channels of conv1 and conv2 are coupled by the sum.

use std::sync::Arc;

use super::*;
use crate::network::{Graph, HostTensor};
use crate::prune::groups::{Member, Side};

const CONV1: [f64; 3] = [1.0, -2.0, 3.0];
const BIAS1: [f64; 3] = [-0.25, 1.0, -4.0];
const GAMMA: [f64; 3] = [0.5, -1.0, 2.0];
const CONV2: [[f64; 3]; 3] = [[1.0, 0.0, -1.0], [2.0, 2.0, 0.0], [0.0, 1.0, 3.0]];
const FC: [[f64; 3]; 2] = [[1.0, 2.0, 3.0], [-1.0, 0.0, 1.0]];
/// Two images of 2x2, and their classes.
const IMAGES: [([f64; 4], usize); 2] = [([1.0, 0.0, 0.0, 2.0], 0), ([0.0, 3.0, 0.0, 0.0], 1)];

fn model() -> Model {
    let convolution = |name: &str, inputs: usize, source: &str, bias: bool| {
        format!(
            r#"{{"name":"{name}","op":"convolution","in-channels":{inputs},"out-channels":3,"kernel":[1,1],
            "stride":[1,1],"padding":[0,0],"bias":{bias},"inputs":["{source}"]}}"#
        )
    };
    let description = format!(
        r#"{{"input":[2,2,1],"layers":[{},
        {{"name":"bn1","op":"batch-norm","channels":3,"epsilon":1e-12,"momentum":0.1,"inputs":["conv1"]}},
        {{"name":"relu","op":"relu","inputs":["bn1"]}}, {},
        {{"name":"add","op":"add","inputs":["conv2","relu"]}},
        {{"name":"pool","op":"global-average-pool","inputs":["add"]}},
        {{"name":"fc","op":"linear","in-features":3,"out-features":2,"bias":false,"inputs":["pool"]}}]}}"#,
        convolution("conv1", 1, "input", true),
        convolution("conv2", 3, "relu", false)
    );
    let graph = Graph::from_json(description.as_bytes()).unwrap();
    let values: [(&str, Vec<f64>); 8] = [
        ("conv1.weight", CONV1.to_vec()),
        ("conv1.bias", BIAS1.to_vec()),
        ("bn1.weight", GAMMA.to_vec()),
        ("bn1.bias", vec![0.0; 3]),
        ("bn1.running_mean", vec![0.0; 3]),
        ("bn1.running_var", vec![1.0; 3]),
        ("conv2.weight", CONV2.concat()),
        ("fc.weight", FC.concat()),
    ];
    let dims: BTreeMap<String, Vec<usize>> =
        graph.parameters().into_iter().map(|spec| (spec.name, spec.dims)).collect();
    let tensor = |(name, values): (&str, Vec<f64>)| {
        let data = values.iter().map(|value| *value as f32).collect();
        (name.to_owned(), HostTensor { dims: dims[name].clone(), data })
    };
    Model { graph, tensors: values.into_iter().map(tensor).collect(), masks: BTreeMap::new() }
}

fn group() -> Group {
    let member = |layer, side| Member { layer, side, channels: vec![vec![0], vec![1], vec![2]] };
    let members = vec![
        member(0, Side::Outputs),
        member(1, Side::Outputs),
        member(3, Side::Outputs),
        member(3, Side::Inputs),
        member(6, Side::Inputs),
    ];
    Group { members, units: 3 }
}

/// Bytes that are their own value.
fn images() -> (Images, Normalization) {
    let pixels = IMAGES.iter().flat_map(|(pixels, _)| pixels.map(|pixel| pixel as u8)).collect();
    let labels = IMAGES.iter().map(|(_, label)| *label as u32).collect();
    (
        Images { shape: [2, 2, 1], pixels: Arc::new(pixels), labels },
        Normalization { mean: vec![0.0], deviation: vec![1.0 / 255.0] },
    )
}

fn channels(criterion: Criterion) -> Vec<f64> {
    let (images, normalization) = images();
    let evidence = seen(criterion, &model(), &images, &normalization);
    channel_scores(criterion, &model(), &[group()], &evidence, 0).unwrap().remove(0)
}

fn weights(criterion: Criterion) -> BTreeMap<String, Vec<f64>> {
    let (images, normalization) = images();
    weight_scores(criterion, &model(), &seen(criterion, &model(), &images, &normalization), 0).unwrap()
}

/// conv1's weights and biases, bn1's scales and shifts, conv2's and fc's weights, one after another.
const PARAMETERS: [(&str, usize); 6] =
    [("conv1.weight", 3), ("conv1.bias", 3), ("bn1.weight", 3), ("bn1.bias", 3), ("conv2.weight", 9), ("fc.weight", 6)];

fn parameters() -> Vec<f64> {
    [&CONV1[..], &BIAS1, &GAMMA, &[0.0; 3], &CONV2.concat(), &FC.concat()].concat()
}

/// The cross entropy of one image, in plain loops.
fn loss(p: &[f64], (pixels, label): &([f64; 4], usize)) -> f64 {
    let mut pooled = [0.0; 3];
    for x in pixels {
        let a: Vec<f64> = (0..3).map(|j| (p[6 + j] * (p[j] * x + p[3 + j]) + p[9 + j]).max(0.0)).collect();
        for j in 0..3 {
            let row: f64 = (0..3).map(|k| p[12 + 3 * j + k] * a[k]).sum();
            pooled[j] += (row + a[j]) / 4.0;
        }
    }
    let logit = |class: usize| (0..3).map(|j| p[21 + 3 * class + j] * pooled[j]).sum::<f64>();
    (logit(0).exp() + logit(1).exp()).ln() - logit(*label)
}

/// The gradient of one image's loss by central differences.
fn gradient(image: &([f64; 4], usize)) -> Vec<f64> {
    let moved = |index: usize, step: f64| {
        let mut moved = parameters();
        moved[index] += step;
        loss(&moved, image)
    };
    (0..parameters().len()).map(|index| (moved(index, 1e-5) - moved(index, -1e-5)) / 2e-5).collect()
}

/// Cuts what is in the order of [`parameters`] into tensors.
fn tensors(values: &[f64]) -> BTreeMap<&'static str, Vec<f64>> {
    let mut start = 0;
    let cut = |(name, length): (&'static str, usize)| {
        start += length;
        (name, values[start - length..start].to_vec())
    };
    PARAMETERS.into_iter().map(cut).collect()
}

/// For every channel the sum over conv1's weight and bias, bn1, and its row of conv2.
fn own_sums(values: &[f64]) -> Vec<f64> {
    (0..3)
        .map(|j| (0..4).map(|t| values[3 * t + j]).sum::<f64>() + (0..3).map(|k| values[12 + 3 * j + k]).sum::<f64>())
        .collect()
}

#[test]
fn norms() {
    // Means over conv1 and conv2.
    let l1 = [(1.0 + 2.0) / 2.0, (2.0 + 4.0) / 2.0, (3.0 + 4.0) / 2.0];
    close("l1", &channels(Criterion::L1), &l1, 1e-6);
    close("magnitude", &channels(Criterion::Magnitude), &l1, 1e-6);
    let l2 = [(1.0 + 2f64.sqrt()) / 2.0, (2.0 + 8f64.sqrt()) / 2.0, (3.0 + 10f64.sqrt()) / 2.0];
    close("l2", &channels(Criterion::L2), &l2, 1e-6);
    // Rows of conv1, scales, rows of conv2, columns of conv2, columns of fc.
    let sums = [
        1.0 + 0.25 + 2.0 + (1.0 + 4.0) + (1.0 + 1.0),
        4.0 + 1.0 + 8.0 + (4.0 + 1.0) + 4.0,
        9.0 + 4.0 + 10.0 + (1.0 + 9.0) + (9.0 + 1.0),
    ];
    let mean = sums.iter().sum::<f64>() / 3.0;
    close("group-norm", &channels(Criterion::GroupNorm), &sums.map(|sum| sum / mean), 1e-6);
    close("bn-scale", &channels(Criterion::BnScale), &[0.5, 1.0, 2.0], 1e-6);
    assert_eq!(weights(Criterion::Magnitude)["conv1.weight"], [1.0, 2.0, 3.0]);
}

#[test]
fn distances_and_shares() {
    let (d01, d02, d12) = (6f64.sqrt(), 18f64.sqrt(), 14f64.sqrt());
    let fpgm = [(5.0 + d01 + d02) / 2.0, (8.0 + d01 + d12) / 2.0, (7.0 + d02 + d12) / 2.0];
    close("fpgm", &channels(Criterion::Fpgm), &fpgm, 1e-6);
    let lamp = [(1.0 / 14.0 + 2.0 / 20.0) / 2.0, (4.0 / 13.0 + 8.0 / 18.0) / 2.0, 1.0];
    close("lamp", &channels(Criterion::Lamp), &lamp, 1e-6);
    let scores = weights(Criterion::Lamp);
    close("lamp", &scores["conv1.weight"], &[1.0 / 14.0, 4.0 / 13.0, 1.0], 1e-6);
    // Squares 1, 0, 1, 4, 4, 0, 0, 1, 9: of equals each has a sum with those behind it.
    let expected = [1.0 / 20.0, 0.0, 1.0 / 19.0, 4.0 / 17.0, 4.0 / 13.0, 0.0, 0.0, 1.0 / 18.0, 1.0];
    close("lamp", &scores["conv2.weight"], &expected, 1e-6);
}

#[test]
fn activations() {
    // Behind relu, x = 1: (0.375, 1, 0), 2: (0.875, 3, 4), 3: (1.375, 5, 10), 0: 0. Behind conv2, which has no activation,
    // 1: (0.375, 2.75, 1), 2: (-3.125, 7.75, 15), 3: (-8.625, 12.75, 35).
    let apoz = [3.0 / 8.0, 3.0 / 8.0, (2.0 / 8.0 + 3.0 / 8.0) / 2.0];
    close("apoz", &channels(Criterion::Apoz), &apoz, 1e-6);
    let mean = [(2.625 + 12.125) / 16.0, (9.0 + 23.25) / 16.0, (14.0 + 51.0) / 16.0];
    close("mean-activation", &channels(Criterion::MeanActivation), &mean, 1e-5);
    close("inactive", &channels(Criterion::Inactive), &[8.625, 12.75, 35.0], 1e-5);
    // Channel 2 behind relu is one position on each image; the others fill the diagonal of the first.
    close("hrank", &channels(Criterion::Hrank), &[1.5, 1.5, (1.0 + 1.5) / 2.0], 1e-6);
}

#[test]
fn sensitivities() {
    let gradients = IMAGES.map(|image| gradient(&image));
    let mean: Vec<f64> = gradients[0].iter().zip(&gradients[1]).map(|(a, b)| (a + b) / 2.0).collect();
    let fisher: Vec<f64> = gradients[0].iter().zip(&gradients[1]).map(|(a, b)| (a * a + b * b) / 2.0).collect();
    let p = parameters();
    let products: Vec<f64> = p.iter().zip(&mean).map(|(w, g)| w * g).collect();
    let taylor: Vec<f64> = products.iter().map(|product| product * product).collect();
    let snip: Vec<f64> = products.iter().map(|product| product.abs()).collect();
    let obd: Vec<f64> = p.iter().zip(&fisher).map(|(w, f)| 0.5 * f * w * w).collect();
    let squared: Vec<f64> = own_sums(&products).iter().map(|sum| sum * sum).collect();
    let cases = [
        (Criterion::Taylor, taylor, squared),
        (Criterion::Snip, snip.clone(), own_sums(&snip)),
        (Criterion::Obd, obd.clone(), own_sums(&obd)),
    ];
    for (criterion, single, of_channels) in cases {
        assert!(of_channels.iter().all(|score| *score > 1e-8), "{criterion:?}: a case that says something");
        let (found, expected) = (weights(criterion), tensors(&single));
        for name in ["conv1.weight", "conv2.weight", "fc.weight"] {
            close(&format!("{criterion:?} of {name}"), &found[name], &expected[name], 1e-3);
        }
        close(criterion.name(), &channels(criterion), &of_channels, 1e-3);
    }
}

#[test]
fn flows() {
    // On an image of ones a = |γ w| = (0.5, 2, 6) everywhere. The columns of |fc| sum to (2, 2, 4), and so
    // R = Σ_j c_j (a_j + Σ_k |conv2_jk| a_k).
    let (a, c) = ([0.5, 2.0, 6.0], [2.0, 2.0, 4.0]);
    let through = |j: usize, k: usize| c[j] * CONV2[j][k].abs() * a[k];
    let total: f64 = (0..3).map(|j| c[j] * a[j] + (0..3).map(|k| through(j, k)).sum::<f64>()).sum();
    let conv1: Vec<f64> = (0..3).map(|k| (c[k] * a[k] + (0..3).map(|j| through(j, k)).sum::<f64>()) / total).collect();
    let conv2: Vec<f64> = (0..9).map(|index| through(index / 3, index % 3) / total).collect();
    let found = weights(Criterion::Synflow);
    close("conv1", &found["conv1.weight"], &conv1, 1e-5);
    close("conv2", &found["conv2.weight"], &conv2, 1e-5);
    let sums: Vec<f64> = (0..3).map(|j| conv1[j] + conv2[3 * j..3 * j + 3].iter().sum::<f64>()).collect();
    close("channels", &channels(Criterion::Synflow), &sums, 1e-5);
}

#[test]
fn random_numbers_follow_seed_and_layer() {
    let scores = |seed| {
        let channels = channel_scores(Criterion::Random, &model(), &[group()], &Evidence::default(), seed).unwrap();
        (weight_scores(Criterion::Random, &model(), &Evidence::default(), seed).unwrap(), channels)
    };
    assert_eq!(scores(1), scores(1));
    let ((weights, channels), (others, other_channels)) = (scores(1), scores(2));
    assert_ne!(weights, others);
    assert_ne!(channels, other_channels);
    assert_ne!(weights["conv1.weight"][..3], weights["fc.weight"][..3]);
    assert!(weights.values().chain(&channels).flatten().all(|score| (0.0..1.0).contains(score)));
    let mut second = group();
    second.members.remove(0);
    assert_ne!(channel_scores(Criterion::Random, &model(), &[second], &Evidence::default(), 1).unwrap(), channels);
}

#[test]
fn masked_weights_go_first() {
    let mut model = model();
    model.masks.insert("conv1.weight".into(), vec![true, false, true]);
    for criterion in Criterion::ALL.map(|(_, criterion)| criterion).into_iter().filter(|c| c.ranks_weights()) {
        let (images, normalization) = images();
        let evidence = seen(criterion, &model, &images, &normalization);
        let scores = weight_scores(criterion, &model, &evidence, 3).unwrap();
        let masked = |scores: &[f64]| scores.iter().map(|score| *score == MASKED).collect::<Vec<_>>();
        assert_eq!(masked(&scores["conv1.weight"]), [false, true, false], "{criterion:?}");
        assert!(scores.values().flatten().all(|score| *score >= 0.0 || *score == MASKED));
    }
}

#[test]
fn units_of_several_channels_and_columns() {
    // A layer whose units are pairs of rows, read two columns a unit: as behind grouped convolutions and flattening.
    let mut group = group();
    group.units = 1;
    group.members.truncate(3);
    group.members.iter_mut().for_each(|member| member.channels = vec![vec![0, 2]]);
    let l1 = channel_scores(Criterion::L1, &model(), &[group.clone()], &Evidence::default(), 0).unwrap();
    close("l1", &l1[0], &[(1.0 + 3.0 + 2.0 + 4.0) / 2.0], 1e-6);
    let scales = channel_scores(Criterion::BnScale, &model(), &[group.clone()], &Evidence::default(), 0).unwrap();
    close("bn-scale", &scales[0], &[1.25], 1e-6);
    let fc = &model().tensors["fc.weight"];
    assert_eq!(slices::columns(fc, &[0, 2]).copied().collect::<Vec<f32>>(), [1.0, 3.0, -1.0, 1.0]);
}
