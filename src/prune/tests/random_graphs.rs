//! Shrunk equals masked on graphs that nobody drew: additions, concatenations, gates, padded shortcuts, depthwise and
//! grouped convolutions in any order.

use proptest::prelude::*;
use rand::RngExt;

use super::coupled::{convolution, layer, linear, norm};
use super::families::{channels, check, model};
use crate::network::{Graph, Op};
use crate::prune::coupling::Coupling;
use crate::prune::{ChannelScope, Method};
use crate::random;

/// A map of features with its channels, and whether something reads it.
struct Made {
    name: String,
    channels: usize,
    read: bool,
}

/// A sound graph of about `size` random layers on 4x4 maps.
fn random_graph(seed: u64, size: usize) -> Graph {
    let mut random = random::generator(seed, "random graph", 0, 0);
    let mut graph = Graph { input: [4, 4, 2], layers: Vec::new() };
    let mut made = vec![Made { name: "input".into(), channels: 2, read: true }];
    let add = |graph: &mut Graph, made: &mut Vec<Made>, op: Op, from: &[usize], channels: usize| {
        let name = format!("l{}", graph.layers.len());
        let inputs: Vec<&str> = from.iter().map(|index| made[*index].name.as_str()).collect();
        graph.layers.push(layer(&name, op, &inputs));
        from.iter().for_each(|index| made[*index].read = true);
        made.push(Made { name, channels, read: false });
    };
    add(&mut graph, &mut made, convolution(2, 4, 1), &[0], 4);
    for _ in 0..size {
        let from = random.random_range(0..made.len());
        let width = made[from].channels;
        let other = random.random_range(0..made.len());
        match random.random_range(0..12) {
            0 | 1 => {
                let out = random.random_range(1..7);
                add(&mut graph, &mut made, convolution(width, out, 1), &[from], out);
            }
            2 => {
                let out = width * random.random_range(1..3);
                add(&mut graph, &mut made, convolution(width, out, width), &[from], out);
            }
            3 if width % 2 == 0 => {
                let out = 2 * random.random_range(1..4);
                add(&mut graph, &mut made, convolution(width, out, 2), &[from], out);
            }
            4 => add(&mut graph, &mut made, norm(width), &[from], width),
            5 => {
                let op = [Op::Relu, Op::Silu, Op::HardSwish, Op::Relu6][random.random_range(0..4)].clone();
                add(&mut graph, &mut made, op, &[from], width);
            }
            6 | 7 if made[other].channels == width => {
                let op = if random.random() { Op::Add } else { Op::Multiply };
                add(&mut graph, &mut made, op, &[from, other], width);
            }
            6 | 7 if made[other].channels < width => {
                let (in_channels, before) =
                    (made[other].channels, Some(random.random_range(0..=width - made[other].channels)));
                let pad = Op::PadShortcut { stride: 1, in_channels, out_channels: width, before };
                add(&mut graph, &mut made, pad, &[other], width);
                let last = made.len() - 1;
                add(&mut graph, &mut made, Op::Add, &[from, last], width);
            }
            8 | 9 if width + made[other].channels <= 24 => {
                let channels = width + made[other].channels;
                add(&mut graph, &mut made, Op::Concatenate, &[from, other], channels);
            }
            10 => {
                let pool = Op::MaxPool { kernel: [3, 3], stride: [1, 1], padding: [1, 1] };
                add(&mut graph, &mut made, pool, &[from], width);
            }
            11 => {
                let number = graph.layers.len();
                let name = |what: &str| format!("l{number}.{what}");
                made[from].read = true;
                graph.layers.push(layer(&name("pool"), Op::GlobalAveragePool, &[&made[from].name]));
                graph.layers.push(layer(&name("fc1"), linear(width, 3), &[&name("pool")]));
                graph.layers.push(layer(&name("relu"), Op::Relu, &[&name("fc1")]));
                graph.layers.push(layer(&name("fc2"), linear(3, width), &[&name("relu")]));
                graph.layers.push(layer(&name("sigmoid"), Op::Sigmoid, &[&name("fc2")]));
                graph.layers.push(layer(&name("gated"), Op::Multiply, &[&made[from].name, &name("sigmoid")]));
                made.push(Made { name: name("gated"), channels: width, read: false });
            }
            _ => {}
        }
    }
    // Whatever nothing reads yet goes to the classifier.
    let unread: Vec<usize> = (0..made.len()).filter(|index| !made[*index].read).collect();
    let channels = unread.iter().map(|index| made[*index].channels).sum();
    add(&mut graph, &mut made, Op::Concatenate, &unread, channels);
    let all = made.pop().unwrap().name;
    let (end, features) =
        if random.random() { (Op::Flatten, 16 * channels) } else { (Op::GlobalAveragePool, channels) };
    graph.layers.push(layer("end", end, &[&all]));
    graph.layers.push(layer("fc", linear(features, 5), &["end"]));
    graph.shapes().unwrap();
    graph
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
