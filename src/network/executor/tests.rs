//! - this file: whole networks
//! - `operations`: a small graph with every operation that the networks here lack
//! - `draws`: dropout and stochastic depth
//! - `engines`: the engine against the operations one by one

mod draws;
mod engines;
mod operations;

use super::*;
use crate::network::arch::Architecture;
use crate::tensor::check::{TestDevice, TestTape, assert_close, bits, differences, normal, test_device, with_threads};
use crate::tensor::ops::optimizer::{AdamStep, AdamUpdate, SgdStep, SgdUpdate};
use crate::tensor::{NoneTape, backward, tape};

const MLP: &str = r#"{"arch":"mlp","hidden":[7]}"#;
const LENET: &str = r#"{"arch":"lenet","channels":[2,3],"hidden":[5]}"#;
const RESNET: &str = r#"{"arch":"resnet","depth":8,"width":3}"#;
const PROJECTED: &str = r#"{"arch":"resnet","depth":8,"width":3,"shortcut":"projection"}"#;
const PIXELS: usize = 8 * 8;

fn model(architecture: &str) -> Model {
    let architecture: Architecture = serde_json::from_str(architecture).unwrap();
    unsettled(architecture.build([8, 8, 1], 4).unwrap())
}

/// Fresh weights for `graph`, with normalizations and biases that do something.
fn unsettled(graph: Graph) -> Model {
    let mut model = Model::initialise(graph, 3).unwrap();
    // Away from where a normalization does nothing.
    for (name, tensor) in &mut model.tensors {
        if tensor.dims.len() == 1 {
            tensor.data.iter_mut().zip(normal(name, 100)).for_each(|(value, n)| *value += 0.3 * n.abs());
        }
    }
    model
}

fn pixels(batch: usize) -> Flat<TestDevice> {
    test_device().upload(&normal("pixels", batch * PIXELS)).unwrap()
}

/// Holds the gradients of every tensor of `model` against central differences of Σ p · logit, for five images and
/// fixed random p.
fn check_gradients(what: &str, model: &Model, pixels: &Flat<TestDevice>, mode: Mode<'_>) {
    let projection = normal("logits", 5 * model.graph.classes());
    let run = |model: &Model| {
        let executor = Executor::new(model, &test_device()).unwrap();
        let logits = executor.forward(pixels.clone(), 5, mode, &[], &mut NoneTape).unwrap().logits;
        let terms = TestDevice::download(&logits).into_iter().zip(&projection);
        terms.map(|(logit, p)| f64::from(logit) * f64::from(*p)).sum::<f64>()
    };
    let executor = Executor::new(model, &test_device()).unwrap();
    let mut tape = tape(executor.device(), executor.alloc_gradients().unwrap()).unwrap();
    let logits = executor.forward(pixels.clone(), 5, mode, &[], &mut tape).unwrap().logits;
    let weights = executor.device().upload(&projection).unwrap();
    // Σ p · logit as a linear layer with one row and one output.
    let loss = TestDevice::linear(&logits, &weights, None, 1, true, &mut tape).unwrap();
    let loss = executor.device().weighted_sum(&[(1.0, loss)], tape).unwrap();
    let gradients = backward(loss).unwrap();
    for parameter in executor.trainable() {
        let all = TestDevice::gradient(&gradients, &parameter.tensor);
        // A few of each tensor are enough: every operation has its own test.
        let magnitude = |a: &usize, b: &usize| all[*a].abs().total_cmp(&all[*b].abs());
        let largest = (0..all.len()).max_by(magnitude).unwrap();
        let sampled = [0, all.len() - 1, largest];
        let some: Vec<f32> = sampled.iter().map(|index| all[*index]).collect();
        let what = format!("{what} {mode:?} {}", parameter.name);
        // A gradient of nothing would pass whatever it is. (A bias before a normalization has none.)
        assert!(parameter.role == Role::Bias || some[2].abs() > 0.01, "{what}: only {}", some[2]);
        differences(&what, &some, 1.0 / 1024.0, run(model), |index, step| {
            let mut moved = model.clone();
            moved.tensors.get_mut(&parameter.name).unwrap().data[sampled[index]] += step;
            run(&moved)
        });
    }
}

#[test]
fn gradients_of_whole_networks_are_right() {
    for architecture in [MLP, LENET, RESNET, PROJECTED] {
        for mode in [Mode::Train(None), Mode::Evaluate] {
            check_gradients(architecture, &model(architecture), &pixels(5), mode);
        }
    }
}

/// One step of training on three images, and the network after it.
fn step(
    executor: &mut Executor<TestDevice>,
    gradients: Gradients<f32, TestDevice>,
) -> (f32, Gradients<f32, TestDevice>) {
    let mut tape = tape(executor.device(), gradients).unwrap();
    let forward = executor.forward(pixels(3), 3, Mode::Train(None), &[], &mut tape).unwrap();
    let loss = TestDevice::cross_entropy(&forward.logits, &[0, 1, 2], 0.0, &mut tape).unwrap();
    let value = TestDevice::download(&loss)[0];
    let gradients = backward(executor.device().weighted_sum(&[(1.0, loss)], tape).unwrap()).unwrap();
    executor.update_statistics(&forward).unwrap();
    (value, gradients)
}

#[test]
fn training_reduces_the_loss() {
    for architecture in [MLP, LENET, RESNET] {
        let mut executor = Executor::new(&model(architecture), &test_device()).unwrap();
        let mut gradients = executor.alloc_gradients().unwrap();
        let mut moments: Vec<[Flat<TestDevice>; 2]> = executor
            .parameters()
            .iter()
            .map(|p| [(); 2].map(|()| test_device().upload(&vec![0.0; p.dims.iter().product()]).unwrap()))
            .collect();
        let mut losses = Vec::new();
        for t in 1..=40 {
            executor.zero_gradients(&mut gradients).unwrap();
            let (loss, after) = step(&mut executor, gradients);
            gradients = after;
            losses.push(loss);
            let adam = AdamStep { step: t, lr: 0.02, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, l2: 0.0, decay: 0.0 };
            for (parameter, [mean, variance]) in executor.parameters_mut().iter_mut().zip(&mut moments) {
                if parameter.role.trainable() {
                    let update = AdamUpdate { parameter: &mut parameter.tensor, mean, variance, step: adam };
                    TestDevice::adam_steps(&mut [update], &mut gradients).unwrap();
                }
            }
        }
        assert!(losses[39] < 0.5 * losses[0], "{architecture}: {losses:?}");
        executor.download().check_finite().unwrap();
    }
}

#[test]
fn a_step_of_a_resnet_is_the_same_bits_with_any_number_of_threads() {
    let run = || {
        let mut executor = Executor::new(&model(RESNET), &test_device()).unwrap();
        let gradients = executor.alloc_gradients().unwrap();
        let (_, mut gradients) = step(&mut executor, gradients);
        let sgd = SgdStep { lr: 0.1, momentum: 0.9, nesterov: true, l2: 1e-4 };
        for parameter in executor.parameters_mut().iter_mut().filter(|parameter| parameter.role.trainable()) {
            let mut velocity = test_device().upload(&vec![0.0; parameter.dims.iter().product()]).unwrap();
            let update = SgdUpdate { parameter: &mut parameter.tensor, velocity: &mut velocity, step: sgd };
            TestDevice::sgd_steps(&mut [update], &mut gradients).unwrap();
        }
        executor.download().weights().unwrap()
    };
    let expected = with_threads(1, run);
    assert_ne!(expected, model(RESNET).weights().unwrap());
    for threads in [2, 4] {
        assert_eq!(with_threads(threads, run), expected, "{threads} threads");
    }
}

#[test]
fn what_is_kept_is_on_the_tape_and_keeping_changes_no_result() {
    let executor = Executor::new(&model(RESNET), &test_device()).unwrap();
    let graph = executor.graph();
    let all: Vec<usize> = (0..graph.layers.len()).collect();
    for mode in [Mode::Train(None), Mode::Evaluate] {
        let plain = executor.forward(pixels(3), 3, mode, &[], &mut NoneTape).unwrap();
        let kept = executor.forward(pixels(3), 3, mode, &all, &mut NoneTape).unwrap();
        assert_eq!(bits(&TestDevice::download(&plain.logits)), bits(&TestDevice::download(&kept.logits)));
        let value = |name: &str| TestDevice::download(&kept.kept[graph.index(name).unwrap()].1);
        // Both before and after the ReLU that is otherwise computed in one pass.
        let rectified: Vec<f32> = value("layer1.0.add").iter().map(|x| x.max(0.0)).collect();
        assert_eq!(value("layer1.0.relu"), rectified);
        assert!(value("bn1").iter().any(|x| *x < 0.0));
    }
    // A penalty on an activation reaches the weights before it, and no others.
    let index = graph.activation_of("layer1.0.conv1").unwrap();
    let mut tape = tape(executor.device(), executor.alloc_gradients().unwrap()).unwrap();
    let forward = executor.forward(pixels(3), 3, Mode::Train(None), &[index], &mut tape).unwrap();
    let penalty = TestDevice::absolute_sum(&forward.kept[0].1, 1.0, &mut tape).unwrap();
    let gradients = backward(executor.device().weighted_sum(&[(0.1, penalty)], tape).unwrap()).unwrap();
    for (name, reached) in [("conv1.weight", true), ("layer1.0.conv1.weight", true), ("fc.weight", false)] {
        let parameter = executor.parameters().iter().find(|parameter| parameter.name == name).unwrap();
        let gradient = TestDevice::gradient(&gradients, &parameter.tensor);
        assert_eq!(gradient.iter().any(|value| *value != 0.0), reached, "{name}");
    }
}

#[test]
fn running_statistics_make_evaluation_agree_with_training() {
    let mut executor = Executor::new(&model(RESNET), &test_device()).unwrap();
    for _ in 0..200 {
        let forward = executor.forward(pixels(64), 64, Mode::Train(None), &[], &mut NoneTape).unwrap();
        executor.update_statistics(&forward).unwrap();
    }
    let [train, evaluate] = [Mode::Train(None), Mode::Evaluate]
        .map(|mode| TestDevice::download(&executor.forward(pixels(64), 64, mode, &[], &mut NoneTape).unwrap().logits));
    assert_close(&train, &evaluate, 1e-2);
}

#[test]
fn masks_hold_weights_and_gradients_at_zero() {
    let mut model = model(MLP);
    let mask: Vec<bool> = (0..7 * PIXELS).map(|index| index % 3 > 0).collect();
    model.masks.insert("hidden1.weight".into(), mask.clone());
    let mut executor = Executor::new(&model, &test_device()).unwrap();
    executor.apply_masks().unwrap();
    let gradients = executor.alloc_gradients().unwrap();
    let (_, mut gradients) = step(&mut executor, gradients);
    executor.mask_gradients(&mut gradients).unwrap();
    let parameter = &executor.parameters()[0];
    let gradient = TestDevice::gradient(&gradients, &parameter.tensor);
    assert!(gradient.iter().zip(&mask).all(|(value, kept)| *kept || *value == 0.0));
    assert!(gradient.iter().any(|value| *value != 0.0));
    let after = executor.download();
    assert_eq!(after.masks, model.masks);
    assert!(after.tensors["hidden1.weight"].data.iter().zip(&mask).all(|(value, kept)| *kept == (*value != 0.0)));
}

#[test]
fn what_does_not_fit_is_an_error() {
    let executor = Executor::new(&model(MLP), &test_device()).unwrap();
    assert!(executor.forward(pixels(3), 2, Mode::Train(None), &[], &mut TestTape::default()).is_err());
    assert!(executor.forward(pixels(3), 3, Mode::Train(None), &[99], &mut TestTape::default()).is_err());
    let mut broken = model(MLP);
    broken.tensors.remove("classifier.bias");
    assert!(Executor::new(&broken, &test_device()).unwrap_err().message.contains("classifier.bias"));
    let mut broken = model(MLP);
    broken.masks.insert("classifier.bias".into(), vec![true]);
    assert!(Executor::new(&broken, &test_device()).unwrap_err().message.contains("mask"));
}
