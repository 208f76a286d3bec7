//! A small graph with every operation that LeNet and ResNet lack.

use super::*;
use crate::tensor::check::{TestDevice, test_device};

fn convolution(name: &str, input: &str, channels: [usize; 2], groups: usize, dilation: usize, kernel: usize) -> String {
    let [from, to] = channels;
    let padding = (kernel - 1) * dilation / 2;
    format!(
        r#"{{"name":"{name}","op":"convolution","in-channels":{from},"out-channels":{to},"kernel":[{kernel},{kernel}],
        "stride":[1,1],"padding":[{padding},{padding}],"dilation":[{dilation},{dilation}],"groups":{groups},
        "bias":true,"inputs":["{input}"]}}"#
    )
}

fn normalization(name: &str, channels: usize, input: &str) -> String {
    format!(
        r#"{{"name":"{name}","op":"batch-norm","channels":{channels},"epsilon":0.001,"momentum":0.1,"inputs":["{input}"]}}"#
    )
}

pub(super) fn simple(name: &str, op: &str, inputs: &str) -> String {
    format!(r#"{{"name":"{name}","op":{op},"inputs":{inputs}}}"#)
}

pub(super) fn graph(layers: &[String]) -> Graph {
    Graph::from_json(format!(r#"{{"input":[5,6,4],"layers":[{}]}}"#, layers.join(",")).as_bytes()).unwrap()
}

/// Everything once, the image read by a depthwise convolution and by others, one value read by two layers of which one
/// passes it on unchanged.
fn everything() -> Graph {
    let scaled = |op: &str, rate: f32| format!(r#""{op}","rate":{rate}"#);
    graph(&[
        // The image itself goes through layers without parameters, and into a depthwise and a dense convolution.
        simple("quiet", r#""sigmoid""#, r#"["input"]"#),
        convolution("first", "input", [4, 4], 4, 1, 3),
        normalization("first.bn", 4, "first"),
        simple("first.relu6", r#""relu6""#, r#"["first.bn"]"#),
        convolution("widen", "quiet", [4, 6], 1, 1, 1),
        simple("both", r#""concatenate""#, r#"["first.relu6","widen","input","first.relu6"]"#),
        normalization("both.bn", 18, "both"),
        simple("both.swish", r#""hard-swish""#, r#"["both.bn"]"#),
        convolution("grouped", "both.swish", [18, 12], 6, 2, 3),
        simple("grouped.silu", r#""silu""#, r#"["grouped"]"#),
        convolution("depthwise", "grouped.silu", [12, 24], 12, 1, 3),
        normalization("depthwise.bn", 24, "depthwise"),
        simple("depthwise.silu", r#""silu""#, r#"["depthwise.bn"]"#),
        convolution("narrow", "depthwise.silu", [24, 6], 1, 1, 1),
        // Squeeze and excitation, with a map of 1x1 and with a vector.
        simple("squeeze", r#""adaptive-average-pool","output":[1,1]"#, r#"["narrow"]"#),
        convolution("excite", "squeeze", [6, 6], 1, 1, 1),
        simple("excite.sigmoid", r#""sigmoid""#, r#"["excite"]"#),
        simple("excited", r#""multiply""#, r#"["narrow","excite.sigmoid"]"#),
        simple("mean", r#""global-average-pool""#, r#"["excited"]"#),
        simple("mean.sigmoid", r#""sigmoid""#, r#"["mean"]"#),
        simple("gated", r#""multiply""#, r#"["excited","mean.sigmoid"]"#),
        simple("depth", &scaled("stochastic-depth", 0.5), r#"["gated"]"#),
        simple("sum", r#""add""#, r#"["gated","depth"]"#),
        simple("square", r#""multiply""#, r#"["sum","widen"]"#),
        // Brings the values, and thereby the gradients, back to the size of 1.
        normalization("square.bn", 6, "square"),
        simple("pool", r#""adaptive-average-pool","output":[3,7]"#, r#"["square.bn"]"#),
        simple("flat", r#""flatten""#, r#"["pool"]"#),
        simple("drop", &scaled("dropout", 0.25), r#"["flat"]"#),
        simple("fc", r#""linear","in-features":126,"out-features":3,"bias":true"#, r#"["drop"]"#),
    ])
}

fn image(batch: usize) -> Flat<TestDevice> {
    test_device().upload(&normal("image", batch * 5 * 6 * 4)).unwrap()
}

const DRAWS: Draws<'_> = Draws { seed: 7, epoch: 2, samples: &[4, 8, 15, 16, 23] };

#[test]
fn gradients_are_right_in_training_with_and_without_draws_and_frozen() {
    for mode in [Mode::Train(None), Mode::Train(Some(DRAWS)), Mode::Evaluate] {
        check_gradients("every operation", &unsettled(everything()), &image(5), mode);
    }
}

#[test]
fn logits_and_gradients_are_the_same_bits_with_any_number_of_threads() {
    let run = |mode: Mode<'_>| {
        let executor = Executor::new(&unsettled(everything()), &test_device()).unwrap();
        let mut tape = tape(executor.device(), executor.alloc_gradients().unwrap()).unwrap();
        let logits = executor.forward(image(5), 5, mode, &[], &mut tape).unwrap().logits;
        let loss = TestDevice::cross_entropy(&logits, &[0, 1, 2, 0, 1], 0.1, &mut tape).unwrap();
        let gradients = backward(executor.device().weighted_sum(&[(1.0, loss)], tape).unwrap()).unwrap();
        let of_parameters = executor.trainable().map(|parameter| TestDevice::gradient(&gradients, &parameter.tensor));
        std::iter::once(TestDevice::download(&logits))
            .chain(of_parameters)
            .map(|values| bits(&values))
            .collect::<Vec<_>>()
    };
    for mode in [Mode::Train(Some(DRAWS)), Mode::Evaluate] {
        let expected = with_threads(1, || run(mode));
        assert!(expected.iter().all(|values| values.iter().any(|value| *value != 0)));
        for threads in [2, 4] {
            assert_eq!(with_threads(threads, || run(mode)), expected, "{mode:?} with {threads} threads");
        }
    }
}

#[test]
fn evaluation_is_the_same_with_and_without_a_tape_and_draws_nothing() {
    let executor = Executor::new(&unsettled(everything()), &test_device()).unwrap();
    let taped = executor.forward(image(5), 5, Mode::Evaluate, &[], &mut TestTape::default()).unwrap();
    let untaped = executor.forward(image(5), 5, Mode::Evaluate, &[], &mut NoneTape).unwrap();
    assert_eq!(bits(&TestDevice::download(&taped.logits)), bits(&TestDevice::download(&untaped.logits)));
    assert!(taped.statistics.is_empty());
    let [drawn, quiet] = [Some(DRAWS), None].map(|draws| {
        TestDevice::download(&executor.forward(image(5), 5, Mode::Train(draws), &[], &mut NoneTape).unwrap().logits)
    });
    assert_ne!(drawn, quiet);
}

#[test]
fn a_normalization_behind_a_depthwise_convolution_is_right_in_all_uses() {
    let graph = graph(&[
        convolution("depthwise", "input", [4, 4], 4, 1, 3),
        normalization("bn", 4, "depthwise"),
        simple("mean", r#""global-average-pool""#, r#"["bn"]"#),
    ]);
    let mut executor = Executor::new(&unsettled(graph), &test_device()).unwrap();
    let forward = executor.forward(image(40), 40, Mode::Train(None), &[0], &mut NoneTape).unwrap();
    // Normalized over the batch, the mean of a channel is the bias.
    let (logits, bias) =
        (TestDevice::download(&forward.logits), TestDevice::download(&executor.parameters()[3].tensor));
    for (channel, bias) in bias.iter().enumerate() {
        let mean = logits.iter().skip(channel).step_by(4).sum::<f32>() / 40.0;
        assert!((mean - bias).abs() < 1e-4, "channel {channel}: {mean} against {bias}");
    }
    // The statistics are those of the convolution's output.
    let output = TestDevice::download(&forward.kept[0].1);
    for (channel, mean) in TestDevice::download(&forward.statistics[0].1.mean).iter().enumerate() {
        let expected = output.iter().skip(channel).step_by(4).sum::<f32>() / (output.len() / 4) as f32;
        assert!((mean - expected).abs() < 1e-5);
    }
    for _ in 0..200 {
        executor.update_statistics(&forward).unwrap();
    }
    let evaluated = executor.forward(image(40), 40, Mode::Evaluate, &[], &mut NoneTape).unwrap();
    assert_close(&TestDevice::download(&evaluated.logits), &logits, 1e-2);
    for mode in [Mode::Train(None), Mode::Evaluate] {
        check_gradients("depthwise and normalization", &executor.download(), &image(5), mode);
    }
}
