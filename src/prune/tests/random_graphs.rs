//! Graphs that nobody drew: additions, concatenations, gates, padded shortcuts, pools, and dense, depthwise and grouped
//! convolutions in any order, with windows of any size, stride and dilation, and padding that can be wider than a window
//! reaches. They train a step, every criterion scores them, and shrunk equals masked.

use proptest::prelude::*;
use rand::RngExt;

use super::coupled::{layer, linear, norm};
use super::families::{channels, check, model, noise, trained};
use crate::data::Normalization;
use crate::network::{Executor, Graph, Mode, Model, Op};
use crate::prune::coupling::Coupling;
use crate::prune::{ChannelScope, Criterion, Method, Watched};
use crate::random;
use crate::tensor::geometry::Window;
use crate::tensor::{Backend, Cpu, NoneTape};

/// A map of features with its height and width, its channels, and whether something reads it.
struct Made {
    name: String,
    size: [usize; 2],
    channels: usize,
    read: bool,
}

/// A graph in the making.
struct Sketch {
    graph: Graph,
    made: Vec<Made>,
    random: rand_chacha::ChaCha8Rng,
}

impl Sketch {
    /// Appends a layer that reads the maps `from`.
    fn add(&mut self, op: Op, from: &[usize], size: [usize; 2], channels: usize) {
        let name = format!("l{}", self.graph.layers.len());
        let inputs: Vec<&str> = from.iter().map(|index| self.made[*index].name.as_str()).collect();
        self.graph.layers.push(layer(&name, op, &inputs));
        from.iter().for_each(|index| self.made[*index].read = true);
        self.made.push(Made { name, size, channels, read: false });
    }

    /// A window whose output on maps of `size` has 1 to 7 rows and columns; the usual 3x3 half of the time.
    fn window(&mut self, size: [usize; 2]) -> (Window, [usize; 2]) {
        let usual = Window { kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1] };
        if self.random.random() {
            return (usual, size);
        }
        loop {
            let mut pair = |range: std::ops::Range<usize>| [0, 1].map(|_| self.random.random_range(range.clone()));
            let window = Window { kernel: pair(1..4), stride: pair(1..4), padding: pair(0..5), dilation: pair(1..4) };
            if let Some(positions) = window.positions(size).filter(|found| found.iter().all(|n| *n <= 7)) {
                return (window, positions);
            }
        }
    }

    /// Appends a convolution.
    fn convolve(&mut self, from: usize, out_channels: usize, groups: usize) {
        let Made { size, channels: in_channels, .. } = self.made[from];
        let (Window { kernel, stride, padding, dilation }, size) = self.window(size);
        let bias = self.random.random();
        let op = Op::Convolution { in_channels, out_channels, kernel, stride, padding, dilation, groups, bias };
        self.add(op, &[from], size, out_channels);
    }

    /// Appends squeeze and excitation.
    fn gate(&mut self, from: usize) {
        let number = self.graph.layers.len();
        let name = |what: &str| format!("l{number}.{what}");
        let Made { size, channels, .. } = self.made[from];
        let map = self.made[from].name.clone();
        self.made[from].read = true;
        self.graph.layers.push(layer(&name("pool"), Op::GlobalAveragePool, &[&map]));
        self.graph.layers.push(layer(&name("fc1"), linear(channels, 3), &[&name("pool")]));
        self.graph.layers.push(layer(&name("relu"), Op::Relu, &[&name("fc1")]));
        self.graph.layers.push(layer(&name("fc2"), linear(3, channels), &[&name("relu")]));
        self.graph.layers.push(layer(&name("sigmoid"), Op::Sigmoid, &[&name("fc2")]));
        self.graph.layers.push(layer(&name("gated"), Op::Multiply, &[&map, &name("sigmoid")]));
        self.made.push(Made { name: name("gated"), size, channels, read: false });
    }

    /// Appends the end: everything that nothing reads yet becomes one vector, which the classifier reads.
    fn end(mut self) -> Graph {
        let mut features = 0;
        let mut vectors = Vec::new();
        for made in self.made.iter().filter(|made| !made.read) {
            let pooled = self.random.random();
            let op = if pooled { Op::GlobalAveragePool } else { Op::Flatten };
            features += if pooled { made.channels } else { made.size[0] * made.size[1] * made.channels };
            vectors.push(format!("{}.end", made.name));
            self.graph.layers.push(layer(&format!("{}.end", made.name), op, &[&made.name]));
        }
        let vectors: Vec<&str> = vectors.iter().map(String::as_str).collect();
        self.graph.layers.push(layer("end", Op::Concatenate, &vectors));
        self.graph.layers.push(layer("fc", linear(features, 10), &["end"]));
        self.graph
    }
}

/// A sound graph of about `size` random layers on small maps.
fn random_graph(seed: u64, size: usize) -> Graph {
    let random = random::generator(seed, "random graph", 0, 0);
    let input = Made { name: "input".into(), size: [5, 4], channels: 2, read: true };
    let mut sketch = Sketch { graph: Graph { input: [5, 4, 2], layers: Vec::new() }, made: vec![input], random };
    sketch.convolve(0, 4, 1);
    for _ in 0..size {
        let from = sketch.random.random_range(0..sketch.made.len());
        let other = sketch.random.random_range(0..sketch.made.len());
        let Made { size, channels: width, .. } = sketch.made[from];
        let (same_size, others) = (sketch.made[other].size == size, sketch.made[other].channels);
        match sketch.random.random_range(0..13) {
            0 | 1 => {
                let out = sketch.random.random_range(1..7);
                sketch.convolve(from, out, 1);
            }
            2 => {
                let out = width * sketch.random.random_range(1..3);
                sketch.convolve(from, out, width);
            }
            3 if width % 2 == 0 => {
                let out = 2 * sketch.random.random_range(1..4);
                sketch.convolve(from, out, 2);
            }
            4 => sketch.add(norm(width), &[from], size, width),
            5 => {
                let functions = [Op::Relu, Op::Silu, Op::HardSwish, Op::Relu6];
                let function = functions[sketch.random.random_range(0..4)].clone();
                sketch.add(function, &[from], size, width);
            }
            6 | 7 if same_size && others == width => {
                let op = if sketch.random.random() { Op::Add } else { Op::Multiply };
                sketch.add(op, &[from, other], size, width);
            }
            6 | 7 if same_size && others < width => {
                let before = Some(sketch.random.random_range(0..=width - others));
                let pad = Op::PadShortcut { stride: 1, in_channels: others, out_channels: width, before };
                sketch.add(pad, &[other], size, width);
                let last = sketch.made.len() - 1;
                sketch.add(Op::Add, &[from, last], size, width);
            }
            8 | 9 if same_size && width + others <= 24 => {
                sketch.add(Op::Concatenate, &[from, other], size, width + others);
            }
            10 => {
                let (kernel, stride, padding) = ([3, 2], [2, 1], [1, 1]);
                let largest = sketch.random.random();
                let pool = if largest {
                    Op::MaxPool { kernel, stride, padding }
                } else {
                    Op::AveragePool { kernel, stride, padding }
                };
                let positions = pool.window().unwrap().positions(size);
                sketch.add(pool, &[from], positions.unwrap(), width);
            }
            11 => sketch.gate(from),
            12 => {
                let before = sketch.random.random_range(0..3);
                let pad =
                    Op::PadShortcut { stride: 2, in_channels: width, out_channels: width + 2, before: Some(before) };
                sketch.add(pad, &[from], size.map(|n| n.div_ceil(2)), width + 2);
            }
            _ => {}
        }
    }
    let graph = sketch.end();
    graph.shapes().unwrap();
    graph
}

/// The engine's logits are those of the operations one by one.
fn hold_engine_against_operations(what: &str, model: &Model) {
    let device = Cpu::default();
    let size = 4 * model.graph.input.iter().product::<usize>();
    let pixels: Vec<f32> = (0..size).map(|i| ((i * 7919 % 211) as f32 / 105.0) - 1.0).collect();
    let network = Executor::new(model, &device).unwrap();
    let upload = || device.upload(&pixels).unwrap();
    let engine = network.forward(upload(), 4, Mode::Evaluate, &[], &mut NoneTape).unwrap();
    let by_operations = network.forward_by_operations(upload(), 4, Mode::Evaluate, &[], &mut NoneTape).unwrap();
    let [engine, by_operations] = [engine, by_operations].map(|forward| Cpu::download(&forward.logits));
    let off = crate::prune::proof::difference(&by_operations, &engine);
    assert!(off <= 1e-4, "{what}: the engine is off by {off}");
}

/// Trains the graph of `seed` for a step and prunes it by every criterion. How many prunings were held against masking.
fn train_and_prune_by_every_criterion(seed: u64) -> usize {
    let graph = random_graph(seed, 1 + seed as usize % 24);
    let images = noise(graph.input);
    let indices: Vec<u32> = (0..8).collect();
    let normalization = Normalization::of(&images, &indices);
    let watched = Watched { images: &images, indices: &indices, normalization: &normalization };
    let whole = trained(model(graph, seed), &images, &indices, &normalization);
    hold_engine_against_operations(&format!("graph {seed}"), &whole);
    let groups = Coupling::of(&whole.graph).unwrap().groups;
    // In a few graphs everything touches the image.
    if groups.is_empty() {
        return 0;
    }
    let normalized = groups.iter().any(|group| group.is_normalized(&whole.graph));
    let scopes = [ChannelScope::Global, ChannelScope::Uniform, ChannelScope::Isomorphic];
    let mut pruned = 0;
    for (number, (name, wanted)) in Criterion::ALL.into_iter().enumerate() {
        if wanted == Criterion::BnScale && !normalized {
            continue;
        }
        let mut method = channels([0.3, 0.5, 0.8][(seed as usize + number) % 3]);
        if let Method::Channels { criterion, scope, images, .. } = &mut method {
            (*criterion, *scope, *images) = (wanted, scopes[(seed as usize / 3 + number) % 3], Some(8));
        }
        check(&format!("graph {seed} by {name}"), &whole, &method, Some(watched));
        pruned += 1;
    }
    pruned
}

#[test]
fn random_graphs_train_and_every_criterion_prunes_them() {
    let pruned: usize = (0..12).map(train_and_prune_by_every_criterion).sum();
    assert!(pruned > 100, "{pruned}");
}

/// `cargo test --lib random_graphs -- --ignored`
#[test]
#[ignore = "takes a minute"]
fn five_hundred_random_graphs_train_and_every_criterion_prunes_them() {
    use rayon::prelude::*;
    let failed: Vec<u64> = (0..500)
        .into_par_iter()
        .filter(|seed| std::panic::catch_unwind(|| train_and_prune_by_every_criterion(*seed)).is_err())
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_random_graph_shrunk_computes_what_it_computes_masked(
        seed: u64,
        size in 1..24usize,
        share in 0.05..0.98f64,
        way in 0..3usize,
        wanted in prop::sample::select(vec![ChannelScope::Global, ChannelScope::Uniform, ChannelScope::Isomorphic]),
        multiple in 0..5u64,
        least in prop::sample::select(vec![0.0, 0.3]),
    ) {
        let whole = model(random_graph(seed, size), seed);
        // In a few graphs everything touches the image.
        prop_assume!(!Coupling::of(&whole.graph).unwrap().groups.is_empty());
        let mut method = channels(share);
        if let Method::Channels { ratio, macs, parameters, scope, round_to, minimum, .. } = &mut method {
            match way {
                0 => {}
                1 => (*ratio, *macs) = (None, Some(share)),
                _ => (*ratio, *parameters) = (None, Some(share)),
            }
            (*scope, *round_to, *minimum) = (wanted, (multiple > 0).then_some(multiple), least);
        }
        let shrunk = check(&format!("{seed} {size}"), &whole, &method, None);
        for (old, new) in whole.graph.layers.iter().zip(&shrunk.graph.layers) {
            if let (Op::Convolution { out_channels: before, .. }, Op::Convolution { out_channels: after, .. }) = (&old.op, &new.op) {
                prop_assert!(*after >= 1 && *after as f64 >= (least * *before as f64).floor(), "{}", new.name);
            }
        }
    }
}
