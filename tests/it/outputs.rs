//! `-o` onto what is no plain file, and stdout that cannot be written.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::{Project, Ran, Running, SMALL};

/// A project whose results are there, and its report.
fn finished() -> (Project, String) {
    let project = Project::new(SMALL);
    project.run(&[]).expect(0);
    let report = project.succeed(&["report", "pleach.toml", "--format", "csv"]).stdout;
    assert!(report.lines().count() > 2, "{report}");
    (project, report)
}

fn report_to(project: &Project, target: &str) -> Ran {
    project.pleach(&["report", "pleach.toml", "--format", "csv", "-o", target])
}

/// Runs a shell script in which `$PLEACH` is the binary.
fn shell(project: &Project, script: &str) -> Ran {
    let mut command = Command::new("bash");
    command.args(["-c", script]).current_dir(project.path()).env("PLEACH", env!("CARGO_BIN_EXE_pleach"));
    command.env_remove("PLEACH_CACHE");
    Running::start(command).wait()
}

#[test]
fn a_device_and_a_pipe_are_written_to_and_stay() {
    let (project, report) = finished();
    let at = |name: &str| project.path().join(name);
    // The null device of this machine would be the price of a fault as root, so it is a copy where that can be had.
    let null = rustix::fs::makedev(1, 3);
    if mknodat(CWD, at("null"), FileType::CharacterDevice, Mode::from_raw_mode(0o666), null).is_ok()
        && fs::OpenOptions::new().write(true).open(at("null")).is_ok()
    {
        report_to(&project, "null").expect(0);
        assert!(fs::symlink_metadata(at("null")).unwrap().file_type().is_char_device());
    }
    mknodat(CWD, at("pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let pipe = at("pipe");
    let reader = std::thread::spawn(move || fs::read_to_string(pipe).unwrap());
    let ran = report_to(&project, "pipe").expect(0);
    assert!(ran.stdout.starts_with("pipe: the report, "), "{}", ran.stdout);
    assert_eq!(reader.join().unwrap(), report);
    assert!(fs::symlink_metadata(at("pipe")).unwrap().file_type().is_fifo());
    let ran = shell(&project, "\"$PLEACH\" report pleach.toml --format csv -o >(cat > got.csv); sleep 0.3").expect(0);
    assert!(ran.stdout.starts_with("/dev/fd/"), "{}", ran.stdout);
    assert_eq!(fs::read_to_string(at("got.csv")).unwrap(), report);
}

#[test]
fn standard_output_is_written_under_every_name() {
    let (project, report) = finished();
    symlink("/proc/self/fd/1", project.path().join("stdout")).unwrap();
    for name in ["-", "/dev/stdout", "/dev/fd/1", "stdout"] {
        assert_eq!(report_to(&project, name).expect(0).stdout, report, "{name}");
        let script = format!("\"$PLEACH\" report pleach.toml --format csv -o {name} > to.csv");
        shell(&project, &script).expect(0);
        assert_eq!(fs::read_to_string(project.path().join("to.csv")).unwrap(), report, "{name}");
    }
    assert!(!project.path().join("-").exists());
    assert!(fs::symlink_metadata(project.path().join("stdout")).unwrap().is_symlink());
    let ran = project.pleach(&["export", "pleach.toml", "student", "-o", "-"]).expect(2);
    insta::assert_snapshot!(ran.stderr, @r"
    error: `-`, standard output, has no ending that says what to write
      help: end it in `.safetensors` for the weights, or `.json` for the layer graph
    ");
}

#[test]
fn a_file_keeps_its_mode_and_its_names() {
    let (project, report) = finished();
    let at = |name: &str| project.path().join(name);
    let read = |name: &str| fs::read_to_string(at(name)).unwrap();
    fs::create_dir(at("served")).unwrap();
    fs::write(at("served/page.csv"), "old").unwrap();
    fs::set_permissions(at("served/page.csv"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("served/page.csv", at("link.csv")).unwrap();
    report_to(&project, "link.csv").expect(0);
    assert_eq!((read("served/page.csv"), read("link.csv")), (report.clone(), report.clone()));
    assert!(fs::symlink_metadata(at("link.csv")).unwrap().is_symlink());
    assert_eq!(fs::metadata(at("served/page.csv")).unwrap().mode() & 0o7777, 0o640);
    let left: Vec<PathBuf> = fs::read_dir(at("served")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [at("served/page.csv")], "nothing else is left");
    // One file with two names.
    fs::write(at("one.csv"), vec![b'x'; 1 << 16]).unwrap();
    fs::hard_link(at("one.csv"), at("two.csv")).unwrap();
    report_to(&project, "one.csv").expect(0);
    assert_eq!((read("one.csv"), read("two.csv")), (report.clone(), report.clone()));
    // The neighbours: an export through a link to what is not there yet, and what may not be written.
    symlink("served/new.safetensors", at("net.safetensors")).unwrap();
    project.succeed(&["export", "pleach.toml", "student", "-o", "net.safetensors"]);
    assert!(fs::metadata(at("served/new.safetensors")).unwrap().len() > 1000);
    fs::set_permissions(at("one.csv"), fs::Permissions::from_mode(0o444)).unwrap();
    if fs::OpenOptions::new().write(true).open(at("one.csv")).is_err() {
        let ran = report_to(&project, "one.csv").expect(30);
        assert!(ran.stderr.contains("Permission denied"), "{}", ran.stderr);
    }
    let ran = report_to(&project, "no/folder.csv").expect(2);
    insta::assert_snapshot!(ran.stderr, @r"
    error: there is no folder no: no/folder.csv
      help: make it first, or name another file
    ");
    let ran = report_to(&project, "served").expect(2);
    assert!(ran.stderr.contains("this is a folder"), "{}", ran.stderr);
}

#[test]
fn init_does_not_write_through_a_link() {
    let project = Project::new(SMALL);
    fs::create_dir(project.path().join("new")).unwrap();
    symlink("elsewhere.toml", project.path().join("new/pleach.toml")).unwrap();
    project.pleach(&["init", "new"]).expect(11);
    assert!(!project.path().join("new/elsewhere.toml").exists());
}

#[test]
fn what_could_not_be_printed_is_an_error() {
    let (project, _) = finished();
    for command in ["report", "plan", "graph", "check"] {
        let ran = shell(&project, &format!("\"$PLEACH\" {command} pleach.toml > /dev/full")).expect(30);
        insta::allow_duplicates! {
            insta::assert_snapshot!(ran.stderr, @"error: cannot write to standard output (No space left on device (os error 28)), and part of it is missing");
        }
        // A reader that has seen enough is none, nor is a stream that nobody wants.
        for end in [">&-", "| true; exit ${PIPESTATUS[0]}"] {
            let ran = shell(&project, &format!("\"$PLEACH\" {command} pleach.toml {end}")).expect(0);
            assert_eq!(ran.stderr, "", "{command} {end}");
        }
    }
    // What failed first counts.
    shell(&project, "\"$PLEACH\" report nowhere.toml > /dev/full").expect(11);
    shell(&project, "\"$PLEACH\" --help > /dev/full").expect(30);
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_of_writing() {
    let (project, _) = finished();
    let export = "\"$PLEACH\" export pleach.toml teacher -o net.safetensors";
    let ran = shell(&project, &format!("ulimit -f 1; {export}")).expect(30);
    assert!(ran.stderr.contains("File too large") && ran.stderr.contains("ulimit -f"), "{}", ran.stderr);
    assert!(!project.path().join("net.safetensors").exists());
    let ran = shell(&project, "ulimit -f 4; \"$PLEACH\" --cache limited run pleach.toml --threads 1");
    let ran = ran.expect(30);
    assert!(ran.stderr.contains("File too large"), "{}", ran.stderr);
    assert!(ran.stderr.contains("a file may not grow as large here: see `ulimit -f`"), "{}", ran.stderr);
}

#[test]
fn a_pipe_whose_reader_comes_late_is_waited_for() {
    let (project, report) = finished();
    let pipe = project.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let mut command = project.command(&["report", "pleach.toml", "--format", "csv", "-o", "pipe"]);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let mut got = String::new();
    fs::File::open(&pipe).unwrap().read_to_string(&mut got).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(got, report);
    // Nobody comes: it is said, and the pipe is still there.
    let ran = report_to(&project, "pipe").expect(30);
    insta::assert_snapshot!(ran.stderr, @"error: cannot write the file (nobody reads from the pipe): pipe");
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
}
