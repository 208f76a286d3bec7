//! Nesting, long chains and cycles, and limits. Each of them once crashed or stalled some tool of this kind.

use super::{GOOD, edited, parse, text, wrong};

/// Deeper than any stack would take.
#[test]
fn deep_nesting_is_refused() {
    for depth in [100, 1_000, 100_000, 1_000_000] {
        for (open, close, middle) in [("[", "]", "1"), ("{a=", "}", "1"), ("a.", "", "a = 1")] {
            let value = if close.is_empty() { "" } else { "x = " };
            let nested = format!("{value}{}{middle}{}\n", open.repeat(depth), close.repeat(depth));
            let told = wrong(&nested, &[]);
            assert!(told.0[0].message.contains("recurs"), "{depth} {open}: {}", told.0[0].message);
            assert!(text(&told).len() < 100_000, "{depth} {open}: a message is not the file");
        }
        let header = format!("[{}a]\n", "a.".repeat(depth));
        assert!(wrong(header, &[]).0[0].message.contains("recurs"), "{depth}");
    }
}

fn chain(count: usize, first: &str) -> String {
    let mut text = format!(
        "[data.d]\nsource = \"digits\"\n[stages.s0]\nkind = \"train\"\ndata = \"d\"\nepochs = 1\nnetwork = {first}\n"
    );
    for i in 1..count {
        text.push_str(&format!(
            "[stages.s{i}]\nkind = \"prune\"\nfrom = \"s{}\"\nmethod = {{ kind = \"weights\", sparsity = 0.5 }}\n",
            i - 1
        ));
    }
    text
}

#[test]
fn a_long_chain_is_checked_and_a_long_cycle_is_cut_short() {
    let good = parse(chain(10_000, "{ arch = \"mlp\", hidden = [4] }"), &[]).map_err(|_| "refused").unwrap();
    assert_eq!(pleach::graph::StageGraph::new(&good).order(), Vec::from_iter(0..10_000));
    let told = text(&wrong(chain(10_000, "{ like = \"s9999\" }"), &[]));
    insta::assert_snapshot!(told);
}

#[test]
fn more_than_ten_thousand_stages_are_refused() {
    let told = text(&wrong(chain(10_001, "{ arch = \"mlp\", hidden = [4] }"), &[]));
    insta::assert_snapshot!(told);
}

#[test]
fn every_cycle_is_told_and_what_is_wrong_elsewhere_too() {
    let two = edited(&[
        ("from = \"pruned\"", "from = \"tuned\""),
        ("teacher = \"teacher\"", "teacher = \"student\""),
        ("milestones = [2, 3], warmup = 1", "milestones = [2, 3], warmup = 9"),
    ]);
    let told = text(&wrong(two, &[]));
    insta::assert_snapshot!(told);
}

#[test]
fn long_lists_are_refused() {
    let many = |count: usize, item: &str| item.repeat(count);
    let sizes = GOOD.replacen("[32]", &format!("[{}]", many(1001, "1,")), 1);
    let losses = GOOD.replacen("losses = [", &format!("losses = [{}", many(1001, "{ kind = \"kd\" },")), 1);
    for manifest in [sizes, losses] {
        let told = wrong(manifest, &[]);
        assert_eq!(told.0.len(), 1, "{}", text(&told));
        assert!(told.0[0].message.contains("has more than 1000"), "{}", told.0[0].message);
    }
}

/// A file within the limits that is all wrong names must not take minutes of comparing names.
#[test]
fn thousands_of_wrong_names_are_told() {
    let stages: String = (0..8_000).map(|i| format!("[stages.s{i}]\nkind = \"train\"\n")).collect();
    let models: String = (0..80_000).map(|i| format!("\"x{i}\",")).collect();
    let manifest = format!("{stages}[stages.score]\nkind = \"evaluate\"\nmodels = [{models}]\n");
    let told = wrong(manifest, &[]);
    assert!(told.0.len() > 80_000);
    assert!(text(&told).contains("… and "));
}

/// A few hundred bytes that stand for tens of thousands of stages took a gibibyte, and half a minute, to be refused.
#[test]
fn a_matrix_is_counted_before_it_is_spread_out() {
    let manifest = |axes: &str, epochs: u64| {
        let matrix: String = axes.chars().map(|axis| format!("{axis} = [1, 2]\n")).collect();
        let hidden: String = axes.chars().map(|axis| format!("\"${{matrix.{axis}}}\",")).collect();
        format!(
            "[matrix]\n{matrix}[data.d]\nsource = \"digits\"\n[stages.s]\nkind = \"train\"\ndata = \"d\"\n\
             network = {{ arch = \"mlp\", hidden = [{hidden}] }}\nepochs = {epochs}\n"
        )
    };
    let told = wrong(manifest("abcdefghijklmnop", 0), &[]);
    assert_eq!(told.0.len(), 1);
    assert_eq!(told.0[0].message, "the matrix has more than 10000 combinations");
    // The neighbours: as many are fine, and a mistake that all instances have is one.
    let good = parse(manifest("abcdefghij", 1), &[]).map_err(|_| "refused").unwrap();
    assert_eq!(good.stages.len(), 1024);
    let told = wrong(manifest("abcdefghij", 0), &[]);
    assert_eq!(told.0.len(), 1, "{}", text(&told));
    // Each section within the limits, and all of them not.
    let many: String =
        (0..20).map(|i| format!("[networks.n{i}]\narch = \"mlp\"\nhidden = [\"${{matrix.a}}\"]\n")).collect();
    let values: Vec<String> = (1..=600).map(|value| value.to_string()).collect();
    let told = wrong(format!("[matrix]\na = [{}]\n{many}{}", values.join(","), GOOD), &[]);
    assert!(told.0.iter().any(|one| one.message == "the matrix makes more than 10000 instances"), "{}", text(&told));
}
