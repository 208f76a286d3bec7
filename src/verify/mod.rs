//! A device held against the processor: the same operations and training steps on both, how far results are apart, whether
//! they are the same bits twice, and how fast it goes. `pleach devices --check` prints it.
//!
//! - this file: what is compared and how far apart it may be
//! - `operations`: every operation with its gradients
//! - [`networks`]: the networks that are measured; [`steps`]: one training step or batch of inference after another
//! - [`peer`]: PyTorch at the same work, in a process of its own

pub mod networks;
mod operations;
pub mod peer;
pub mod steps;
#[cfg(test)]
mod tests;

use crate::error::{Error, Kind, Result};
use crate::network::arch::Architecture;
use crate::network::{Model, Role};
use crate::tensor::engine::Precision;
use crate::tensor::{Backend, Cpu};
use steps::Work;

/// Something that was computed on both devices.
#[derive(Debug, Clone)]
pub struct Compared {
    /// What.
    pub what: String,
    /// How far the device is from the processor: the length of the difference, as a share of that of the processor's.
    pub error: f64,
    /// How far it may be.
    pub bound: f64,
    /// Whether the device gave the same bits twice.
    pub repeats: bool,
}

impl Compared {
    /// Whether the device computes it rightly.
    pub fn passes(&self) -> bool {
        // Not a number passes nothing.
        self.repeats && self.error <= self.bound
    }
}

/// How far operations may be apart that add up to some thousand products in another order.
const OPERATION: f64 = 5e-5;

/// Networks of every family, small, with the side of their images.
const FAMILIES: [(&str, &str, usize); 12] = [
    ("multilayer perceptron", r#"{"arch":"mlp","hidden":[40,24]}"#, 8),
    ("LeNet", r#"{"arch":"lenet","channels":[6,16],"hidden":[40]}"#, 16),
    ("ResNet", r#"{"arch":"resnet","depth":8,"width":16,"shortcut":"pad"}"#, 16),
    ("ResNet, projections", r#"{"arch":"resnet","depth":14,"width":12,"shortcut":"projection"}"#, 16),
    ("ResNet, bottlenecks", r#"{"arch":"resnet","depth":50,"width":4,"shortcut":"projection","stem":"cifar"}"#, 16),
    ("ResNet, large stem", r#"{"arch":"resnet","depth":18,"width":8,"shortcut":"projection","stem":"imagenet"}"#, 40),
    ("pre-activation ResNet", r#"{"arch":"preact-resnet","depth":8,"width":16,"shortcut":"pad"}"#, 16),
    ("VGG", r#"{"arch":"vgg","depth":11,"width":8,"classifier":"cifar","dropout":0.2}"#, 32),
    ("DenseNet", r#"{"arch":"densenet","depth":10,"growth":12,"bottleneck":false,"compression":1.0}"#, 16),
    ("DenseNet, bottlenecks", r#"{"arch":"densenet","depth":16,"growth":8,"bottleneck":true,"compression":0.5}"#, 16),
    ("MobileNetV2", r#"{"arch":"mobilenet-v2","width":0.25,"dropout":0.1,"stem":"cifar"}"#, 16),
    (
        "EfficientNet",
        r#"{"arch":"efficientnet","width":0.3,"depth":0.5,"dropout":0.2,"stochastic-depth":0.2,"stem":"cifar"}"#,
        16,
    ),
];

/// Compares every operation, and its gradients.
///
/// # Errors
/// When a device fails.
pub fn operations<B: Backend>(device: &B) -> Result<Vec<Compared>> {
    let expected = operations::all(&Cpu::default())?;
    let (first, second) = (operations::all(device)?, operations::all(device)?);
    let each = expected.into_iter().zip(first).zip(second);
    Ok(each
        .map(|(((what, expected), (_, found)), (_, again))| Compared {
            error: expected.iter().zip(&found).map(|(expected, found)| distance(expected, found)).fold(0.0, worse),
            bound: OPERATION,
            repeats: bits(&found) == bits(&again),
            what,
        })
        .collect())
}

/// Families that are so deep and narrow here that rounded factors decide about many kinks of ReLUs: their gradients can only
/// be compared in `f32`.
const DELICATE: [&str; 2] = ["ResNet, bottlenecks", "MobileNetV2"];

/// Compares a training step of a network of every family: the loss, and where all weights go.
///
/// # Errors
/// When a device fails.
pub fn families<B: Backend>(device: &B, precision: Precision) -> Result<Vec<Compared>> {
    let mut all = Vec::new();
    for (name, settings, side) in FAMILIES {
        if !precision.is_f32() && DELICATE.contains(&name) {
            continue;
        }
        let architecture: Architecture =
            serde_json::from_str(settings).map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
        let mut model = Model::initialise(architecture.build([side, side, 3], networks::CLASSES)?, 1)?;
        stir(&mut model);
        let expected = trained(&model, &Cpu::default(), Precision::F32)?;
        let (found, again) = (trained(&model, device, precision)?, trained(&model, device, precision)?);
        let error = expected.iter().zip(&found).map(|(expected, found)| distance(expected, found)).fold(0.0, worse);
        let (what, repeats) = (format!("{name}, {}", precision.word()), bits(&found) == bits(&again));
        all.push(Compared { what, error, bound: network_bound(precision), repeats });
    }
    Ok(all)
}

/// Moves biases, and scales and shifts of normalizations, away from where they are initialised. There the output of a channel
/// that is always zero lies on the kink of the ReLU behind it, and the last bit decides about large gradients.
fn stir(model: &mut Model) {
    for spec in model.graph.parameters().iter().filter(|spec| spec.role != Role::Weight && spec.role.trainable()) {
        if let Some(tensor) = model.tensors.get_mut(&spec.name) {
            let moves = operations::normal(&spec.name, tensor.data.len());
            tensor.data.iter_mut().zip(moves).for_each(|(value, by)| *value += 0.3 * by);
        }
    }
}

/// How far the loss of a network, and the way its weights went, may be apart. A gradient that a value close to the kink of a
/// ReLU lets through on one device and not on the other moves them, most in products that round their factors.
fn network_bound(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 5e-3,
        Precision::Tf32 => 0.15,
        Precision::Bf16 => 0.5,
    }
}

/// The loss before, and how far trained weights and running averages went.
fn trained<B: Backend>(model: &Model, device: &B, precision: Precision) -> Result<Vec<Vec<f32>>> {
    const BATCH: usize = 8;
    let mut work = Work::new(model, BATCH, precision, device)?;
    let loss = work.train()?;
    let network = work.network();
    let (mut weights, mut averages) = (Vec::new(), Vec::new());
    for parameter in network.parameters() {
        let before = model.tensors.get(&parameter.name).map_or(&[][..], |tensor| &tensor.data);
        let way = B::download(&parameter.tensor).into_iter().zip(before).map(|(after, before)| after - before);
        if parameter.role.trainable() { weights.extend(way) } else { averages.extend(way) }
    }
    Ok(vec![vec![loss], weights, averages])
}

/// The length of the difference as a share of that of what was expected; NaN if something is not a number.
fn distance(expected: &[f32], found: &[f32]) -> f64 {
    if expected.len() != found.len() {
        return f64::NAN;
    }
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let difference = square(&mut expected.iter().zip(found).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    difference / square(&mut expected.iter().map(|value| f64::from(*value))).max(1e-12)
}

/// The larger of two errors; one that is not a number is the largest.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

fn bits(values: &[Vec<f32>]) -> Vec<u32> {
    values.iter().flatten().map(|value| value.to_bits()).collect()
}
