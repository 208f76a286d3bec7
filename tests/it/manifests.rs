//! What is said about manifests that are wrong. Each case is a small edit of one good manifest, and unless a test says
//! otherwise it must give exactly one message. The messages are in `snapshots/`; read them as a user would.
//!
//! - `faults`: one mistake, one message, by theme
//! - `architectures`: networks of every kind
//! - `losses`: layers that losses name
//! - `many`: several mistakes at once
//! - `penalties`: mistakes in penalties
//! - `pruning`: mistakes in pruning methods
//! - `data`: data sets and augmentation
//! - `expect`: what networks have to be
//! - `bytes`: what is not text, not TOML, or not a file
//! - `size`: nesting, long chains and cycles, limits
//! - `sets`: `--set`
//! - `steps`: steps of one image

mod architectures;
mod bytes;
mod data;
mod expect;
mod faults;
mod losses;
mod many;
mod penalties;
mod pruning;
mod sets;
mod size;
mod steps;

use std::path::Path;

use pleach::manifest::diagnostic::{Diagnostic, Invalid, render};
use pleach::manifest::{self, Manifest, Sources};

/// A manifest with every kind of stage, without a mistake.
pub const GOOD: &str = r#"[pipeline]
name = "tiny"
seed = 1

[data.digits]
source = "digits"
validation = 0.2

[networks.wide]
arch = "mlp"
hidden = [32]

[networks.deep]
arch = "resnet"
depth = 8
width = 4

[stages.teacher]
kind = "train"
data = "digits"
network = "deep"
epochs = 4
batch = 64
optimizer = { kind = "sgd", lr = 0.1, momentum = 0.9, nesterov = true }
schedule = { kind = "step", milestones = [2, 3], warmup = 1 }
augment = ["crop"]
select = "best"

[stages.student]
kind = "distill"
data = "digits"
teacher = "teacher"
network = "wide"
losses = [{ kind = "kd", temperature = 4, alpha = 0.9 }]
penalties = [{ kind = "l1", layer = "hidden*", strength = 1e-4 }]
epochs = 3

[stages.pruned]
kind = "prune"
data = "digits"
from = "student"
method = { kind = "inactive", layer = "hidden1" }

[stages.masked]
kind = "prune"
from = "student"
method = { kind = "weights", sparsity = 0.5 }

[stages.tuned]
kind = "fine-tune"
data = "digits"
from = "pruned"
epochs = 2

[stages.score]
kind = "evaluate"
data = "digits"
models = ["teacher", "student", "tuned", "masked"]
reference = "student"
"#;

/// A piece of [`GOOD`] that occurs once, and what is put in its place.
type Edit = (&'static str, &'static str);

/// [`GOOD`] with edits.
fn edited(edits: &[Edit]) -> String {
    edits.iter().fold(GOOD.to_owned(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from:?} must occur once");
        text.replacen(from, to, 1)
    })
}

fn parse(bytes: impl AsRef<[u8]>, sets: &[&str]) -> Result<Manifest, Invalid> {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    manifest::parse(Path::new("pleach.toml"), bytes.as_ref(), &sets)
}

/// What is wrong with a manifest that must be wrong.
fn wrong(bytes: impl AsRef<[u8]>, sets: &[&str]) -> (Vec<Diagnostic>, Sources) {
    match parse(bytes, sets) {
        Ok(_) => panic!("accepted, with {sets:?}"),
        Err(invalid @ Invalid::Wrong { .. }) => {
            assert_eq!(invalid.kind().exit_code(), 10);
            let Invalid::Wrong { diagnostics, sources } = invalid else { unreachable!() };
            (diagnostics.sorted(), sources)
        }
        Err(Invalid::Unreadable(error)) => panic!("not read: {error}"),
    }
}

/// The messages as they are printed, each followed by an empty line.
fn text((diagnostics, sources): &(Vec<Diagnostic>, Sources)) -> String {
    render(diagnostics, sources, false)
}

/// The one message that each case gives.
fn one_message_each(cases: &[&[Edit]]) -> String {
    let mut all = String::new();
    let mut several = String::new();
    for edits in cases {
        let told = wrong(edited(edits), &[]);
        let to = if told.0.len() == 1 { &mut all } else { &mut several };
        to.push_str(&text(&told));
    }
    assert_eq!(several, "", "one mistake, one message");
    all
}

#[test]
fn the_good_manifest_is_good() {
    let manifest = parse(GOOD, &[]).map_err(|_| "refused").unwrap();
    assert_eq!(manifest.stages.len(), 6);
    assert_eq!(manifest.warnings, []);
}
