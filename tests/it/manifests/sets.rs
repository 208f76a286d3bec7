//! `--set`.

use super::{GOOD, parse, text, wrong};
use pleach::stage::Parameters;
use pleach::train::parameters::Optimizer;

#[test]
fn faults() {
    let mut all = String::new();
    for set in [
        "stages.teacher.epochs",
        "=3",
        "stages..epochs=3",
        "stages.teacher.epochs.=3",
        "#=3",
        "[stages.teacher]#=3",
        "stages.teacher.epochs=0",
        "stages.teacher.epochs=",
        "stages.teacher.epochs=many words",
        "stages.teacher.epoch=3",
        "stages.techer.epochs=3",
        "data.photos.validation=0.1",
        "stage.teacher.epochs=3",
        "stages.teacher.epochs.most=3",
        "stages.student.losses.1.temperature=2",
        "stages.student.losses.first.temperature=2",
        "stages.student.losses.0.temperature=-2",
        "stages.teacher=3",
        "stages.tuned.from=teecher",
        "stages.teacher.optimizer={kind=\"sgd\"}",
    ] {
        let told = wrong(GOOD, &[set]);
        assert_eq!(told.0.len(), 1, "one mistake, one message: {set}\n{}", text(&told));
        all.push_str(&text(&told));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_value_takes_the_place_of_what_is_there() {
    let set = |sets: &[&str]| {
        parse(GOOD, sets).map_err(|invalid| match invalid {
            pleach::manifest::diagnostic::Invalid::Wrong { diagnostics, sources } => {
                text(&(diagnostics.sorted(), sources))
            }
            other => format!("{other:?}"),
        })
    };
    // A whole table replaces, so that keys of another kind do not stay behind.
    let manifest = set(&["stages.teacher.optimizer={kind=\"adam\"}", "networks.wide={arch=\"lenet\"}"]);
    // The student's penalty no longer matches: only that is told.
    assert!(
        manifest.is_ok_and(|m| matches!(
            m.stages["teacher"].parameters.training().unwrap().optimizer,
            Optimizer::Adam { .. }
        ))
    );
    let manifest = set(&["stages.teacher.optimizer.lr=0.5", "stages.teacher.optimizer.lr=0.25"]).unwrap();
    assert_eq!(manifest.stages["teacher"].parameters.training().unwrap().optimizer.lr(), 0.25);
    let manifest = set(&["stages.student.losses.0.temperature = 2", "stages.tuned.from=student"]).unwrap();
    assert_eq!(manifest.stages["tuned"].inputs["from"].stage, "student");
    let manifest = set(&["stages.\"again\"={kind=\"prune\",from=\"student\",method={kind=\"weights\",sparsity=0.1}}"]);
    assert!(matches!(manifest.unwrap().stages["again"].parameters, Parameters::Prune { .. }));
    let manifest = set(&["pipeline.description=a = b, and so on", "data.digits.seed=3"]).unwrap();
    assert_eq!(manifest.pipeline.description, "a = b, and so on");
    assert_eq!(manifest.data["digits"].seed, 3);
}
