//! Every manifest in `pipelines/` is run, shortened where it is long.

use crate::support::{Project, repository};

#[test]
fn every_manifest_is_valid() {
    let project = Project::new("");
    let mut found = 0;
    for entry in std::fs::read_dir(repository("pipelines")).unwrap() {
        let path = entry.unwrap().path();
        project.succeed(&["check", path.to_str().unwrap()]);
        found += 1;
    }
    assert!(found >= 1);
}

#[test]
fn kddp_runs_short() {
    let project = Project::new("");
    let path = repository("pipelines/kddp.toml");
    let mut arguments = vec!["run".to_owned(), path.to_str().unwrap().to_owned()];
    for stage in ["teacher", "student", "quiet", "tuned", "plain", "scratch"] {
        arguments.push(format!("--set=stages.{stage}.epochs=2"));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ran = project.succeed(&arguments);
    assert!(ran.stdout.contains("score: 447 test images of digits"), "{}", ran.stdout);
    let again = project.succeed(&arguments);
    assert_eq!(again.stdout, ran.stdout);
    assert!(again.stderr.contains("8 cached, 0 run"), "{}", again.stderr);
}
