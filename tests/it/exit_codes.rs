//! The table of exit codes; scripts rely on it. 21, 30 by a full disk, 130 and 143 have files of their own.

use crate::support::{Project, SMALL};

#[test]
fn the_table() {
    let project = Project::new(SMALL);
    project.write("wrong.toml", SMALL.replace("epochs", "epoch"));
    project.write("data.toml", SMALL.replace("source = \"digits\"", "source = \"mnist\"\npath = \"nowhere\""));
    // The layer that is to be pruned away is all of the network.
    project.write("pleach.toml", SMALL);
    let expected: &[(&[&str], i32)] = &[
        (&["check", "pleach.toml"], 0),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["run", "pleach.toml", "teacher"], 0),
        (&[], 2),
        (&["walk"], 2),
        (&["run"], 2),
        (&["run", "pleach.toml", "--jobs", "0"], 2),
        (&["run", "pleach.toml", "--budget", "2 days"], 2),
        (&["run", "pleach.toml", "no-such-stage"], 2),
        (&["run", "pleach.toml", "--refresh", "no-such-stage"], 2),
        (&["run", "pleach.toml", "--device", "cuda:0"], 2),
        (&["run", "pleach.toml", "--device", "abacus"], 2),
        (&["export", "pleach.toml", "teacher", "-o", "x.pickle"], 2),
        (&["export", "pleach.toml", "score", "-o", "x.safetensors"], 11),
        (&["check", "wrong.toml"], 10),
        (&["run", "wrong.toml"], 10),
        (&["run", "pleach.toml", "--set=stages.teacher.epochs=0"], 10),
        (&["run", "nowhere.toml"], 11),
        (&["run", "data.toml"], 11),
        (&["report", "pleach.toml"], 0),
        (&["report", "pleach.toml", "--set=stages.teacher.epochs=1"], 11),
        (&["run", "pleach.toml", "--cache", "/proc/nowhere", "--require-cache-write"], 30),
    ];
    for (arguments, code) in expected {
        let ran = project.pleach(arguments);
        assert_eq!(ran.code, *code, "{arguments:?}\n{}\n{}", ran.stdout, ran.stderr);
        assert!(*code == 0 || !ran.stderr.is_empty(), "{arguments:?} says why");
    }
}

#[test]
fn a_store_of_a_newer_format_is_left_alone() {
    let project = Project::new(SMALL);
    std::fs::create_dir_all(project.cache().join("v2/objects")).unwrap();
    for arguments in [&["run", "pleach.toml"][..], &["cache", "gc"], &["cache", "verify"], &["plan", "pleach.toml"]] {
        let ran = project.pleach(arguments).expect(32);
        assert!(ran.stderr.contains("format 2") && ran.stderr.contains("update pleach"), "{}", ran.stderr);
    }
    let names: Vec<_> = std::fs::read_dir(project.cache()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["v2"], "nothing was written");
}
