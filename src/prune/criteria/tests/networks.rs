use std::sync::Arc;

use super::*;
use crate::data::{self, Source};
use crate::network::arch::Architecture;
use crate::prune::groups::groups;
use crate::tensor::check::{normal, with_threads};

fn model(architecture: &str, input: [usize; 3]) -> Model {
    let architecture: Architecture = serde_json::from_str(architecture).unwrap();
    let mut model = Model::initialise(architecture.build(input, 10).unwrap(), 3).unwrap();
    // Away from where all normalizations are the same.
    for (name, tensor) in model.tensors.iter_mut().filter(|(_, tensor)| tensor.dims.len() == 1) {
        tensor.data.iter_mut().zip(normal(name, 2000)).for_each(|(value, n)| *value += 0.3 * n.abs());
    }
    model
}

type Scores = (Option<BTreeMap<String, Vec<f64>>>, Vec<Vec<f64>>);

fn all_scores(criterion: Criterion, model: &Model, images: &Images, normalization: &Normalization) -> Scores {
    let evidence = seen(criterion, model, images, normalization);
    let weights = criterion.ranks_weights().then(|| weight_scores(criterion, model, &evidence, 1).unwrap());
    (weights, channel_scores(criterion, model, &groups(&model.graph).unwrap(), &evidence, 1).unwrap())
}

fn digits(count: usize) -> (Images, Normalization) {
    let mut images = data::load(Source::Digits, None).unwrap().train;
    let every: Vec<u32> = (0..images.len() as u32).collect();
    let normalization = Normalization::of(&images, &every);
    let size = count * images.image_size();
    Arc::make_mut(&mut images.pixels).truncate(size);
    images.labels.truncate(count);
    (images, normalization)
}

/// Images of 32x32 with colours that repeat nowhere.
fn colours(count: u32) -> Images {
    let bytes = |index: u32| (index.wrapping_mul(2_654_435_761) >> 13) as u8;
    Images {
        shape: [32, 32, 3],
        pixels: Arc::new((0..count * 3072).map(bytes).collect()),
        labels: (0..count).collect(),
    }
}

#[test]
fn every_criterion_is_finite_on_every_family() {
    let families = [
        r#"{"arch":"resnet","depth":8,"width":4}"#,
        r#"{"arch":"preact-resnet","depth":8,"width":4,"shortcut":"projection"}"#,
        r#"{"arch":"densenet","depth":10,"growth":4,"bottleneck":true,"compression":0.5}"#,
        r#"{"arch":"mobilenet-v2","width":0.25,"dropout":0.1,"stem":"cifar"}"#,
        r#"{"arch":"efficientnet","width":0.25,"depth":1.0,"dropout":0.1,"stochastic-depth":0.1,"stem":"cifar"}"#,
        r#"{"arch":"vgg","depth":11,"width":8,"classifier":"cifar","dropout":0.0}"#,
    ];
    let images = colours(3);
    let normalization = Normalization::of(&images, &[0, 1, 2]);
    for family in families {
        let model = model(family, [32, 32, 3]);
        for (name, criterion) in Criterion::ALL {
            let (weights, channels) = all_scores(criterion, &model, &images, &normalization);
            let different = |scores: Vec<f64>| scores.iter().any(|score| *score != scores[0]);
            // SiLU is zero nowhere, so all channels are as active.
            let smooth = criterion == Criterion::Apoz && family.contains("efficientnet");
            assert_eq!(different(channels.concat()), !smooth, "{family} {name}");
            assert!(channels.iter().flatten().all(|score| score.is_finite() && *score >= 0.0), "{family} {name}");
            if let Some(weights) = weights {
                assert!(different(weights.into_values().flatten().collect()), "{family} {name}");
            }
        }
    }
}

#[test]
fn scores_are_the_same_bits_on_any_number_of_threads() {
    let (images, normalization) = digits(60);
    let model = model(r#"{"arch":"resnet","depth":8,"width":4}"#, [8, 8, 1]);
    for (name, criterion) in Criterion::ALL {
        let run = || format!("{:?}", all_scores(criterion, &model, &images, &normalization));
        let one = with_threads(1, run);
        for threads in [2, 4] {
            assert!(with_threads(threads, run) == one, "{name} on {threads} threads");
        }
    }
}

#[test]
fn images_are_drawn_by_the_seed() {
    let (images, normalization) = digits(200);
    let model = model(r#"{"arch":"mlp","hidden":[6]}"#, [8, 8, 1]);
    let indices: Vec<u32> = (0..200).collect();
    let watched = Watched { images: &images, indices: &indices, normalization: &normalization };
    let device = Cpu::default();
    let network = Executor::new(&model, &device).unwrap();
    let evidence = |images, seed| {
        observe(Criterion::Taylor, &model, &network, Some(&watched), images, seed, &device, &|| false).unwrap()
    };
    assert_eq!(evidence(Some(20), 1), evidence(Some(20), 1));
    assert_ne!(evidence(Some(20), 1), evidence(Some(20), 2));
    // All of them are all of them.
    assert_eq!(evidence(None, 1), evidence(Some(500), 2));
    assert_ne!(evidence(None, 1), evidence(Some(199), 1));
    // Told to stop, it has seen nothing, and says so without failing.
    let stopped = observe(Criterion::Taylor, &model, &network, Some(&watched), None, 1, &device, &|| true).unwrap();
    let scores = weight_scores(Criterion::Taylor, &model, &stopped, 0).unwrap();
    assert!(scores.values().flatten().all(|score| *score == 0.0));
}

#[test]
fn what_cannot_be_scored_is_an_error() {
    let (images, normalization) = digits(4);
    let mlp = model(r#"{"arch":"mlp","hidden":[6]}"#, [8, 8, 1]);
    let device = Cpu::default();
    let network = Executor::new(&mlp, &device).unwrap();
    let none = Watched { images: &images, indices: &[], normalization: &normalization };
    let observed =
        |watched| observe(Criterion::Hrank, &mlp, &network, watched, None, 0, &device, &|| false).unwrap_err();
    let groups = groups(&mlp.graph).unwrap();
    let nothing = Evidence::default();
    let mut wrong = groups[0].clone();
    wrong.members[0].channels[2] = vec![6];
    let mut grown = mlp.clone();
    grown.tensors.get_mut("hidden1.weight").unwrap().data[7] = f32::INFINITY;
    let errors = [
        observed(None),
        observed(Some(&none)),
        weight_scores(Criterion::Hrank, &mlp, &nothing, 0).unwrap_err(),
        weight_scores(Criterion::Taylor, &mlp, &nothing, 0).unwrap_err(),
        weight_scores(Criterion::Magnitude, &grown, &nothing, 0).unwrap_err(),
        channel_scores(Criterion::BnScale, &mlp, &groups, &nothing, 0).unwrap_err(),
        channel_scores(Criterion::Apoz, &mlp, &groups, &nothing, 0).unwrap_err(),
        channel_scores(Criterion::L1, &mlp, &[wrong], &nothing, 0).unwrap_err(),
    ];
    let lines: Vec<String> =
        errors.iter().map(|error| format!("{:?}: {error} ({})", error.kind, error.hints.join(""))).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    Stage: criterion `hrank` looks at training images, and there are none (give the stage data, or choose a criterion that needs none, such as `l1`)
    Stage: criterion `hrank` looks at training images, and there are none (give the stage data, or choose a criterion that needs none, such as `l1`)
    Internal: `hrank` ranks channels, not weights ()
    Internal: `hidden1.weight` was not looked at, or had not 384 values when it was ()
    Diverged: the score `magnitude` of `hidden1.weight` is inf at 7 (the network's weights have grown out of bounds)
    Stage: criterion `bn-scale` looks at the scales of normalizations, and no channel that can go has one (choose `l1`, or another criterion that looks at weights)
    Internal: `hidden1` was not looked at, or had not 6 values when it was ()
    Internal: the group of `hidden1` does not fit the network: a channel is missing ()
    "#);
}
