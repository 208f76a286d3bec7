//! Reports: what is called collapsed, what counts as a sample, what tables are of, and what other programs read.

use std::collections::BTreeSet;
use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use serde_json::{Value, json};

use crate::support::Project;

fn json_of(project: &Project, arguments: &[&str]) -> Value {
    let ran = project.succeed(&[&["report", "pleach.toml", "--format=json"], arguments].concat());
    serde_json::from_str(&ran.stdout).expect("JSON")
}

fn csv_of(project: &Project, rows: &str) -> Vec<Vec<String>> {
    let text = project.succeed(&["report", "pleach.toml", "--format=csv", "--rows", rows]).stdout;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn text_of(project: &Project) -> String {
    project.succeed(&["report", "pleach.toml"]).stdout
}

/// The groups of a report, by the name of the section that made them.
fn group<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["groups"].as_array().unwrap().iter().find(|group| group["name"] == name).expect(name)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is a number"))
}

/// A grey picture of one brightness.
fn picture(path: &Path, brightness: u8) {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(&[brightness; 64], 8, 8, ExtendedColorType::L8).unwrap();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Two even classes whose brightness overlaps so far that the best answer is right on 70 %; and three classes of which one is
/// nearly everything, with a network that answers it always.
const OVERLAP: &str = r#"
[data.even]
source = "images"
path = "even"
size = [8, 8]
channels = 1

[data.skewed]
source = "images"
path = "skewed"
size = [8, 8]
channels = 1

[stages.two-classes]
kind = "train"
data = "even"
network = { arch = "mlp", hidden = [8] }
epochs = 10

[stages.constant]
kind = "import"
path = "constant.safetensors"
data = "skewed"
network = { arch = "graph", layers = [{ name = "flat", op = "flatten" }, { name = "fc", op = "linear", out-features = 3 }] }

[stages.on-even]
kind = "evaluate"
data = "even"
models = ["two-classes"]

[stages.on-skewed]
kind = "evaluate"
data = "skewed"
models = ["constant"]
"#;

#[test]
fn collapsed_is_no_better_than_the_largest_class() {
    let project = Project::new(OVERLAP);
    for half in ["train", "test"] {
        for number in 0..200 {
            // Three of ten pictures of each class look like the other.
            let bright = number % 10 < 3;
            for (class, bright) in [("defect", bright), ("fine", !bright)] {
                let brightness = if bright { 170 } else { 80 } + (number % 20) as u8;
                picture(&project.path().join(format!("even/{half}/{class}/{number}.png")), brightness);
            }
            picture(&project.path().join(format!("skewed/{half}/fine/{number}.png")), 100 + (number % 50) as u8);
            if number < 4 {
                for class in ["scratch", "stain"] {
                    picture(&project.path().join(format!("skewed/{half}/{class}/{number}.png")), 90 + number as u8);
                }
            }
        }
    }
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let (weight, bias) = (bytes(&[0.0; 192]), bytes(&[4.0, 0.0, 0.0]));
    let tensor = |shape: Vec<usize>, bytes| safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, bytes);
    let tensors = [("fc.weight", tensor(vec![3, 64], &weight).unwrap()), ("fc.bias", tensor(vec![3], &bias).unwrap())];
    std::fs::write(project.path().join("constant.safetensors"), safetensors::serialize(tensors, None).unwrap())
        .unwrap();
    project.run(&[]).expect(0);

    let report = json_of(&project, &[]);
    let (even, skewed) = (group(&report, "two-classes"), group(&report, "constant"));
    assert!((0.65..0.75).contains(&number(&even["values"]["top1"]["mean"])), "{even:#}");
    assert_eq!(even["collapsed"], 0, "70 % of two even classes is what there is to learn");
    assert!(number(&skewed["values"]["top1"]["mean"]) > 0.96, "{skewed:#}");
    assert_eq!(skewed["collapsed"], 1, "one answer for all images");
    assert!((number(&skewed["values"]["balanced-accuracy"]["mean"]) - 1.0 / 3.0).abs() < 1e-12);
    let row = report["rows"].as_array().unwrap().iter().find(|row| row["name"] == "constant").unwrap();
    assert_eq!((&row["collapsed"], &row["class-images"]), (&json!(true), &json!([200, 4, 4])));
    assert_eq!(number(&row["chance"]), 200.0 / 208.0);

    let text = text_of(&project);
    let line = |name: &str| text.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
    assert!(!line("two-classes").contains("collapsed"), "{text}");
    assert!(line("constant").contains("96.15 % collapsed"), "{text}");
    // Where classes are uneven, accuracy by class counts in one number.
    let (_, of_skewed) = text.split_once("on-skewed").unwrap();
    assert!(of_skewed.contains("balanced") && of_skewed.contains("33.33 %"), "{text}");
    assert!(!text.split_once("on-skewed").unwrap().0.contains("balanced"), "{text}");
    let csv = csv_of(&project, "settings");
    let column = csv[0].iter().position(|name| name == "collapsed").unwrap();
    assert_eq!([&csv[1][column], &csv[2][column]], ["0", "1"]);
}

/// A network and one that has lost nearly all weights; with and without seeds.
const OWN: &str = r#"
[data.digits]
source = "digits"
limit = 300

[stages.small]
kind = "train"
data = "digits"
network = { arch = "mlp", hidden = [8] }
epochs = 5

[stages.dead]
kind = "prune"
from = "small"
method = { kind = "weights", sparsity = 0.99 }

[stages.score]
kind = "evaluate"
data = "digits"
models = ["small", "dead"]
reference = "small"

[report]
metrics.errors-per-kib = "(1 - accuracy) * 447 / (bytes / 1024)"
metrics.per-loss = "1 / (accuracy - reference.accuracy)"
"#;

#[test]
fn the_plain_table_is_that_of_a_sweep_with_one_seed() {
    let plain = Project::new(OWN);
    let printed = plain.succeed(&["run", "pleach.toml"]).stdout;
    let swept = Project::new(&format!("{OWN}\n[matrix]\nseed = [1, 2]\n"));
    swept.run(&[]).expect(0);
    let (one, many) = (text_of(&plain), text_of(&swept));
    for text in [&printed, &one, &many] {
        let head = text.lines().find(|line| line.trim_start().starts_with("model")).unwrap();
        for column in ["errors-per-kib", "per-loss", "top-1", "Δ", "MACs", "ms/image"] {
            assert!(head.contains(column), "{column} in {text}");
        }
        let dead = text.lines().find(|line| line.trim_start().starts_with("dead")).unwrap();
        assert!(dead.contains("collapsed"), "{text}");
    }
    assert!(many.contains("mean ± standard deviation over n seeds"), "{many}");
    assert!(!one.contains('±'), "{one}");
    // The reference is divided by nothing: no value, and the column is there.
    let report = json_of(&plain, &[]);
    assert_eq!(group(&report, "small")["values"].get("per-loss"), None);
}

#[test]
fn a_table_without_reference_has_no_empty_columns() {
    let project = Project::new(OWN.split("reference =").next().unwrap());
    project.run(&[]).expect(0);
    let text = text_of(&project);
    assert!(!text.contains('Δ'), "{text}");
}

/// An axis that decides which images are looked at.
pub const SETS: &str = r#"
[matrix]
share = [0.1, 0.3]
seed = [1, 2]

[data.digits]
source = "digits"
validation = "${matrix.share}"

[stages.net]
kind = "train"
data = "digits"
network = { arch = "mlp", hidden = [8] }
epochs = 1

[stages.choice]
kind = "evaluate"
data = "digits"
models = ["net"]
split = "validation"

[stages.score]
kind = "evaluate"
data = "digits"
models = ["net"]

[report]
compare = "share"
against = "0.1"
"#;

#[test]
fn every_set_has_a_table_of_its_own() {
    let project = Project::new(SETS);
    project.run(&[]).expect(0);
    let text = text_of(&project);
    assert!(text.contains("choice: 135 validation images of digits[share=0.1]"), "{text}");
    assert!(text.contains("choice: 405 validation images of digits[share=0.3]"), "{text}");
    // What was measured on other images is not ranked, and on the same images it is.
    assert!(text.contains("choice of net by share: no setting has all values of `share` on the same images"), "{text}");
    assert!(text.contains("score: 447 test images of digits;"), "{text}");
    assert!(text.contains("score of net by share: ranks by accuracy"), "{text}");
    let csv = csv_of(&project, "settings");
    let place = |name: &str| csv[0].iter().position(|other| other == name).unwrap();
    let of_choice: Vec<[&str; 3]> = csv[1..]
        .iter()
        .filter(|record| record[0] == "choice")
        .map(|record| ["data", "split", "images"].map(|name| record[place(name)].as_str()))
        .collect();
    assert_eq!(of_choice, [["digits[share=0.1]", "validation", "135"], ["digits[share=0.3]", "validation", "405"]]);
}

const PAIRS: &str = r#"
[data.digits]
source = "digits"
limit = 300

[matrix]
seed = [1, 2]
width = [8, 9]
sparsity = [0.300, 0.301, 0.302, 0.303, 0.304]

[stages.net]
kind = "train"
data = "digits"
network = { arch = "mlp", hidden = ["${matrix.width}"] }
epochs = 3

[stages.pruned]
kind = "prune"
from = "net"
method = { kind = "weights", criterion = "magnitude", sparsity = "${matrix.sparsity}" }

[stages.score]
kind = "evaluate"
data = "digits"
models = ["pruned"]

[report]
compare = "width"
against = "8"
"#;

#[test]
fn settings_of_one_seed_are_one_sample() {
    let project = Project::new(PAIRS);
    project.run(&[]).expect(0);
    let report = json_of(&project, &[]);
    let methods = report["compared"][0]["methods"].as_array().unwrap();
    let versus = &methods.iter().find(|method| method["label"] == "9").unwrap()["versus"];
    assert_eq!((&versus["n"], &versus["pairs"]), (&json!(2), &json!(10)));
    // The differences of each seed, averaged.
    let top1 = |seed: u64, width: u64| -> f64 {
        let rows = report["rows"].as_array().unwrap().iter();
        let of = rows.filter(|row| row["axes"]["seed"] == seed && row["axes"]["width"] == width);
        of.map(|row| number(&row["values"]["top1"])).sum::<f64>() / 5.0
    };
    let differences = [1, 2].map(|seed| top1(seed, 9) - top1(seed, 8));
    assert!((number(&versus["difference"]) - (differences[0] + differences[1]) / 2.0).abs() < 1e-12);
    // t(0.975, 1) is 12.706, and the error of two values is half of what lies between them.
    let half = 12.7062 * (differences[0] - differences[1]).abs() / 2.0;
    assert!((number(&versus["high"]) - number(&versus["difference"]) - half).abs() < 1e-4, "{versus}");
    let text = text_of(&project);
    assert!(text.contains("n counts seeds"), "{text}");
    // One seed says nothing about others.
    let one = json_of(&project, &["--only=seed=1"]);
    let methods = one["compared"][0]["methods"].as_array().unwrap();
    let versus = &methods.iter().find(|method| method["label"] == "9").unwrap()["versus"];
    assert_eq!((&versus["n"], &versus["pairs"], &versus["p"]), (&json!(1), &json!(5), &Value::Null));
}

#[test]
fn what_group_by_leaves_out_is_averaged_within_a_seed() {
    let project = Project::new(&format!("{PAIRS}group-by = [\"width\"]\n"));
    project.run(&[]).expect(0);
    let report = json_of(&project, &[]);
    assert_eq!(report["groups"].as_array().unwrap().len(), 2);
    assert_eq!(report["groups"][0]["n"], 2, "two seeds, however many settings");
    assert!(report["groups"][0]["networks"].as_u64().unwrap() > 2);
    assert_eq!(report["compared"][0]["methods"][0]["settings"], 1);
}

/// One teacher, pruned in a way that draws nothing, under two seeds, and in one that draws.
const SHARED: &str = r#"
[data.digits]
source = "digits"
limit = 300

[matrix]
seed = [1, 2]

[stages.teacher]
kind = "train"
data = "digits"
network = { arch = "mlp", hidden = [16] }
epochs = 5
seed = 9

[stages.fixed]
kind = "prune"
from = "teacher"
seed = "${matrix.seed}"
method = { kind = "weights", criterion = "magnitude", sparsity = 0.5 }

[stages.drawn]
kind = "prune"
from = "teacher"
method = { kind = "weights", criterion = "random", sparsity = 0.5 }

[stages.score]
kind = "evaluate"
data = "digits"
models = ["teacher", "fixed", "drawn"]
reference = "teacher"
"#;

#[test]
fn a_seed_that_changes_nothing_is_no_second_sample() {
    let project = Project::new(SHARED);
    project.run(&[]).expect(0);
    let report = json_of(&project, &[]);
    let (fixed, drawn) = (group(&report, "fixed"), group(&report, "drawn"));
    assert_eq!((&fixed["n"], &fixed["networks"]), (&json!(1), &json!(1)), "{fixed:#}");
    assert_eq!(fixed["values"]["top1"]["sd"], Value::Null);
    for known in ["low", "high", "p", "p-holm"] {
        assert_eq!(fixed["versus"]["top1"][known], Value::Null, "{known}");
    }
    assert_eq!((&drawn["n"], &drawn["networks"]), (&json!(2), &json!(2)));
    assert!(drawn["versus"]["top1"]["low"].is_number());
    let text = text_of(&project);
    let line = text.lines().find(|line| line.trim_start().starts_with("fixed")).unwrap();
    assert!(!line.contains('±') && !line.contains(" to "), "{text}");
}

#[test]
fn seeds_are_what_goes_into_seeds() {
    // Under another name; two that come together; and one beside `seed`, each with all values of the other.
    let renamed =
        SHARED.replace("[matrix]\nseed = [1, 2]", "[matrix]\nrepeat = [1, 2]").replace("matrix.seed", "matrix.repeat");
    let renamed = renamed.replace("[stages.drawn]", "[stages.drawn]\nseed = \"${matrix.repeat}\"");
    let zipped = SHARED.replace("seed = 9", "seed = \"${matrix.parent}\"");
    let crossed = zipped.replace("seed = [1, 2]\n", "seed = [1, 2]\nparent = [5, 6, 7]\n");
    let zipped = zipped.replace("seed = [1, 2]\n", "seed = [1, 2]\nparent = [5, 6]\nzip = [[\"seed\", \"parent\"]]\n");
    for (manifest, of_drawn, of_fixed) in [(renamed, 2, 1), (zipped, 2, 2), (crossed, 2, 1)] {
        let project = Project::new(&manifest);
        project.run(&[]).expect(0);
        let report = json_of(&project, &[]);
        let (fixed, drawn) = (group(&report, "fixed"), group(&report, "drawn"));
        assert_eq!((&drawn["n"], &fixed["n"]), (&json!(of_drawn), &json!(of_fixed)), "{manifest}\n{drawn:#}");
        assert!(drawn["versus"]["top1"]["n"] == of_drawn && drawn["axes"].get("repeat").is_none());
    }
}

#[test]
fn a_seed_that_is_compared_is_not_averaged_over() {
    let project = Project::new(&format!("{SHARED}\n[report]\ncompare = \"seed\"\nagainst = \"1\"\n"));
    project.run(&[]).expect(0);
    let report = json_of(&project, &[]);
    let drawn: Vec<&Value> = report["groups"].as_array().unwrap().iter().filter(|g| g["name"] == "drawn").collect();
    assert_eq!(
        drawn.iter().map(|group| (&group["axes"]["seed"], &group["n"])).collect::<Vec<_>>(),
        [(&json!(1), &json!(1)), (&json!(2), &json!(1))]
    );
    let methods = |name: &str| {
        report["compared"].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap()["methods"].clone()
    };
    assert_eq!(methods("drawn").as_array().unwrap().len(), 2);
    assert_eq!(report["axes"][0]["seed"], false);
}

#[test]
fn an_axis_that_decides_more_than_seeds_is_no_seed() {
    let manifest =
        SHARED.replace("[matrix]\nseed = [1, 2]", "[matrix]\nhalf = [1, 2]").replace("matrix.seed", "matrix.half");
    let project = Project::new(&manifest.replace("epochs = 5", "epochs = \"${matrix.half}\""));
    project.run(&[]).expect(0);
    let report = json_of(&project, &[]);
    let groups = report["groups"].as_array().unwrap();
    assert!(groups.len() == 6 && groups.iter().all(|group| group["n"] == 1 && group["axes"]["half"].is_number()));
}

#[test]
fn epochs_can_be_looked_at_before_anything_is_evaluated() {
    let project = Project::new(OWN.split("[stages.score]").next().unwrap());
    project.run(&["small"]).expect(0);
    assert_eq!(csv_of(&project, "epochs").len(), 1 + 5);
    let report = json_of(&project, &[]);
    assert_eq!((report["rows"].as_array().unwrap().len(), report["training"][0]["stage"].as_str()), (0, Some("small")));
    let ran = project.succeed(&["report", "pleach.toml"]);
    assert!(
        ran.stdout.starts_with("training, by the last epoch") && ran.stdout.contains("  small  5 of 5 "),
        "{}",
        ran.stdout
    );
    let advice = "nothing is evaluated yet: add a stage with `kind = \"evaluate\"` to it";
    assert!(ran.stderr.contains(advice), "{}", ran.stderr);
    let told = project.pleach(&["report", "pleach.toml", "--format=csv"]).expect(11).stderr;
    assert!(told.contains("add a stage with `kind = \"evaluate\"` to it; `--format csv --rows epochs` has"), "{told}");
    // Nothing has run: nothing is shown in any format.
    let fresh = Project::new(OWN);
    for format in ["text", "json", "csv", "html"] {
        let told = fresh.pleach(&["report", "pleach.toml", "--format", format, "--rows=epochs"]).expect(11).stderr;
        assert!(told.contains("run `pleach run pleach.toml`"), "{told}");
    }
}

/// Axes with the names of columns, two names for one value, and a value with a name.
const NAMES: &str = r#"
[data.digits]
source = "digits"
limit = 200

[matrix]
loss = [1, 2]
model = ["a"]
n = [1]
accuracy = [1]
rank = [1]
balanced-accuracy-sd = [1]

[matrix.size]
narrow = 4
slim = 4
wide = 12

[stages.net]
kind = "train"
data = "digits"
network = { arch = "mlp", hidden = ["${matrix.size}"] }
epochs = "${matrix.loss}"
batch = { axis = "model", a = 50 }
seed = "${matrix.n}"

[stages.score]
kind = "evaluate"
data = "digits"
models = ["net"]

[report]
metrics.p = "1 - accuracy"
"#;

#[test]
fn no_two_columns_have_one_name_and_values_have_theirs() {
    let manifest = NAMES.replace("batch = { axis = \"model\", a = 50 }\n", "batch = 50\n");
    let project = Project::new(&manifest.replace("model = [\"a\"]\n", "model = [0.01]\n").replace(
        "seed = \"${matrix.n}\"",
        "seed = \"${matrix.n}\"\noptimizer = { kind = \"sgd\", lr = \"${matrix.model}\" }",
    ));
    project.run(&[]).expect(0);
    for rows in ["settings", "networks", "epochs"] {
        let csv = csv_of(&project, rows);
        let names: BTreeSet<&String> = csv[0].iter().collect();
        assert_eq!(names.len(), csv[0].len(), "{rows}: {:?}", csv[0]);
        assert!(csv.iter().all(|record| record.len() == csv[0].len()));
        assert!(csv[0].contains(&"matrix.loss".to_owned()), "{rows}: {:?}", csv[0]);
    }
    let csv = csv_of(&project, "settings");
    assert!(csv[0].contains(&"matrix.model".to_owned()) && csv[0].contains(&"metrics.p".to_owned()), "{:?}", csv[0]);
    // Names are shown, and taken where they are shown.
    let report = json_of(&project, &[]);
    let sizes: BTreeSet<&str> =
        report["groups"].as_array().unwrap().iter().map(|group| group["axes"]["size"].as_str().unwrap()).collect();
    assert_eq!(sizes, BTreeSet::from(["narrow", "slim", "wide"]));
    let part = json_of(&project, &["--only=size=narrow", "--only=model=1e-2"]);
    assert_eq!(part["groups"].as_array().unwrap().len(), 2);
    let text = text_of(&project);
    let head: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert!(head.contains(&"matrix.loss") && head.contains(&"matrix.model") && text.contains("narrow"), "{text}");
    assert!(head.iter().collect::<BTreeSet<_>>().len() == head.len(), "{text}");
    // A value may be left out by its name or by what it is.
    for value in ["\"wide\"", "12"] {
        let manifest = manifest.replace("[matrix.size]", &format!("exclude = [{{ size = {value} }}]\n\n[matrix.size]"));
        let planned =
            Project::new(&manifest.replace("model = [\"a\"]\n", "")).succeed(&["plan", "pleach.toml", "--expand"]);
        assert!(planned.stdout.contains("size=slim") && !planned.stdout.contains("wide"), "{}", planned.stdout);
    }
}

#[test]
fn two_names_for_one_seed_are_one_sample() {
    let named = SHARED.replace("[matrix]\nseed = [1, 2]\n", "[matrix.seed]\none = 1\nuno = 1\n");
    let project = Project::new(&named);
    project.run(&[]).expect(0);
    let report = json_of(&project, &[]);
    let drawn = group(&report, "drawn");
    assert_eq!((&drawn["n"], &drawn["seeds"]), (&json!(1), &json!(["one", "uno"])));
}

#[test]
fn curves_are_for_programs_too() {
    let project = Project::new(OWN);
    project.run(&[]).expect(0);
    let report = json_of(&project, &[]);
    let epochs = report["training"][0]["epochs"].as_array().unwrap();
    assert_eq!((report["training"][0]["stage"].as_str(), epochs.len()), (Some("small"), 5));
    let csv = csv_of(&project, "epochs");
    assert_eq!(csv.len(), 1 + 5);
    assert_eq!(&csv[0][..2], ["stage", "epoch"]);
    let loss = csv[0].iter().position(|name| name == "loss").unwrap();
    assert_eq!(csv[5][loss].parse::<f64>().unwrap(), number(&epochs[4]["loss"]));
    // Shares are shares, and say so.
    let top1 = report["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == "top1").unwrap();
    assert_eq!(top1["unit"], "share");
    // One measure has one name.
    assert_eq!(report["groups"][0]["values"].get("accuracy"), None);
    assert!(!csv_of(&project, "settings")[0].contains(&"accuracy".to_owned()));
}
