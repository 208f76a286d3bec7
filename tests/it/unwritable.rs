//! Stores that others made, stores that a group shares, and stores that are only read.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::{Project, Ran, Running, SMALL, as_user};

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Runs the binary as another user; `None` where that cannot be.
fn run_as(project: &Project, user: u32, group: u32, arguments: &[&str]) -> Option<Ran> {
    Some(Running::start(as_user(user, group, project.command(arguments))?).wait())
}

/// As a run of root in a container leaves it.
#[test]
fn a_store_that_root_made_is_refused_before_anything_trains_and_can_be_read() {
    let project = Project::new(SMALL);
    set_mode(project.path(), 0o755);
    project.run(&["student"]).expect(0);
    let as_nobody = |arguments: &[&str]| run_as(&project, 65534, 65534, arguments);
    let Some(refused) = as_nobody(&["run", "pleach.toml"]) else { return };
    let refused = refused.expect(30);
    assert!(!refused.stderr.contains("running"), "nothing is begun: {}", refused.stderr);
    insta::assert_snapshot!(refused.stderr, @r"
    error: the store cannot be written: Permission denied (os error 13): cache/v1/tmp
      help: `cache/v1/tmp` belongs to user 0, group 0, and has mode 755; pleach runs as user 65534
      help: take it over with `sudo chown -R 65534:65534 cache` (a container that shares a store with you should run with `--user 65534:65534`), or name another store with `--cache DIR`
      help: with `--read-only-cache` the run uses what the store has, and loses what it makes when it ends
    ");
    let json = as_nobody(&["run", "pleach.toml", "--json"]).unwrap().expect(30);
    assert!(json.stages("stage-started").is_empty(), "{}", json.stdout);

    // What needs no writing does none, and says nothing.
    let temporary = project.path().join("temporary");
    std::fs::create_dir(&temporary).unwrap();
    set_mode(&temporary, 0o777);
    for arguments in [
        &["run", "pleach.toml", "student"][..],
        &["plan", "pleach.toml"],
        &["explain", "pleach.toml", "student"],
        &["export", "pleach.toml", "student", "-o", "temporary/x.safetensors"],
        &["cache", "status"],
        &["cache", "list"],
        &["cache", "gc", "--dry-run"],
    ] {
        let mut command = as_user(65534, 65534, project.command(arguments)).unwrap();
        command.env("TMPDIR", &temporary);
        let ran = Running::start(command).wait().expect(0);
        let said = ["warning", "read-only", "journal"].iter().any(|word| ran.stderr.contains(word));
        assert!(!said, "{arguments:?}: {}", ran.stderr);
    }
    let left: Vec<_> = std::fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.iter().filter(|name| !name.to_string_lossy().starts_with("x.")).count(), 0, "{left:?}");
    as_nobody(&["run", "pleach.toml", "student", "--require-cache-write"]).unwrap().expect(30);
    as_nobody(&["run", "pleach.toml", "student", "--refresh", "student"]).unwrap().expect(30);
    let ran = as_nobody(&["cache", "gc"]).unwrap().expect(30);
    assert!(ran.stderr.contains("cannot be written"), "{}", ran.stderr);
}

#[test]
fn a_run_that_keeps_nothing_says_so_at_both_ends() {
    let project = Project::new(SMALL);
    project.run(&["student"]).expect(0);
    let before = project.results();
    let ran = project.run(&["--read-only-cache"]).expect(30);
    assert_eq!(ran.stages("stage-finished"), ["pruned", "tuned", "score"]);
    let events = ran.events();
    let warnings: Vec<_> = events.iter().enumerate().filter(|(_, event)| event["event"] == "warning").collect();
    let said = |number: usize| warnings[number].1["message"].as_str().unwrap();
    assert_eq!(warnings.len(), 2, "{}", ran.stdout);
    assert!(said(0).contains("is only read") && said(1).contains("is lost"), "{}", ran.stdout);
    let begun = events.iter().position(|event| event["event"] == "stage-started").unwrap();
    assert!(warnings[0].0 < begun && warnings[1].0 == events.len() - 2, "{}", ran.stdout);
    assert_eq!(events.last().unwrap()["code"], 30);
    assert_eq!(project.results(), before);

    let shown = project.pleach(&["run", "pleach.toml", "--read-only-cache"]).expect(30);
    assert!(shown.stdout.contains("score: 447 test images"), "{}", shown.stdout);
    assert!(shown.stderr.trim_end().ends_with("run without `--read-only-cache` to keep results"), "{}", shown.stderr);
    project.run(&["student", "--read-only-cache"]).expect(0);
    let none = Project::new(SMALL);
    none.run(&["teacher", "--read-only-cache"]).expect(30);
    assert!(!none.cache().exists());
    none.succeed(&["plan", "pleach.toml"]);
    assert!(!none.cache().exists(), "a plan makes no store");
}

#[test]
fn a_search_in_a_store_that_is_only_read_is_gone_through_and_lost() {
    let manifest = r#"
        [data.digits]
        source = "digits"
        validation = 0.2
        limit = 300

        [matrix]
        sparsity = [0.2, 0.5, 0.9]

        [stages.teacher]
        kind = "train"
        data = "digits"
        network = { arch = "mlp", hidden = [24] }
        epochs = 3

        [stages.pruned]
        kind = "prune"
        from = "teacher"
        method = { kind = "weights", criterion = "magnitude", sparsity = "${matrix.sparsity}" }

        [stages.choice]
        kind = "evaluate"
        data = "digits"
        split = "validation"
        models = ["teacher", "pruned"]
        reference = "teacher"

        [search]
        kind = "bisect"
        axis = "sparsity"
        evaluate = "choice"
        drop = 0.9
    "#;
    let project = Project::new(manifest);
    let ran = project.run(&["--read-only-cache"]).expect(30);
    let lost = |event: &serde_json::Value| event["message"].as_str().is_some_and(|said| said.contains("is lost"));
    assert_eq!(ran.events().iter().filter(|event| lost(event)).count(), 1, "{}", ran.stdout);
    assert_eq!(ran.events().last().unwrap()["code"], 30);
}

/// Two members of a group fill one store, whatever their masks; who is in no such group is told how to trust it.
#[test]
fn a_group_fills_one_store() {
    for (first, second) in [("002", "002"), ("022", "077")] {
        let project = Project::new(SMALL);
        set_mode(project.path(), 0o755);
        let cache = project.cache();
        std::fs::create_dir(&cache).unwrap();
        if std::os::unix::fs::chown(&cache, Some(2001), Some(3000)).is_err() {
            return crate::support::skipped("only root can give files away");
        }
        set_mode(&cache, 0o2775);
        let run = |user: u32, mask: &str, arguments: &[&str]| {
            let mut shell = Command::new("sh");
            let binary = env!("CARGO_BIN_EXE_pleach");
            shell.args(["-c", &format!("umask {mask}; exec \"$0\" \"$@\""), binary]).args(arguments);
            shell.current_dir(project.path()).env_remove("PLEACH_CACHE").env("NO_COLOR", "1");
            Running::start(as_user(user, 3000, shell).expect("root, as it gave the folder away")).wait()
        };
        run(2001, first, &["run", "pleach.toml", "student"]).expect(0);
        let ran = run(2002, second, &["run", "pleach.toml"]).expect(0);
        assert!(ran.stderr.contains("2 cached, 3 run") && !ran.stderr.contains("warning"), "{}", ran.stderr);
        let ran = run(2001, first, &["run", "pleach.toml"]).expect(0);
        assert!(ran.stderr.contains("5 cached, 0 run") && !ran.stderr.contains("warning"), "{}", ran.stderr);
        run(2002, second, &["cache", "gc"]).expect(0);
        run(2001, first, &["cache", "verify"]).expect(0);

        let stranger = run_as(&project, 2003, 4000, &["plan", "pleach.toml"]).unwrap().expect(30);
        assert!(stranger.stderr.contains("belongs to user 2001"), "{}", stranger.stderr);
        assert!(stranger.stderr.contains("--trust-cache"), "{}", stranger.stderr);
        run_as(&project, 2003, 4000, &["plan", "pleach.toml", "--trust-cache"]).unwrap().expect(0);
    }
}

/// A record that cannot be read is no missing one: the stage fails, and nothing trains a second time.
#[test]
fn a_record_of_another_member_that_cannot_be_read_is_an_error() {
    let project = Project::new(SMALL);
    set_mode(project.path(), 0o755);
    project.run(&["teacher"]).expect(0);
    set_mode(&project.record_file("teacher"), 0o600);
    let Some(ran) = run_as(&project, 65534, 65534, &["run", "pleach.toml", "teacher"]) else { return };
    let ran = ran.expect(30);
    assert!(!ran.stderr.contains("running"), "{}", ran.stderr);
}

#[test]
fn root_in_a_users_store_is_told_to_be_that_user() {
    let project = Project::new(SMALL);
    project.run(&["teacher"]).expect(0);
    let changed = Command::new("chown").args(["-R", "12345:54321"]).arg(project.cache()).output().unwrap();
    if !changed.status.success() {
        return crate::support::skipped("only root can give files away");
    }
    let ran = project.run(&["teacher"]).expect(30);
    assert!(ran.stderr.contains("in a container, `--user 12345:54321`"), "{}", ran.stderr);
}

/// As on mounted object stores.
#[cfg(feature = "fault-injection")]
#[test]
fn a_file_system_that_refuses_modes_is_written() {
    let whole = Project::new(SMALL);
    whole.run(&[]).expect(0);
    let project = Project::new(SMALL);
    for expected in ["0 cached, 5 run", "5 cached, 0 run"] {
        let mut command = project.command(&["run", "pleach.toml"]);
        command.env("PLEACH_FAULT", "fail-from:1:EPERM:mark");
        let ran = Running::start(command).wait().expect(0);
        assert!(ran.stderr.contains(expected) && !ran.stderr.contains("warning"), "{}", ran.stderr);
    }
    assert_eq!(project.results(), whole.results());
}
