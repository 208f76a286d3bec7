//! Memory that is not there: the stage that would need it fails, and no other.
#![cfg(target_os = "linux")]

use std::process::Command;

use crate::support::{Project, Ran, Running, SMALL};

/// `SMALL`, and a stage that nothing needs whose training takes some 36 GB.
fn with_a_giant() -> String {
    let giant = "[stages.giant]\nkind = \"train\"\ndata = \"digits\"\nbatch = 50\nepochs = 1\n\
        network = { arch = \"mlp\", hidden = [30_000, 30_000] }\n\n[stages.student]";
    SMALL.replace("[stages.student]", giant)
}

/// The pipeline, in an address space of so many KiB.
fn within(kib: u32, project: &Project, arguments: &[&str]) -> Ran {
    let inner = project.command(&[&["run", "pleach.toml", "--device=cpu"], arguments].concat());
    let mut shell = Command::new("sh");
    shell.current_dir(project.path()).env_remove("PLEACH_CACHE").env("NO_COLOR", "1");
    shell
        .args(["-c", &format!("ulimit -v {kib} && exec \"$0\" \"$@\"")])
        .arg(inner.get_program())
        .args(inner.get_args());
    Running::start(shell).wait()
}

#[test]
fn a_network_that_does_not_fit_fails_its_own_stage_with_an_estimate() {
    let project = Project::new(&with_a_giant());
    for jobs in ["--jobs=1", "--jobs=2"] {
        let ran = within(4 << 20, &project, &["giant", jobs]).expect(22);
        let told: Vec<&str> =
            ran.stderr.lines().filter(|line| line.starts_with("   failed") || line.contains("  help ")).collect();
        insta::allow_duplicates! {
            insta::assert_snapshot!(told.join("\n"), @"
               failed giant: it needs about 47.1 GiB of memory, and this process can have 4.0 GiB
                 help lower `batch`, which is 50, or take a smaller network
                 help `--memory SIZE` with at least as much tries it all the same
            ");
        }
    }
    let ran = within(4 << 20, &project, &["--keep-going", "--json"]).expect(22);
    assert_eq!(ran.stages("stage-finished").len(), 5, "the others run");
}

/// Without an estimate that says so: `--memory` takes it back. How much the process has before the step depends on how it was
/// built, so the limit is sought: one that leaves room for the network, and none for the values of a step.
#[test]
fn memory_that_runs_out_in_a_step_fails_the_stage_and_not_the_process() {
    let wide = "network = { arch = \"resnet\", depth = 8, width = 64 }\nbatch = 1000";
    let manifest = SMALL.replacen("network = { arch = \"mlp\", hidden = [24] }", wide, 1).replace("limit = 300", "");
    let project = Project::new(&manifest);
    let limits = (140_000..400_000).step_by(20_000);
    let mut tried = limits.map(|kib| within(kib, &project, &["teacher", "--threads=1", "--memory=8G"]));
    let ran = tried.find(|ran| ran.stderr.contains("in two attempts")).expect("such a limit").expect(22);
    assert!(ran.stderr.contains("there is not enough memory on cpu, in two attempts; "), "{}", ran.stderr);
    assert!(ran.stderr.contains(" MiB are free"), "{}", ran.stderr);
    assert!(ran.stderr.contains("lower `batch`, which is 1000"), "{}", ran.stderr);
}
