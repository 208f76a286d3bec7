//! What a power cut may cost: the stage that runs, and never a result that was told.
//!
//! The binary runs with its changes of the store written down, and with every `fsync` that the kernel was really asked for
//! written down between them, by a library in front of the C library's. It is aborted at one change after the other, and then
//! what was not synced is taken away in the worst way: the bytes of a file that was written, and the names of files and
//! folders in a folder that was changed. Without the syncs, of files or of folders, these tests fail.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::support::{Project, Ran, Running, SMALL, skipped};

/// Stands before `fsync` and `fdatasync`.
const NOTES_SYNCS: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static int noted(const char *name, int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    int result = real(fd);
    const char *log = getenv("PLEACH_STORE_LOG");
    char link[64], path[4096], line[4200];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (result != 0 || log == NULL || length < 0) return result;
    path[length] = 0;
    int out = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int bytes = snprintf(line, sizeof line, "Sync\t%s\t\n", path);
    if (write(out, line, bytes) != bytes) abort();
    close(out);
    return result;
}
int fsync(int fd) { return noted("fsync", fd); }
int fdatasync(int fd) { return noted("fdatasync", fd); }
"#;

/// The library, compiled once; `None` without a C compiler.
static LIBRARY: LazyLock<Option<(tempfile::TempDir, PathBuf)>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("syncs.c"), folder.path().join("syncs.so"));
    std::fs::write(&source, NOTES_SYNCS).unwrap();
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl").status();
    compiled.is_ok_and(|status| status.success()).then_some((folder, library))
});

/// Runs in the project with everything written down, aborted at the `n`th change if given; with the log's lines.
fn run(project: &Project, library: &Path, abort_at: Option<usize>) -> (Ran, Vec<[String; 3]>) {
    let log = project.path().join("log");
    let mut command = project.command(&["run", "pleach.toml", "--json", "--threads", "1", "--cache"]);
    command.arg(project.cache()).env("LD_PRELOAD", library).env("PLEACH_STORE_LOG", &log);
    if let Some(at) = abort_at {
        command.env("PLEACH_FAULT", format!("abort:{at}:changes"));
    }
    let ran = Running::start(command).wait();
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let line = |line: &str| {
        let mut parts = line.split('\t').map(str::to_owned);
        std::array::from_fn(|_| parts.next().unwrap_or_default())
    };
    (ran, text.lines().map(line).collect())
}

/// What is not on the disk yet.
#[derive(Default)]
struct Volatile {
    /// Files whose bytes are not.
    bytes: BTreeSet<PathBuf>,
    /// Files and folders whose names are not.
    names: BTreeSet<PathBuf>,
}

impl Volatile {
    fn after(log: &[[String; 3]], root: &Path) -> Self {
        let mut volatile = Self::default();
        let mut folders = BTreeSet::from([root.to_owned()]);
        for [operation, path, to] in log {
            let (path, to) = (PathBuf::from(path), PathBuf::from(to));
            match operation.as_str() {
                "Create" => drop(volatile.names.insert(path)),
                "Write" => drop(volatile.bytes.insert(path)),
                "MakeDirectory" => {
                    let made = path.ancestors().filter(|folder| folder.starts_with(root));
                    volatile.names.extend(made.map(Path::to_owned).filter(|folder| folders.insert(folder.clone())));
                }
                "Rename" => {
                    if volatile.bytes.remove(&path) {
                        volatile.bytes.insert(to.clone());
                    }
                    volatile.names.remove(&path);
                    volatile.names.insert(to);
                }
                "Unlink" => {
                    volatile.bytes.remove(&path);
                    volatile.names.remove(&path);
                }
                "Sync" => {
                    volatile.bytes.remove(&path);
                    volatile.names.retain(|name| name.parent() != Some(&path));
                }
                _ => {}
            }
        }
        volatile
    }

    /// Takes it away, but for names that `stays`: the kernel may have written some and not others.
    fn lose(&self, stays: impl Fn(&Path) -> bool) {
        for path in &self.bytes {
            if path.is_file() {
                std::fs::remove_file(path).unwrap();
                std::fs::write(path, b"").unwrap();
            }
        }
        for path in self.names.iter().filter(|path| !stays(path)) {
            let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        }
    }
}

#[test]
fn a_power_cut_costs_at_most_the_running_stage() {
    let Some((_, library)) = &*LIBRARY else { return skipped("there is no C compiler") };
    let whole = Project::new(SMALL);
    let (ran, log) = run(&whole, library, None);
    ran.expect(0);
    let changes = log.iter().filter(|[operation, ..]| operation != "Sync").count();
    assert!(changes > 100 && changes < log.len(), "{changes} of {}", log.len());
    let results = whole.results();
    // At the end nothing of a result is left to lose; without the syncs of files, or of folders, it would be.
    let is_result =
        |path: &PathBuf| ["v1/objects", "v1/actions"].iter().any(|part| path.starts_with(whole.cache().join(part)));
    let left = |log: &[[String; 3]]| {
        let Volatile { bytes, names } = Volatile::after(log, &whole.cache());
        [bytes, names].map(|paths| paths.iter().filter(|path| is_result(path)).count())
    };
    let without = |folders: bool| -> Vec<_> {
        let kept = |line: &&[String; 3]| line[0] != "Sync" || Path::new(&line[1]).is_dir() != folders;
        log.iter().filter(kept).cloned().collect()
    };
    assert_eq!(left(&log), [0, 0]);
    assert!(left(&without(false))[0] > 10 && left(&without(true))[1] > 10);
    for at in (1..=changes).step_by(17).chain([changes + 1]) {
        for records_stay in [false, true] {
            let project = Project::new(SMALL);
            let (first, log) = run(&project, library, Some(at));
            assert!(first.code == 0 || at <= changes, "{at}: {}", first.stderr);
            let records = project.cache().join("v1/actions");
            Volatile::after(&log, &project.cache()).lose(|path| records_stay && path.starts_with(&records));
            std::fs::remove_file(project.path().join("log")).unwrap();
            let told = first.stdout.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let told = told.filter(|event| event["event"] == "stage-finished");
            let told: Vec<String> = told.map(|event| event["stage"].as_str().unwrap().to_owned()).collect();

            let (again, _) = run(&project, library, None);
            let again = again.expect(0);
            let started = again.stages("stage-started");
            let lost: Vec<_> = told.iter().filter(|stage| started.contains(stage)).collect();
            assert!(lost.is_empty(), "a cut at change {at} lost {lost:?}");
            assert_eq!(project.results(), results, "a cut at change {at}");
            assert!(!again.stdout.contains("\"warning\""), "a cut at change {at}: {}", again.stdout);
            project.succeed(&["cache", "verify"]);
        }
    }
}
