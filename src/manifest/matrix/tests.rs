//! Manifests with a matrix: which stages come out, and what is wrong with those that are wrong.

use std::path::Path;

use crate::manifest::diagnostic::{Invalid, render};
use crate::manifest::{Manifest, parse};

/// Stages of every kind of dependence.
const STAGES: &str = r#"
[data.digits]
source = "digits"
validation = 0.15

[networks.small]
arch = "mlp"
hidden = [8]

[networks.sized]
arch = "mlp"
hidden = ["${matrix.width}"]

[stages.teacher]
kind = "train"
data = "digits"
network = "small"
epochs = 1
seed = 5

[stages.student]
kind = "distill"
data = "digits"
teacher = "teacher"
network = "sized"
losses = [{ kind = "kd" }]
epochs = 1

[stages.pruned]
kind = "prune"
data = "digits"
from = "student"
method = { kind = "channels", criterion = "${matrix.criterion}", ratio = { by = "${matrix.criterion}", l1 = 0.5, else = 0.25 } }

[stages.score]
kind = "evaluate"
data = "digits"
models = ["teacher", "student", "pruned"]
"#;

fn read(matrix: &str) -> Result<Manifest, String> {
    read_all(&format!("{STAGES}\n{matrix}"))
}

fn read_all(text: &str) -> Result<Manifest, String> {
    parse(Path::new("pleach.toml"), text.as_bytes(), &[]).map_err(|invalid| match invalid {
        Invalid::Unreadable(error) => error.to_string(),
        Invalid::Wrong { diagnostics, sources } => render(&diagnostics.sorted(), &sources, false),
    })
}

fn names(matrix: &str) -> Vec<String> {
    read(matrix).unwrap().stages.keys().cloned().collect()
}

#[test]
fn a_stage_has_an_instance_for_each_choice_of_what_reaches_it() {
    let matrix = "[matrix]\nwidth = [4, 8]\ncriterion = [\"l1\", \"random\"]";
    insta::assert_snapshot!(names(matrix).join("\n"), @r"
    teacher
    student[width=4]
    student[width=8]
    pruned[width=4,criterion=l1]
    pruned[width=4,criterion=random]
    pruned[width=8,criterion=l1]
    pruned[width=8,criterion=random]
    score[width=4,criterion=l1]
    score[width=4,criterion=random]
    score[width=8,criterion=l1]
    score[width=8,criterion=random]
    ");
}

#[test]
fn a_seed_reaches_what_draws_and_gives_none() {
    let matrix = "[matrix]\nseed = [1, 2]\nwidth = [4]\ncriterion = [\"l1\"]";
    let manifest = read(matrix).unwrap();
    insta::assert_snapshot!(manifest.stages.keys().cloned().collect::<Vec<_>>().join("\n"), @r"
    teacher
    student[seed=1,width=4]
    student[seed=2,width=4]
    pruned[seed=1,width=4,criterion=l1]
    pruned[seed=2,width=4,criterion=l1]
    score[seed=1,width=4,criterion=l1]
    score[seed=2,width=4,criterion=l1]
    ");
    let seed = |name: &str| manifest.stages[name].seed;
    assert_eq!((seed("teacher"), seed("student[seed=2,width=4]")), (5, 2));
    // The split stays the same for all of them.
    assert_eq!(manifest.data["digits"].seed, 0);
}

#[test]
fn exclude_zip_and_include() {
    let of = |matrix: &str| {
        let pruned = |name: &String| name.strip_prefix("pruned").map(str::to_owned);
        names(matrix).iter().filter_map(pruned).collect::<Vec<_>>().join("\n")
    };
    let axes = "[matrix]\nwidth = [4, 8]\ncriterion = [\"l1\", \"random\"]\n";
    insta::assert_snapshot!(of(&format!("{axes}exclude = [{{ width = 8, criterion = \"l1\" }}]")), @r"
    [width=4,criterion=l1]
    [width=4,criterion=random]
    [width=8,criterion=random]
    ");
    insta::assert_snapshot!(of(&format!("{axes}zip = [[\"width\", \"criterion\"]]")), @r"
    [width=4,criterion=l1]
    [width=8,criterion=random]
    ");
    insta::assert_snapshot!(of(&format!("{axes}include = [{{ width = 16, criterion = \"l2\" }}, {{ width = 32 }}]")), @r"
    [width=4,criterion=l1]
    [width=4,criterion=random]
    [width=8,criterion=l1]
    [width=8,criterion=random]
    [width=16,criterion=l2]
    [width=32,criterion=l1]
    [width=32,criterion=random]
    ");
}

#[test]
fn an_excluded_combination_takes_away_what_only_it_needs() {
    let matrix = "[matrix]\nwidth = [4, 8]\ncriterion = [\"l1\"]\nexclude = [{ width = 8, criterion = \"l1\" }]";
    assert!(names(matrix).iter().all(|name| !name.contains("width=8")));
}

#[test]
fn a_choice_takes_the_value_of_its_axis() {
    let manifest = read("[matrix]\nwidth = [4]\ncriterion = [\"l1\", \"random\"]").unwrap();
    let ratio =
        |name: &str| serde_json::to_value(&manifest.stages[name].parameters).unwrap()["method"]["ratio"].clone();
    assert_eq!(ratio("pruned[width=4,criterion=l1]"), 0.5);
    assert_eq!(ratio("pruned[width=4,criterion=random]"), 0.25);
}

#[test]
fn named_values_can_be_tables_and_variables_can_be_text() {
    let text = STAGES
        .replace(r#"method = { kind = "channels", criterion = "${matrix.criterion}", ratio = { by = "${matrix.criterion}", l1 = 0.5, else = 0.25 } }"#, r#"method = "${matrix.method}""#)
        .replace(r#"hidden = ["${matrix.width}"]"#, "hidden = [4]")
        .replace(r#"network = "small""#, r#"network = "${matrix.net}all""#);
    let matrix =
        "[matrix]\nnet = [\"sm\"]\n[matrix.method]\nhalf = { kind = \"channels\", criterion = \"l1\", ratio = 0.5 }\n";
    let manifest = read_all(&format!("{text}\n{matrix}")).unwrap();
    assert!(manifest.stages.contains_key("pruned[net=sm,method=half]"), "{:?}", manifest.stages.keys());
    assert_eq!(manifest.stages["teacher[net=sm]"].network.as_deref(), Some("small"));
}

#[test]
fn everything_that_is_wrong_is_told_where_it_stands() {
    for matrix in [
        "[matrix]\nwidth = 4\ncriterion = []\nseed = [1.5]",
        "[matrix]\nwidth = [4, 4]\ncriterion = [\"a b\", [1], \"${matrix.width}\"]",
        "[matrix]\nwidht = [4]\ncriterion = [\"l1\"]",
        "[matrix]\nwidth = [4]\ncriterion = [\"l1\"]\nexclude = [{ width = 5 }, { withd = 4 }, {}, 3]\nzip = [[\"width\"], [\"x\", 1], 2]",
        "[matrix]\nwidth = [4]\ncriterion = [\"l1\"]\nexclude = [{ width = 4 }]",
        "[matrix]\nwidth = [4, 8]\ncriterion = [\"l1\"]\nzip = [[\"width\", \"criterion\"]]",
        "[matrix]\nwidth = [0, \"x\"]\ncriterion = [\"l3\"]",
        "matrix = 3",
        "",
    ] {
        insta::assert_snapshot!(read(matrix).unwrap_err());
    }
}

#[test]
fn choices_lack_nothing_and_have_nothing_to_spare() {
    let wrong = STAGES.replace("l1 = 0.5, else = 0.25", "l1 = 0.5, l2 = 0.25");
    let told = read_all(&format!("{wrong}\n[matrix]\nwidth = [4]\ncriterion = [\"l1\", \"fpgm\"]")).unwrap_err();
    insta::assert_snapshot!(told);
}

#[test]
fn an_axis_that_reaches_nothing_is_told() {
    let manifest = read("[matrix]\nwidth = [4]\ncriterion = [\"l1\"]\nspare = [1]").unwrap();
    insta::assert_snapshot!(render(&manifest.warnings, &manifest.sources, false));
}

#[test]
fn stages_in_a_circle_are_told_with_and_without_axes() {
    let circle = STAGES.replace(r#"from = "student""#, r#"from = "pruned""#);
    let told = read_all(&format!("{circle}\n[matrix]\nwidth = [4]\ncriterion = [\"l1\", \"random\"]")).unwrap_err();
    insta::assert_snapshot!(told);
}

/// What is wrong with what is left out of a matrix hides nothing that is wrong elsewhere, and brings nothing up that is none.
#[test]
fn mistakes_in_what_is_left_out_hide_no_others() {
    let wrong = STAGES.replacen("epochs = 1", "epoch = 1", 1).replace("${matrix.width}", "${matrix.widht}");
    for changes in ["exclude = [{ width = 5 }]", "zip = [[\"width\", \"criterion\"]]", "include = [{ depth = 3 }]"] {
        let matrix = format!("[matrix]\nwidth = [4, 8, 9]\ncriterion = [\"l1\", \"random\"]\n{changes}");
        let told = read_all(&format!("{wrong}\n{matrix}")).unwrap_err();
        assert_eq!(told.matches("error: ").count(), 3, "{told}");
        for part in ["unknown key `epoch`", "`widht`"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let alone = read_all(&format!("{STAGES}\n{matrix}")).unwrap_err();
        assert_eq!(alone.matches("error: ").count(), 1, "{alone}");
    }
    let told = read("[matrix]\nwidth = [4]\ncriterion = [\"l1\"]\nexclude = [1, 2]").unwrap_err();
    assert!(told.contains("`exclude` cannot be an axis") && told.contains("call the axis otherwise"), "{told}");
}
