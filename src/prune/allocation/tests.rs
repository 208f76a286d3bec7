//! Which units go, by scores written by hand.

use std::collections::BTreeMap;

use super::*;
use crate::network::arch::{Architecture, Shortcut, Stem, VggClassifier};
use crate::prune::cost::Costs;
use crate::prune::coupling::Coupling;
use crate::prune::shrink::Selection;

fn chain(hidden: &[usize]) -> Graph {
    Architecture::Mlp { hidden: hidden.to_vec() }.build([2, 2, 1], 3).unwrap()
}

fn resnet(width: usize) -> Graph {
    Architecture::Resnet { depth: 14, width, shortcut: Shortcut::Pad, stem: None }.build([8, 8, 3], 10).unwrap()
}

fn request<'a>(amount: Amount, layers: &'a BTreeMap<String, f64>) -> Request<'a> {
    Request {
        amount,
        scope: ChannelScope::Global,
        rounding: Rounding::of(Some(1)),
        minimum: 0.0,
        ignore: &[],
        layers,
        comparable: true,
        normalized_only: false,
        share: 1.0,
    }
}

/// Scores that are different for every unit, and rise with neither the group nor the unit.
fn some_scores(groups: &[Group]) -> Vec<Vec<f64>> {
    let score = |group: usize, unit: usize| ((unit * 37 + group * 11) % 101) as f64 + 1.0 + unit as f64 * 1e-3;
    groups
        .iter()
        .enumerate()
        .map(|(number, group)| (0..group.units).map(|unit| score(number, unit)).collect())
        .collect()
}

fn allocated(request: &Request, graph: &Graph) -> Allocation {
    let groups = groups(graph).unwrap();
    allocate(request, graph, &groups, &some_scores(&groups), graph).unwrap()
}

/// Indices of the units that stay.
fn stays(allocation: &Allocation) -> Vec<Vec<usize>> {
    let indices = |keep: &Vec<bool>| (0..keep.len()).filter(|unit| keep[*unit]).collect();
    allocation.keep.iter().map(indices).collect()
}

fn shrunk(graph: &Graph, allocation: &Allocation) -> Graph {
    Selection::new(graph, &Coupling::of(graph).unwrap(), &allocation.keep).unwrap().graph
}

#[test]
fn the_lowest_go_wherever_they_are_or_everywhere_alike() {
    let graph = chain(&[4, 4]);
    let groups = groups(&graph).unwrap();
    let none = BTreeMap::new();
    let scores = vec![vec![1.0, 2.0, 3.0, 9.0], vec![40.0, 10.0, 20.0, 30.0]];
    let choose = |request: &Request| stays(&allocate(request, &graph, &groups, &scores, &graph).unwrap());
    let half = request(Amount::Ratio(0.5), &none);
    assert_eq!(choose(&half), [vec![3], vec![0, 2, 3]], "one is left of the first, so one of the second goes");
    assert_eq!(choose(&Request { scope: ChannelScope::Uniform, ..half }), [vec![2, 3], vec![0, 3]]);
    // Divided by the means 3.75 and 25: 0.27 0.53 0.8 2.4, and 1.6 0.4 0.8 1.2; the earlier of equals goes.
    assert_eq!(choose(&Request { comparable: false, ..half }), [vec![3], vec![0, 2, 3]]);
    let request = Request { minimum: 0.5, ..half };
    assert_eq!(choose(&request), [vec![2, 3], vec![0, 3]]);
    assert_eq!(choose(&Request { amount: Amount::Ratio(0.0), ..half }), [vec![0, 1, 2, 3], vec![0, 1, 2, 3]]);
}

#[test]
fn equal_scores_go_by_turns() {
    let graph = chain(&[3, 3]);
    let groups = groups(&graph).unwrap();
    let none = BTreeMap::new();
    let scores = vec![vec![1.0; 3], vec![1.0; 3]];
    let allocation = allocate(&request(Amount::Ratio(0.5), &none), &graph, &groups, &scores, &graph).unwrap();
    assert_eq!(stays(&allocation), [vec![2], vec![1, 2]], "the odd one is the first's");
}

#[test]
fn equal_scores_empty_no_layer() {
    let none = BTreeMap::new();
    let whole = chain(&[64, 16, 32]);
    for comparable in [true, false] {
        for (amount, expected) in [(Amount::Ratio(0.5), [32, 8, 16]), (Amount::Ratio(0.75), [16, 4, 8])] {
            let scores: Vec<Vec<f64>> =
                groups(&whole).unwrap().iter().map(|group| vec![0.1 * group.units as f64; group.units]).collect();
            // Not comparable, they are equal after the division by their means, or nearly so.
            let scores = if comparable { scores.iter().map(|s| vec![0.3; s.len()]).collect() } else { scores };
            let request = Request { comparable, ..request(amount, &none) };
            let allocation = allocate(&request, &whole, &groups(&whole).unwrap(), &scores, &whole).unwrap();
            assert_eq!(stays(&allocation).iter().map(Vec::len).collect::<Vec<_>>(), expected, "{comparable}");
            assert_eq!(allocation.notes, [""; 0]);
        }
    }
}

#[test]
fn a_layer_that_no_multiple_is_left_of_stays_whole() {
    let none = BTreeMap::new();
    let densenet = Architecture::Densenet { depth: 10, growth: 12, bottleneck: false, compression: 1.0, stem: None };
    let graph = densenet.build([8, 8, 1], 10).unwrap();
    let sixteen = Rounding::of(Some(16));
    for scope in [ChannelScope::Global, ChannelScope::Uniform, ChannelScope::Isomorphic] {
        for amount in [Amount::Ratio(0.4), Amount::Cost(Measure::Macs, 0.8)] {
            let request = Request { scope, rounding: sixteen, ..request(amount, &none) };
            let allocation = allocated(&request, &graph);
            for (before, after) in graph.layers.iter().zip(&shrunk(&graph, &allocation).layers) {
                let (Op::Convolution { out_channels: before, .. }, Op::Convolution { out_channels, .. }) =
                    (&before.op, &after.op)
                else {
                    continue;
                };
                let aligned = out_channels == before || out_channels.is_multiple_of(16);
                assert!(aligned && (*before >= 16 || out_channels == before), "{}: {out_channels}", after.name);
            }
            assert!(allocation.notes.iter().any(|note| note.contains("narrower than `round-to = 16`")));
        }
    }
    // A number that is larger than every layer: nothing goes, and all are named.
    let request = Request { rounding: Rounding::of(Some(64)), ..request(Amount::Ratio(0.5), &none) };
    let allocation = allocated(&request, &chain(&[20, 12]));
    assert!(allocation.keep.iter().flatten().all(|kept| *kept));
    insta::assert_snapshot!(
        allocation.notes.join("\n"),
        @"hidden1, hidden2: kept whole, as they or layers coupled to them are narrower than `round-to = 64`"
    );
}

#[test]
fn without_a_number_wide_layers_are_multiples_of_four() {
    let none = BTreeMap::new();
    let graph = chain(&[18, 15, 16, 40]);
    let widths = |amount, scope| -> Vec<usize> {
        let request = Request { scope, rounding: Rounding::DEFAULT, ..request(amount, &none) };
        stays(&allocated(&request, &graph)).iter().map(Vec::len).collect()
    };
    assert_eq!(widths(Amount::Ratio(0.3), ChannelScope::Uniform), [12, 10, 12, 28], "of 13, 10, 11 and 28");
    assert_eq!(widths(Amount::Ratio(0.95), ChannelScope::Uniform), [4, 1, 4, 4]);
    // In steps the widths from before decide, so that what is narrower now is still a multiple.
    let mut now = graph.clone();
    for share in [0.25, 0.5, 0.75, 1.0] {
        let groups = groups(&now).unwrap();
        let request = Request { share, rounding: Rounding::DEFAULT, ..request(Amount::Ratio(0.8), &none) };
        now = shrunk(&now, &allocate(&request, &now, &groups, &some_scores(&groups), &graph).unwrap());
        for name in ["hidden1", "hidden3", "hidden4"] {
            let Op::Linear { out_features, .. } = now.layers[now.index(name).unwrap()].op else { panic!("{name}") };
            assert!(out_features.is_multiple_of(4) || out_features == 18, "{name}: {out_features} at {share}");
        }
    }
}

#[test]
fn layers_that_one_criterion_cannot_rank_are_named() {
    let none = BTreeMap::new();
    let vgg = Architecture::Vgg { depth: 11, width: 4, classifier: VggClassifier::Imagenet, dropout: 0.0 };
    let request = Request { normalized_only: true, ..request(Amount::Ratio(0.3), &none) };
    insta::assert_snapshot!(
        allocated(&request, &vgg.build([32, 32, 1], 3).unwrap()).notes.join("\n"),
        @"classifier.0, classifier.3: kept whole, as `bn-scale` cannot rank channels with no normalization behind them"
    );
}

/// A ratio is met as nearly as the multiples of each layer allow.
#[test]
fn what_rounding_makes_of_a_ratio_is_told() {
    let none = BTreeMap::new();
    let graph = chain(&[20, 16]);
    let notes = |round_to, ratio, share, graph: &Graph, before: &Graph| {
        let rounding = Rounding::of(Some(round_to));
        let scope = ChannelScope::Uniform;
        let request = Request { rounding, scope, share, ..request(Amount::Ratio(ratio), &none) };
        let groups = groups(graph).unwrap();
        allocate(&request, graph, &groups, &some_scores(&groups), before).unwrap()
    };
    let rounded = notes(8, 0.3, 1.0, &graph, &graph);
    insta::assert_snapshot!(rounded.notes.join("\n"), @"12 of 36 units (33.3 %) go, and 11 (30.6 %) were asked for: widths are brought to the nearest multiple of 8");
    assert_eq!(notes(1, 0.3, 1.0, &graph, &graph).notes, [""; 0]);
    assert_eq!(notes(8, 0.0, 1.0, &graph, &graph).notes, [""; 0]);
    assert_eq!(notes(4, 0.4, 1.0, &chain(&[20, 20]), &chain(&[20, 20])).notes, [""; 0], "12 of 20 is a multiple");
    // In two steps the same counts, of what there was before the first.
    let half = shrunk(&graph, &notes(8, 0.3, 0.5, &graph, &graph));
    assert_eq!(notes(8, 0.3, 1.0, &half, &graph).notes, rounded.notes);
}

#[test]
fn groups_of_one_structure_are_ranked_together() {
    let graph = Architecture::Lenet { channels: [4, 4], hidden: vec![4, 4] }.build([28, 28, 1], 3).unwrap();
    let groups = groups(&graph).unwrap();
    let none = BTreeMap::new();
    let first = vec![1.0, 2.0, 3.0, 4.0];
    let scores = vec![first.clone(), first.clone(), vec![1.0, 2.0, 3.0, 4.0], vec![5.0, 6.0, 7.0, 8.0]];
    let request = Request { scope: ChannelScope::Isomorphic, ..request(Amount::Ratio(0.5), &none) };
    let allocation = allocate(&request, &graph, &groups, &scores, &graph).unwrap();
    // conv -> conv, conv -> linear, and twice linear -> linear, of which one is left of the first and all of the second.
    assert_eq!(stays(&allocation), [vec![2, 3], vec![2, 3], vec![3], vec![1, 2, 3]]);
}

#[test]
fn layers_can_be_left_alone_or_have_ratios_of_their_own() {
    let graph = chain(&[8, 8, 8]);
    let layers = BTreeMap::from([("hidden*".to_owned(), 0.5), ("hidden3".to_owned(), 0.25)]);
    let ignore = ["hidden1".to_owned()];
    let whole = Request { ignore: &ignore, ..request(Amount::Ratio(0.9), &layers) };
    let widths = |allocation: &Allocation| -> Vec<usize> { stays(allocation).iter().map(Vec::len).collect() };
    assert_eq!(widths(&allocated(&whole, &graph)), [8, 4, 6], "the smallest of the ratios that fit");
    let only = BTreeMap::from([("hidden2".to_owned(), 0.5)]);
    assert_eq!(widths(&allocated(&request(Amount::Ratio(0.0), &only), &graph)), [8, 4, 8]);
    // The others make up for what has a ratio of its own.
    let target = request(Amount::Cost(Measure::Parameters, 0.5), &only);
    let allocation = allocated(&target, &graph);
    assert_eq!(widths(&allocation)[1], 4);
    let share = shrunk(&graph, &allocation).parameter_count() as f64 / graph.parameter_count() as f64;
    assert!((share - 0.5).abs() < 0.05, "{share} {:?}", allocation.notes);
}

#[test]
fn widths_are_multiples_where_layers_are_wide_enough() {
    let none = BTreeMap::new();
    let graph = chain(&[20, 7, 16]);
    let widths = |graph: &Graph, request: &Request| -> Vec<usize> {
        stays(&allocated(request, graph)).iter().map(Vec::len).collect()
    };
    let uniform =
        Request { scope: ChannelScope::Uniform, rounding: Rounding::of(Some(8)), ..request(Amount::Ratio(0.3), &none) };
    assert_eq!(widths(&graph, &uniform), [16, 7, 8], "14 and 11 are nearer to 16 and 8, 7 is too narrow");
    assert_eq!(widths(&graph, &Request { amount: Amount::Ratio(0.9), ..uniform }), [8, 7, 8], "never to nothing");
    assert_eq!(widths(&graph, &Request { amount: Amount::Ratio(0.0), ..uniform }), [20, 7, 16]);
    assert_eq!(widths(&graph, &Request { amount: Amount::Ratio(0.05), ..uniform }), [16, 7, 16], "19 of 20");
    // Behind shortcuts without parameters several groups make up a layer.
    let graph = resnet(16);
    for ratio in [0.2, 0.45, 0.8] {
        for scope in [ChannelScope::Global, ChannelScope::Uniform, ChannelScope::Isomorphic] {
            let request = Request { scope, rounding: Rounding::of(Some(8)), ..request(Amount::Ratio(ratio), &none) };
            let after = shrunk(&graph, &allocated(&request, &graph));
            for layer in &after.layers {
                if let Op::Convolution { out_channels, .. } = layer.op {
                    assert!(out_channels.is_multiple_of(8), "{} has {out_channels} at {ratio} {scope:?}", layer.name);
                }
            }
        }
    }
}

#[test]
fn targets_are_met_in_macs_and_parameters() {
    let stem = Stem::Cifar;
    let mobilenet = Architecture::MobilenetV2 { width: 0.5, dropout: 0.0, stem }.build([16, 16, 3], 10).unwrap();
    let densenet = Architecture::Densenet { depth: 22, growth: 8, bottleneck: true, compression: 0.5, stem: None };
    let none = BTreeMap::new();
    for (name, graph) in
        [("resnet", resnet(8)), ("mobilenet", mobilenet), ("densenet", densenet.build([16, 16, 3], 10).unwrap())]
    {
        for scope in [ChannelScope::Global, ChannelScope::Uniform, ChannelScope::Isomorphic] {
            for target in [0.3, 0.7] {
                for (measure, round_to) in [(Measure::Macs, 1), (Measure::Parameters, 1), (Measure::Macs, 2)] {
                    let rounding = Rounding::of(Some(round_to));
                    let request = Request { scope, rounding, ..request(Amount::Cost(measure, target), &none) };
                    let allocation = allocated(&request, &graph);
                    let after = shrunk(&graph, &allocation);
                    let cost = |graph: &Graph| match measure {
                        Measure::Macs => graph.macs(),
                        Measure::Parameters => graph.parameter_count(),
                    };
                    let share = cost(&after) as f64 / cost(&graph) as f64;
                    let off = (share / target - 1.0).abs();
                    assert!(off <= 0.02, "{name} {scope:?} {measure:?} {round_to}: {share}, not {target}");
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_met_is_told() {
    let none = BTreeMap::new();
    let graph = resnet(8);
    let notes = |request: &Request| allocated(request, &graph).notes.join("\n");
    insta::assert_snapshot!(notes(&request(Amount::Cost(Measure::Macs, 0.0001), &none)), @r"
    1.1 % of the MACs stay, not 0.0 %: the closest that was found
    conv1, layer1.0.conv1, layer1.0.conv2, layer1.1.conv1, layer1.1.conv2, layer2.0.conv1, layer2.0.conv2, layer2.1.conv1 and 5 more: collapsed to one channel
    ");
    insta::assert_snapshot!(notes(&request(Amount::Ratio(0.99), &none)), @r"
    6 units that were to go are the least that their layers keep
    conv1, layer1.0.conv1, layer1.0.conv2, layer1.1.conv1, layer1.1.conv2, layer2.0.conv1, layer2.0.conv2, layer2.1.conv1 and 5 more: collapsed to one channel
    ");
    let ignore = ["layer1.*".to_owned()];
    insta::assert_snapshot!(notes(&Request { ignore: &ignore, ..request(Amount::Cost(Measure::Parameters, 0.01), &none) }), @r"
    7.6 % of the parameters stay, not 1.0 %: the closest that was found
    layer2.0.conv1, layer2.1.conv1, layer3.0.conv1, layer3.1.conv1: collapsed to one channel
    ");
    // Seven channels stay whatever is asked for, so a layer of twelve cannot have four.
    let layers = BTreeMap::from([("hidden1".to_owned(), 0.2)]);
    let chain = chain(&[12]);
    let rounded = Request { rounding: Rounding::of(Some(8)), minimum: 0.8, ..request(Amount::Ratio(0.0), &layers) };
    insta::assert_snapshot!(allocated(&rounded, &chain).notes.join("\n"), @r"
    0 of 12 units (0.0 %) go, and 2 (16.7 %) were asked for: widths are brought to the nearest multiple of 8
    hidden1: kept whole, as no multiple of 8 is within reach
    ");
}

#[test]
fn counting_agrees_with_the_graph() {
    let efficientnet =
        Architecture::Efficientnet { width: 0.25, depth: 0.5, dropout: 0.0, stochastic_depth: 0.0, stem: Stem::Cifar };
    for graph in [resnet(8), efficientnet.build([16, 16, 3], 10).unwrap(), chain(&[9, 5])] {
        let groups = groups(&graph).unwrap();
        let allocation = allocated(&request(Amount::Ratio(0.6), &BTreeMap::new()), &graph);
        let mut costs = Costs::of(&graph).unwrap();
        let whole = costs.clone();
        let gone: Vec<(usize, usize)> = allocation
            .keep
            .iter()
            .enumerate()
            .flat_map(|(group, keep)| (0..keep.len()).filter(|unit| !keep[*unit]).map(move |unit| (group, unit)))
            .collect();
        gone.iter().for_each(|(group, unit)| costs.remove(&groups[*group], *unit));
        let after = shrunk(&graph, &allocation);
        assert_eq!(costs.total(Measure::Macs), after.macs());
        assert_eq!(costs.total(Measure::Parameters), after.parameter_count());
        gone.iter().for_each(|(group, unit)| costs.restore(&groups[*group], *unit));
        assert_eq!(costs.total(Measure::Macs), whole.total(Measure::Macs));
        assert_eq!(
            (costs.total(Measure::Macs), costs.total(Measure::Parameters)),
            (graph.macs(), graph.parameter_count())
        );
    }
}

#[test]
fn several_steps_end_where_one_does() {
    let whole = resnet(8);
    let none = BTreeMap::new();
    let count = |graph: &Graph| -> usize { groups(graph).unwrap().iter().map(|group| group.units).sum() };
    for amount in [Amount::Ratio(0.6), Amount::Cost(Measure::Macs, 0.4)] {
        for scope in [ChannelScope::Global, ChannelScope::Uniform, ChannelScope::Isomorphic] {
            let mut graph = whole.clone();
            let mut left = Vec::new();
            for share in [1.0 / 3.0, 2.0 / 3.0, 1.0] {
                let now = groups(&graph).unwrap();
                let request = Request { scope, share, ..request(amount, &none) };
                let allocation = allocate(&request, &graph, &now, &some_scores(&now), &whole).unwrap();
                graph = shrunk(&graph, &allocation);
                left.push(match amount {
                    Amount::Ratio(_) => count(&graph) as f64 / count(&whole) as f64,
                    Amount::Cost(..) => graph.macs() as f64 / whole.macs() as f64,
                });
            }
            for (found, expected) in left.iter().zip([0.8, 0.6, 0.4]) {
                assert!((found - expected).abs() < 0.02, "{amount:?} {scope:?}: {left:?}");
            }
        }
    }
}
