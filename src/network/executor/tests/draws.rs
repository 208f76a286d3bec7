//! Dropout and stochastic depth, seen through networks whose logits are the image after the draws.

use super::*;
use crate::tensor::check::{TestDevice, test_device};

/// On images of ones, the logits are the factors of the layer called `name`.
fn network(op: &str, name: &str, rate: f32, input: [usize; 3]) -> Executor<TestDevice> {
    let json = format!(
        r#"{{"input":{input:?},"layers":[{{"name":"{name}","op":"{op}","rate":{rate},"inputs":["input"]}},
        {{"name":"flat","op":"flatten","inputs":["{name}"]}}]}}"#
    );
    let graph = Graph::from_json(json.as_bytes()).unwrap();
    Executor::new(&Model::initialise(graph, 0).unwrap(), &test_device()).unwrap()
}

/// The factors, image by image.
fn factors(network: &Executor<TestDevice>, mode: Mode<'_>, images: usize) -> Vec<Vec<f32>> {
    let [height, width, channels] = network.graph().input;
    let size = height * width * channels;
    let pixels = test_device().upload(&vec![1.0; images * size]).unwrap();
    let logits = network.forward(pixels, images, mode, &[], &mut NoneTape).unwrap().logits;
    TestDevice::download(&logits).chunks_exact(size).map(<[f32]>::to_vec).collect()
}

fn drawn(network: &Executor<TestDevice>, seed: u64, epoch: u64, samples: &[u32]) -> Vec<Vec<f32>> {
    factors(network, Mode::Train(Some(Draws { seed, epoch, samples })), samples.len())
}

fn zeros(values: &[f32]) -> usize {
    values.iter().filter(|value| **value == 0.0).count()
}

#[test]
fn dropout_zeroes_its_share_and_scales_the_rest() {
    for rate in [0.1, 0.5, 0.8] {
        let network = network("dropout", "drop", rate, [16, 16, 8]);
        let all = drawn(&network, 0, 0, &[0, 1, 2, 3]).concat();
        // 8192 draws: four standard deviations are 0.022 at most.
        let share = zeros(&all) as f32 / all.len() as f32;
        assert!((share - rate).abs() < 0.022, "{share} of {rate}");
        assert!(all.iter().all(|value| *value == 0.0 || *value == 1.0 / (1.0 - rate)));
    }
}

#[test]
fn stochastic_depth_drops_its_share_of_whole_images_and_scales_the_rest() {
    let network = network("stochastic-depth", "depth", 0.25, [2, 3, 4]);
    let images = drawn(&network, 0, 0, &(0..2000).collect::<Vec<u32>>());
    assert!(images.iter().all(|image| image.iter().all(|value| *value == image[0])));
    let first: Vec<f32> = images.iter().map(|image| image[0]).collect();
    assert!(first.iter().all(|value| *value == 0.0 || *value == 1.0 / 0.75));
    // Four standard deviations are 0.039.
    let share = zeros(&first) as f32 / 2000.0;
    assert!((share - 0.25).abs() < 0.039, "{share}");
}

#[test]
fn an_image_has_its_draws_in_any_batch_and_others_for_another_key() {
    for op in ["dropout", "stochastic-depth"] {
        // Of stochastic depth there is one draw an image, so many images are compared.
        let network = |name: &str| network(op, name, 0.5, [2, 2, 2]);
        let samples: Vec<u32> = (100..164).collect();
        let base = drawn(&network("a"), 1, 2, &samples);
        assert_eq!(drawn(&network("a"), 1, 2, &samples), base);
        let turned: Vec<u32> = samples.iter().rev().copied().take(50).collect();
        let again = drawn(&network("a"), 1, 2, &turned);
        assert!(again.iter().zip(base.iter().rev()).all(|(again, base)| again == base), "{op}");
        assert_eq!(drawn(&network("a"), 1, 2, &[163]), base[63..]);
        let later: Vec<u32> = samples.iter().map(|sample| sample + 1000).collect();
        for (what, other) in [
            ("seed", drawn(&network("a"), 2, 2, &samples)),
            ("epoch", drawn(&network("a"), 1, 3, &samples)),
            ("sample", drawn(&network("a"), 1, 2, &later)),
            ("layer", drawn(&network("b"), 1, 2, &samples)),
        ] {
            assert_ne!(other, base, "{op}: another {what}");
        }
        assert!(base.iter().any(|image| *image != base[0]), "{op}: images differ");
    }
}

#[test]
fn without_draws_or_in_evaluation_or_at_rate_zero_everything_passes() {
    for op in ["dropout", "stochastic-depth"] {
        let ones = vec![vec![1.0; 8]; 3];
        let dropping = network(op, "a", 0.5, [2, 2, 2]);
        assert_eq!(factors(&dropping, Mode::Train(None), 3), ones);
        assert_eq!(factors(&dropping, Mode::Evaluate, 3), ones);
        assert_eq!(drawn(&network(op, "a", 0.0, [2, 2, 2]), 0, 0, &[0, 1, 2]), ones);
    }
}

#[test]
fn draws_for_another_number_of_images_are_an_error() {
    let network = network("dropout", "a", 0.5, [2, 2, 2]);
    let pixels = test_device().upload(&[1.0; 16]).unwrap();
    let mode = Mode::Train(Some(Draws { seed: 0, epoch: 0, samples: &[1] }));
    assert!(network.forward(pixels, 2, mode, &[], &mut NoneTape).is_err());
}
