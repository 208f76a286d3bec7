//! How long a plan takes, and a run that has only so much time.

use serde_json::Value;

use crate::support::{Project, Ran, SMALL};

#[test]
fn a_plan_ends_with_the_time_that_it_takes() {
    let project = Project::new(SMALL);
    let time = |arguments: &[&str]| {
        let plan = project.succeed(&[&["plan", "pleach.toml"], arguments].concat()).stdout;
        plan.lines().find(|line| line.starts_with("time: ")).map(str::to_owned)
    };
    let first = time(&[]).expect("a line about time");
    assert!(first.contains(" with one job (from a short measurement: the store has no result"), "{first}");
    project.run(&[]).expect(0);
    assert_eq!(time(&[]), None, "everything is there");
    let longer = time(&["--set", "stages.teacher.epochs=30"]).expect("a line about time");
    assert!(longer.contains("(from 5 results of this machine)"), "no two of them are of one kind: {longer}");
    assert!(longer.contains(" more of what is `maybe`"), "{longer}");
    project.run(&["teacher", "--set", "stages.teacher.epochs=20"]).expect(0);
    let compared = time(&["--set", "stages.teacher.epochs=30"]).expect("a line about time");
    assert!(compared.contains("from 6 results of this machine; such estimates were off by a factor of "), "{compared}");

    let seconds = |epochs: &str| {
        let set = format!("stages.teacher.epochs={epochs}");
        let plan = project.succeed(&["plan", "pleach.toml", "teacher", "--json", "--set", &set]).stdout;
        let plan: Value = serde_json::from_str(&plan).unwrap();
        plan["time"]["seconds"].as_f64().unwrap_or_else(|| panic!("{plan:#}"))
    };
    let (forty, sixty) = (seconds("40"), seconds("60"));
    assert!((1.9..2.1).contains(&(sixty / forty)), "twenty epochs are there: {forty} and {sixty}");
}

#[test]
fn epochs_that_are_there_take_no_time() {
    let project = Project::new(&SMALL.replacen("epochs = 3", "epochs = 100000", 1));
    // What it takes is known from a shorter run.
    project.run(&["teacher", "--set", "stages.teacher.epochs=5"]).expect(0);
    let seconds = || {
        let plan = project.succeed(&["plan", "pleach.toml", "teacher", "--json"]).stdout;
        serde_json::from_str::<Value>(&plan).unwrap()["time"]["seconds"].as_f64().unwrap()
    };
    let before = seconds();
    let ran = project.run(&["teacher", "--budget", "2s"]).expect(24);
    let epoch = ran.events().iter().filter(|event| event["event"] == "epoch").count() as f64;
    let after = seconds();
    assert!((after / before - (1e5 - epoch) / 1e5).abs() < 1e-3, "{before} {after} {epoch}");
}

#[test]
fn a_run_stops_at_the_last_epoch_that_fits_and_says_what_is_left() {
    let project = Project::new(&SMALL.replacen("epochs = 3", "epochs = 100000", 1));
    // On a busy machine the first epoch may come late.
    let limited = |budget: &str| project.run(&["--budget", budget]).expect(24);
    let has_epoch = |ran: &Ran| ran.events().iter().any(|event| event["event"] == "epoch");
    let ran = ["1s", "4s", "16s"].into_iter().map(limited).find(has_epoch).expect("an epoch in 16 seconds");
    assert_eq!(ran.event("run-finished")["code"], 24);
    let told = "error: the time of `--budget` is used up; what was finished is kept";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    assert!(ran.stderr.contains("5 of 5 stages are left; `pleach plan` says how long they take"), "{}", ran.stderr);
    let epoch = |event: &Value| event["epoch"].as_u64().unwrap();
    let last = ran.events().iter().filter(|event| event["event"] == "epoch").map(epoch).max().expect("an epoch");
    assert!(ran.stderr.contains(&format!("`teacher` goes on after epoch {last} of 100000")), "{}", ran.stderr);
    let mut again = project.start(&[]);
    assert_eq!(again.until_event("stage-resumed", "teacher")["epoch"], last, "no epoch was lost");
    drop(again);

    // One with enough time is like any other.
    let project = Project::new(SMALL);
    project.run(&["--budget", "1h"]).expect(0);
    let limited = project.results();
    let free = Project::new(SMALL);
    free.run(&[]).expect(0);
    assert_eq!(limited, free.results());
}
