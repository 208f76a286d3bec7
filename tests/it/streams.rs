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
    assert_eq!(
        again.stderr.lines().next(),
        Some("   cached 5 stages: teacher, student, pruned, tuned, score"),
        "{}",
        again.stderr
    );
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
    assert!(quiet.stdout.contains("   cached 5 stages: teacher, student"), "no colour: {:?}", quiet.stdout);
}

#[test]
fn a_resumed_stage_tells_the_time_of_what_is_left() {
    let project = Project::new(SMALL);
    project.succeed(&["run", "pleach.toml", "teacher", "--set=stages.teacher.epochs=4"]);
    let ran = project.succeed(&["run", "pleach.toml", "teacher", "--set=stages.teacher.epochs=6"]);
    assert!(ran.stderr.contains("  resumed teacher after epoch 4 of 6"), "{}", ran.stderr);
    assert!(ran.stderr.lines().any(|line| line.contains("epoch 5/6") && line.contains(" left")), "{}", ran.stderr);
}

/// Fifty networks that are pruned and evaluated, and one that they come from.
const MANY: &str = r#"
[data.digits]
source = "digits"
limit = 300

[matrix]
sparsity = [VALUES]

[stages.net]
kind = "train"
data = "digits"
network = { arch = "mlp", hidden = [4] }
epochs = 1
seed = 1

[stages.pruned]
kind = "prune"
from = "net"
method = { kind = "weights", criterion = "magnitude", sparsity = "${matrix.sparsity}" }

[stages.score]
kind = "evaluate"
data = "digits"
models = ["pruned"]
"#;

/// [`MANY`] with so many values.
fn many(count: usize) -> Project {
    let values: Vec<String> = (1..=count).map(|number| format!("{}", number as f64 / 200.0)).collect();
    Project::new(&MANY.replace("VALUES", &values.join(", ")))
}

#[test]
fn what_is_cached_is_one_line_and_a_long_table_is_cut() {
    let project = many(60);
    project.succeed(&["run", "pleach.toml"]);
    let ran = project.succeed(&["run", "pleach.toml"]);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.stderr);
    assert_eq!(lines[0], "   cached 121 stages: net, pruned x 60, score x 60");
    assert!(lines[1].starts_with("     done 121 cached, 0 run in "), "{}", lines[1]);
    // A title, a head, fifty rows, what is left out, and an empty line.
    assert_eq!(ran.stdout.lines().count(), 54, "{}", ran.stdout);
    assert!(ran.stdout.contains("\n  … and 10 more rows; `pleach report` has them all\n"), "{}", ran.stdout);
    let report = project.succeed(&["report", "pleach.toml"]).stdout;
    assert!(!report.contains("more rows") && report.lines().count() >= 62, "{report}");
    // The neighbour: what a stop skips.
    let ran = project.succeed(&["run", "pleach.toml", "--json"]);
    assert_eq!(ran.stages("stage-cached").len(), 121, "events stay as they were");
}

#[test]
fn what_a_stop_skips_is_one_line() {
    let project = Project::new(SMALL);
    let running = Running::start(project.command(&["run", "pleach.toml", "--set=stages.teacher.epochs=100000"]));
    running.told_until("teacher epoch 1/");
    running.signal(rustix::process::Signal::INT);
    let ran = running.wait().expect(130);
    let skipped: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("skipped ")).collect();
    assert_eq!(
        skipped[0], "  skipped 5 stages (teacher, student, pruned, tuned, score): the run was stopped",
        "{}",
        ran.stderr
    );
    assert_eq!(skipped.len(), 2, "and in the last line: {}", ran.stderr);
}

#[test]
fn quiet_leaves_warnings_failures_and_the_last_line() {
    let project = Project::new(SMALL);
    let ran = project.succeed(&["run", "pleach.toml", "--quiet"]);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("     done 0 cached, 5 run in "), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("score: "), "results are no progress: {}", ran.stdout);
    let ran = project
        .pleach(&["run", "pleach.toml", "-q", "--set=stages.teacher.optimizer={ kind = \"sgd\", lr = 1e30 }"])
        .expect(21);
    let words: Vec<&str> = ran.stderr.lines().map(|line| line.split_whitespace().next().unwrap_or_default()).collect();
    assert_eq!((words.first(), words.last()), (Some(&"failed"), Some(&"done")), "{}", ran.stderr);
    assert!(!ran.stderr.contains("skipped student"), "{}", ran.stderr);
}

/// Runs the binary on a terminal of so many columns that calls itself `name`.
fn on_a_terminal(project: &Project, name: &str, columns: u16, arguments: &str) -> String {
    let run = format!("stty cols {columns} rows 40; \"$PLEACH\" {arguments}");
    let script = format!("TERM={name} NO_COLOR=1 script -qec {run:?} screen.txt < /dev/null").replace('$', "\\$");
    shell(project, &script).expect(0).stdout
}

fn has_script() -> bool {
    let has = Command::new("script").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has {
        skipped("there is no `script` to make a terminal with");
    }
    has
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_gets_lines() {
    if !has_script() {
        return;
    }
    let project = Project::new(SMALL);
    let screen = on_a_terminal(&project, "dumb", 100, "run pleach.toml --set stages.teacher.epochs=200");
    assert!(!screen.contains('\u{1b}') && !screen.contains('━'), "{screen:?}");
    assert!(screen.contains("  running teacher (train)") && screen.contains("epoch 1/200: "), "{screen}");
}

#[test]
fn bars_and_tables_fit_the_terminal() {
    if !has_script() {
        return;
    }
    let project = Project::new(SMALL);
    let screen = on_a_terminal(&project, "xterm", 72, "run pleach.toml --set stages.teacher.epochs=300");
    let plain = screen_text(&screen);
    for line in plain.lines() {
        // Bars fill their lines, and so need no end of line between them.
        let length = line.chars().count();
        assert!(length <= 72 || line.contains('─') && length.is_multiple_of(72), "{length}: {line:?}");
    }
    assert!(plain.lines().any(|line| line.contains("━") && line.contains("epoch ")), "{plain}");
    assert!(plain.contains("no room for "), "{plain}");
    let wide = on_a_terminal(&project, "xterm", 200, "report pleach.toml --set stages.teacher.epochs=300");
    assert!(!wide.contains("no room for "), "{wide}");
}

/// A screen's text without what moves the cursor; every return to the start of a line begins a new one.
fn screen_text(screen: &str) -> String {
    let mut out = String::new();
    let mut characters = screen.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => {
                let end = characters.find(|c| c.is_ascii_alphabetic());
                // Where the cursor goes, or a line is cleared, another text begins.
                out.push_str(if end == Some('m') { "" } else { "\n" });
            }
            '\r' => out.push('\n'),
            other => out.push(other),
        }
    }
    out
}

#[test]
fn a_manifest_comes_from_standard_input_or_a_pipe() {
    let project = Project::new(SMALL);
    let whole = Project::new(SMALL);
    whole.run(&[]).expect(0);
    shell(&project, "cat pleach.toml | \"$PLEACH\" run -").expect(0);
    assert_eq!(project.results(), whole.results());
    for manifest in ["- < pleach.toml", "/dev/stdin < pleach.toml", "<(cat pleach.toml)"] {
        let ran = shell(&project, &format!("\"$PLEACH\" plan {manifest}")).expect(0);
        assert!(ran.stdout.contains("5 cached, 0 to run"), "{manifest}: {}", ran.stdout);
    }
    let ran = shell(&project, "mkfifo pipe; (sleep 0.2; cat pleach.toml > pipe) & \"$PLEACH\" check pipe").expect(0);
    assert_eq!(ran.stdout, "pipe: 5 stages, no errors\n");
    // Places are told by a name, and paths go from the folder in which the command runs.
    let ran = shell(&project, "sed s/epochs/epoch/ pleach.toml | \"$PLEACH\" check -").expect(10);
    assert!(ran.stderr.contains("--> stdin:15:1"), "{}", ran.stderr);
    let ran = shell(
        &project,
        "sed 's/source = \"digits\"/source = \"mnist\"\\npath = \"here\"/' pleach.toml | \"$PLEACH\" run -",
    )
    .expect(11);
    assert!(ran.stderr.contains(": here\n"), "{}", ran.stderr);
    shell(&project, "head -c 1100000 /dev/zero | tr '\\0' '#' | \"$PLEACH\" check -").expect(10);
}

#[test]
fn the_chosen_epoch_and_an_early_stop_are_told() {
    let project = Project::new(SMALL);
    let stop = "--set=stages.teacher.early-stop={ patience = 1, minimum-gain = 0.9 }";
    let ran = project.succeed(&["run", "pleach.toml", "teacher", stop, "--set=stages.teacher.select=\"best\""]);
    let note = ran.stderr.lines().find(|line| line.contains("stopped after")).expect("a note");
    assert!(
        note.starts_with("     note teacher: stopped after epoch 2 of 3, as an epoch brought no gain on the validation split; the weights are those of epoch "),
        "{note}"
    );
    let ran = project.succeed(&["run", "pleach.toml"]);
    assert!(!ran.stderr.contains("the weights are those of"), "the last epoch is a matter of course: {}", ran.stderr);
}

#[test]
fn help_shows_the_options_of_a_command_first_with_examples() {
    let project = Project::new(SMALL);
    let plan = project.succeed(&["plan", "--help"]).stdout;
    let place = |word: &str| plan.find(word).unwrap_or_else(|| panic!("no {word}:\n{plan}"));
    assert!(place("--expand") < place("--cache") && place("--refresh") < place("Store:"), "{plan}");
    assert!(place("Store:") < place("Examples:") && plan.contains("pleach plan pleach.toml"), "{plan}");
    for command in [&["schema"][..], &["data", "list"], &["init"], &["check"], &["layers"], &["completions"]] {
        let help = project.succeed(&[command, &["--help"]].concat()).stdout;
        assert!(!help.contains("--trust-cache") && !help.contains("Store:"), "{help}");
    }
    // They can still stand before any command, as in a script that gives them to all.
    project.succeed(&["--cache", "elsewhere", "check", "pleach.toml"]);
    project.succeed(&["check", "--cache", "elsewhere", "pleach.toml"]);
    project.succeed(&["--cache", "elsewhere", "run", "pleach.toml", "teacher"]);
    project.succeed(&["cache", "status", "--cache", "elsewhere"]);
    assert!(project.path().join("elsewhere/v1").is_dir() && !project.cache().exists());
    let help = project.succeed(&["--help"]).stdout;
    for code in [0, 1, 2, 10, 11, 20, 21, 22, 30, 31, 32, 130, 143] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{code}  "))), "{code}: {help}");
    }
}

#[test]
fn layers_are_named_before_anything_runs() {
    let project = Project::new(SMALL);
    insta::assert_snapshot!(project.succeed(&["layers", "pleach.toml"]).stdout, @r"
    teacher: 8x8x1 images, 10 classes, 1,810 parameters
      layer         operation  output          parameters
      flatten       flatten    a vector of 64
      hidden1       linear     a vector of 24       1,560
      hidden1.relu  relu       a vector of 24
      classifier    linear     a vector of 10         250

    student, pruned, tuned: 8x8x1 images, 10 classes, 910 parameters
      layer         operation  output          parameters
      flatten       flatten    a vector of 64
      hidden1       linear     a vector of 12         780
      hidden1.relu  relu       a vector of 12
      classifier    linear     a vector of 10         130
    ");
    let channels = "--set=stages.pruned.method={ kind = \"channels\", ratio = 0.5 }";
    let of_tuned = project.succeed(&["layers", "pleach.toml", "tuned", channels]).stdout;
    assert!(of_tuned.contains("pruning keeps the names, and makes layers narrower"), "{of_tuned}");
    let ran = project.pleach(&["layers", "pleach.toml", "score"]).expect(2);
    assert!(ran.stderr.contains("name a stage that trains, imports or prunes a network"), "{}", ran.stderr);
    assert!(!project.cache().exists());
}
