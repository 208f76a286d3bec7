//! What a longer, changed or repeated run takes over from the checkpoints of earlier ones.

use super::{Fixture, mlp, resnet, sgd, training};
use crate::data::Augmentation;
use crate::store::{Record, Store};
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
    // Records in good order, each with the checkpoint of the other.
    let store = fixture.store("broken");
    let [one, two] = &store.records().collect::<Vec<_>>()[..] else { panic!("two epochs") };
    for (record, other) in [(one, two), (two, one)] {
        store.commit(Record { outputs: other.outputs.clone(), ..record.clone() }, true).unwrap();
    }
    drop(store);
    let (again, from) = fixture.run("broken", &training(3), mlp(16), None);
    assert_eq!(from, None);
    assert!(again.model == whole.model);
    // And what could not be used is replaced.
    assert_eq!(fixture.run("broken", &training(3), mlp(16), None).1, Some(3));
}

/// The epochs whose checkpoints are in a store, and how many objects there are.
fn kept(store: &Store) -> (Vec<u64>, u64) {
    let mut epochs: Vec<u64> = store.records().map(|record| record.epoch()).collect();
    epochs.sort_unstable();
    (epochs, store.status().unwrap().objects)
}

#[test]
fn three_checkpoints_stay_and_what_branches_trains_the_least_again() {
    let mut fixture = Fixture::new();
    fixture.shorten(100);
    let step = |epochs, milestone| Training {
        schedule: Schedule::Step { warmup: 0.0, milestones: vec![milestone], gamma: 0.1 },
        ..training(epochs)
    };
    fixture.run("store", &training(20), mlp(8), None);
    assert_eq!(kept(&fixture.store("store")), (vec![8, 16, 20], 3));
    for (name, changed, expected, left) in [
        ("longer", training(30), 20, vec![16, 30]),
        ("shorter", training(19), 16, vec![16, 19, 30]),
        // The rate is lower from the epoch behind the milestone on.
        ("lower", step(30, 18), 16, vec![16, 19, 30, 30]),
        ("lower earlier", step(30, 15), 0, vec![]),
    ] {
        let (resumed, from) = fixture.run("store", &changed, mlp(8), None);
        assert_eq!(from.unwrap_or(0), expected, "{name}");
        let (fresh, _) = fixture.run(&format!("fresh {name}"), &changed, mlp(8), None);
        assert!(resumed.model == fresh.model && resumed.history == fresh.history, "{name}");
        if !left.is_empty() {
            assert_eq!(kept(&fixture.store("store")).0, left, "{name}");
        }
    }
}

#[test]
fn a_best_epoch_before_an_earlier_stop_is_there_already() {
    let fixture = Fixture::new();
    let mut patient = training(20);
    patient.optimizer = sgd(0.5, 0.0);
    patient.select = Select::Best;
    fixture.run("store", &patient, mlp(16), None);
    let mut cut = 0;
    for patience in 1..12 {
        let rule = EarlyStop { patience, minimum_gain: 0.0 };
        let stopping = Training { early_stop: Some(rule), ..patient.clone() };
        let (fresh, _) = fixture.run(&format!("{patience}"), &stopping, mlp(16), None);
        let (again, from) = fixture.run("store", &stopping, mlp(16), None);
        assert!(again.model == fresh.model && again.history == fresh.history, "{patience}");
        cut += u32::from(from == Some(again.history.epochs.len() as u64));
    }
    assert!(cut > 2, "{cut}");
}

#[cfg(feature = "fault-injection")]
#[test]
fn what_could_not_be_dropped_goes_when_the_run_goes_on() {
    use crate::store::fault::{arm_thread, parse};
    let mut fixture = Fixture::new();
    fixture.shorten(100);
    let store = fixture.folder.path().join("store");
    // The first is the probe of the store's opening.
    let armed = arm_thread(parse("fail-from:2:EIO:unlink").unwrap(), Some(&store));
    fixture.run("store", &training(12), mlp(8), None);
    assert!(armed.hits() > 5);
    drop(armed);
    assert_eq!(kept(&fixture.store("store")).0, (1..=12).collect::<Vec<_>>());
    let (resumed, from) = fixture.run("store", &training(13), mlp(8), None);
    assert_eq!((from, kept(&fixture.store("store"))), (Some(12), (vec![8, 13], 2)));
    assert!(resumed.model == fixture.run("fresh", &training(13), mlp(8), None).0.model);
}
