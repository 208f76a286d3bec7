//! Several mistakes in one file are all told at once, in the order of the file.

use super::{edited, text, wrong};
use crate::support::Project;

/// Nine mistakes in nine places; some lie in one stage, some on a cycle.
fn nine_mistakes() -> String {
    edited(&[
        ("validation = 0.2", "validation = 2"),
        ("hidden = [32]", "hidden = [0]"),
        ("epochs = 4", "epoch = 4"),
        ("lr = 0.1", "lr = nan"),
        ("teacher = \"teacher\"", "teacher = \"techer\""),
        ("temperature = 4", "temperature = 0"),
        ("from = \"pruned\"", "from = \"tuned\""),
        ("epochs = 2", "epochs = 2\nlosses = [{ kind = \"kd\" }]"),
        ("reference = \"student\"", "reference = \"pruned\""),
    ])
}

#[test]
fn all_mistakes_are_told_at_once() {
    let told = wrong(nine_mistakes(), &[]);
    let shown = text(&told);
    insta::assert_snapshot!(shown);
    assert_eq!(told.0.len(), 9);
    let places: Vec<usize> = told.0.iter().map(|d| told.1.place(d.span).line).collect();
    assert!(places.is_sorted(), "{places:?}");
    for diagnostic in &told.0 {
        let place = told.1.place(diagnostic.span).to_string();
        assert!(shown.contains(&format!("--> {place}")), "{place} is not in\n{shown}");
        assert!(!diagnostic.hints.is_empty() || !diagnostic.label.is_empty(), "{diagnostic:?} says not what to do");
    }
}

#[test]
fn check_plan_and_run_refuse_and_start_nothing() {
    let project = Project::new(&nine_mistakes());
    for command in ["check", "plan", "run", "graph", "report"] {
        let ran = project.pleach(&[command, "pleach.toml"]);
        assert_eq!(ran.code, 10, "{command}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{command}");
        assert!(ran.stderr.contains("pleach.toml:7:14"), "{command}: {}", ran.stderr);
        assert!(ran.stderr.ends_with("error: the manifest has 9 errors\n"), "{command}: {}", ran.stderr);
    }
    assert!(!project.cache().exists(), "a refused manifest leaves no store behind");
}

#[test]
fn many_more_are_counted() {
    let stages: String = (0..60).map(|i| format!("[stages.s{i}]\nkind = 3\n")).collect();
    let shown = text(&wrong(stages, &[]));
    assert_eq!(shown.matches("error: ").count(), 50);
    assert!(shown.ends_with("… and 10 more\n"), "{shown}");
}

#[test]
fn check_goes_through_every_file() {
    let project = Project::new(super::GOOD);
    project.write("a.toml", edited(&[("epochs = 4", "epochs = 0")]));
    project.write("b.toml", "[stages]\n");
    let ran = project.pleach(&["check", "a.toml", "pleach.toml", "b.toml", "absent.toml"]);
    assert_eq!(ran.code, 10);
    assert_eq!(ran.stdout, "pleach.toml: 6 stages, no errors\n");
    for said in ["a.toml:22:10", "b.toml:1:2", "cannot read the manifest", "absent.toml"] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
}
