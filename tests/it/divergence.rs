//! Losses that are not finite, and what becomes of the other stages.

use crate::support::{Project, SMALL};

/// A learning rate that is too high for any network.
const DIVERGES: &str = "--set=stages.teacher.optimizer={kind='sgd',lr=1e9}";

#[test]
fn a_loss_that_is_not_finite_ends_the_stage() {
    let project = Project::new(SMALL);
    let ran = project.run(&[DIVERGES]).expect(21);
    let failed = ran.event("stage-failed");
    assert_eq!((failed["stage"].as_str(), failed["code"].as_u64()), (Some("teacher"), Some(21)));
    let message = failed["message"].as_str().unwrap();
    for part in ["is not finite at epoch", "step", "finite loss", "the learning rate was 1000000000"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(failed["hints"].as_array().is_some_and(|hints| !hints.is_empty()));
    assert_eq!(ran.stages("stage-skipped"), ["student", "pruned", "tuned", "score"]);
    assert!(project.records().is_empty(), "nothing of a failed stage is kept");
    let again = project.run(&[DIVERGES]).expect(21);
    assert_eq!(
        again.event("stage-failed")["message"],
        failed["message"],
        "a failure is not cached, and repeats itself"
    );
}

#[test]
fn what_does_not_depend_on_it_goes_on() {
    let sibling = "[stages.sibling]\nkind = \"train\"\ndata = \"digits\"\nnetwork = { arch = \"mlp\", hidden = [9] }\n\
        epochs = 1\n\n[stages.student]";
    let manifest = SMALL.replace("[stages.student]", sibling);
    let project = Project::new(&manifest);
    let ran = project.run(&[DIVERGES]).expect(21);
    assert_eq!(ran.stages("stage-finished"), [""; 0]);
    let ran = project.run(&[DIVERGES, "--keep-going"]).expect(21);
    assert_eq!(ran.stages("stage-finished"), ["sibling"]);
    let end = ran.event("run-finished");
    assert_eq!((end["ran"].as_u64(), end["failed"].as_u64(), end["skipped"].as_u64()), (Some(1), Some(1), Some(4)));
}

#[test]
fn the_last_finite_weights_are_left_for_inspection() {
    // The rate jumps after the first epoch.
    let schedule = "[stages.teacher]\nschedule = { kind = \"step\", milestones = [1], gamma = 1e30 }\n\
        optimizer = { kind = \"sgd\", lr = 0.01 }";
    let project = Project::new(&SMALL.replace("[stages.teacher]", schedule));
    let ran = project.run(&[]).expect(21);
    let note = ran.event("note")["message"].as_str().unwrap().to_owned();
    let path = note.rsplit_once(" in ").unwrap().1;
    let bytes = std::fs::read(project.path().join(path)).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for (name, tensor) in tensors.tensors() {
        let finite = tensor.data().as_chunks::<4>().0.iter().all(|b| f32::from_le_bytes(*b).is_finite());
        assert!(finite && !tensor.data().is_empty(), "{name}");
    }
    assert!(ran.event("stage-failed")["message"].as_str().unwrap().contains("epoch 2"));
    // The first epoch is a checkpoint like any other.
    let ran = project.run(&[]).expect(21);
    assert_eq!(ran.event("stage-resumed")["epoch"], 1);
}

#[test]
fn a_metric_that_is_not_a_number_is_no_result() {
    // One step of the whole split: the loss before it and the weights after it are finite, their logits are not.
    let manifest = r#"
[data.d]
source = "digits"
[stages.m]
kind = "train"
data = "d"
network = { arch = "mlp", hidden = [16] }
epochs = 1
batch = 1350
optimizer = { kind = "sgd", lr = 1e25 }
[stages.s]
kind = "evaluate"
data = "d"
models = ["m"]
"#;
    let project = Project::new(manifest);
    for _ in 0..2 {
        let ran = project.run(&[]).expect(21);
        assert!(ran.event("stage-failed")["message"].as_str().unwrap().contains("on the test split is"));
    }
    // With a validation split, training itself sees it, and no epoch is kept.
    let ran = project.run(&["m", "--set=data.d.validation=0.1", "--set=stages.m.batch=1215"]).expect(21);
    assert!(ran.event("stage-failed")["message"].as_str().unwrap().contains("the loss on the validation split is"));
    let status = project.succeed(&["cache", "status"]).stdout;
    let epochs = status.lines().find(|line| line.trim_start().starts_with("epochs")).unwrap();
    assert!(epochs.ends_with(" 1"), "only the first manifest's epoch was kept: {status}");
}
