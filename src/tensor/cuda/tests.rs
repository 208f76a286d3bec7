//! Losses, gradients and optimizer steps against the processor, at sizes for which a sum has several parts, a row more values
//! than a block has threads, a product more than one tile, and a table more than one launch; none is a multiple of anything.

use dfdx::tensor::Cuda;

use super::open;
use crate::error::Result;
use crate::tensor::check::{bits, normal};
use crate::tensor::ops::correlation::Correlation;
use crate::tensor::ops::decoupled::Decoupled;
use crate::tensor::ops::optimizer::{AdamStep, AdamUpdate, SgdStep, SgdUpdate};
use crate::tensor::ops::relations::RelationWeights;
use crate::tensor::{Backend, Cpu, Flat, Gradients, NoneTape, OwnedTape, backward};

const BATCH: usize = 37;
const CLASSES: usize = 300;

/// A loss of `inputs`, and its gradients for the first `trained` of them.
fn outcome<B: Backend>(
    device: &B,
    inputs: &[Vec<f32>],
    trained: usize,
    operation: impl Fn(&[Flat<B>], &mut OwnedTape<f32, B>) -> Result<Flat<B>>,
) -> Vec<Vec<f32>> {
    let tensors: Vec<_> = inputs.iter().map(|x| device.upload(x).unwrap()).collect();
    let mut tape = OwnedTape::default();
    let loss = operation(&tensors, &mut tape).unwrap();
    let value = B::download(&loss);
    let gradients = backward(device.weighted_sum(&[(0.7, loss)], tape).unwrap()).unwrap();
    let of = tensors.iter().take(trained).map(|tensor| B::gradient(&gradients, tensor));
    std::iter::once(value).chain(of).collect()
}

/// Fails unless both are the same but for rounding, measured by the largest.
#[track_caller]
fn assert_same(cuda: &[f32], cpu: &[f32]) {
    assert_eq!(cuda.len(), cpu.len());
    let largest = cpu.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
    assert!(largest > 0.0, "nothing to compare");
    for (index, (a, b)) in cuda.iter().zip(cpu).enumerate() {
        assert!((a - b).abs() <= 2e-6 * largest, "at {index}: {a} against {b} of at most {largest}");
    }
}

/// Holds the kernels of an operation, on the device that is called `$device` in it, against the processor.
macro_rules! agree {
    ($device:ident: $inputs:expr, $trained:expr, $operation:expr) => {{
        let (inputs, trained): (Vec<Vec<f32>>, usize) = ($inputs.into(), $trained);
        let cpu = {
            type $device = Cpu;
            outcome(&Cpu::default(), &inputs, trained, $operation)
        };
        let cuda = || {
            type $device = Cuda;
            outcome(&open(0).unwrap(), &inputs, trained, $operation)
        };
        let (first, second) = (cuda(), cuda());
        for ((first, second), cpu) in first.iter().zip(&second).zip(&cpu) {
            assert_same(first, cpu);
            assert_eq!(bits(first), bits(second), "twice the same");
        }
    }};
}

fn logits() -> [Vec<f32>; 2] {
    ["student", "teacher"].map(|name| normal(name, BATCH * CLASSES))
}

fn labels(shift: usize) -> Vec<u32> {
    (0..BATCH).map(|image| ((image * 71 + shift) % CLASSES) as u32).collect()
}

#[test]
fn losses_of_logits() {
    let shares: Vec<f32> = (0..BATCH).map(|image| image as f32 / BATCH as f32).collect();
    agree!(B: logits(), 1, |x, tape| B::cross_entropy(&x[0], &labels(0), 0.1, tape));
    agree!(B: logits(), 1, |x, tape| B::mixed_cross_entropy(&x[0], &labels(0), &labels(9), &shares, 0.1, tape));
    agree!(B: logits(), 1, |x, tape| B::distillation(&x[0], &x[1], CLASSES, 3.0, tape));
    let settings = Decoupled { temperature: 2.0, alpha: 1.5, beta: 4.0 };
    agree!(B: logits(), 1, |x, tape| B::decoupled(&x[0], &x[1], &labels(3), &settings, tape));
    let settings = Correlation { temperature: 2.0, beta: 1.5, gamma: 0.5 };
    agree!(B: logits(), 1, |x, tape| B::correlation(&x[0], &x[1], CLASSES, &settings, tape));
    agree!(B: logits(), 1, |x, tape| B::squared_error(&B::standardize(&x[0], CLASSES, tape)?, &x[1], tape));
    let count = |count: Flat<_>| Cpu::download(&count);
    let cpu = Cpu::count_right(&Cpu::default().upload(&logits()[0]).unwrap(), &labels(0), CLASSES).unwrap();
    let likeliest: Vec<u32> = logits()[0]
        .chunks(CLASSES)
        .map(|row| (0..CLASSES).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap() as u32)
        .collect();
    let cuda = |labels: &[u32]| {
        Cuda::download(&Cuda::count_right(&open(0).unwrap().upload(&logits()[0]).unwrap(), labels, CLASSES).unwrap())
    };
    assert_eq!((cuda(&labels(0)), cuda(&likeliest)), (count(cpu), vec![BATCH as f32]));
}

#[test]
fn losses_of_features() {
    let features = |own: usize, other: usize| [normal("student", own), normal("teacher", other)];
    agree!(B: features(3 * 301 * 37, 3 * 301 * 5), 1, |x, tape| B::attention(&x[0], &x[1], 3, 301, tape));
    let layers =
        [normal("a", 2 * 301 * 37), normal("b", 2 * 301 * 21), normal("c", 2 * 7 * 37), normal("d", 2 * 7 * 21)];
    agree!(B: layers, 2, |x, tape| B::flow([&x[0], &x[1]], [&x[2], &x[3]], 2, [37, 21], tape));
    let features = || features(BATCH * 2501, BATCH * 1101);
    agree!(B: features(), 1, |x, tape| B::similarity(&x[0], &x[1], BATCH, tape));
    for (distance, angle) in [(25.0, 0.0), (0.0, 50.0), (25.0, 50.0)] {
        let weights = RelationWeights { distance, angle };
        agree!(B: features(), 1, |x, tape| B::relations(&x[0], &x[1], BATCH, &weights, tape));
    }
    let inputs = [normal("mean", 701 * 37), normal("scale", 37), normal("teacher", 701 * 37)];
    agree!(B: inputs, 2, |x, tape| B::variational(&x[0], &x[1], &x[2], tape));
}

#[test]
fn penalties() {
    let weights = || [normal("weights", 5 * 2221)];
    agree!(B: weights(), 1, |x, tape| B::absolute_sum(&x[0], 0.3, tape));
    agree!(B: weights(), 1, |x, tape| B::row_norm_sum(&x[0], 5, 0.3, tape));
    agree!(B: weights(), 1, |x, tape| B::row_square_sum(&x[0], &[0.5, 0.0, 1.0, 2.0, 0.25], tape));
    let factors = [normal("a", 4001), normal("b", 301), normal("c", 5)];
    agree!(B: factors, 3, |x, tape| B::polarization(&[&x[0], &x[1], &x[2], &x[1]], 0.3, 1.2, tape));
    let (mut cpu, mut cuda) =
        (Cpu::default().upload(&weights()[0]).unwrap(), open(0).unwrap().upload(&weights()[0]).unwrap());
    Cpu::shrink_rows(&mut cpu, 5, 47.0).unwrap();
    Cuda::shrink_rows(&mut cuda, 5, 47.0).unwrap();
    assert_same(&Cuda::download(&cuda), &Cpu::download(&cpu));
}

#[test]
fn a_sum_of_many_terms() {
    let inputs = [vec![2.0], vec![3.0]];
    let [cpu, cuda] = [
        |inputs: &[Vec<f32>]| -> Vec<f32> { many_terms(&Cpu::default(), inputs) },
        |inputs: &[Vec<f32>]| -> Vec<f32> { many_terms(&open(0).unwrap(), inputs) },
    ];
    assert_eq!(cpu(&inputs), cuda(&inputs));
    assert_eq!(cpu(&inputs), [10.0 * 2.0 + 9.0 * 3.0, 10.0, 9.0]);
}

/// The sum of 19 terms of two tensors, and both gradients.
fn many_terms<B: Backend>(device: &B, inputs: &[Vec<f32>]) -> Vec<f32> {
    let tensors: Vec<_> = inputs.iter().map(|x| device.upload(x).unwrap()).collect();
    let terms: Vec<_> = (0..19).map(|term| (1.0, tensors[term % 2].clone())).collect();
    let loss = device.weighted_sum(&terms, OwnedTape::default()).unwrap();
    let value = B::download(&crate::tensor::value(&loss).unwrap());
    let gradients = backward(loss).unwrap();
    tensors.iter().fold(value, |all, tensor| [all, B::gradient(&gradients, tensor)].concat())
}

/// 70 parameters of all sizes after two steps of each optimizer, their states, and the sum of squares of their gradients.
fn stepped<B: Backend>(device: &B) -> (Vec<Vec<f32>>, f64) {
    let upload = |name: &str| -> Vec<Flat<B>> {
        (0..70).map(|index| device.upload(&normal(&format!("{name} {index}"), 1 + 97 * index)).unwrap()).collect()
    };
    let zeros =
        || -> Vec<Flat<B>> { (0..70).map(|index| device.upload(&vec![0.0; 1 + 97 * index]).unwrap()).collect() };
    let (mut parameters, mut velocities, mut means, mut variances) = (upload("parameter"), zeros(), zeros(), zeros());
    let mut squares = 0.0;
    for step in 1..3 {
        let mut gradients = Gradients::leaky();
        for (index, parameter) in parameters.iter().enumerate() {
            let values = normal(&format!("gradient {step} {index}"), 1 + 97 * index);
            B::add_to_gradient(&mut gradients, parameter, &values).unwrap();
            B::scale_gradient(&mut gradients, parameter, 0.5).unwrap();
        }
        squares += B::gradients_square_sum(&mut gradients, &parameters.iter().collect::<Vec<_>>()).unwrap();
        let l2 = |index: usize| if index.is_multiple_of(3) { 0.0 } else { 0.01 };
        let mut by_sgd: Vec<_> = parameters
            .iter_mut()
            .zip(&mut velocities)
            .enumerate()
            .map(|(index, (parameter, velocity))| {
                let step = SgdStep { lr: 0.1, momentum: 0.9, nesterov: true, l2: l2(index) };
                SgdUpdate { parameter, velocity, step }
            })
            .collect();
        B::sgd_steps(&mut by_sgd, &mut gradients).unwrap();
        let states = means.iter_mut().zip(&mut variances);
        let mut by_adam: Vec<_> = parameters
            .iter_mut()
            .zip(states)
            .enumerate()
            .map(|(index, (parameter, (mean, variance)))| {
                let (l2, decay) = (l2(index), l2(index + 1));
                let step = AdamStep { step, lr: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, l2, decay };
                AdamUpdate { parameter, mean, variance, step }
            })
            .collect();
        B::adam_steps(&mut by_adam, &mut gradients).unwrap();
    }
    (parameters.iter().chain(&velocities).chain(&means).chain(&variances).map(B::download).collect(), squares)
}

#[test]
fn steps_of_many_parameters() {
    let ((cpu, cpu_squares), (cuda, cuda_squares)) = (stepped(&Cpu::default()), stepped(&open(0).unwrap()));
    for (cuda, cpu) in cuda.iter().zip(&cpu) {
        assert_same(cuda, cpu);
    }
    assert!((cuda_squares - cpu_squares).abs() <= 1e-13 * cpu_squares, "{cuda_squares} against {cpu_squares}");
    assert_eq!(Cuda::gradients_square_sum(&mut Gradients::leaky(), &[]).unwrap(), 0.0);
}

#[test]
fn nothing_is_kept_without_a_tape() {
    let device = open(0).unwrap();
    let [x, y] = logits().map(|logits| device.upload(&logits).unwrap());
    let mut tape = OwnedTape::default();
    let bits_of = |loss: Result<Flat<Cuda>>| bits(&Cuda::download(&loss.unwrap()));
    let weights = RelationWeights { distance: 25.0, angle: 50.0 };
    assert_eq!(
        bits_of(Cuda::distillation(&x, &y, CLASSES, 2.0, &mut NoneTape)),
        bits_of(Cuda::distillation(&x, &y, CLASSES, 2.0, &mut tape))
    );
    assert_eq!(
        bits_of(Cuda::relations(&x, &y, BATCH, &weights, &mut NoneTape)),
        bits_of(Cuda::relations(&x, &y, BATCH, &weights, &mut tape))
    );
}
