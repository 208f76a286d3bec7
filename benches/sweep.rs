//! What `--jobs 2` gains on a sweep of small students: eight of one teacher on the built-in digits, that differ in their
//! seed. `cargo bench --bench sweep`, or one sweep: `-- lenet`, `-- resnet`, `-- mlp`. Read the numbers with
//! `benches/README.md`.
//!
//! One job and two run in turn, both with a thread a core, each into a store of its own that has the teacher. A ratio is
//! that of two neighbouring runs; shown are the medians, with the fastest and the slowest or the range behind them.

#![allow(missing_docs, reason = "a program")]
#![allow(clippy::print_stdout, reason = "its table is what it is for")]

mod timing;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use pleach::graph::StageGraph;
use pleach::manifest::{self, Manifest};
use pleach::plan;
use pleach::run::{self, Cancel, Request};
use pleach::store::{Options, Store};
use pleach::tensor::device::Devices;
use timing::Times;

const STUDENTS: usize = 8;
const ROUNDS: usize = 9;

/// What is swept: name, network, epochs.
const SWEEPS: [(&str, &str, u64); 3] = [
    ("lenet", "{arch=\"lenet\"}", 15),
    ("resnet", "{arch=\"resnet\",depth=8,width=4}", 10),
    ("mlp", "{arch=\"mlp\",hidden=[256]}", 40),
];

fn main() {
    if !timing::asked() {
        return;
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{STUDENTS} students, {ROUNDS} rounds, {threads} threads in all");
    for (name, network, epochs) in SWEEPS {
        if !timing::wanted(name) {
            continue;
        }
        let manifest = manifest_of(network, epochs);
        for (place, folder) in [("memory", Path::new("/dev/shm")), ("disk", Path::new(env!("CARGO_TARGET_TMPDIR")))] {
            let (mut one, mut two, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            for round in 0..=ROUNDS {
                let (with_one, with_two) =
                    (seconds(&manifest, folder, 1, threads), seconds(&manifest, folder, 2, threads));
                // The first round warms up.
                if round > 0 {
                    one.push(with_one);
                    two.push(with_two);
                    ratios.push(with_two / with_one);
                }
            }
            let ratios = Times::new(ratios);
            println!(
                "  {name:<7} {place:<7} 1 job {} ms, 2 jobs {} ms, ratio {:.2} ({:.2} to {:.2})",
                Times::new(one).milliseconds(),
                Times::new(two).milliseconds(),
                ratios.median,
                ratios.fastest,
                ratios.slowest
            );
        }
    }
}

fn manifest_of(network: &str, epochs: u64) -> Manifest {
    let mut text =
        "[data.d]\nsource=\"digits\"\nvalidation=0.15\n[stages.teacher]\nkind=\"train\"\ndata=\"d\"\nepochs=1\n\
                    network={arch=\"resnet\",depth=8,width=8}\n"
            .to_owned();
    for i in 0..STUDENTS {
        text += &format!(
            "[stages.student{i}]\nkind=\"distill\"\ndata=\"d\"\nteacher=\"teacher\"\nseed={i}\nepochs={epochs}\n\
             network={network}\n"
        );
    }
    manifest::parse(&PathBuf::from("pleach.toml"), text.as_bytes(), &[]).map_err(|_| "not valid").expect("valid")
}

/// How long the students take, in a store that has their teacher.
fn seconds(manifest: &Manifest, folder: &Path, jobs: usize, threads: usize) -> f64 {
    let folder = tempfile::tempdir_in(folder).expect("a folder");
    let store = Store::open(folder.path(), &Options::default()).expect("a store");
    carry_out(manifest, &store, 1, threads, &[0]);
    let all: Vec<usize> = (0..manifest.stages.len()).collect();
    let (ran, seconds) = carry_out(manifest, &store, jobs, threads, &all);
    assert_eq!(ran, STUDENTS);
    seconds
}

fn carry_out(manifest: &Manifest, store: &Store, jobs: usize, threads: usize, targets: &[usize]) -> (usize, f64) {
    let graph = StageGraph::new(manifest);
    let options = run::Options {
        jobs,
        threads,
        memory: u64::MAX,
        most_memory: u64::MAX,
        keep_going: false,
        refresh: HashSet::new(),
        devices: Devices::default(),
        deadline: None,
    };
    let digests = plan::data_digests(manifest, targets).expect("built-in data");
    let (graph, digests, cancel) = (&graph, &digests, &Cancel::default());
    let request = Request { manifest, graph, targets, store, digests, options: &options, cancel };
    let summary = run::run(&request, &mut |_| ()).expect("a run");
    assert!(summary.failure.is_none(), "{:?}", summary.failure);
    (summary.ran, summary.seconds)
}
