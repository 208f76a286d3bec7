//! Data that is missing, wrong, or changes while a run uses it.

use std::path::PathBuf;

use rustix::process::Signal;

use crate::support::Project;

/// A quick stage on the built-in digits, and one that reads files.
const MANIFEST: &str = r#"
[pipeline]
name = "files"
seed = 1

[data.digits]
source = "digits"
limit = 100

[data.images]
source = "mnist"
path = "images"

[stages.first]
kind = "train"
data = "digits"
network = { arch = "mlp", hidden = [8] }
epochs = 300

[stages.second]
kind = "train"
data = "images"
network = { arch = "mlp", hidden = [8] }
epochs = 300
batch = 16

[stages.third]
kind = "fine-tune"
data = "images"
from = "second"
epochs = 1
"#;

const TRAIN: &str = "train-images-idx3-ubyte";

fn idx(magic: u32, dimensions: &[u32], bytes: Vec<u8>) -> Vec<u8> {
    let header = std::iter::once(magic).chain(dimensions.iter().copied()).flat_map(u32::to_be_bytes);
    header.chain(bytes).collect()
}

/// A folder with 40 training and 20 test images in MNIST's format.
fn project() -> Project {
    let project = Project::new(MANIFEST);
    std::fs::create_dir(project.path().join("images")).unwrap();
    for (name, count) in [("train", 40u32), ("t10k", 20)] {
        let pixels = (0..count * 784).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let labels = (0..count).map(|i| (i % 10) as u8).collect();
        project.write(&format!("images/{name}-images-idx3-ubyte"), idx(0x803, &[count, 28, 28], pixels));
        project.write(&format!("images/{name}-labels-idx1-ubyte"), idx(0x801, &[count], labels));
    }
    project
}

fn path(project: &Project) -> PathBuf {
    project.path().join("images").join(TRAIN)
}

/// Changes one pixel, and neither size nor name.
fn change(project: &Project) {
    let mut bytes = std::fs::read(path(project)).unwrap();
    bytes[100] ^= 1;
    std::fs::write(path(project), bytes).unwrap();
}

#[test]
fn data_that_is_not_there_is_named_before_anything_runs() {
    let project = project();
    std::fs::remove_file(path(&project)).unwrap();
    let ran = project.run(&[]).expect(11);
    assert!(ran.stderr.contains(TRAIN) && ran.stderr.contains("images"), "{}", ran.stderr);
    assert!(ran.stdout.is_empty(), "nothing began");
    std::fs::remove_dir_all(project.path().join("images")).unwrap();
    let ran = project.run(&[]).expect(11);
    assert!(ran.stderr.contains("images") && ran.stderr.contains("help"), "{}", ran.stderr);
    project.run(&["first"]).expect(0);
}

#[test]
fn data_that_changes_during_its_stage_spoils_the_result() {
    let project = project();
    let mut running = project.start(&["--keep-going"]);
    running.until_event("epoch", "second");
    running.stop();
    change(&project);
    running.signal(Signal::CONT);
    let ran = running.wait().expect(11);
    let failed = ran.event("stage-failed");
    assert_eq!(failed["stage"], "second");
    let message = failed["message"].as_str().unwrap();
    assert!(message.contains("changed") && message.contains(TRAIN), "{message}");
    assert_eq!(ran.stages("stage-skipped"), ["third"]);
    let labels: Vec<String> = project.records().into_iter().map(|record| record.label).collect();
    assert_eq!(labels, ["files/first"]);
    // What there is now is other data.
    let again = project.run(&[]).expect(0);
    assert_eq!(again.stages("stage-finished"), ["second", "third"]);
    assert!(again.stages("stage-resumed").is_empty(), "epochs on other images are of no use");
}

#[test]
fn data_that_changes_between_plan_and_use_is_not_used() {
    let project = project();
    let mut running = project.start(&[]);
    running.until_event("epoch", "first");
    running.stop();
    change(&project);
    running.signal(Signal::CONT);
    let ran = running.wait().expect(11);
    let failed = ran.event("stage-failed");
    assert_eq!(failed["stage"], "second");
    assert!(failed["message"].as_str().unwrap().contains("changed"), "{failed}");
    assert_eq!(ran.stages("stage-finished"), ["first"]);
}

#[test]
fn data_that_vanishes_during_its_stage_is_said() {
    let project = project();
    let mut running = project.start(&[]);
    running.until_event("epoch", "second");
    running.stop();
    std::fs::remove_file(path(&project)).unwrap();
    running.signal(Signal::CONT);
    let ran = running.wait().expect(11);
    assert!(ran.event("stage-failed")["message"].as_str().unwrap().contains(TRAIN));
}

/// Those of a user's own images are told by their files when a run is planned.
#[test]
fn repeated_images_of_a_published_set_are_told_once_a_run() {
    let project = project();
    let quick = ["--set", "stages.second.epochs=1", "--set", "stages.first.epochs=1"];
    let ran = project.run(&quick).expect(0);
    assert_eq!(ran.stages("stage-finished"), ["first", "second", "third"]);
    let notes = ran.events().into_iter().filter(|event| event["event"] == "note");
    let notes: Vec<String> = notes.filter_map(|event| Some(event["message"].as_str()?.to_owned())).collect();
    insta::assert_snapshot!(notes.join("\n"), @"data set `mnist`: 20 of 20 test images are training images too: test image 0 (= training image 0), test image 1 (= training image 1), test image 2 (= training image 2), test image 3 (= training image 3), test image 4 (= training image 4) and 15 more");
    assert!(project.run(&quick).expect(0).stages("note").is_empty(), "nothing is read");
}

#[test]
fn a_touch_or_a_copy_is_no_change() {
    let project = project();
    let mut running = project.start(&[]);
    running.until_event("epoch", "second");
    running.stop();
    let copied = path(&project).with_extension("copy");
    std::fs::copy(path(&project), &copied).unwrap();
    std::fs::rename(&copied, path(&project)).unwrap();
    running.signal(Signal::CONT);
    running.wait().expect(0);
    let file = std::fs::File::options().write(true).open(path(&project)).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let again = project.run(&[]).expect(0);
    assert_eq!(again.stages("stage-cached").len(), 3);
}
