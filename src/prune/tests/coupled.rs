//! Which channels go together, by hand.

use crate::network::{Graph, Layer, Op};
use crate::prune::coupling::Coupling;
use crate::prune::groups::{Side, groups};
use crate::prune::shrink::Selection;

pub fn layer(name: &str, op: Op, inputs: &[&str]) -> Layer {
    Layer { name: name.into(), op, inputs: inputs.iter().map(|input| input.to_string()).collect() }
}

pub fn convolution(in_channels: usize, out_channels: usize, groups: usize) -> Op {
    let (stride, padding, dilation) = ([1, 1], [1, 1], [1, 1]);
    Op::Convolution { in_channels, out_channels, kernel: [3, 3], stride, padding, dilation, groups, bias: false }
}

pub fn linear(in_features: usize, out_features: usize) -> Op {
    Op::Linear { in_features, out_features, bias: true }
}

pub fn norm(channels: usize) -> Op {
    Op::BatchNorm { channels, epsilon: 1e-5, momentum: 0.1 }
}

fn graph(layers: Vec<Layer>) -> Graph {
    Graph { input: [2, 2, 3], layers }
}

/// The end of a network: pooling and a classifier for `from`, which has `channels`.
fn with_end(mut layers: Vec<Layer>, from: &str, channels: usize) -> Graph {
    layers.push(layer("pool", Op::GlobalAveragePool, &[from]));
    layers.push(layer("fc", linear(channels, 10), &["pool"]));
    graph(layers)
}

/// One line a group: `units: layer< channels a unit, layer> …`, `<` for what reads and `>` for what makes.
fn describe(graph: &Graph) -> String {
    let side = |side| if side == Side::Inputs { "<" } else { ">" };
    let lines = groups(graph).unwrap().into_iter().map(|group| {
        assert!(group.members.iter().all(|member| member.channels.len() == group.units));
        let members = group
            .members
            .iter()
            .map(|member| format!("{}{} {:?}", side(member.side), graph.layers[member.layer].name, member.channels));
        members.collect::<Vec<_>>().join("; ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Removes the first unit of the group `group`, and says what the layers are then.
fn without_first(graph: &Graph, group: usize) -> Vec<String> {
    let coupling = Coupling::of(graph).unwrap();
    let mut keep: Vec<Vec<bool>> = coupling.groups.iter().map(|group| vec![true; group.units]).collect();
    keep[group][0] = false;
    let after = Selection::new(graph, &coupling, &keep).unwrap().graph;
    after.shapes().unwrap();
    let changed = graph.layers.iter().zip(&after.layers).filter(|(old, new)| old != new);
    changed
        .map(|(_, new)| {
            let value = serde_json::to_value(new).unwrap();
            let number =
                |key: &str| value.get(key).filter(|value| value.is_number()).map(|value| format!(" {key} {value}"));
            let keys = ["in-channels", "out-channels", "groups", "channels", "in-features", "out-features", "before"];
            format!("{}:{}", new.name, keys.iter().filter_map(|key| number(key)).collect::<String>())
        })
        .collect()
}

#[test]
fn a_chain_has_a_group_for_every_layer_but_the_last() {
    let layers = vec![
        layer("a", convolution(3, 2, 1), &["input"]),
        layer("n", norm(2), &["a"]),
        layer("r", Op::Relu, &["n"]),
        layer("b", convolution(2, 3, 1), &["r"]),
    ];
    let graph = with_end(layers, "b", 3);
    insta::assert_snapshot!(describe(&graph), @r"
    >a [[0], [1]]; >n [[0], [1]]; <b [[0], [1]]
    >b [[0], [1], [2]]; <fc [[0], [1], [2]]
    ");
    insta::assert_debug_snapshot!(without_first(&graph, 0), @r#"
    [
        "a: in-channels 3 out-channels 1",
        "n: channels 1",
        "b: in-channels 1 out-channels 3",
    ]
    "#);
}

#[test]
fn an_addition_ties_its_inputs_channel_by_channel() {
    let layers = vec![
        layer("a", convolution(3, 2, 1), &["input"]),
        layer("b", convolution(2, 2, 1), &["a"]),
        layer("sum", Op::Add, &["a", "b"]),
    ];
    // `b` reads and makes the same units.
    insta::assert_snapshot!(describe(&with_end(layers, "sum", 2)), @">a [[0], [1]]; >b [[0], [1]]; <b [[0], [1]]; <fc [[0], [1]]");
}

#[test]
fn concatenation_puts_channels_one_after_another() {
    let layers = vec![
        layer("a", convolution(3, 2, 1), &["input"]),
        layer("b", convolution(2, 1, 1), &["a"]),
        layer("all", Op::Concatenate, &["b", "a", "input"]),
    ];
    let graph = with_end(layers, "all", 6);
    insta::assert_snapshot!(describe(&graph), @r"
    >a [[0], [1]]; <b [[0], [1]]; <fc [[1], [2]]
    >b [[0]]; <fc [[0]]
    ");
    insta::assert_debug_snapshot!(without_first(&graph, 0), @r#"
    [
        "a: in-channels 3 out-channels 1",
        "b: in-channels 1 out-channels 1",
        "fc: in-features 5 out-features 10",
    ]
    "#);
}

#[test]
fn a_depthwise_convolution_ties_its_outputs_to_its_inputs() {
    let layers = vec![
        layer("a", convolution(3, 2, 1), &["input"]),
        layer("d", convolution(2, 4, 2), &["a"]),
        layer("b", convolution(4, 1, 1), &["d"]),
    ];
    let graph = with_end(layers, "b", 1);
    insta::assert_snapshot!(describe(&graph), @r"
    >a [[0], [1]]; >d [[0, 1], [2, 3]]; <b [[0, 1], [2, 3]]
    >b [[0]]; <fc [[0]]
    ");
    insta::assert_debug_snapshot!(without_first(&graph, 0), @r#"
    [
        "a: in-channels 3 out-channels 1",
        "d: in-channels 1 out-channels 2",
        "b: in-channels 2 out-channels 1",
    ]
    "#);
}

#[test]
fn a_grouped_convolution_loses_the_same_channel_of_every_run() {
    let layers = vec![
        layer("a", convolution(3, 4, 1), &["input"]),
        layer("g", convolution(4, 6, 2), &["a"]),
        layer("b", convolution(6, 1, 1), &["g"]),
    ];
    let graph = with_end(layers, "b", 1);
    insta::assert_snapshot!(describe(&graph), @r"
    >a [[0, 2], [1, 3]]; <g [[0], [1]]
    >g [[0, 3], [1, 4], [2, 5]]; <b [[0, 3], [1, 4], [2, 5]]
    >b [[0]]; <fc [[0]]
    ");
    insta::assert_debug_snapshot!(without_first(&graph, 0), @r#"
    [
        "a: in-channels 3 out-channels 2",
        "g: in-channels 2 out-channels 6 groups 2",
    ]
    "#);
    insta::assert_debug_snapshot!(without_first(&graph, 1), @r#"
    [
        "g: in-channels 4 out-channels 4 groups 2",
        "b: in-channels 4 out-channels 1",
    ]
    "#);
}

#[test]
fn a_gate_goes_with_what_it_gates() {
    let layers = vec![
        layer("a", convolution(3, 2, 1), &["input"]),
        layer("squeeze", Op::GlobalAveragePool, &["a"]),
        layer("f1", linear(2, 1), &["squeeze"]),
        layer("f2", linear(1, 2), &["f1"]),
        layer("gate", Op::Sigmoid, &["f2"]),
        layer("gated", Op::Multiply, &["a", "gate"]),
    ];
    insta::assert_snapshot!(describe(&with_end(layers, "gated", 2)), @r"
    >a [[0], [1]]; <f1 [[0], [1]]; >f2 [[0], [1]]; <fc [[0], [1]]
    >f1 [[0]]; <f2 [[0]]
    ");
}

#[test]
fn a_flattened_channel_is_several_columns() {
    let layers = vec![
        layer("a", convolution(3, 2, 1), &["input"]),
        layer("f", Op::Flatten, &["a"]),
        layer("n", norm(8), &["f"]),
        layer("fc", linear(8, 10), &["n"]),
    ];
    let graph = graph(layers);
    insta::assert_snapshot!(describe(&graph), @">a [[0], [1]]; >n [[0, 1, 2, 3], [4, 5, 6, 7]]; <fc [[0, 1, 2, 3], [4, 5, 6, 7]]");
    insta::assert_debug_snapshot!(without_first(&graph, 0), @r#"
    [
        "a: in-channels 3 out-channels 1",
        "n: channels 4",
        "fc: in-features 4 out-features 10",
    ]
    "#);
}

#[test]
fn a_padded_shortcut_splits_the_channels_that_it_is_added_to() {
    let pad = Op::PadShortcut { stride: 1, in_channels: 2, out_channels: 5, before: None };
    let layers = vec![
        layer("a", convolution(3, 2, 1), &["input"]),
        layer("b", convolution(2, 5, 1), &["a"]),
        layer("pad", pad.clone(), &["a"]),
        layer("sum", Op::Add, &["b", "pad"]),
    ];
    let graph = with_end(layers, "sum", 5);
    insta::assert_snapshot!(describe(&graph), @r"
    >a [[0], [1]]; >b [[1], [2]]; <b [[0], [1]]; <fc [[1], [2]]
    >b [[0], [3], [4]]; <fc [[0], [3], [4]]
    ");
    insta::assert_debug_snapshot!(without_first(&graph, 0), @r#"
    [
        "a: in-channels 3 out-channels 1",
        "b: in-channels 1 out-channels 4",
        "pad: in-channels 1 out-channels 4 before 1",
        "fc: in-features 4 out-features 10",
    ]
    "#);
    insta::assert_debug_snapshot!(without_first(&graph, 1), @r#"
    [
        "b: in-channels 2 out-channels 4",
        "pad: in-channels 2 out-channels 4 before 0",
        "fc: in-features 4 out-features 10",
    ]
    "#);
    // Zeros that nothing is added to are nobody's units.
    let layers = vec![layer("a", convolution(3, 2, 1), &["input"]), layer("pad", pad, &["a"])];
    insta::assert_snapshot!(describe(&with_end(layers, "pad", 5)), @">a [[0], [1]]; <fc [[1], [2]]");
}

#[test]
fn what_has_a_part_in_the_image_or_the_logits_stays() {
    let layers = vec![
        layer("a", convolution(3, 3, 1), &["input"]),
        layer("sum", Op::Add, &["a", "input"]),
        layer("b", convolution(3, 10, 1), &["sum"]),
        layer("pool", Op::GlobalAveragePool, &["b"]),
    ];
    let graph = graph(layers);
    assert_eq!(groups(&graph).unwrap(), []);
    let coupling = Coupling::of(&graph).unwrap();
    insta::assert_snapshot!(coupling.refusal(&graph, "a").unwrap(), @"they are tied to the channels of the image");
    insta::assert_snapshot!(coupling.refusal(&graph, "b").unwrap(), @"they are the network's output");
}
