//! The builders against torchvision: names and shapes of tensors, parameters and MACs, outputs and gradients. The files
//! in `fixtures/` are made by `fixtures/torchvision.py`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use super::super::efficientnet::{Plan as EfficientNet, Stage as EfficientNetStage};
use super::super::mobilenet_v2::{Plan as MobileNet, Stage as MobileNetStage};
use super::super::{Shortcut, Stem, densenet, resnet, vgg};
use super::build;
use crate::network::arch::builder::Builder;
use crate::network::arch::residual::Residual;
use crate::network::{Executor, Graph, HostTensor, Mode, Model};
use crate::tensor::{Backend, Cpu, NoneTape, backward, tape};

/// The architectures that torchvision has, as its model functions are called.
fn torchvision(name: &str) -> String {
    let name = name.trim_end_matches("_bn");
    let depth = |family: &str| name.strip_prefix(family).and_then(|depth| depth.parse::<usize>().ok());
    if let Some(depth) = depth("resnet") {
        return format!(r#"{{"arch":"resnet","depth":{depth},"width":64,"shortcut":"projection","stem":"imagenet"}}"#);
    }
    if let Some(depth) = depth("densenet") {
        return format!(
            r#"{{"arch":"densenet","depth":{depth},"growth":32,"bottleneck":true,"compression":0.5,"stem":"imagenet"}}"#
        );
    }
    if let Some(depth) = depth("vgg") {
        return format!(r#"{{"arch":"vgg","depth":{depth},"classifier":"imagenet","dropout":0.5}}"#);
    }
    let [width, depth, dropout] = match name {
        "mobilenet_v2" => return r#"{"arch":"mobilenet-v2","width":1.0,"dropout":0.2,"stem":"imagenet"}"#.to_owned(),
        "efficientnet_b0" => [1.0, 1.0, 0.2],
        "efficientnet_b1" => [1.0, 1.1, 0.2],
        "efficientnet_b2" => [1.1, 1.2, 0.3],
        "efficientnet_b3" => [1.2, 1.4, 0.3],
        _ => panic!("torchvision's {name} is not known here"),
    };
    format!(
        r#"{{"arch":"efficientnet","width":{width},"depth":{depth},"dropout":{dropout},"stochastic-depth":0.2,
        "stem":"imagenet"}}"#
    )
}

#[test]
fn tensors_have_torchvisions_names_and_shapes() {
    let networks: Vec<&str> = include_str!("fixtures/tensors.txt").split("# ").skip(1).collect();
    assert_eq!(networks.len(), 6);
    for network in networks {
        let (name, tensors) = network.split_once('\n').unwrap();
        let graph = build(&torchvision(name), [64, 64, 3], 10).unwrap();
        let shape = |dims: &[usize]| dims.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        let mut ours: Vec<String> =
            graph.parameters().iter().map(|spec| format!("{} {}", spec.name, shape(&spec.dims))).collect();
        let mut theirs: Vec<&str> = tensors.lines().collect();
        ours.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(ours, theirs, "{name}");
    }
}

#[test]
fn parameters_and_macs_are_torchvisions() {
    let lines: Vec<&str> = include_str!("fixtures/counts.txt").lines().collect();
    assert_eq!(lines.len(), 17);
    for line in lines {
        let name = line.split(' ').next().unwrap();
        let graph = build(&torchvision(name), [224, 224, 3], 1000).unwrap();
        assert_eq!(format!("{name} {} {}", graph.parameter_count(), graph.macs()), line);
    }
}

/// The small networks of the script, of the parts that the builders are made of.
fn small(name: &str, input: [usize; 3], classes: usize) -> Graph {
    let mut builder = Builder::new(input);
    let to = &mut builder;
    let residual = |width, blocks: &[usize], bottleneck, stem| Residual {
        width,
        blocks: blocks.to_vec(),
        bottleneck,
        shortcut: Shortcut::Projection,
        stem,
    };
    match name {
        "resnet_basic" => resnet::build(to, &residual(3, &[1, 2, 1], false, Stem::Imagenet), classes),
        "resnet_bottleneck" => resnet::build(to, &residual(2, &[1, 2], true, Stem::Cifar), classes),
        "vgg" => vgg::build(to, 11, 1, Some(6), 0.5, classes).unwrap(),
        "densenet" => densenet::Dense::new(16, 4, true, 0.5, None).unwrap().build(to, classes).unwrap(),
        "mobilenet" => {
            let stage = |[expansion, channels, blocks, stride]: [usize; 4]| MobileNetStage {
                expansion,
                channels,
                blocks,
                stride,
            };
            let stages = [[1, 8, 1, 1], [3, 8, 2, 2], [2, 16, 1, 2]].map(stage).into();
            MobileNet { first: [8, 2], stages, last: 24, dropout: 0.2 }.build(to, classes);
        }
        "efficientnet" => {
            let stage = |[expansion, kernel, stride, channels, blocks]: [usize; 5]| EfficientNetStage {
                expansion,
                kernel,
                stride,
                channels,
                blocks,
            };
            let stages = [[1, 3, 1, 8, 1], [3, 5, 2, 16, 2]].map(stage).into();
            EfficientNet { first: [8, 2], stages, dropout: 0.2, stochastic_depth: 0.2 }.build(to, classes);
        }
        _ => panic!("{name} is not known here"),
    }
    builder.finish()
}

#[test]
fn small_networks_compute_what_torchvisions_blocks_compute() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/network/arch/tests/fixtures");
    let (found, right) = compare_folder(&folder, small);
    assert!(right && found.len() == 6, "{found:#?}");
}

/// With the networks that `torchvision.py --whole` writes, in a folder or in folders of a folder:
/// `PLEACH_TORCH_REFERENCE=DIR cargo test --release --lib torchvision -- --ignored --nocapture`.
#[test]
#[ignore = "reads hundreds of megabytes that are not in the repository"]
#[allow(clippy::print_stdout, reason = "the measured errors are what one runs it for")]
fn whole_networks_compute_what_torchvisions_compute() {
    let folder = std::env::var("PLEACH_TORCH_REFERENCE").expect("PLEACH_TORCH_REFERENCE names the folder");
    let mut folders = vec![Path::new(&folder).to_owned()];
    folders.extend(fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()));
    folders.retain(|folder| folder.join("counts.json").exists());
    folders.sort();
    assert!(!folders.is_empty(), "no counts.json in {folder}");
    let mut all_right = true;
    for folder in folders {
        let graph = |name: &str, input, classes| build(&torchvision(name), input, classes).unwrap();
        let (found, right) = compare_folder(&folder, graph);
        println!("{}\n{}", folder.display(), found.join("\n"));
        all_right &= right;
    }
    assert!(all_right);
}

#[derive(serde::Deserialize)]
struct Counts {
    parameters: u64,
    macs: u64,
    /// Channels, height, width.
    input: [usize; 3],
    classes: usize,
}

/// Compares all networks of `counts.json`: what was measured of each, and whether all are right.
fn compare_folder(folder: &Path, graph: impl Fn(&str, [usize; 3], usize) -> Graph) -> (Vec<String>, bool) {
    let counts = fs::read(folder.join("counts.json")).unwrap();
    let counts: BTreeMap<String, Counts> = serde_json::from_slice(&counts).unwrap();
    let mut lines = Vec::new();
    let mut right = true;
    for (name, counts) in counts {
        let [channels, height, width] = counts.input;
        let graph = graph(&name, [height, width, channels], counts.classes);
        assert_eq!((graph.parameter_count(), graph.macs()), (counts.parameters, counts.macs), "{name}");
        let file = |ending: &str| fs::read(folder.join(format!("{name}.{ending}")));
        let exact = file("f64.safetensors").ok();
        let errors = compare(graph, &file("safetensors").unwrap(), &file("io.safetensors").unwrap(), exact.as_deref());
        right &= errors.right();
        lines.push(format!("{name} {errors}"));
    }
    (lines, right)
}

/// A gradient of less than this share of the norm of all is 0 but for rounding.
const ZERO: f64 = 1e-6;

/// The errors of one gradient: norms of differences, over the norm of the reference.
#[derive(Debug)]
#[allow(dead_code, reason = "all of it is printed")]
struct GradientErrors {
    tensor: String,
    /// The reference's norm beside that of all together: of the exact gradient if it is there, and of PyTorch's.
    share: f64,
    stored_share: f64,
    /// Ours from PyTorch's.
    ours: f64,
    /// Ours, and PyTorch's, from PyTorch's in double precision, if that is there.
    exact: Option<[f64; 2]>,
}

impl GradientErrors {
    /// Within 1e-3 of PyTorch's gradient, or of the exact one; or no more than `excused` from the latter.
    ///
    /// A gradient that is 0 but for rounding, as of a bias that the normalization behind it takes out again, has no
    /// digits at all: where the reference is below [`ZERO`] of the whole, ours must be so too.
    fn right(&self, excused: f64) -> bool {
        let as_exact = self.exact.is_some_and(|[ours, _]| ours <= 1e-3_f64.max(excused));
        self.ours <= 1e-3 || as_exact || self.is_zero()
    }

    fn is_zero(&self) -> bool {
        self.share <= ZERO && self.ours * self.stored_share <= ZERO
    }
}

/// What one network's comparison found.
#[derive(Debug)]
struct Errors {
    /// Of the logits, relative to the largest one.
    evaluation: f32,
    training: f32,
    gradients: Vec<GradientErrors>,
}

impl Errors {
    fn right(&self) -> bool {
        self.evaluation <= 1e-4 && self.training <= 1e-4 && self.wrong().next().is_none()
    }

    fn wrong(&self) -> impl Iterator<Item = &GradientErrors> {
        let excused = self.excused();
        self.gradients.iter().filter(move |gradient| !gradient.right(excused))
    }

    /// 0.1 where PyTorch's own single precision has lost more than 1e-3 of some gradient against double, and cannot
    /// decide.
    ///
    /// Such gradients hang on which activations rounding moves across zero, one of which is felt in every layer below
    /// it, and two computations draw their lots apart, differing by some hundredths. The
    /// script's `--smooth` makes networks where none is moved, and nothing is excused.
    fn excused(&self) -> f64 {
        let exact = self.gradients.iter().filter(|gradient| !gradient.is_zero()).filter_map(|gradient| gradient.exact);
        let worst = exact.fold(0.0_f64, |worst, [_, stored]| worst.max(stored));
        if worst > 1e-3 { 0.1 } else { 0.0 }
    }
}

impl std::fmt::Display for Errors {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "logits {:.0e} {:.0e}", self.evaluation, self.training)?;
        let mut summary = |what: &str, error: &dyn Fn(&GradientErrors) -> Option<f64>| {
            let errors: Vec<f64> =
                self.gradients.iter().filter(|gradient| !gradient.is_zero()).filter_map(error).collect();
            let worst = errors.iter().fold(0.0_f64, |worst, error| worst.max(*error));
            let above = errors.iter().filter(|error| **error > 1e-3).count();
            write!(out, "; {what} {worst:.1e} ({above}/{})", errors.len())
        };
        summary("ours-stored", &|gradient| Some(gradient.ours))?;
        summary("ours-exact", &|gradient| gradient.exact.map(|exact| exact[0]))?;
        summary("stored-exact", &|gradient| gradient.exact.map(|exact| exact[1]))?;
        for gradient in self.wrong() {
            write!(out, "\n    wrong: {gradient:?}")?;
        }
        Ok(())
    }
}

fn compare(graph: Graph, weights: &[u8], io: &[u8], exact: Option<&[u8]>) -> Errors {
    let [height, width, channels] = graph.input;
    let tensors = crate::network::weights::decode(weights, &graph.parameters()).unwrap();
    let io = SafeTensors::deserialize(io).unwrap();
    let exact = exact.map(|exact| SafeTensors::deserialize(exact).unwrap());
    let reference = |name: &str| host(&io, name);
    let image = reference("input");
    let batch = image.dims[0];
    let positions = height * width;
    // From (batch, channel, position) to (batch, position, channel).
    let at = |index: usize| {
        let (sample, rest) = (index / (positions * channels), index % (positions * channels));
        image.data[(sample * channels + rest % channels) * positions + rest / channels]
    };
    let pixels: Vec<f32> = (0..image.data.len()).map(at).collect();
    let labels = io.tensor("labels").unwrap();
    let labels: Vec<u32> =
        labels.data().as_chunks::<8>().0.iter().map(|label| i64::from_le_bytes(*label) as u32).collect();
    let model = Model { graph, tensors, masks: BTreeMap::new() };
    let executor = Executor::new(&model, &Cpu::default()).unwrap();
    let pixels = || executor.device().upload(&pixels).unwrap();
    let error_of = |logits: &[f32], name: &str| {
        let theirs = reference(name).data;
        assert_eq!(logits.len(), theirs.len());
        let largest = theirs.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        logits.iter().zip(&theirs).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs())) / largest
    };
    let logits = executor.forward(pixels(), batch, Mode::Evaluate, &[], &mut NoneTape).unwrap().logits;
    let evaluation = error_of(&Cpu::download(&logits), "logits_eval");

    let mut tape = tape(executor.device(), executor.alloc_gradients().unwrap()).unwrap();
    let logits = executor.forward(pixels(), batch, Mode::Train(None), &[], &mut tape).unwrap().logits;
    let training = error_of(&Cpu::download(&logits), "logits_train");
    let loss = Cpu::cross_entropy(&logits, &labels, 0.0, &mut tape).unwrap();
    let gradients = backward(executor.device().weighted_sum(&[(1.0, loss)], tape).unwrap()).unwrap();
    let norm = |values: &[f32]| values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let error = |values: &[f32], reference: &[f32]| {
        assert_eq!(values.len(), reference.len());
        let difference: Vec<f32> = values.iter().zip(reference).map(|(a, b)| a - b).collect();
        norm(&difference) / norm(reference)
    };
    let mut errors = Errors { evaluation, training, gradients: Vec::new() };
    let mut whole = 0.0;
    for parameter in executor.trainable() {
        let ours = Cpu::gradient(&gradients, &parameter.tensor);
        let name = format!("grad.{}", parameter.name);
        let stored = reference(&name).data;
        let exact = exact.as_ref().map(|exact| host(exact, &name).data);
        let share = norm(exact.as_ref().unwrap_or(&stored));
        whole += share * share;
        errors.gradients.push(GradientErrors {
            tensor: parameter.name.clone(),
            share,
            stored_share: norm(&stored),
            ours: error(&ours, &stored),
            exact: exact.map(|exact| [error(&ours, &exact), error(&stored, &exact)]),
        });
    }
    for gradient in &mut errors.gradients {
        gradient.share /= whole.sqrt();
        gradient.stored_share /= whole.sqrt();
    }
    errors
}

fn host(tensors: &SafeTensors, name: &str) -> HostTensor {
    let view = tensors.tensor(name).unwrap();
    assert_eq!(view.dtype(), Dtype::F32);
    let data = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    HostTensor { dims: view.shape().to_vec(), data }
}
