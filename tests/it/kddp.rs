//! KDDP end to end: the pruned student is smaller than it began, and computes the same on every training image.

use std::collections::HashSet;
use std::path::Path;

use pleach::data::{self, Normalization};
use pleach::graph::StageGraph;
use pleach::manifest;
use pleach::network::{Executor, Model};
use pleach::plan::{self, State};
use pleach::store::{Options, Record, Store};
use pleach::tensor::Cpu;
use pleach::train::evaluation;

use crate::support::{Project, repository};

#[test]
fn the_pruned_student_computes_the_same_on_the_training_set_bit_for_bit() {
    let project = Project::new("");
    let path = repository("pipelines/kddp.toml");
    let sets = [
        "stages.teacher.epochs=2",
        "stages.student.epochs=10",
        "stages.quiet.epochs=10",
        "matrix.strength=[1.0]",
        "matrix.seed=[7]",
    ];
    let mut arguments = vec!["run".to_owned(), path.to_str().unwrap().to_owned(), "pruned".to_owned()];
    arguments.extend(sets.iter().map(|set| format!("--set={set}")));
    project.succeed(&arguments.iter().map(String::as_str).collect::<Vec<_>>());

    let store = Store::open(&project.cache(), &Options::default()).unwrap();
    let quiet = model(&store, &record(&store, &path, &sets, "quiet[strength=1,seed=7]"));
    let pruned = model(&store, &record(&store, &path, &sets, "pruned[strength=1,seed=7]"));
    assert!(pruned.graph.parameter_count() < quiet.graph.parameter_count(), "nothing was pruned");
    assert!(logits(&quiet) == logits(&pruned), "the pruned student computes something else");
}

/// The record of a stage in the store.
fn record(store: &Store, path: &Path, sets: &[&str], stage: &str) -> Record {
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    let manifest = manifest::read(path, &sets).unwrap();
    let graph = StageGraph::new(&manifest);
    let target = manifest.stages.get_index_of(stage).unwrap();
    let digests = plan::data_digests(&manifest, &[target]).unwrap();
    let plan = plan::plan(&manifest, &graph, &[target], store, &digests, &HashSet::new()).unwrap();
    let planned = plan.stages.into_iter().find(|planned| planned.stage == target).unwrap();
    match planned.state {
        State::Cached(record) => *record,
        other => panic!("{stage} is {other:?}"),
    }
}

fn model(store: &Store, record: &Record) -> Model {
    let object = |name: &str| store.get(&record.outputs[name].digest).unwrap().unwrap();
    Model::from_parts(&object("network"), &object("weights"), None).unwrap()
}

/// Logits of the training split as `kddp.toml` makes it.
fn logits(model: &Model) -> Vec<f32> {
    let set = data::load(data::Source::Digits, None).unwrap();
    let split = data::split(&set.train.labels, 10, 0.15, 7);
    let normalization = Normalization::of(&set.train, &split.train);
    let device = Cpu::default();
    let network = Executor::new(model, &device).unwrap();
    evaluation::logits(&network, &set.train, &split.train, &normalization, &device, &|| false).unwrap()
}
