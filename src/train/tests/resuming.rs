//! What a longer, changed or repeated run takes over from the checkpoints of earlier ones.

use super::{Fixture, mlp, resnet, sgd, training};
use crate::data::Augmentation;
use crate::train::parameters::{EarlyStop, Optimizer, Schedule, Select, Training};

#[test]
fn a_longer_run_goes_on_and_is_bit_for_bit_a_fresh_one() {
    let fixture = Fixture::new();
    for (name, change) in [
        ("sgd", (|_| {}) as fn(&mut Training)),
        ("adamw", |t| {
            t.optimizer =
                Optimizer::Adamw { lr: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.01, decay_all: true }
        }),
        ("augmented, clipped", |t| {
            t.augment = vec![Augmentation::Crop, Augmentation::Flip];
            t.clip_norm = Some(1.0);
        }),
    ] {
        let mut long = training(4);
        change(&mut long);
        let mut short = long.clone();
        short.epochs = 2;
        let first = format!("{name} resumed");
        assert_eq!(fixture.run(&first, &short, resnet(), None).1, None);
        let (resumed, from) = fixture.run(&first, &long, resnet(), None);
        let (fresh, none) = fixture.run(&format!("{name} fresh"), &long, resnet(), None);
        assert_eq!((from, none), (Some(2), None), "{name}");
        assert!(resumed.model == fresh.model, "{name}");
        assert_eq!(resumed.history, fresh.history, "{name}");
        // And a shorter one is there already.
        assert_eq!(fixture.run(&first, &short, resnet(), None).1, Some(2));
    }
}

#[test]
fn a_later_milestone_shares_the_epochs_before_it() {
    let fixture = Fixture::new();
    let with = |milestone| Training {
        schedule: Schedule::Step { warmup: 0.0, milestones: vec![milestone], gamma: 0.1 },
        ..training(4)
    };
    fixture.run("one", &with(2), mlp(16), None);
    let (shared, from) = fixture.run("one", &with(3), mlp(16), None);
    assert_eq!(from, Some(2));
    assert!(shared.model == fixture.run("two", &with(3), mlp(16), None).0.model);
    // A cosine knows its length from the first step on.
    let cosine = |epochs| Training { schedule: Schedule::Cosine { warmup: 0.0, final_share: 0.0 }, ..training(epochs) };
    fixture.run("three", &cosine(2), mlp(16), None);
    assert_eq!(fixture.run("three", &cosine(3), mlp(16), None).1, None);
}

#[test]
fn the_best_epoch_and_an_early_stop_survive_resuming() {
    let fixture = Fixture::new();
    let mut stopping = training(12);
    stopping.optimizer = sgd(0.5, 0.0);
    stopping.select = Select::Best;
    stopping.early_stop = Some(EarlyStop { patience: 2, minimum_gain: 0.0 });
    let (fresh, _) = fixture.run("fresh", &stopping, mlp(16), None);
    let epochs = fresh.history.epochs.len() as u64;
    assert!(epochs < 12, "it stops early");
    assert_eq!(fresh.history.selected, fresh.history.best());
    let mut short = stopping.clone();
    short.epochs = epochs - 1;
    fixture.run("resumed", &short, mlp(16), None);
    let (resumed, from) = fixture.run("resumed", &stopping, mlp(16), None);
    assert_eq!(from, Some(epochs - 1));
    assert_eq!(resumed.history, fresh.history);
    assert!(resumed.model == fresh.model);
    // With less patience the answer lies in the checkpoints that are there, not after the last of them.
    let mut impatient = stopping.clone();
    impatient.early_stop = Some(EarlyStop { patience: 1, minimum_gain: 0.0 });
    let (early, _) = fixture.run("resumed", &impatient, mlp(16), None);
    let (expected, _) = fixture.run("impatient", &impatient, mlp(16), None);
    assert_eq!(early.history, expected.history);
    assert!(early.model == expected.model);
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_made_again() {
    let fixture = Fixture::new();
    let (whole, _) = fixture.run("whole", &training(3), mlp(16), None);
    fixture.run("broken", &training(2), mlp(16), None);
    // A record in good order that names the wrong objects.
    let store = fixture.store("broken");
    for mut record in store.records().collect::<Vec<_>>() {
        let history = record.outputs["history"];
        record.outputs.insert("optimizer".to_owned(), history);
        store.commit(record, true).unwrap();
    }
    drop(store);
    let (again, from) = fixture.run("broken", &training(3), mlp(16), None);
    assert_eq!(from, None);
    assert!(again.model == whole.model);
}
