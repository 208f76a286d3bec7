//! stdout and stderr that are closed, full, or a terminal: the run's result is the same.

use std::process::Command;

use crate::support::{Project, Ran, Running, SMALL, skipped};

/// Runs a shell script in which `$PLEACH` is the binary.
fn shell(project: &Project, script: &str) -> Ran {
    let mut command = Command::new("bash");
    command.args(["-c", script]).current_dir(project.path()).env("PLEACH", env!("CARGO_BIN_EXE_pleach"));
    command.env_remove("PLEACH_CACHE").env("TERM", "xterm");
    Running::start(command).wait()
}

#[test]
fn a_stream_that_nobody_reads_changes_nothing() {
    let whole = Project::new(SMALL);
    whole.run(&[]).expect(0);
    for (streams, code) in [
        (">&-", 0),
        ("2>&-", 0),
        ("<&- >&- 2>&-", 0),
        ("> /dev/full", 30),
        ("2> /dev/full", 0),
        ("--json > /dev/full 2>&1", 30),
        ("--json >&-", 0),
    ] {
        let project = Project::new(SMALL);
        let ran = shell(&project, &format!("\"$PLEACH\" run pleach.toml {streams}")).expect(code);
        assert!(!ran.stderr.contains("panicked"), "{streams}: {}", ran.stderr);
        assert_eq!(project.results(), whole.results(), "{streams}");
    }
}

#[test]
fn a_reader_that_goes_away_changes_nothing() {
    let whole = Project::new(SMALL);
    whole.run(&[]).expect(0);
    for pipe in ["--json | head -n 1", "2>&1 | head -n 1", "--json | true"] {
        let project = Project::new(SMALL);
        let ran = shell(&project, &format!("\"$PLEACH\" run pleach.toml {pipe}; exit ${{PIPESTATUS[0]}}")).expect(0);
        assert!(!ran.stderr.contains("panicked"), "{pipe}: {}", ran.stderr);
        assert_eq!(project.results(), whole.results(), "{pipe}");
    }
}

#[test]
fn other_commands_outlive_their_readers() {
    let project = Project::new(SMALL);
    project.run(&[]).expect(0);
    for command in [
        "plan pleach.toml",
        "graph pleach.toml",
        "explain pleach.toml student",
        "report pleach.toml",
        "cache list",
        "cache status",
        "check pleach.toml",
        "completions bash",
        "--help",
    ] {
        for (end, code) in [("> /dev/full", 30), (">&-", 0), ("| true; exit ${PIPESTATUS[0]}", 0)] {
            let ran = shell(&project, &format!("\"$PLEACH\" {command} {end}")).expect(code);
            assert!(!ran.stderr.contains("panicked"), "{command} {end}: {}", ran.stderr);
        }
    }
}

#[test]
fn lines_tell_progress_where_there_is_no_terminal() {
    let project = Project::new(SMALL);
    let ran = project.succeed(&["run", "pleach.toml"]);
    assert!(!ran.stderr.contains('\u{1b}'), "no colours and no bars: {}", ran.stderr);
    let epoch =
        ran.stderr.lines().find(|line| line.contains("teacher epoch 1/3: ")).expect("a line for the first epoch");
    for part in ["loss ", "accuracy ", "validation ", " images/s", " left"] {
        assert!(epoch.contains(part), "{part}: {epoch}");
    }
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines[0], "  running teacher (train)");
    assert!(lines.last().unwrap().starts_with("     done 0 cached, 5 run in "), "{}", lines.last().unwrap());
    let again = project.succeed(&["run", "pleach.toml"]);
    assert_eq!(again.stderr.lines().next(), Some("   cached teacher"));
    assert_eq!(again.stdout, ran.stdout);
}

#[test]
fn bars_tell_progress_on_a_terminal() {
    let project = Project::new(SMALL);
    // Windows of a test have no size; bars need one.
    let has_script = Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_script {
        return skipped("there is no `script` to make a terminal with");
    }
    // 200 epochs, so that a bar has time to be drawn.
    let run = "'\"$PLEACH\" run pleach.toml --set stages.teacher.epochs=200 > table.txt'";
    let ran =
        shell(&project, &format!("stty cols 150 2>/dev/null; script -qec {run} screen.txt < /dev/null")).expect(0);
    assert!(ran.stdout.contains('━') && ran.stdout.contains("epoch "), "{:?}", ran.stdout);
    assert!(ran.stdout.contains('\u{1b}'), "colours");
    assert!(ran.stdout.contains("5 run in"), "{:?}", ran.stdout);
    let quiet = shell(
        &project,
        "NO_COLOR=1 script -qec '\"$PLEACH\" run pleach.toml --set stages.teacher.epochs=200' screen.txt < /dev/null",
    );
    let quiet = quiet.expect(0);
    assert!(quiet.stdout.contains("   cached teacher"), "no colour: {:?}", quiet.stdout);
}

#[test]
fn a_resumed_stage_tells_the_time_of_what_is_left() {
    let project = Project::new(SMALL);
    project.succeed(&["run", "pleach.toml", "teacher", "--set=stages.teacher.epochs=4"]);
    let ran = project.succeed(&["run", "pleach.toml", "teacher", "--set=stages.teacher.epochs=6"]);
    assert!(ran.stderr.contains("  resumed teacher after epoch 4 of 6"), "{}", ran.stderr);
    assert!(ran.stderr.lines().any(|line| line.contains("epoch 5/6") && line.contains(" left")), "{}", ran.stderr);
}
