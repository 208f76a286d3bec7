//! What pleach itself costs: reading and planning manifests of 1,000 and 10,000 stages, taking their results from the
//! store, carrying out 1,000 stages that have next to nothing to do, and keeping a checkpoint of every epoch.
//! `cargo bench --bench planning`, or one part of it: `-- syncs`, `-- checkpoints`, `-- cold`, `-- cached`. Read the
//! numbers with `benches/README.md`.
//!
//! A time is the median of several runs, followed by the fastest and the slowest.

#![allow(missing_docs, reason = "a program")]
#![allow(clippy::print_stdout, reason = "its table is what it is for")]
#![allow(clippy::disallowed_methods, reason = "nothing that it writes has to survive a crash")]

mod timing;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use pleach::graph::StageGraph;
use pleach::manifest::{self, Manifest};
use pleach::plan::{self, DataDigests};
use pleach::run::{self, Cancel, Event, Request, Summary};
use pleach::store::{Options, Store};
use pleach::tensor::device::Devices;
use tempfile::TempDir;
use timing::Times;

/// How the stages of a manifest hang together: behind one training stage of one epoch on the built-in digits.
#[derive(Clone, Copy)]
enum Shape {
    /// Every stage prunes the trained network.
    Fan,
    /// Every stage prunes what the one before made.
    Chain,
    /// Every stage evaluates the trained network.
    Evaluate,
}

impl Shape {
    fn name(self) -> &'static str {
        match self {
            Shape::Fan => "fan of prune stages",
            Shape::Chain => "chain of prune stages",
            Shape::Evaluate => "fan of evaluate stages",
        }
    }

    /// A manifest of so many stages, of which no two have the same key.
    fn manifest(self, stages: usize) -> String {
        let mut text = "[data.d]\nsource=\"digits\"\n[stages.p0]\nkind=\"train\"\ndata=\"d\"\nepochs=1\nbatch=1024\n\
                        network={arch=\"mlp\",hidden=[1]}\n"
            .to_owned();
        for i in 1..stages {
            let from = if matches!(self, Shape::Chain) { i - 1 } else { 0 };
            text += &match self {
                Shape::Evaluate => {
                    format!("[stages.p{i}]\nkind=\"evaluate\"\nmodels=[\"p0\"]\ndata=\"d\"\nseed={i}\n")
                }
                _ => format!(
                    "[stages.p{i}]\nkind=\"prune\"\nfrom=\"p{from}\"\nseed={i}\n\
                     method={{kind=\"weights\",sparsity=0.5}}\n"
                ),
            };
        }
        text
    }
}

fn main() {
    if !timing::asked() {
        return;
    }
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder on the disk");
    let memory = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    if timing::wanted("syncs") {
        syncs(&disk, &memory);
    }
    if timing::wanted("checkpoints") {
        checkpoints(&disk, &memory);
    }
    if timing::wanted("cold") {
        cold(&disk, &memory);
    }
    if !timing::wanted("cached") {
        return;
    }
    for shape in [Shape::Fan, Shape::Chain] {
        for (stages, runs) in [(1_000, 21), (10_000, 7)] {
            cached(shape, stages, runs, &disk, &memory);
        }
    }
}

/// What the disk takes to make things durable.
fn syncs(disk: &TempDir, memory: &TempDir) {
    println!("making one thing durable, ms");
    for (place, folder) in [("disk", disk), ("memory", memory)] {
        let mut count = 0;
        let folder = folder.path();
        let file = Times::of(101, || {
            count += 1;
            let mut file = File::create(folder.join(format!("file{count}"))).expect("a file");
            file.write_all(&[7; 4096]).and_then(|()| file.sync_all()).expect("a write");
        });
        let mut directory = Vec::new();
        for i in 0..101 {
            File::create(folder.join(format!("name{i}"))).expect("a file");
            let begun = Instant::now();
            File::open(folder).and_then(|folder| folder.sync_all()).expect("a sync");
            directory.push(begun.elapsed().as_secs_f64());
        }
        println!("  {place:<7} a new file of 4 KiB, written and synced: {}", file.milliseconds());
        println!("  {place:<7} a folder with one new name: {}", Times::new(directory).milliseconds());
    }
}

/// What an epoch costs apart from its pass over the images: a small network whose epochs are short.
fn checkpoints(disk: &TempDir, memory: &TempDir) {
    println!("\nan epoch of digits, MLP of 256 hidden units, batch 64, 41 epochs, ms");
    let text = "[data.d]\nsource=\"digits\"\nvalidation=0.15\n[stages.t]\nkind=\"train\"\ndata=\"d\"\nepochs=41\nbatch=64\n\
                network={arch=\"mlp\",hidden=[256]}\n";
    let manifest = parse(text);
    for (place, folder) in [("disk", disk), ("memory", memory)] {
        let (mut whole, mut pass) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let store = fresh(folder);
            let mut before = None;
            carry_out(&manifest, &store.open(), 1, &mut |event| {
                if let Event::Epoch { images_per_second, .. } = event {
                    let now = Instant::now();
                    if let Some(before) = before.replace(now) {
                        whole.push((now - before).as_secs_f64());
                        pass.push(TRAINED / images_per_second);
                    }
                }
            });
        }
        println!("  {place:<7} an epoch with its checkpoint: {}", Times::new(whole).milliseconds());
        println!("  {place:<7} its pass over the images alone: {}", Times::new(pass).milliseconds());
    }
}

/// Images in the training split of the digits, of which 0.15 are split off.
const TRAINED: f64 = 1350.0 * 0.85;

/// 1,000 stages of next to no work into an empty store.
fn cold(disk: &TempDir, memory: &TempDir) {
    println!("\n1,000 stages carried out, none cached: s, and ms a stage");
    for shape in [Shape::Fan, Shape::Chain, Shape::Evaluate] {
        let manifest = parse(&shape.manifest(1_000));
        for (place, folder) in [("disk", disk), ("memory", memory)] {
            for jobs in [1, 2] {
                let seconds: Vec<f64> = (0..3)
                    .map(|_| {
                        let store = fresh(folder);
                        let summary = carry_out(&manifest, &store.open(), jobs, &mut |_| ());
                        assert_eq!((summary.ran, summary.failed), (1_000, 0));
                        summary.seconds
                    })
                    .collect();
                let times = Times::new(seconds);
                println!(
                    "  {:<23} {place:<7} jobs {jobs}: {:.2} s ({:.2} to {:.2}), {:.2} ms a stage",
                    shape.name(),
                    times.median,
                    times.fastest,
                    times.slowest,
                    times.median
                );
            }
        }
    }
}

/// A manifest of which every result is in the store: the library's parts, then the program.
fn cached(shape: Shape, stages: usize, runs: usize, disk: &TempDir, memory: &TempDir) {
    let text = shape.manifest(stages);
    let manifest = parse(&text);
    // Filled in memory, where syncs cost nothing, and copied to the disk.
    let filled = fresh(memory);
    carry_out(&manifest, &filled.open(), 2, &mut |_| ());
    let place = fresh(disk);
    copy(filled.folder.path(), place.folder.path());
    let project = tempfile::tempdir_in(disk.path()).expect("a folder");
    let file = project.path().join("pleach.toml");
    fs::write(&file, &text).expect("a file");

    println!("\n{stages} stages, {}, all cached, store on the disk and in the page cache; ms", shape.name());
    let row = |name: &str, times: Times| println!("  {name:<44} {}", times.milliseconds());
    row("parse and check", Times::of(runs, || parse(&text)));
    row("graph", Times::of(runs, || StageGraph::new(&manifest)));
    let (graph, targets) = (StageGraph::new(&manifest), (0..stages).collect::<Vec<_>>());
    row("hash of the data", Times::of(runs, || digests(&manifest, &targets)));
    let (store, digests_known) = (place.open(), digests(&manifest, &targets));
    let plan = || {
        let plan = plan::plan(&manifest, &graph, &targets, &store, &digests_known, &HashSet::new());
        let plan = plan.expect("the store can be read");
        assert_eq!(plan.counts(), (stages, 0, 0));
        plan
    };
    row("plan", Times::of(runs, plan));
    row(
        "all of these, from the file on",
        Times::of(runs, || {
            let manifest = manifest::read(&file, &[]).map_err(|_| "not valid").expect("a valid manifest");
            let graph = StageGraph::new(&manifest);
            let digests = digests(&manifest, &targets);
            plan::plan(&manifest, &graph, &targets, &place.open(), &digests, &HashSet::new()).expect("a store")
        }),
    );
    row("run, in the library", Times::of(runs, || carry_out(&manifest, &store, 1, &mut |_| ())));
    for command in ["check", "plan", "run"] {
        let times = Times::of(runs, || {
            let mut process = Command::new(env!("CARGO_BIN_EXE_pleach"));
            process.arg(command).arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
            if command != "check" {
                process.arg("--cache").arg(place.folder.path());
            }
            assert!(process.status().expect("the program starts").success());
        });
        row(&format!("`pleach {command}`, the whole process"), times);
    }
}

/// A folder for a store, removed with it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn open(&self) -> Store {
        Store::open(self.folder.path(), &Options::default()).expect("a store")
    }
}

fn fresh(beside: &TempDir) -> Place {
    Place { folder: tempfile::tempdir_in(beside.path()).expect("a folder") }
}

fn parse(text: &str) -> Manifest {
    manifest::parse(&PathBuf::from("pleach.toml"), text.as_bytes(), &[]).map_err(|_| "not valid").expect("valid")
}

fn digests(manifest: &Manifest, stages: &[usize]) -> DataDigests {
    plan::data_digests(manifest, stages).expect("built-in data")
}

fn carry_out(manifest: &Manifest, store: &Store, jobs: usize, report: &mut dyn FnMut(&Event)) -> Summary {
    let graph = StageGraph::new(manifest);
    let targets: Vec<usize> = (0..manifest.stages.len()).collect();
    let options = run::Options {
        jobs,
        threads: jobs,
        memory: u64::MAX,
        most_memory: u64::MAX,
        keep_going: false,
        refresh: HashSet::new(),
        devices: Devices::default(),
        deadline: None,
    };
    let (digests, cancel) = (digests(manifest, &targets), Cancel::default());
    let request = Request {
        manifest,
        graph: &graph,
        targets: &targets,
        store,
        digests: &digests,
        options: &options,
        cancel: &cancel,
    };
    let summary = run::run(&request, report).expect("a run");
    assert!(summary.failure.is_none(), "{:?}", summary.failure);
    summary
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("a name");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a file").is_dir() {
            fs::create_dir_all(&target).expect("a folder");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file");
        }
    }
}
