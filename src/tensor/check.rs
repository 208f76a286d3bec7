//! What the tests of differentiable operations share: finite differences, and equal bits under 1, 2 and 4 threads.

use super::{Backend, Flat, OwnedTape};
use crate::error::Result;

/// The device that operations are tested on: the processor, and with the feature `emulated-cuda` the CUDA kernels.
#[cfg(not(feature = "emulated-cuda"))]
pub(crate) type TestDevice = super::Cpu;
/// The device that operations are tested on: the CUDA kernels, computed by the processor.
#[cfg(feature = "emulated-cuda")]
pub(crate) type TestDevice = dfdx::tensor::Cuda;

/// The device that operations are tested on, for this thread.
pub(crate) fn test_device() -> TestDevice {
    #[cfg(feature = "emulated-cuda")]
    return super::cuda::open(0).unwrap();
    #[cfg(not(feature = "emulated-cuda"))]
    TestDevice::default()
}

/// What may be worked on in another thread: on the processor, where bits are compared for several numbers of threads.
/// Tensors of a GPU stay in theirs.
#[cfg(not(feature = "emulated-cuda"))]
pub(crate) trait Movable: Send + Sync {}
#[cfg(not(feature = "emulated-cuda"))]
impl<T: Send + Sync> Movable for T {}
/// Anything: tensors of a GPU stay in their thread.
#[cfg(feature = "emulated-cuda")]
pub(crate) trait Movable {}
#[cfg(feature = "emulated-cuda")]
impl<T> Movable for T {}

/// The tape of the tests.
pub(crate) type TestTape = OwnedTape<f32, TestDevice>;

/// `count` normal numbers, a pure function of `name`.
pub(crate) fn normal(name: &str, count: usize) -> Vec<f32> {
    let mut generator = crate::random::generator(0, name, 0, 0);
    (0..count).map(|_| crate::random::normal(&mut generator) as f32).collect()
}

/// Panics unless `a` and `b` are within `tolerance` of each other, relative above 1.
pub(crate) fn assert_close(a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len(), "lengths");
    for (index, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "at {index}: {a} against {b}");
    }
}

/// Runs `operation` on tensors of `inputs`, holds its gradients for every input against central differences, asserts
/// that output and gradients are the same bits with 1, 2 and 4 threads, and returns the output.
pub(crate) fn check(
    inputs: &[Vec<f32>],
    operation: impl Fn(&[Flat<TestDevice>], &mut TestTape) -> Result<Flat<TestDevice>> + Movable,
) -> Vec<f32> {
    let upload = |inputs: &[Vec<f32>]| -> Vec<_> {
        let device = test_device();
        inputs.iter().map(|x| device.upload(x).unwrap()).collect()
    };
    let forward =
        |inputs: &[Vec<f32>]| TestDevice::download(&operation(&upload(inputs), &mut TestTape::default()).unwrap());
    let all = || {
        let (tensors, mut tape) = (upload(inputs), TestTape::default());
        let y = operation(&tensors, &mut tape).unwrap();
        let output = TestDevice::download(&y);
        // A scalar product, whose gradient is the projection itself.
        let projection = test_device().upload(&normal("projection", output.len())).unwrap();
        let loss = TestDevice::linear(&y, &projection, None, 1, true, &mut tape).unwrap();
        let loss = test_device().weighted_sum(&[(1.0, loss)], tape).unwrap();
        let gradients = super::backward(loss).unwrap();
        let gradients: Vec<_> = tensors.iter().map(|tensor| TestDevice::gradient(&gradients, tensor)).collect();
        (output, gradients)
    };
    let (output, gradients) = with_threads(1, all);
    for threads in [2, 4] {
        let (other, other_gradients) = with_threads(threads, all);
        assert_eq!(bits(&other), bits(&output), "output with {threads} threads");
        for (a, b) in other_gradients.iter().zip(&gradients) {
            assert_eq!(bits(a), bits(b), "gradient with {threads} threads");
        }
    }
    let projection = normal("projection", output.len());
    let project = |y: &[f32]| y.iter().zip(&projection).map(|(y, p)| f64::from(*y) * f64::from(*p)).sum::<f64>();
    let middle = project(&output);
    for (input, gradient) in gradients.iter().enumerate() {
        assert_eq!(gradient.len(), inputs[input].len());
        differences(&format!("input {input}"), gradient, 1.0 / 128.0, middle, |index, step| {
            let mut moved = inputs.to_vec();
            moved[input][index] += step;
            project(&forward(&moved))
        });
    }
    output
}

/// Holds `operation`, one number of the inputs of the case `name` of `tests/fixtures/losses.json`, and its gradients against
/// what NumPy made of the same inputs, and against central differences as [`check`] does. `differentiable` says which
/// inputs have a gradient, in the order of the case's; the operation gets all inputs as tensors.
pub(crate) fn check_against_numpy(
    name: &str,
    differentiable: &[usize],
    operation: impl Fn(&[Flat<TestDevice>], &mut TestTape) -> Result<Flat<TestDevice>> + Movable,
) {
    let text = include_str!("../../tests/fixtures/losses.json");
    let cases: serde_json::Value = serde_json::from_str(text).unwrap();
    let numbers = |value: &serde_json::Value| -> Vec<f32> {
        value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
    };
    let all = |key: &str| -> Vec<Vec<f32>> { cases[name][key].as_array().unwrap().iter().map(numbers).collect() };
    let (inputs, expected) = (all("inputs"), all("gradients"));
    assert_eq!(expected.len(), differentiable.len(), "{name}");
    let device = test_device();
    let tensors: Vec<_> = inputs.iter().map(|x| device.upload(x).unwrap()).collect();
    let mut tape = TestTape::default();
    let loss = operation(&tensors, &mut tape).unwrap();
    assert_close(&TestDevice::download(&loss), &numbers(&serde_json::json!([cases[name]["loss"]])), 1e-6);
    let gradients = super::backward(device.weighted_sum(&[(1.0, loss)], tape).unwrap()).unwrap();
    for (which, expected) in differentiable.iter().zip(expected) {
        assert_close(&TestDevice::gradient(&gradients, &tensors[*which]), &expected, 1e-5);
    }
    let trained: Vec<Vec<f32>> = differentiable.iter().map(|which| inputs[*which].clone()).collect();
    check(&trained, |moved, tape| {
        let mut tensors = tensors.clone();
        for (which, moved) in differentiable.iter().zip(moved) {
            tensors[*which] = moved.clone();
        }
        operation(&tensors, tape)
    });
}

/// Holds `gradient` against central differences of `loss(index, ±step)`, for about 40 of its values; `middle` is the loss
/// where nothing is moved. Where the function has a kink within a step, the difference of the two one-sided slopes
/// bounds the error that is allowed.
pub(crate) fn differences(what: &str, gradient: &[f32], step: f32, middle: f64, loss: impl Fn(usize, f32) -> f64) {
    for index in (0..gradient.len()).step_by((gradient.len() / 40).max(1)) {
        let (above, below) = (loss(index, step), loss(index, -step));
        let width = 2.0 * f64::from(step);
        let slope = (above - below) / width;
        let kink = (above - 2.0 * middle + below).abs() / width;
        let error = (slope - f64::from(gradient[index])).abs();
        assert!(
            error <= 2e-3 * (1.0 + slope.abs()) + 1.05 * kink,
            "{what} at {index}: gradient {} where differences say {slope}",
            gradient[index]
        );
    }
}

/// Runs `work` in a rayon pool of `threads`; on a GPU, where there are none, at once.
pub(crate) fn with_threads<R: Movable>(threads: usize, work: impl FnOnce() -> R + Movable) -> R {
    #[cfg(not(feature = "emulated-cuda"))]
    return rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work);
    #[cfg(feature = "emulated-cuda")]
    {
        let _ = threads;
        work()
    }
}

/// The bits of floating-point numbers, to compare exactly.
pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}
