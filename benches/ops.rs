//! Every differentiable operation, forward and backward, against what this machine can do at all, and whole training
//! steps. `cargo bench --bench ops`; read the numbers with `benches/README.md`. `-- depthwise concatenate` measures what has
//! one of the words in its name, `-- MobileNetV2` the shapes of that network; whole steps are `training`.
//!
//! Shapes of convolutions, linear layers and poolings are those of the networks in `networks`, each once, and a few that
//! none of them has.
//!
//! A time is the median of several runs, followed by the fastest and the slowest.

#![allow(missing_docs, reason = "a program")]
#![allow(clippy::print_stdout, reason = "its table is what it is for")]

mod floor;
mod networks;
mod timing;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use floor::Floor;
use networks::Distinct;
use pleach::data::{Images, Normalization};
use pleach::manifest;
use pleach::network::{Model, Op, Shape};
use pleach::store::{Digest, Options, Store};
use pleach::tensor::geometry::{AdaptivePool, ChannelPadding, Convolution, Pool, Window};
use pleach::tensor::ops::activation::Activation;
use pleach::tensor::ops::batch_norm;
use pleach::tensor::{self, Backend, Cpu, Flat, Gradients, OwnedTape, Tape};
use pleach::train::{Progress, Task, train};
use timing::Times;

/// Images in a batch.
const BATCH: usize = 64;

/// Runs of each operation; the first few are not counted.
const RUNS: usize = 31;

fn main() {
    if !timing::asked() {
        return;
    }
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        let floor = Floor::measure(&pool);
        println!("\n{threads} thread{}", if threads == 1 { "" } else { "s" });
        println!("  matrix product 1024x1024x1024, one a thread: {:.0} GFLOP/s", floor.gflops);
        println!(
            "  copy of 4 MiB a thread: {:.1} GB/s; of 64 MiB: {:.1} GB/s (read and written)",
            floor.near, floor.far
        );
        println!("  {:<50} {:>30} {:>22}   {:>30} {:>22}   in", "operation", "forward, ms", "", "backward, ms", "");
        pool.install(|| {
            let asked = operations().into_iter().filter(|operation| timing::mentioned(&operation.name));
            asked.for_each(|operation| operation.report(&floor, ""));
            // One after another: the values of all of them would not fit into memory.
            for layer in networks::layers() {
                let users = layer.networks.join(", ");
                let operation = of_layer(&layer);
                let asked = |operation: &Operation| timing::mentioned(&format!("{} {users}", operation.name));
                if let Some(operation) = operation.filter(asked) {
                    operation.report(&floor, &users);
                }
            }
        });
    }
    if !timing::mentioned("training") {
        return;
    }
    println!("\nwhole training steps, batch {BATCH}, 32x32x3 images of random pixels");
    for (name, depth) in [("ResNet-8", 8), ("ResNet-20", 20)] {
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
            let mut speeds: Vec<f64> = (0..5).map(|_| pool.install(|| training_speed(depth))).collect();
            speeds.sort_by(f64::total_cmp);
            let (low, middle, high) = (speeds[0], speeds[speeds.len() / 2], speeds[speeds.len() - 1]);
            println!("  {name:<10} {threads} thread(s): {middle:.0} images/s ({low:.0} to {high:.0})");
        }
    }
}

/// What an operation has to do at least, one way.
#[derive(Clone, Copy)]
enum Work {
    /// Floating-point operations.
    Flops(f64),
    /// Bytes, every input read once and every output written once.
    Bytes(f64),
}

/// Computes an operation's output and records the way back.
type Forward = Box<dyn Fn(&mut OwnedTape<f32, Cpu>) -> Flat<Cpu>>;

struct Operation {
    name: String,
    forward: Work,
    backward: Work,
    run: Forward,
}

impl Operation {
    /// Measures, and prints a line that ends with the networks that have it.
    fn report(&self, floor: &Floor, users: &str) {
        let (mut forward, mut backward) = (Vec::new(), Vec::new());
        for _ in 0..RUNS + 3 {
            let (there, back) = self.once();
            forward.push(there);
            backward.push(back);
        }
        let (forward, backward) = (Times::new(forward.split_off(3)), Times::new(backward.split_off(3)));
        let rate = |work: Work, times: &Times| match work {
            Work::Flops(flops) => {
                let speed = flops / times.median / 1e9;
                format!("{speed:.1} GFLOP/s, {:.0} %", 100.0 * speed / floor.gflops)
            }
            Work::Bytes(bytes) => {
                let speed = bytes / times.median / 1e9;
                format!("{speed:.1} GB/s, {:.0} %", 100.0 * speed / floor.near)
            }
        };
        println!(
            "  {:<50} {:>30} {:>22}   {:>30} {:>22}   {users}",
            self.name,
            forward.milliseconds(),
            rate(self.forward, &forward),
            backward.milliseconds(),
            rate(self.backward, &backward)
        );
    }

    /// Seconds there and back.
    fn once(&self) -> (f64, f64) {
        let device = Cpu::default();
        let mut tape = tensor::tape(&device, Gradients::leaky()).expect("memory");
        let begun = Instant::now();
        let y = (self.run)(&mut tape);
        let there = begun.elapsed().as_secs_f64();
        // The tape runs backwards: this puts a gradient on the output, and starts the clock.
        let started = Rc::new(Cell::new(begun));
        let (output, clock) = (y.clone(), Rc::clone(&started));
        tape.add_backward_op(move |gradients| {
            gradients.get_or_alloc_mut(&output)?.fill(1e-3);
            clock.set(Instant::now());
            Ok(())
        });
        let end = device.upload(&[0.0]).expect("memory");
        let loss = device.weighted_sum(&[(1.0, end)], tape).expect("one number");
        let gradients = tensor::backward(loss).expect("a gradient");
        let back = started.get().elapsed().as_secs_f64();
        drop((y, gradients));
        (there, back)
    }
}

/// Values that are neither all zero nor all of one sign.
fn values(count: usize) -> Flat<Cpu> {
    let values: Vec<f32> = (0..count).map(|i| (i * 7919 % 1009) as f32 / 504.5 - 1.0).collect();
    Cpu::default().upload(&values).expect("memory")
}

fn operations() -> Vec<Operation> {
    let mut all = Vec::new();
    // Depthwise where channels are no multiple of a vector's width, and ResNeXt's 32 groups.
    for (size, channels, groups) in [(32, 61, 61), (16, 128, 32)] {
        let window = Window { kernel: [3; 2], stride: [1; 2], padding: [1; 2], dilation: [1; 2] };
        let (input, [in_channels, out_channels]) = ([size; 2], [channels; 2]);
        let geometry = Convolution { batch: BATCH, input, in_channels, out_channels, window, groups };
        all.push(convolution(geometry, false, false));
    }
    all.push(linear(512, 512));
    for (size, channels) in [(32, 16), (16, 32), (8, 64), (32, 64), (32, 96)] {
        let count = BATCH * size * size * channels;
        let shape = format!("{size}x{size}x{channels}");
        for relu in [false, true] {
            let (x, weight, bias) = (values(count), values(channels), values(channels));
            let settings = batch_norm::Normalization { channels, epsilon: 1e-5, relu };
            let run = move |tape: &mut OwnedTape<f32, Cpu>| {
                Cpu::batch_norm(&x, &weight, &bias, &settings, tape).expect("fits").0
            };
            let name = if relu { "batch norm and relu" } else { "batch norm" };
            all.push(memory(format!("{name} {shape}"), [2 * count, 3 * count], run));
        }
        let x = values(count);
        all.push(memory(format!("relu {shape}"), [2 * count, 3 * count], move |tape| {
            Cpu::relu(&x, tape).expect("fits")
        }));
        let (a, b) = (values(count), values(count));
        let run = move |tape: &mut OwnedTape<f32, Cpu>| Cpu::add(&a, &b, true, tape).expect("fits");
        all.push(memory(format!("add and relu {shape}"), [3 * count, 4 * count], run));
    }
    all.extend(pools());
    all.extend(elementwise());
    all
}

/// What a layer of a network computes, if its shape decides how fast that is.
fn of_layer(layer: &Distinct) -> Option<Operation> {
    let channels = layer.input.channels();
    let input = match layer.input {
        Shape::Map { height, width, .. } => [height, width],
        Shape::Vector { .. } => [1, 1],
    };
    match layer.op {
        Op::Convolution { in_channels, out_channels, groups, bias, .. } => {
            let window = layer.op.window()?;
            let geometry = Convolution { batch: BATCH, input, in_channels, out_channels, window, groups };
            Some(convolution(geometry, bias, layer.first))
        }
        Op::Linear { in_features, out_features, .. } => Some(linear(in_features, out_features)),
        Op::MaxPool { .. } => Some(pool("max pool", input, channels, layer.op.window()?)),
        Op::AveragePool { .. } => Some(pool("average pool", input, channels, layer.op.window()?)),
        Op::GlobalAveragePool => Some(global_pool(input, channels)),
        Op::AdaptiveAveragePool { output } => Some(adaptive_pool(input, output, channels)),
        _ => None,
    }
}

/// `first` for a network's first layer, which needs no gradient of its input.
fn convolution(geometry: Convolution, biased: bool, first: bool) -> Operation {
    let Convolution { input: [height, width], in_channels: from, out_channels: to, window, groups, .. } = geometry;
    let [rows, columns] = window.positions(geometry.input).expect("it fits");
    let [tall, wide] = window.kernel;
    let taps = tall * wide * from / groups;
    let (x, weight) = (values(BATCH * height * width * from), values(to * taps));
    let bias = biased.then(|| values(to));
    let flops = 2.0 * (BATCH * rows * columns * to * taps) as f64;
    let kind = match groups {
        1 => "convolution".to_owned(),
        _ if groups == from => "depthwise".to_owned(),
        _ => format!("{groups} groups"),
    };
    let stride = window.stride[0];
    let end = if biased { ", bias" } else { "" };
    Operation {
        name: format!("{kind} {tall}x{wide} {height}x{width}x{from} to {to}, stride {stride}{end}"),
        forward: Work::Flops(flops),
        backward: Work::Flops(if first { flops } else { 2.0 * flops }),
        run: Box::new(move |tape| Cpu::convolution(&x, &weight, bias.as_ref(), &geometry, !first, tape).expect("fits")),
    }
}

fn linear(from: usize, to: usize) -> Operation {
    let (x, weight, bias) = (values(BATCH * from), values(from * to), values(to));
    let flops = 2.0 * (BATCH * from * to) as f64;
    Operation {
        name: format!("linear {from} to {to}"),
        forward: Work::Flops(flops),
        backward: Work::Flops(2.0 * flops),
        run: Box::new(move |tape| Cpu::linear(&x, &weight, Some(&bias), BATCH, true, tape).expect("fits")),
    }
}

/// `kind` is `max pool` or `average pool`.
fn pool(kind: &str, input: [usize; 2], channels: usize, window: Window) -> Operation {
    let ([height, width], [rows, columns]) = (input, window.positions(input).expect("it fits"));
    let (count, pooled) = (BATCH * height * width * channels, BATCH * rows * columns * channels);
    let geometry = Pool { batch: BATCH, input, channels, window };
    let (x, max, [tall, wide]) = (values(count), kind == "max pool", window.kernel);
    memory(format!("{kind} {tall}x{wide} {height}x{width}x{channels}"), [count + pooled; 2], move |tape| {
        let run = if max { Cpu::max_pool(&x, &geometry, tape) } else { Cpu::average_pool(&x, &geometry, tape) };
        run.expect("fits")
    })
}

fn global_pool([height, width]: [usize; 2], channels: usize) -> Operation {
    let count = BATCH * height * width * channels;
    let (x, name) = (values(count), format!("global average pool {height}x{width}x{channels}"));
    memory(name, [count + BATCH * channels; 2], move |tape| {
        Cpu::global_average_pool(&x, BATCH, channels, tape).expect("fits")
    })
}

fn adaptive_pool(input: [usize; 2], output: [usize; 2], channels: usize) -> Operation {
    let [[height, width], [rows, columns]] = [input, output];
    let (count, pooled) = (BATCH * height * width * channels, BATCH * rows * columns * channels);
    let geometry = AdaptivePool { batch: BATCH, input, output, channels };
    let (x, name) = (values(count), format!("adaptive average pool {height}x{width}x{channels} to {rows}x{columns}"));
    memory(name, [count + pooled; 2], move |tape| Cpu::adaptive_average_pool(&x, &geometry, tape).expect("fits"))
}

/// Poolings of 16 channels, and ResNet-20's shortcut.
fn pools() -> Vec<Operation> {
    let (size, channels) = (32, 16);
    let (count, quarter) = (BATCH * size * size * channels, BATCH * size * size * channels / 4);
    let window = Window { kernel: [2, 2], stride: [2, 2], padding: [0, 0], dilation: [1, 1] };
    let poolings = ["max pool", "average pool"].map(|kind| pool(kind, [size; 2], channels, window));
    let padding =
        ChannelPadding { batch: BATCH, input: [32; 2], in_channels: 16, out_channels: 32, before: 8, stride: 2 };
    let x = values(count);
    let sizes = [quarter + 2 * quarter, quarter + count];
    let pad = memory("pad shortcut 32x32x16 to 32, stride 2".to_owned(), sizes, move |tape| {
        Cpu::pad_shortcut(&x, &padding, tape).expect("fits")
    });
    poolings.into_iter().chain([pad]).collect()
}

/// What the families besides ResNet need, on values as many as a map of 32x32x96 has.
fn elementwise() -> Vec<Operation> {
    let (channels, positions) = (96, 32 * 32);
    let (count, vectors) = (BATCH * positions * channels, BATCH * channels);
    let mut all = Vec::new();
    for function in [Activation::Relu6, Activation::Silu, Activation::HardSwish, Activation::Sigmoid] {
        let x = values(count);
        all.push(memory(format!("{function:?} 32x32x96").to_lowercase(), [2 * count, 4 * count], move |tape| {
            Cpu::activation(&x, function, tape).expect("fits")
        }));
    }
    let (a, b) = (values(count), values(count));
    let product = memory("product 32x32x96".to_owned(), [3 * count, 7 * count], move |tape| {
        Cpu::product(&a, &b, tape).expect("fits")
    });
    let (x, gate) = (values(count), values(vectors));
    let gated = memory("gate 32x32x96".to_owned(), [2 * count + vectors, 4 * count + 2 * vectors], move |tape| {
        Cpu::gate(&x, &gate, BATCH, channels, tape).expect("fits")
    });
    let (x, factors) = (values(count), values(BATCH));
    let depth = memory("stochastic depth 32x32x96".to_owned(), [2 * count, 3 * count], move |tape| {
        Cpu::scale(&x, &factors, count / BATCH, tape).expect("fits")
    });
    let (a, b) = (values(count), values(count / 4));
    let both = memory("concatenate 32x32x96 and 32x32x24".to_owned(), [5 * count / 2, 15 * count / 4], move |tape| {
        Cpu::concatenate(&[&a, &b], &[channels, channels / 4], tape).expect("fits")
    });
    let adaptive = adaptive_pool([32; 2], [7; 2], channels);
    all.extend([product, gated, depth, both, adaptive]);
    all
}

/// An operation whose floor is memory: the values that each way must touch.
fn memory(
    name: String,
    [forward, backward]: [usize; 2],
    run: impl Fn(&mut OwnedTape<f32, Cpu>) -> Flat<Cpu> + 'static,
) -> Operation {
    let bytes = |values: usize| Work::Bytes(4.0 * values as f64);
    Operation { name, forward: bytes(forward), backward: bytes(backward), run: Box::new(run) }
}

/// Images a second of the second epoch of a training stage, as users get them: batches, augmentation, forward, backward
/// and optimizer.
fn training_speed(depth: usize) -> f64 {
    let text = format!(
        "[data.d]\nsource = \"cifar-10\"\npath = \"none\"\n[stages.t]\nkind = \"train\"\ndata = \"d\"\nepochs = 2\n\
         network = {{ arch = \"resnet\", depth = {depth} }}\nbatch = {BATCH}\naugment = [\"crop\", \"flip\"]\n\
         optimizer = {{ kind = \"sgd\", lr = 0.01, momentum = 0.9, nesterov = true, weight-decay = 5e-4 }}\n"
    );
    let manifest = manifest::parse("bench.toml".as_ref(), text.as_bytes(), &[]).expect("a valid manifest");
    let training = manifest.stages["t"].parameters.training().expect("it trains").clone();
    let network: pleach::network::arch::Architecture =
        serde_json::from_str(&format!(r#"{{"arch":"resnet","depth":{depth}}}"#)).expect("an architecture");
    let count = 20 * BATCH;
    let images = Images {
        shape: [32, 32, 3],
        pixels: std::sync::Arc::new((0..count * 32 * 32 * 3).map(|i| (i * 7919 % 251) as u8).collect()),
        labels: (0..count as u32).map(|i| i % 10).collect(),
    };
    let indices: Vec<u32> = (0..count as u32).collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path(), &Options::default()).expect("a store");
    let speed = Mutex::new(0.0);
    let task = Task {
        training: &training,
        seed: 0,
        images: &images,
        train: &indices,
        validation: &[],
        normalization: &Normalization::of(&images, &indices),
        store: &store,
        chain: Digest::of(b"bench"),
        stage: Digest::of(b"bench"),
        label: "stage",
        teacher_logits: Digest::of(b"teacher logits"),
        resume: false,
        cancelled: &AtomicBool::new(false),
        progress: &|progress| {
            if let Progress::Epoch { images_per_second, .. } = progress {
                *speed.lock().expect("nobody panics") = images_per_second;
            }
        },
    };
    let model = Model::initialise(network.build([32, 32, 3], 10).expect("a network"), 0).expect("a sound graph");
    train(&task, model, None, &Cpu::default()).map_err(|stop| format!("{stop:?}")).expect("it trains");
    speed.into_inner().expect("nobody panics")
}
