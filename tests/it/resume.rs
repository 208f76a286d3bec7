//! An epoch is an action too: longer, changed and repeated runs take over the epochs they have in common with what is
//! in the store, and come to the same bits as a run that had to do all of them.

use crate::support::{Project, Results};

/// One training stage with more keys.
fn training(keys: &str) -> String {
    format!(
        "[pipeline]\nname = \"p\"\nseed = 5\n[data.digits]\nsource = \"digits\"\nvalidation = 0.2\nlimit = 200\n\
         [stages.net]\nkind = \"train\"\ndata = \"digits\"\nnetwork = {{ arch = \"mlp\", hidden = [12] }}\n\
         batch = 30\n{keys}\n"
    )
}

/// Runs `first` and then `then`; the epoch after which `then` went on, and its results and those of a fresh run.
fn after(first: &str, then: &str) -> (Option<u64>, Results, Results) {
    let project = Project::new(&training(first));
    project.run(&[]).expect(0);
    std::fs::remove_file(project.record_file("net")).unwrap();
    project.write("pleach.toml", training(then));
    let ran = project.run(&[]).expect(0);
    let resumed = ran.events().iter().find(|e| e["event"] == "stage-resumed").and_then(|e| e["epoch"].as_u64());
    let epochs: Vec<u64> =
        ran.events().iter().filter(|e| e["event"] == "epoch").map(|e| e["epoch"].as_u64().unwrap()).collect();
    assert!(
        epochs.iter().copied().eq(resumed.unwrap_or(0) + 1..=epochs.last().copied().unwrap_or(resumed.unwrap_or(0)))
    );
    let fresh = Project::new(&training(then));
    let whole = fresh.run(&[]).expect(0);
    assert!(whole.stages("stage-resumed").is_empty());
    (resumed, project.results(), fresh.results())
}

fn goes_on_after(epoch: Option<u64>, first: &str, then: &str) {
    let (resumed, results, fresh) = after(first, then);
    assert_eq!(resumed, epoch, "{first} → {then}");
    assert_eq!(results, fresh, "{first} → {then}");
}

#[test]
fn more_epochs_go_on_from_the_last() {
    goes_on_after(Some(3), "epochs = 3", "epochs = 5");
    // 160 images are 5 batches of 30 and 10 more, or 6 of 26 and 4 more.
    for last in ["even", "smaller", "drop"] {
        let keys = |epochs: u32| format!("epochs = {epochs}\nlast-batch = \"{last}\"");
        goes_on_after(Some(1), &keys(1), &keys(2));
    }
    let adam = "optimizer = { kind = \"adam\", lr = 0.01 }\naugment = [\"crop\", \"flip\"]\nschedule = { kind = \"constant\", warmup = 2 }";
    goes_on_after(Some(3), &format!("epochs = 3\n{adam}"), &format!("epochs = 5\n{adam}"));
}

#[test]
fn fewer_epochs_take_their_last() {
    goes_on_after(Some(2), "epochs = 4", "epochs = 2");
}

#[test]
fn a_later_milestone_leaves_the_epochs_before_it() {
    let steps = |milestones: &str| {
        format!("epochs = 5\nschedule = {{ kind = \"step\", milestones = {milestones}, gamma = 0.1 }}")
    };
    // Of the first, the epochs 2, 4 and 5 are kept.
    goes_on_after(Some(2), &steps("[1, 3]"), &steps("[1, 4]"));
    goes_on_after(Some(4), &steps("[1, 4]"), &steps("[1]"));
}

#[test]
fn a_longer_cosine_begins_anew() {
    let cosine = |epochs: u32| format!("epochs = {epochs}\nschedule = {{ kind = \"cosine\" }}");
    goes_on_after(None, &cosine(3), &cosine(4));
}

#[test]
fn what_decides_every_epoch_begins_anew() {
    goes_on_after(None, "epochs = 2\naugment = [\"crop\"]", "epochs = 2\naugment = [\"flip\"]");
    goes_on_after(None, "epochs = 2\nseed = 1", "epochs = 2\nseed = 2");
    let last = |word: &str| format!("epochs = 2\nlast-batch = \"{word}\"");
    goes_on_after(None, &last("even"), &last("smaller"));
    goes_on_after(None, &last("drop"), &last("even"));
}

#[test]
fn the_best_epoch_is_known_after_a_resumption() {
    // At this rate the accuracy goes up and down, so that the best epoch is not the last.
    let keys =
        |epochs: u32| format!("epochs = {epochs}\nselect = \"best\"\noptimizer = {{ kind = \"sgd\", lr = 2.0 }}");
    for first in [2, 4, 6] {
        goes_on_after(Some(first.into()), &keys(first), &keys(7));
    }
    goes_on_after(Some(4), "epochs = 4", "epochs = 4\nselect = \"best\"");
}

#[test]
fn an_early_stop_is_the_same_after_a_resumption() {
    let rule = "early-stop = { patience = 1, minimum-gain = 0.9 }";
    let stopped = Project::new(&training(&format!("epochs = 8\n{rule}")));
    let ran = stopped.run(&[]).expect(0);
    let epochs = ran.events().iter().filter(|e| e["event"] == "epoch").count() as u64;
    assert!(epochs < 8, "it stopped after {epochs}");
    goes_on_after(Some(1), "epochs = 1", &format!("epochs = 8\n{rule}"));
    goes_on_after(Some(epochs), "epochs = 6", &format!("epochs = 8\n{rule}"));
}

#[test]
fn a_plan_says_which_epochs_are_there_and_which_are_trained_again() {
    let step = |milestone: u32, epochs: u32| {
        training(&format!(
            "epochs = {epochs}\nschedule = {{ kind = \"step\", milestones = [{milestone}], gamma = 0.1 }}"
        ))
    };
    let project = Project::new(&step(100, 20));
    project.run(&[]).expect(0);
    // A collection leaves the last of a finished stage.
    project.succeed(&["cache", "gc"]);
    for (milestone, epochs, text, json) in [
        (100, 30, "goes on after epoch 20 of 30\n", [20, 20]),
        (
            18,
            30,
            "trains all of its 30 epochs; epochs 1 to 18 are trained again, as their checkpoints are gone\n",
            [0, 18],
        ),
        (1, 3, "trains all of its 3 epochs; epoch 1 is trained again, as its checkpoint is gone\n", [0, 1]),
    ] {
        project.write("pleach.toml", step(milestone, epochs));
        let told = project.succeed(&["plan", "pleach.toml"]).stdout;
        assert!(told.contains(text), "{told}");
        let told: serde_json::Value =
            serde_json::from_str(&project.succeed(&["plan", "pleach.toml", "--json"]).stdout).unwrap();
        let found = &told["stages"][0]["epochs"];
        assert_eq!([&found["goes-on-after"], &found["trained-before"]], json, "{told}");
        assert_eq!(found["all"], epochs);
    }
    project.write("pleach.toml", step(100, 30));
    let ran = project.run(&[]).expect(0);
    let epochs = ran.events().iter().filter(|e| e["event"] == "epoch").count();
    assert_eq!((ran.event("stage-resumed")["epoch"].as_u64(), epochs), (Some(20), 10));
    let fresh = Project::new(&step(100, 30));
    let whole = fresh.run(&[]).expect(0);
    assert_eq!(ran.event("stage-finished")["outputs"], whole.event("stage-finished")["outputs"]);
}

#[test]
fn refresh_does_every_epoch_again() {
    let project = Project::new(&training("epochs = 2"));
    project.run(&[]).expect(0);
    let before = project.results();
    let ran = project.run(&["--refresh", "net"]).expect(0);
    assert_eq!(ran.stages("epoch").len(), 2);
    assert_eq!(project.results(), before);
}
