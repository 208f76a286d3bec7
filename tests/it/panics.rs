//! A panic inside a stage is that stage's failure, not the run's.

use std::collections::HashSet;
use std::path::Path;

use pleach::graph::StageGraph;
use pleach::run::{Cancel, Event, Options, Request, Summary, run};
use pleach::stage::Parameters;
use pleach::store::{self, Store};
use pleach::tensor::device::Devices;
use pleach::{manifest, plan};

use crate::support::SMALL;

const SIBLING: &str =
    "[stages.sibling]\nkind = \"train\"\ndata = \"digits\"\nnetwork = { arch = \"mlp\", hidden = [9] }\nepochs = 1\n";

/// Makes the teacher of [`SMALL`] prune as it trains.
const PRUNED: &str = "epochs = 3\nprune = { method = { kind = \"weights\", criterion = \"magnitude\", sparsity = 0.5 }, schedule = { kind = \"agp\", end = 3 } }";

/// Runs a manifest whose teacher prunes every 0 epochs, which no manifest passes its checks with: dividing by it panics.
fn run_with_a_panic(keep_going: bool, jobs: usize) -> (Vec<Event>, Summary) {
    let text = format!("{}\n{SIBLING}", SMALL.replacen("epochs = 3", PRUNED, 1));
    let mut manifest = manifest::parse(Path::new("p.toml"), text.as_bytes(), &[]).unwrap();
    match &mut manifest.stages["teacher"].parameters {
        Parameters::Train { training, .. } => training.prune.as_mut().expect("it prunes").every = 0,
        other => panic!("{other:?}"),
    }
    let graph = StageGraph::new(&manifest);
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &store::Options::default()).unwrap();
    let targets: Vec<usize> = (0..manifest.stages.len()).collect();
    let digests = plan::data_digests(&manifest, &targets).unwrap();
    let options = Options {
        jobs,
        threads: 2,
        memory: u64::MAX,
        most_memory: u64::MAX,
        keep_going,
        refresh: HashSet::new(),
        devices: Devices::default(),
        deadline: None,
    };
    let cancel = Cancel::default();
    let request = Request {
        manifest: &manifest,
        graph: &graph,
        targets: &targets,
        store: &store,
        digests: &digests,
        options: &options,
        cancel: &cancel,
    };
    let mut events = Vec::new();
    let summary = run(&request, &mut |event| events.push(event.clone())).unwrap();
    (events, summary)
}

#[test]
fn a_panic_is_a_failure_of_its_stage() {
    let (events, summary) = run_with_a_panic(true, 1);
    assert_eq!(summary.exit_code(), 20);
    assert_eq!((summary.ran, summary.failed, summary.skipped), (1, 1, 4));
    let failed = events.iter().find_map(|event| match event {
        Event::StageFailed { stage, code, message, hints } => Some((stage, code, message, hints)),
        _ => None,
    });
    let (stage, code, message, hints) = failed.unwrap();
    assert_eq!((stage.as_str(), *code), ("teacher", 20));
    assert!(message.contains("panicked") && message.contains("zero"), "{message}");
    assert!(hints[0].contains("report"), "{hints:?}");
}

#[test]
fn without_keep_going_only_running_stages_end() {
    let (events, summary) = run_with_a_panic(false, 1);
    assert_eq!((summary.exit_code(), summary.ran, summary.failed, summary.skipped), (20, 0, 1, 5));
    let skipped = events.iter().filter(|event| matches!(event, Event::StageSkipped { .. })).count();
    assert_eq!(skipped, 5, "each stage that is not begun is said");
    let (_, summary) = run_with_a_panic(false, 2);
    assert_eq!((summary.exit_code(), summary.ran, summary.failed, summary.skipped), (20, 1, 1, 4));
}
