//! Mistakes in `[expect]`.

use super::{edited, parse, text, wrong};

/// The good manifest, and this behind it.
fn with(section: &str) -> String {
    format!("{}{section}", edited(&[]))
}

#[test]
fn what_cannot_be_expected() {
    let cases: [&str; 15] = [
        "expect = 3",
        "[expect]\ntuned = \">= 0.9\"",
        "[expect]\ntuned.accuracy = 0.9",
        "[expect]\ntuned.accuracy = \"0.9\"",
        "[expect]\ntuned.accuracy = \">= 0.9 at 95\"",
        "[expect]\ntuned.accuracy = \">= ${matrix.x}\"",
        "[expect]\ntuned.acuracy = \">= 0.9\"",
        "[expect]\ntuned.accuracy = \">= 91\"",
        "[expect]\ntunde.accuracy = \">= 0.9\"",
        "[expect]\npruned.accuracy = \">= 0.9\"",
        "[expect]\nscore.accuracy = \">= 0.9\"",
        "[expect]\nstudent.accuracy-drop = \"<= 0.01\"",
        "[expect]\n\"tuned[seed=1]\".accuracy = \">= 0.9\"",
        "[expect]\n\"tuned[seed]\".accuracy = \">= 0.9\"",
        "[expects]\ntuned.accuracy = \">= 0.9\"",
    ];
    let mut all = String::new();
    for case in cases {
        let manifest = match case.strip_prefix("expect = ") {
            // Before the first section.
            Some(_) => format!("{case}\n{}", edited(&[])),
            None => with(case),
        };
        let told = wrong(manifest, &[]);
        assert_eq!(told.0.len(), 1, "{case}\n{}", text(&told));
        all.push_str(&text(&told));
    }
    insta::assert_snapshot!("expect", all);
}

#[test]
fn what_is_said_of_stages_that_are_wrong_is_enough() {
    let section = "[expect]\ntuned.accuracy = \">= 0.9\"\n";
    let manifest = with(section).replacen("from = \"pruned\"\nepochs = 2", "from = \"pruned\"\nepochs = 0", 1);
    assert_eq!(wrong(manifest, &[]).0.len(), 1, "the stage is there, only its epochs are wrong");
    let manifest = with(section).replacen("kind = \"evaluate\"", "kind = \"evaluat\"", 1);
    assert_eq!(wrong(manifest, &[]).0.len(), 1, "the evaluation could not be read");
}

#[test]
fn a_line_of_the_command_is_laid_over_it() {
    let manifest = parse(with("[expect]\ntuned.bytes = \"<= 1e6\"\n"), &["expect.tuned.accuracy=>= 0.9"]);
    let manifest = manifest.map_err(|_| "refused").unwrap();
    let told: Vec<String> = manifest
        .expectations
        .iter()
        .map(|line| format!("{}.{} {}", line.name, line.measure, line.bound.text))
        .collect();
    assert_eq!(told, ["tuned.bytes <= 1e6", "tuned.accuracy >= 0.9"]);
}

#[test]
fn parts_of_a_matrix_are_found_by_their_values() {
    let matrix = "[matrix]\nsparsity = [0.5, 0.7]\nseed = [1, 2]\n";
    let swept = |section: &str| {
        let text = format!("{}{matrix}{section}", edited(&[("sparsity = 0.5", "sparsity = \"${matrix.sparsity}\"")]));
        parse(text.clone(), &[]).map_err(|_| self::text(&wrong(text, &[])))
    };
    let good = swept("[expect.\"masked[sparsity=0.50]\"]\naccuracy = \">= 0.9\"\n").unwrap();
    assert_eq!(good.expectations[0].part, [(0, 0)]);
    let told = ["masked[seed=1]", "masked[sparsity=0.6]", "tuned[sparsity=0.5]", "masked[sparsty=0.5]"]
        .map(|name| swept(&format!("[expect.\"{name}\"]\naccuracy = \">= 0.9\"\n")).unwrap_err());
    insta::assert_snapshot!("expect-parts", told.concat());
}
