//! The engine against the operations one by one, and against finite differences.

use super::operations::{graph, simple};
use super::*;
use crate::tensor::Flat;
use crate::tensor::check::{TestDevice, test_device};

/// Networks of every family, with the size of their images.
const NETWORKS: [(&str, usize); 13] = [
    (r#"{"arch":"mlp","hidden":[20,12]}"#, 8),
    (r#"{"arch":"lenet","channels":[6,17],"hidden":[20]}"#, 8),
    (r#"{"arch":"resnet","depth":8,"width":16}"#, 8),
    (r#"{"arch":"resnet","depth":14,"width":5,"shortcut":"projection"}"#, 9),
    (r#"{"arch":"resnet","depth":18,"width":6,"shortcut":"projection","stem":"imagenet"}"#, 33),
    (r#"{"arch":"resnet","depth":50,"width":3,"shortcut":"projection","stem":"cifar"}"#, 8),
    (r#"{"arch":"preact-resnet","depth":8,"width":8,"shortcut":"pad"}"#, 8),
    (r#"{"arch":"preact-resnet","depth":18,"width":4,"shortcut":"projection","stem":"cifar"}"#, 8),
    (r#"{"arch":"vgg","depth":11,"width":8,"dropout":0.2}"#, 32),
    (r#"{"arch":"densenet","depth":10,"growth":12,"bottleneck":false,"compression":1.0}"#, 8),
    (r#"{"arch":"densenet","depth":16,"growth":4,"bottleneck":true,"compression":0.5}"#, 8),
    (r#"{"arch":"mobilenet-v2","width":0.25,"dropout":0.1,"stem":"cifar"}"#, 8),
    (r#"{"arch":"efficientnet","width":0.3,"depth":0.5,"dropout":0.2,"stochastic-depth":0.2,"stem":"cifar"}"#, 8),
];

const BATCH: usize = 7;
const DRAWS: Draws<'_> = Draws { seed: 7, epoch: 2, samples: &[4, 8, 15, 16, 23, 42, 43] };

/// Logits, kept values and, of the sum of their products with fixed random numbers, all gradients; and the statistics.
struct Results {
    values: Vec<Vec<f32>>,
    gradients: Vec<(String, Vec<f32>)>,
    statistics: Vec<(usize, Vec<f32>)>,
}

fn train(executor: &Executor<TestDevice>, pixels: &Flat<TestDevice>, keep: &[usize], by_operations: bool) -> Results {
    let mut tape = tape(executor.device(), executor.alloc_gradients().unwrap()).unwrap();
    let mode = Mode::Train(Some(DRAWS));
    let forward = if by_operations {
        executor.forward_by_operations(pixels.clone(), BATCH, mode, keep, &mut tape).unwrap()
    } else {
        assert!(executor.run_engine(pixels, BATCH, mode, keep, &mut NoneTape).unwrap().is_some(), "there is an engine");
        executor.forward(pixels.clone(), BATCH, mode, keep, &mut tape).unwrap()
    };
    let outputs: Vec<&Flat<TestDevice>> =
        std::iter::once(&forward.logits).chain(forward.kept.iter().map(|(_, v)| v)).collect();
    let mut terms = Vec::new();
    for (number, output) in outputs.iter().enumerate() {
        let values = TestDevice::download(output);
        let weights = executor.device().upload(&normal(&format!("weights {number}"), values.len())).unwrap();
        let weighted = TestDevice::product(output, &weights, &mut tape).unwrap();
        let square = TestDevice::squared_error(
            &weighted,
            &executor.device().upload(&vec![1.0; values.len()]).unwrap(),
            &mut tape,
        );
        terms.push((1.0 / (number + 1) as f32, square.unwrap()));
    }
    let gradients = backward(executor.device().weighted_sum(&terms, tape).unwrap()).unwrap();
    let gradient = |parameter: &Parameter<TestDevice>| {
        (parameter.name.clone(), TestDevice::gradient(&gradients, &parameter.tensor))
    };
    let of_batch = |(layer, s): &(usize, crate::tensor::ops::batch_norm::BatchStatistics<TestDevice>)| {
        (*layer, [&s.mean, &s.variance].into_iter().flat_map(TestDevice::download).collect())
    };
    Results {
        values: outputs.iter().map(|output| TestDevice::download(output)).collect(),
        gradients: executor.trainable().map(gradient).collect(),
        statistics: forward.statistics.iter().map(of_batch).collect(),
    }
}

/// The norm of the difference over the norm, of values that are not all but zero.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let difference = norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(a - b)));
    difference / norm(&mut b.iter().map(|b| f64::from(*b))).max(1e-3)
}

fn compare(what: &str, graph: Graph) {
    let model = unsettled(graph);
    let pixels = normal("pixels", BATCH * model.graph.input.iter().product::<usize>());
    let pixels = test_device().upload(&pixels).unwrap();
    let executor = Executor::new(&model, &test_device()).unwrap();
    let count = model.graph.layers.len();
    // Nothing, and layers that are else computed together with others.
    for keep in [vec![], vec![count / 2, count / 3], vec![count - 2, 1, 0]] {
        let [ours, reference] = [false, true].map(|by_operations| train(&executor, &pixels, &keep, by_operations));
        for (ours, reference) in ours.values.iter().zip(&reference.values) {
            assert!(distance(ours, reference) < 1e-4, "{what}: outputs {}", distance(ours, reference));
        }
        let whole =
            reference.gradients.iter().flat_map(|(_, values)| values).fold(0.0_f64, |s, x| s + f64::from(x * x));
        for ((name, ours), (_, reference)) in ours.gradients.iter().zip(&reference.gradients) {
            let share = reference.iter().fold(0.0_f64, |s, x| s + f64::from(x * x)) / whole;
            let distance = distance(ours, reference);
            // A gradient that is zero but for rounding has no digits.
            assert!(distance < 1e-3 || share < 1e-9, "{what}: {name} {distance} of {share}");
        }
        assert_eq!(ours.statistics.len(), reference.statistics.len());
        let mut statistics = ours.statistics;
        statistics.sort_by_key(|(layer, _)| *layer);
        for ((layer, ours), (other, reference)) in statistics.iter().zip(&reference.statistics) {
            assert_eq!(layer, other);
            assert!(distance(ours, reference) < 1e-4, "{what}: statistics of layer {layer}");
        }
        let [ours, reference] = [
            executor.forward(pixels.clone(), BATCH, Mode::Evaluate, &keep, &mut NoneTape),
            executor.forward_by_operations(pixels.clone(), BATCH, Mode::Evaluate, &keep, &mut NoneTape),
        ]
        .map(Result::unwrap);
        let all = |forward: &Forward<TestDevice>| {
            std::iter::once(&forward.logits)
                .chain(forward.kept.iter().map(|(_, v)| v))
                .map(TestDevice::download)
                .collect::<Vec<_>>()
        };
        for (ours, reference) in all(&ours).iter().zip(&all(&reference)) {
            assert!(distance(ours, reference) < 1e-4, "{what} in evaluation: {}", distance(ours, reference));
        }
        assert!(ours.statistics.is_empty());
    }
}

#[test]
fn every_family_is_what_its_operations_are() {
    for (architecture, size) in NETWORKS {
        let built: Architecture = serde_json::from_str(architecture).unwrap();
        compare(architecture, built.build([size, size, 3], 5).unwrap());
    }
}

/// What the families have not: dilation, uneven windows, a depthwise kernel of even size, products, uneven pooling.
fn oddities() -> Graph {
    let convolution = |rest: &str| format!(r#""convolution",{rest}"#);
    graph(&[
        simple(
            "a",
            &convolution(
                r#""in-channels":4,"out-channels":6,"kernel":[3,2],"stride":[1,2],"padding":[2,1],"dilation":[2,1],"bias":true"#,
            ),
            r#"["input"]"#,
        ),
        simple("a.bn", r#""batch-norm","channels":6,"epsilon":1e-5,"momentum":0.1"#, r#"["a"]"#),
        simple("a.act", r#""hard-swish""#, r#"["a.bn"]"#),
        simple(
            "b",
            &convolution(
                r#""in-channels":6,"out-channels":6,"kernel":[2,4],"stride":[2,1],"padding":[1,2],"groups":6,"bias":true"#,
            ),
            r#"["a.act"]"#,
        ),
        simple("b.act", r#""sigmoid""#, r#"["b"]"#),
        simple(
            "c",
            &convolution(
                r#""in-channels":6,"out-channels":6,"kernel":[1,1],"stride":[1,1],"padding":[0,0],"bias":false"#,
            ),
            r#"["b.act"]"#,
        ),
        simple("c.relu", r#""relu""#, r#"["c"]"#),
        simple("product", r#""multiply""#, r#"["c.relu","b"]"#),
        simple("twice", r#""add""#, r#"["product","product"]"#),
        simple("pool", r#""average-pool","kernel":[2,2],"stride":[1,1],"padding":[1,0]"#, r#"["twice"]"#),
        simple("small", r#""adaptive-average-pool","output":[2,1]"#, r#"["pool"]"#),
        simple("flat", r#""flatten""#, r#"["small"]"#),
        simple("norm", r#""batch-norm","channels":12,"epsilon":1e-5,"momentum":0.1"#, r#"["flat"]"#),
        simple("fc", r#""linear","in-features":12,"out-features":3,"bias":true"#, r#"["norm"]"#),
    ])
}

#[test]
fn odd_windows_are_what_their_operations_are() {
    compare("oddities", oddities());
    let pixels = test_device().upload(&normal("image", 5 * 5 * 6 * 4)).unwrap();
    check_gradients("oddities", &unsettled(oddities()), &pixels, Mode::Train(None));
}

#[test]
fn the_engine_gives_the_same_bits_with_any_number_of_threads_and_again() {
    for (architecture, size) in [NETWORKS[2], NETWORKS[9], NETWORKS[12]] {
        let built: Architecture = serde_json::from_str(architecture).unwrap();
        let model = unsettled(built.build([size, size, 3], 5).unwrap());
        let pixels = normal("pixels", BATCH * size * size * 3);
        let executor = Executor::new(&model, &test_device()).unwrap();
        let run = || {
            let results = train(&executor, &test_device().upload(&pixels).unwrap(), &[3], false);
            let gradients = results.gradients.iter().map(|(_, values)| values);
            results.values.iter().chain(gradients).map(|values| bits(values)).collect::<Vec<_>>()
        };
        let expected = with_threads(1, run);
        for threads in [1, 2, 4] {
            assert!(with_threads(threads, run) == expected, "{architecture} with {threads} threads");
        }
    }
}
