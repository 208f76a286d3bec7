//! What making a network smaller costs: which channels go together, whole prunings to a ratio and to a target, and the
//! criteria that cost most, on networks of their papers' widths and images of 32 x 32. `cargo bench --bench pruning`, or
//! one part of it: `-- groups`, `-- channels`, `-- criteria`. Read the numbers with `benches/README.md`.

#![allow(missing_docs, reason = "a program")]
#![allow(clippy::print_stdout, reason = "its table is what it is for")]

mod timing;

use std::collections::BTreeMap;
use std::time::Instant;

use pleach::data::{Images, Normalization};
use pleach::network::arch::{Architecture, Shortcut, Stem, VggClassifier};
use pleach::network::{Executor, Model};
use pleach::prune::groups::groups;
use pleach::prune::{ChannelScope, Criterion, Method, Surroundings, Watched, criteria, prune};
use pleach::tensor::Cpu;
use timing::{Times, wanted};

fn main() {
    if !timing::asked() {
        return;
    }
    if wanted("groups") {
        println!("which channels go together, ms");
        for name in ["resnet110", "densenet121"] {
            let graph = network(name).graph;
            println!("  {name:16}{}", Times::of(9, || groups(&graph).expect("groups")).milliseconds());
        }
    }
    if wanted("channels") {
        println!("whole prunings by l1, with their proof, ms; what is left of parameters and MACs");
        for name in ["resnet20", "resnet50", "densenet121", "mobilenet-v2", "efficientnet-b0", "vgg11"] {
            channels(&network(name), name);
        }
    }
    if wanted("criteria") {
        println!("scores of all channels, ms; {SEEN} images for those that need some");
        for name in ["resnet20", "resnet50", "densenet121"] {
            scores(&network(name), name);
        }
    }
}

/// A network of its paper's width with fresh weights.
fn network(name: &str) -> Model {
    let stem = Some(Stem::Cifar);
    let resnet = |depth, shortcut, width, stem| Architecture::Resnet { depth, width, shortcut, stem };
    let architecture = match name {
        "resnet20" => resnet(20, Shortcut::Pad, 16, None),
        "resnet110" => resnet(110, Shortcut::Pad, 16, None),
        "resnet50" => resnet(50, Shortcut::Projection, 64, stem),
        "densenet121" => Architecture::Densenet { depth: 121, growth: 32, bottleneck: true, compression: 0.5, stem },
        "mobilenet-v2" => Architecture::MobilenetV2 { width: 1.0, dropout: 0.2, stem: Stem::Cifar },
        "efficientnet-b0" => Architecture::Efficientnet {
            width: 1.0,
            depth: 1.0,
            dropout: 0.2,
            stochastic_depth: 0.2,
            stem: Stem::Cifar,
        },
        _ => Architecture::Vgg { depth: 11, width: 64, classifier: VggClassifier::default(), dropout: 0.5 },
    };
    Model::initialise(architecture.build([32, 32, 3], 10).expect("a graph"), 1).expect("a network")
}

fn channels(whole: &Model, name: &str) {
    let global = ChannelScope::Global;
    let cases = [
        ("ratio 0.5, global", Some(0.5), None, None, global),
        ("ratio 0.5, uniform", Some(0.5), None, None, ChannelScope::Uniform),
        ("macs 0.5", None, Some(0.5), None, global),
        ("parameters 0.3", None, None, Some(0.3), global),
    ];
    for (what, ratio, macs, parameters, scope) in cases {
        let method = Method::Channels {
            criterion: Criterion::L1,
            ratio,
            macs,
            parameters,
            scope,
            round_to: Some(1),
            minimum: 0.0,
            ignore: Vec::new(),
            layers: BTreeMap::new(),
            steps: 1,
            images: None,
        };
        let device = Cpu::default();
        let surroundings = Surroundings { watched: None, seed: 1, device: &device, stop: &|| false };
        let mut model = whole.clone();
        let begun = Instant::now();
        let removed = prune(&method, &mut model, &whole.graph, 1.0, &surroundings).expect("a pruning that is proven");
        let seconds = begun.elapsed().as_secs_f64();
        let left = |count: fn(&Model) -> u64| count(&model) as f64 / count(whole) as f64;
        println!(
            "  {name:16}{what:20}{:8.0}  {:.4} {:.4}  {}",
            1e3 * seconds,
            left(|model| model.graph.parameter_count()),
            left(|model| model.graph.macs()),
            removed.notes.join("; "),
        );
    }
}

/// Images that a criterion looks at.
const SEEN: usize = 200;

fn scores(model: &Model, name: &str) {
    let shape = model.graph.input;
    let size: usize = shape.iter().product();
    let pixels = (0..SEEN * size).map(|i| ((i * 7919 + i / 13 * 104_729) % 256) as u8).collect();
    let images =
        Images { shape, pixels: std::sync::Arc::new(pixels), labels: (0..SEEN as u32).map(|i| i % 10).collect() };
    let indices: Vec<u32> = (0..SEEN as u32).collect();
    let normalization = Normalization::of(&images, &indices);
    let watched = Watched { images: &images, indices: &indices, normalization: &normalization };
    let device = Cpu::default();
    let network = Executor::new(model, &device).expect("a network that fits");
    let groups = groups(&model.graph).expect("groups");
    for criterion in [
        Criterion::L1,
        Criterion::Fpgm,
        Criterion::Synflow,
        Criterion::Taylor,
        Criterion::Obd,
        Criterion::Apoz,
        Criterion::Hrank,
    ] {
        let begun = Instant::now();
        let seen = criteria::observe(criterion, model, &network, Some(&watched), None, 1, &device, &|| false);
        criteria::channel_scores(criterion, model, &groups, &seen.expect("evidence"), 1).expect("scores");
        println!("  {name:16}{:20}{:8.0}", criterion.name(), 1e3 * begun.elapsed().as_secs_f64());
    }
}
