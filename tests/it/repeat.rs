//! Same manifest, same bits; content, not names.

use pleach::store::{Options, Output, Store};

use crate::support::{Project, SMALL, SMALL_STAGES};

#[test]
fn results_do_not_depend_on_threads_or_jobs() {
    let mut all = Vec::new();
    for (threads, jobs, rayon) in [("1", "1", None), ("2", "1", None), ("4", "3", None), ("3", "3", Some("1"))] {
        let project = Project::new(SMALL);
        let mut command = project.command(&["run", "pleach.toml", "--json", "--threads", threads, "--jobs", jobs]);
        if let Some(rayon) = rayon {
            command.env("RAYON_NUM_THREADS", rayon);
        }
        let ran = crate::support::Running::start(command).wait().expect(0);
        let mut finished = ran.stages("stage-finished");
        finished.sort();
        let mut expected = SMALL_STAGES.map(str::to_owned);
        expected.sort();
        assert_eq!(finished, expected);
        all.push(project.results());
    }
    assert!(all[0].len() == 5 && all.iter().all(|results| *results == all[0]), "{all:#?}");
}

/// Each of these is compiled apart, and this machine takes only the widest by itself.
#[cfg(target_arch = "x86_64")]
#[test]
fn results_do_not_depend_on_the_width_of_vectors() {
    let results = |vectors: &str| {
        let convolutions = SMALL
            .replace(r#"{ arch = "mlp", hidden = [24] }"#, r#"{ arch = "resnet", depth = 8, width = 5 }"#)
            .replace(r#"{ arch = "mlp", hidden = [12] }"#, r#"{ arch = "densenet", depth = 10, growth = 3 }"#)
            .replace("limit = 300", "limit = 100");
        let project = Project::new(&convolutions);
        let mut command = project.command(&["run", "pleach.toml", "--json"]);
        command.env("PLEACH_SIMD", vectors);
        crate::support::Running::start(command).wait().expect(0);
        project.results()
    };
    let widest = results("");
    assert_eq!(results("scalar"), widest);
    if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
        assert_eq!(results("avx2"), widest);
    }
}

#[test]
fn vectors_that_do_not_exist_are_told() {
    let project = Project::new(SMALL);
    let mut command = project.command(&["run", "pleach.toml"]);
    command.env("PLEACH_SIMD", "wide");
    let told = crate::support::Running::start(command).wait().expect(2).stderr;
    insta::assert_snapshot!(told, @r"
    error: there are no `wide` vectors to be limited to
      help: `PLEACH_SIMD` can be `avx2` or `scalar`, or be left out
    ");
}

#[test]
fn a_second_run_does_nothing() {
    let project = Project::new(SMALL);
    let first = project.run(&[]).expect(0);
    let outputs = first.event("stage-finished")["outputs"].clone();
    assert_eq!(outputs["weights"], project.results()["small/teacher"]["weights"]);
    let again = project.run(&[]).expect(0);
    assert_eq!(again.stages("stage-cached"), SMALL_STAGES);
    assert_eq!(again.stages("stage-started"), [""; 0]);
    let end = again.event("run-finished");
    assert_eq!((end["cached"].as_u64(), end["ran"].as_u64(), end["code"].as_u64()), (Some(5), Some(0), Some(0)));
}

#[test]
fn names_order_and_comments_are_labels() {
    let project = Project::new(SMALL);
    project.run(&[]).expect(0);
    let (head, stages) = SMALL.split_at(SMALL.find("[stages.teacher]").unwrap());
    let mut sections: Vec<&str> = stages.split("\n\n").collect();
    sections.reverse();
    let renamed = format!("# a comment\n{head}{}", sections.join("\n\n"))
        .replace("teacher]", "professor]")
        .replace("\"teacher\"", "\"professor\"")
        .replace("name = \"small\"", "name = \"other\" # renamed")
        .replace("digits]", "images]")
        .replace("data = \"digits\"", "data   =   'images'");
    assert!(renamed.contains("[stages.professor]") && !renamed.contains("[stages.teacher]"));
    project.write("pleach.toml", &renamed);
    let ran = project.run(&[]).expect(0);
    assert_eq!(ran.stages("stage-started"), [""; 0], "{renamed}");
    assert_eq!(ran.stages("stage-cached").len(), 5);
}

#[test]
fn a_stage_that_comes_out_the_same_stops_there() {
    let project = Project::new(SMALL);
    project.run(&[]).expect(0);
    let before = project.results();
    let ran = project.run(&["--refresh", "teacher", "--refresh", "pruned"]).expect(0);
    assert_eq!(ran.stages("stage-finished"), ["teacher", "pruned"]);
    assert_eq!(ran.stages("stage-cached"), ["student", "tuned", "score"]);
    assert!(ran.stages("stage-resumed").is_empty(), "a refreshed stage begins at its first epoch");
    assert!(!ran.stdout.contains("came out differently"), "{}", ran.stdout);
    assert_eq!(project.results(), before);
}

#[test]
fn a_change_that_changes_no_byte_stops_there() {
    let project = Project::new(SMALL);
    project.run(&[]).expect(0);
    // Of 888 weights that is 444 either way.
    let manifest = SMALL.replace("sparsity = 0.5 }", "sparsity = 0.5000001 }");
    assert_ne!(manifest, SMALL);
    project.write("pleach.toml", manifest);
    let ran = project.run(&[]).expect(0);
    assert_eq!(ran.stages("stage-finished"), ["pruned"]);
    assert_eq!(ran.stages("stage-cached"), ["teacher", "student", "tuned", "score"]);
}

#[test]
fn two_names_for_the_same_work_run_it_once() {
    let manifest = SMALL.replace(
        "[stages.pruned]",
        "[stages.twin]\nkind = \"train\"\ndata = \"digits\"\n\
        network = { arch = \"mlp\", hidden = [24] }\nepochs = 3\n\n[stages.pruned]",
    );
    let project = Project::new(&manifest);
    let ran = project.run(&["--jobs", "2"]).expect(0);
    assert_eq!(ran.event("run-finished")["ran"], 5);
    assert_eq!(ran.event("run-finished")["cached"], 1);
}

#[test]
fn a_refresh_that_is_not_needed_is_refused() {
    let project = Project::new(SMALL);
    let ran = project.run(&["student", "--refresh", "score"]).expect(2);
    assert!(ran.stderr.contains("do not need `score`"), "{}", ran.stderr);
    assert!(ran.stdout.is_empty());
}

#[test]
fn a_refresh_that_comes_out_differently_says_so() {
    let project = Project::new(SMALL);
    project.run(&[]).expect(0);
    let before = project.results();
    let mut record = project.records().into_iter().find(|record| record.label == "small/teacher").unwrap();
    let store = Store::open(&project.cache(), &Options::default()).unwrap();
    let digest = store.put(b"something else").unwrap();
    record.outputs.insert("history".to_owned(), Output { digest, size: 14 });
    store.commit(record, true).unwrap();
    drop(store);
    assert_ne!(project.results(), before);
    let ran = project.run(&["--refresh", "teacher"]).expect(0);
    let warning = ran.event("warning")["message"].as_str().unwrap().to_owned();
    assert!(warning.contains("`teacher` came out differently") && warning.contains("replaced"), "{warning}");
    assert_eq!(project.results(), before);
}

/// Stages that can run beside each other: three students of one teacher, one of which learns from augmented images.
fn sweep() -> String {
    let (head, rest) = SMALL.split_at(SMALL.find("[stages.student]").unwrap());
    let student = &rest[..rest.find("[stages.pruned]").unwrap()];
    let other = |name: &str, more: &str| student.replace("student]", &format!("{name}]")) + more + "\n\n";
    let augmented = other("augmented", "augment = [\"crop\", \"flip\"]").replace("epochs = 2\n\n", "epochs = 2\n");
    let seeded = other("seeded", "seed = 8").replace("epochs = 2\n\n", "epochs = 2\n");
    format!("{head}{student}{augmented}{seeded}")
}

#[test]
fn a_sweep_comes_out_the_same_with_any_jobs_and_memory() {
    let alone = Project::new(&sweep());
    alone.run(&["--jobs", "1"]).expect(0);
    assert_eq!(alone.results().len(), 4);
    for arguments in [&["--jobs", "2"][..], &["--jobs", "3", "--threads", "4"], &["--jobs", "2", "--memory", "600K"]] {
        let project = Project::new(&sweep());
        project.run(arguments).expect(0);
        assert_eq!(project.results(), alone.results(), "{arguments:?}");
    }
}

#[test]
fn stages_beyond_the_budget_wait_for_each_other() {
    /// The most stages that ran at a time, and what was noted.
    fn most_and_notes(arguments: &[&str]) -> (i32, Vec<String>) {
        let ran = Project::new(&sweep()).run(arguments).expect(0);
        let (mut now, mut most, mut notes) = (0, 0, Vec::new());
        for event in ran.events() {
            match event["event"].as_str().unwrap() {
                "stage-started" => now += 1,
                "stage-finished" => now -= 1,
                "note" => notes.push(event["message"].as_str().unwrap().to_owned()),
                _ => {}
            }
            most = most.max(now);
        }
        (most, notes)
    }
    // A student takes some 500 KB beside the 120 KB of the digits.
    let (most, notes) = most_and_notes(&["--jobs", "3", "--memory", "800K"]);
    assert_eq!(most, 1);
    assert!(!notes.is_empty() && notes.iter().all(|note| note.contains("waits for memory")), "{notes:?}");
    let (most, notes) = most_and_notes(&["--jobs", "3", "--memory", "1K"]);
    assert_eq!(most, 1);
    // One note a stage: that it waits, or begins although it is too large.
    assert_eq!(notes.len(), 4, "{notes:?}");
    assert!(notes[0].contains("more than the 1.0 KiB of `--memory`, and runs with nothing beside it"), "{notes:?}");
    assert_eq!(most_and_notes(&["--jobs", "3", "--memory", "1G"]).1, [""; 0]);
}

#[test]
fn a_teachers_logits_are_worked_out_once_for_all_its_students() {
    let project = Project::new(SMALL);
    let kept = || {
        let store = Store::open(&project.cache(), &Options::default()).unwrap();
        let kept = store.records().filter(|record| record.kind == "answer");
        kept.map(|record| record.key).collect::<Vec<_>>()
    };
    // Of the student and of the network that is tuned.
    project.run(&["--jobs", "2"]).expect(0);
    let first = kept();
    assert_eq!(first.len(), 1);
    project.succeed(&["cache", "gc", "--grace", "0"]);
    project.run(&["--set=stages.student.network.hidden=[7]"]).expect(0);
    assert_eq!(kept(), first, "another student, after a collection");
    project.run(&["student", "--set=stages.teacher.epochs=4"]).expect(0);
    assert_eq!(kept().len(), 2, "another teacher");
    project.run(&["student", "--set=data.digits.limit=299"]).expect(0);
    assert_eq!(kept().len(), 3, "other images");
    project.succeed(&["cache", "verify"]);
}
