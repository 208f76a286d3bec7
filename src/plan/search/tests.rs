//! Searches over accuracies that are made up, against trying everything.

use std::collections::HashMap;
use std::path::Path;

use super::*;
use crate::manifest::parse;

const STAGES: &str = r#"
[data.digits]
source = "digits"
validation = 0.15

[stages.teacher]
kind = "train"
data = "digits"
network = { arch = "mlp", hidden = [8] }
epochs = 1

[stages.pruned]
kind = "prune"
from = "teacher"
method = { kind = "weights", criterion = "${matrix.criterion}", sparsity = "${matrix.sparsity}" }

[stages.tuned]
kind = "fine-tune"
from = "pruned"
data = "digits"
epochs = "${matrix.epochs}"

[stages.choice]
kind = "evaluate"
split = "validation"
data = "digits"
models = ["teacher", "tuned"]
reference = "teacher"

[stages.score]
kind = "evaluate"
data = "digits"
models = ["teacher", "tuned"]
reference = "teacher"
"#;

fn manifest(rest: &str) -> Manifest {
    match parse(Path::new("pleach.toml"), format!("{STAGES}\n{rest}").as_bytes(), &[]) {
        Ok(manifest) => manifest,
        Err(invalid) => panic!("{invalid:?}"),
    }
}

/// Runs a search to its end over made-up accuracies, of which one that is not a number stands for a divergence; what was decided, and how many evaluations it took.
fn search(manifest: &Manifest, accuracy: &dyn Fn(&HashMap<&str, String>) -> f64) -> (Decision, usize) {
    let graph = StageGraph::new(manifest);
    let mut known: HashMap<usize, Outcome> = HashMap::new();
    let mut choices = 0;
    for _ in 0..100 {
        let all = (0..manifest.stages.len()).collect();
        let decision = decide(manifest, &graph, &all, &|stage| known.get(&stage).copied());
        let new: Vec<usize> = decision.wanted.iter().copied().filter(|stage| !known.contains_key(stage)).collect();
        if new.is_empty() {
            assert!(decision.settings.iter().all(|setting| setting.found.is_some()));
            assert!(decision.open.is_empty());
            return (decision, choices);
        }
        for stage in new {
            let of = &manifest.stages[stage];
            choices += usize::from(of.template == "choice");
            let label = |(axis, value): &Coordinate| {
                let axis = &manifest.axes[*axis];
                (axis.name.as_str(), axis.labels[*value].clone())
            };
            let model = accuracy(&of.coordinates.iter().map(label).collect());
            let outcome = Outcome::Measured(seen(model));
            known.insert(stage, if model.is_nan() { Outcome::Diverged } else { outcome });
        }
    }
    panic!("the search does not end");
}

/// An accuracy on a thousand images, beside a reference of 0.9.
fn seen(accuracy: f64) -> Seen {
    Seen { right: (1000.0 * accuracy).round() as u64, right_of_reference: Some(900), images: 1000 }
}

fn found(manifest: &Manifest, decision: &Decision) -> Vec<Vec<String>> {
    let label = |(axis, value): &Coordinate| manifest.axes[*axis].labels[*value].clone();
    let of = |setting: &Setting| setting.found.as_ref().unwrap().coordinates.iter().map(label).collect();
    decision.settings.iter().map(of).collect()
}

#[test]
fn bisection_finds_what_trying_everything_finds() {
    let values: Vec<String> = (1..=15).map(|n| format!("{}", f64::from(n) / 16.0)).collect();
    let matrix = format!(
        "[matrix]\nepochs = [1]\nseed = [1, 2]\ncriterion = [\"magnitude\", \"random\"]\nsparsity = [{}]\n\
         [search]\nkind = \"bisect\"\naxis = \"sparsity\"\nevaluate = \"choice\"\ndrop = 0.02\n",
        values.join(", ")
    );
    let manifest = manifest(&matrix);
    for last in 0..=15 {
        // Up to `last`, random pruning one value less.
        let holds = |axes: &HashMap<&str, String>| {
            let Some(sparsity) = axes.get("sparsity") else { return 0.0 };
            let sparsity: f64 = sparsity.parse().unwrap();
            let place = (sparsity * 16.0) as i32 + i32::from(axes["criterion"] == "random");
            if place <= last { 0.88 } else { 0.5 }
        };
        let (decision, choices) = search(&manifest, &holds);
        let expect = |place: i32| {
            values.get((place - 1) as usize).filter(|_| place > 0).cloned().into_iter().collect::<Vec<_>>()
        };
        assert_eq!(found(&manifest, &decision), [expect(last), expect(last - 1)], "{last}");
        // Two criteria, two seeds, and at most four of fifteen values.
        assert!(choices <= 2 * 2 * 4, "{choices}");
        // The test images are looked at for what was found alone.
        let looked = decision.wanted.iter().filter(|stage| manifest.stages[**stage].template == "score").count();
        assert_eq!(looked, 2 * (usize::from(last > 0) + usize::from(last > 1)), "{last}");
    }
}

#[test]
fn halving_keeps_the_best_of_every_rung() {
    let matrix = "[matrix]\nsparsity = [0.5]\nepochs = [1, 2, 4]\ncriterion = [\"magnitude\", \"random\", \"lamp\", \"synflow\"]\n\
         [search]\nkind = \"halving\"\naxis = \"epochs\"\nover = [\"criterion\"]\nevaluate = \"choice\"\n";
    let manifest = manifest(matrix);
    let better = |axes: &HashMap<&str, String>| {
        let place = ["random", "magnitude", "synflow", "lamp"]
            .iter()
            .position(|name| Some(*name) == axes.get("criterion").map(String::as_str));
        0.5 + 0.1 * place.unwrap_or(0) as f64
    };
    let (decision, choices) = search(&manifest, &better);
    assert_eq!(found(&manifest, &decision), [["4".to_owned(), "lamp".to_owned()]]);
    assert_eq!(choices, 4 + 2 + 1);
}

#[test]
fn nothing_is_left_open_that_cannot_be_wanted_any_more() {
    let matrix = "[matrix]\nepochs = [1]\ncriterion = [\"magnitude\"]\nsparsity = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]\n\
         [search]\nkind = \"bisect\"\naxis = \"sparsity\"\nevaluate = \"choice\"\ndrop = 0.02\n";
    let manifest = manifest(matrix);
    let graph = StageGraph::new(&manifest);
    let names = |stages: &HashSet<usize>| {
        let mut names: Vec<&str> =
            stages.iter().map(|stage| manifest.stages.get_index(*stage).unwrap().0.as_str()).collect();
        names.sort_unstable();
        names.into_iter().filter(|name| name.starts_with("tuned")).collect::<Vec<_>>().join(" ")
    };
    let all = (0..manifest.stages.len()).collect();
    let first = decide(&manifest, &graph, &all, &|_| None);
    insta::assert_snapshot!(names(&first.wanted), @"tuned[epochs=1,criterion=magnitude,sparsity=0.4]");
    insta::assert_snapshot!(names(&first.open), @"tuned[epochs=1,criterion=magnitude,sparsity=0.1] tuned[epochs=1,criterion=magnitude,sparsity=0.2] tuned[epochs=1,criterion=magnitude,sparsity=0.3] tuned[epochs=1,criterion=magnitude,sparsity=0.5] tuned[epochs=1,criterion=magnitude,sparsity=0.6] tuned[epochs=1,criterion=magnitude,sparsity=0.7]");
    let loses = Outcome::Measured(seen(0.1));
    let fails = |stage: usize| first.wanted.contains(&stage).then_some(loses);
    let second = decide(&manifest, &graph, &all, &fails);
    insta::assert_snapshot!(names(&second.wanted), @"tuned[epochs=1,criterion=magnitude,sparsity=0.2] tuned[epochs=1,criterion=magnitude,sparsity=0.4]");
    insta::assert_snapshot!(names(&second.open), @"tuned[epochs=1,criterion=magnitude,sparsity=0.1] tuned[epochs=1,criterion=magnitude,sparsity=0.3]");
}

/// Halving over four criteria, of which `diverges` says which diverge at which number of epochs.
fn halving_where(diverges: &dyn Fn(&str, &str, &str) -> bool) -> (Vec<Vec<String>>, Setting, usize) {
    let matrix = "[matrix]\nsparsity = [0.5]\nseed = [1, 2, 3]\nepochs = [1, 2, 4]\n\
         criterion = [\"random\", \"magnitude\", \"synflow\", \"lamp\"]\n\
         [search]\nkind = \"halving\"\naxis = \"epochs\"\nover = [\"criterion\"]\nevaluate = \"choice\"\n";
    let manifest = manifest(matrix);
    let accuracy = |axes: &HashMap<&str, String>| {
        let Some(criterion) = axes.get("criterion") else { return 0.0 };
        let place = ["random", "magnitude", "synflow", "lamp"].iter().position(|name| name == criterion).unwrap();
        let of = |axis: &str| axes.get(axis).map_or("", String::as_str);
        let diverged = !of("epochs").is_empty() && diverges(criterion, of("epochs"), of("seed"));
        if diverged { f64::NAN } else { 0.5 + 0.1 * place as f64 }
    };
    let (mut decision, choices) = search(&manifest, &accuracy);
    let found = found(&manifest, &decision);
    (found, decision.settings.remove(0), choices)
}

#[test]
fn of_candidates_with_as_many_right_answers_the_first_stays() {
    let matrix = "[matrix]\nsparsity = [0.5]\nseed = [1, 2, 3]\nepochs = [1, 2]\ncriterion = [\"random\", \"magnitude\"]\n\
         [search]\nkind = \"halving\"\naxis = \"epochs\"\nover = [\"criterion\"]\nevaluate = \"choice\"\n";
    let manifest = manifest(matrix);
    let accuracy = |axes: &HashMap<&str, String>| {
        let seed: f64 = axes.get("seed").map_or(0.0, |seed| seed.parse().unwrap());
        // 0.3 + 0.2 + 0.1 is less than 0.1 + 0.2 + 0.3.
        if axes.get("criterion").is_some_and(|name| name == "random") { 0.1 * (4.0 - seed) } else { 0.1 * seed }
    };
    let (decision, _) = search(&manifest, &accuracy);
    assert_eq!(found(&manifest, &decision), [["2", "random"]]);
}

#[test]
fn a_candidate_that_diverges_has_lost() {
    // In the first round: the better half of four goes on, and the one that diverged is in the other half.
    let (found, setting, choices) = halving_where(&|criterion, _, _| criterion == "lamp");
    assert_eq!(found, [["4", "synflow"]]);
    assert_eq!((setting.tried, setting.diverged, setting.all_diverged, choices), (7, 1, false, 3 * 7));
    // For one seed of three.
    let (found, setting, _) = halving_where(&|criterion, _, seed| criterion == "lamp" && seed == "2");
    assert_eq!((found, setting.diverged), (vec![vec!["4".to_owned(), "synflow".to_owned()]], 1));
    // In the second round: nobody comes back for it.
    let (found, setting, _) = halving_where(&|criterion, epochs, _| criterion == "lamp" && epochs != "1");
    assert_eq!((found, setting.tried, setting.diverged), (vec![vec!["4".to_owned(), "synflow".to_owned()]], 7, 1));
    // In the last round, where it was the only one; and all at once.
    let (found, setting, _) = halving_where(&|_, epochs, _| epochs == "4");
    assert_eq!((found[0].len(), setting.diverged, setting.all_diverged), (0, 1, true));
    let (found, setting, choices) = halving_where(&|_, _, _| true);
    assert_eq!((found[0].len(), setting.diverged, setting.all_diverged, choices), (0, 4, true, 3 * 4));
}

#[test]
fn a_value_that_diverges_does_not_hold_in_a_bisection() {
    let matrix = "[matrix]\nepochs = [1]\ncriterion = [\"magnitude\"]\nsparsity = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]\n\
         [search]\nkind = \"bisect\"\naxis = \"sparsity\"\nevaluate = \"choice\"\ndrop = 0.02\n";
    let manifest = manifest(matrix);
    for last in 0..=7 {
        let accuracy = |axes: &HashMap<&str, String>| {
            let sparsity: f64 = axes.get("sparsity").map_or(0.0, |sparsity| sparsity.parse().unwrap());
            if (10.0 * sparsity).round() as i32 <= last { 0.9 } else { f64::NAN }
        };
        let (decision, _) = search(&manifest, &accuracy);
        let expected: Vec<String> = (last > 0).then(|| format!("0.{last}")).into_iter().collect();
        assert_eq!(found(&manifest, &decision), [expected]);
        assert_eq!(decision.settings[0].all_diverged, last == 0);
    }
}
