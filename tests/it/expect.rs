//! `[expect]`: networks held against what a manifest says of them, in every report, with exit code 23.

use serde_json::{Value, json};

use crate::divergence::ONE_STEP;
use crate::support::{Project, Ran, SMALL};

/// [`SMALL`] with expectations.
fn small(expect: &str) -> Project {
    Project::new(&format!("{SMALL}\n[expect]\n{expect}"))
}

/// What a report says of the expectations.
fn checked(project: &Project, arguments: &[&str]) -> (i32, Vec<Value>) {
    let ran = project.pleach(&[&["report", "pleach.toml", "--format=json"], arguments].concat());
    let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
    (ran.code, report["expectations"].as_array().cloned().unwrap_or_default())
}

/// Measure and verdict of each line.
fn verdicts(checked: &[Value]) -> Vec<String> {
    let of = |line: &Value| {
        let axes = line["axes"].as_object().into_iter().flatten().map(|(axis, value)| format!(" {axis}={value}"));
        let axes: String = axes.collect();
        format!("{}{axes} {} {}", line["model"], line["measure"], line["verdict"]).replace('"', "")
    };
    checked.iter().map(of).collect()
}

/// Text without what a clock says.
fn timeless(ran: &Ran) -> String {
    let text = ran.stdout.lines().map(|line| format!("{}\n", line.trim_end()));
    text.collect()
}

#[test]
fn what_holds_passes_and_what_does_not_is_code_23() {
    let project = small("tuned.accuracy = \">= 0.1\"\ntuned.bytes = \"<= 100e3\"\nteacher.parameters = \"< 1_834\"\n");
    let ran = project.pleach(&["run", "pleach.toml"]).expect(0);
    let table = ran.stdout.split("expect: ").nth(1).expect("a table of expectations");
    assert!(table.starts_with("3 passed\n"), "{table}");

    // Changing what is expected runs nothing again.
    let fails = ["--set", "expect.tuned.bytes=<= 100", "--set", "expect.tuned.accuracy-drop=<= 0.9 at 95 %"];
    let ran = project.run(&fails).expect(23);
    assert_eq!(ran.stages("stage-started"), [""; 0]);
    assert!(ran.stderr.contains("of what `[expect]` says, 2 passed, 1 failed, 1 undecided"), "{}", ran.stderr);
    let of_events: Vec<Value> = ran.events().into_iter().filter(|event| event["event"] == "expectation").collect();
    let expected =
        ["tuned accuracy pass", "tuned bytes fail", "tuned accuracy-drop undecided", "teacher parameters pass"];
    assert_eq!(verdicts(&of_events), expected);
    let last = ran.events().pop().unwrap();
    assert_eq!((&last["event"], &last["code"]), (&json!("run-finished"), &json!(23)));

    for format in ["text", "json", "csv", "html", "markdown"] {
        let ran = project.pleach(&[&["report", "pleach.toml", "--format", format], &fails[..]].concat()).expect(23);
        assert!(ran.stderr.contains("2 passed, 1 failed, 1 undecided"), "{format}: {}", ran.stderr);
        project.pleach(&["report", "pleach.toml", "--format", format]).expect(0);
    }
    let (code, found) = checked(&project, &fails);
    assert_eq!((code, verdicts(&found)), (23, expected.map(str::to_owned).to_vec()));
    assert_eq!(found[2]["because"], "one network has no interval");
    let csv = project.pleach(&[&["report", "pleach.toml", "--format=csv", "--rows=expectations"], &fails[..]].concat());
    let lines: Vec<&str> = csv.stdout.lines().collect();
    assert_eq!(lines[0], "verdict,model,measure,expected,n,value,low,high,evaluation,data,split,because");
    assert!(lines[2].starts_with("fail,tuned,bytes,<= 100,1,"), "{lines:?}");
    assert!(lines[2].ends_with(",,,score,digits,test,"), "{lines:?}");
    let output = ["report", "pleach.toml", "-o", "report.txt"];
    project.pleach(&[&output[..], &fails[..]].concat()).expect(23);
    assert!(project.path().join("report.txt").is_file(), "the report is written all the same");
}

#[test]
fn what_was_not_asked_for_is_not_checked_and_what_is_missing_is_undecided() {
    let project = small("tuned.accuracy = \">= 0.1\"\n");
    let plan = project.succeed(&["plan", "pleach.toml"]).stdout;
    assert!(plan.contains("expect: 1 to be checked at the end of a run\n"), "{plan}");
    let plan = project.succeed(&["plan", "pleach.toml", "teacher"]).stdout;
    let told = "expect: 0 to be checked at the end of a run; 1 of networks whose evaluation was not asked for\n";
    assert!(plan.contains(told), "{plan}");
    let plan: Value = serde_json::from_str(&project.succeed(&["plan", "pleach.toml", "--json"]).stdout).unwrap();
    let line = json!({"model": "tuned", "axes": {}, "measure": "accuracy", "expected": ">= 0.1", "asked": true});
    assert_eq!(plan["expectations"], json!([line]));
    let ran = project.pleach(&["run", "pleach.toml", "teacher"]).expect(0);
    assert!(ran.stdout.contains("expect: nothing was asked for"), "{}", ran.stdout);
    // Something is evaluated, but not this.
    project.write(
        "pleach.toml",
        format!(
            "{SMALL}\n[expect]\ntuned.accuracy = \">= 0.1\"\n[stages.first]\n\
        kind = \"evaluate\"\ndata = \"digits\"\nmodels = [\"teacher\"]\n"
        ),
    );
    project.succeed(&["run", "pleach.toml", "first"]);
    let (code, found) = checked(&project, &[]);
    assert_eq!(
        (code, &found[0]["verdict"], &found[0]["because"]),
        (23, &json!("undecided"), &json!("1 of 1 results are missing"))
    );
}

/// Two sparsities and three seeds, and a set of expectations that falls out in every way.
pub const SWEEP: &str = r#"
[data.digits]
source = "digits"
validation = 0.2
limit = 300

[stages.whole]
kind = "train"
data = "digits"
network = { arch = "mlp", hidden = [24] }
batch = 16
epochs = 15

[stages.pruned]
kind = "prune"
from = "whole"
method = { kind = "weights", criterion = "magnitude", sparsity = "${matrix.sparsity}" }

[stages.score]
kind = "evaluate"
data = "digits"
models = ["whole", "pruned"]
reference = "whole"

[stages.choice]
kind = "evaluate"
data = "digits"
split = "validation"
models = ["whole", "pruned"]
reference = "whole"

[matrix]
sparsity = [0.1, 0.99]
seed = [1, 2, 3]

[expect]
pruned.nonzeros = "<= 1000"
"pruned[sparsity=0.1]".accuracy-drop = "<= 10 % at 95 %"
"pruned[sparsity=0.99]".accuracy-drop = "<= 0.01 at 95 %"
whole.accuracy = ">= 0.5 at 99.99 %"
whole.parameters = "<= 2000 at 95 %"
"#;

#[test]
fn every_setting_of_a_sweep_is_held_against_it() {
    let project = Project::new(SWEEP);
    let ran = project.pleach(&["run", "pleach.toml"]).expect(23);
    let (code, found) = checked(&project, &[]);
    assert_eq!(code, 23);
    let expected = [
        "pruned sparsity=0.1 nonzeros fail",
        "pruned sparsity=0.99 nonzeros pass",
        "pruned sparsity=0.1 accuracy-drop pass",
        "pruned sparsity=0.99 accuracy-drop fail",
        "whole accuracy undecided",
        "whole parameters undecided",
    ];
    assert_eq!(verdicts(&found), expected, "{}", ran.stdout);
    assert!(found.iter().all(|line| line["evaluation"] == "score"), "the test split is what counts");
    let because = |place: usize| found[place]["because"].as_str().unwrap_or_default().to_owned();
    assert_eq!([because(4), because(5)], ["the limit is inside the interval", "equal values have no interval"]);
    assert!(ran.stderr.contains("more seeds make an interval narrower"), "{}", ran.stderr);
    // The interval is wider than that of 95 %, which the group has.
    let report: Value =
        serde_json::from_str(&project.pleach(&["report", "pleach.toml", "--format=json"]).stdout).unwrap();
    let group = report["groups"].as_array().unwrap().iter().find(|group| group["name"] == "whole").unwrap();
    assert!(found[4]["low"].as_f64().unwrap() < group["values"]["top1"]["low"].as_f64().unwrap());
    assert_eq!(found[4]["value"], group["values"]["top1"]["mean"]);
    let pruned = report["groups"].as_array().unwrap().iter().find(|group| group["name"] == "pruned").unwrap();
    let high = -pruned["versus"]["top1"]["low"].as_f64().unwrap();
    assert!((found[2]["high"].as_f64().unwrap() - high).abs() < 1e-12, "a drop is a difference the other way round");

    // One seed has no interval, and only one sparsity was asked for.
    let (code, found) = checked(&project, &["--only", "sparsity=0.99,seed=1"]);
    assert_eq!(code, 23);
    let expected = [
        "pruned sparsity=0.99 nonzeros pass",
        "pruned accuracy-drop not-asked",
        "pruned sparsity=0.99 accuracy-drop undecided",
        "whole accuracy undecided",
        "whole parameters undecided",
    ];
    assert_eq!(verdicts(&found), expected);

    // A seed that is not there yet could decide otherwise.
    let (code, found) = checked(&project, &["--set", "matrix.seed=[1, 2, 3, 4]"]);
    assert_eq!((code, &found[1]["because"]), (23, &json!("1 of 4 results are missing")));
    insta::assert_snapshot!("expect-markdown", markdown(&project));
}

/// The Markdown of a report, with times taken out.
fn markdown(project: &Project) -> String {
    let ran = project.pleach(&["report", "pleach.toml", "--format=markdown"]);
    let line = |line: &str| match line.strip_suffix(" |").and_then(|line| line.rsplit_once(" | ")) {
        Some((line, time)) if time.parse::<f64>().is_ok() => format!("{line} | TIME |\n"),
        _ => format!("{line}\n"),
    };
    ran.stdout.lines().map(line).collect()
}

#[test]
fn only_what_a_search_found_has_to_hold() {
    let search = "[search]\nkind = \"bisect\"\naxis = \"sparsity\"\nevaluate = \"choice\"\ndrop = 0.1\n";
    let text = SWEEP.split("[expect]").next().unwrap();
    let project = Project::new(&format!("{text}{search}[expect]\npruned.accuracy = \">= 0.5\"\n"));
    // What is not found yet.
    let plan = project.succeed(&["plan", "pleach.toml"]).stdout;
    assert!(plan.contains("expect: 1 to be checked"), "{plan}");
    project.pleach(&["run", "pleach.toml"]).expect(0);
    let (code, found) = checked(&project, &[]);
    assert_eq!((code, verdicts(&found)), (0, vec!["pruned sparsity=0.1 accuracy pass".to_owned()]));
    // A stricter search finds nothing.
    let (code, found) = checked(&project, &["--set", "search.drop=0", "--set", "matrix.sparsity=[0.98, 0.99]"]);
    assert_eq!((code, &found[0]["because"]), (23, &json!("the search goes on")));
    let nothing = ["run", "pleach.toml", "--set", "search.drop=0", "--set", "matrix.sparsity=[0.98, 0.99]"];
    let ran = project.pleach(&nothing).expect(23);
    assert!(ran.stdout.contains("the search found nothing"), "{}", timeless(&ran));
}

#[test]
fn a_network_that_diverged_is_not_what_is_expected() {
    let project = Project::new(&format!("{ONE_STEP}\n[expect]\nm.parameters = \"<= 1e9\"\n"));
    // That it diverged is the worse news.
    let ran = project.run(&[]).expect(21);
    assert_eq!(ran.event("expectation")["verdict"], "fail");
    let (code, found) = checked(&project, &[]);
    assert_eq!((code, &found[0]["verdict"]), (23, &json!("fail")));
    assert_eq!(found[0]["because"], "1 of 1 networks diverged");
}
