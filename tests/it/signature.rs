//! A network meets a set with other classes, another order of classes, other normalization or another size.

mod names;
mod orders;
mod sizes;

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::Project;

/// CIFAR-10's class names.
const NAMES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// A name for cats that is markup, a quotation and two fields where it is not escaped.
const HOSTILE: &str = "a<b>\"c,d";

/// A set in CIFAR-10's format whose classes are called `names`: an image of `names[label]` is bright where that name is in
/// [`NAMES`], so that the same name looks alike in every set; names that are not there look like cats.
fn write_set(folder: &Path, names: &[&str]) {
    write_pictures(folder, names, names);
}

/// As [`write_set`], with images of the classes `shown`, one after the other: sets that show the same have the same images in
/// the same order, whatever the order of their classes.
fn write_pictures(folder: &Path, names: &[&str], shown: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("batches.meta.txt"), names.join("\n")).unwrap();
    let record = |number: usize| {
        let name = shown[number % 10];
        let label = names.iter().position(|other| *other == name).unwrap();
        let mut bytes = vec![label as u8];
        bytes.extend(picture(NAMES.iter().position(|other| *other == name).unwrap_or(3), number));
        bytes
    };
    let records = |numbers: std::ops::Range<usize>| numbers.flat_map(record).collect::<Vec<u8>>();
    for batch in 0..5 {
        fs::write(folder.join(format!("data_batch_{}.bin", batch + 1)), records(batch * 20..batch * 20 + 20)).unwrap();
    }
    fs::write(folder.join("test_batch.bin"), records(100..140)).unwrap();
}

/// Three planes of 32x32, bright in every tenth column, the first of which is `place`; `number` says how it is noisy.
fn picture(place: usize, number: usize) -> impl Iterator<Item = u8> {
    (0..3072).map(move |at| {
        let noise = ((at * 31 + number * 17) * 2_654_435_761 % 60) as u8;
        if at / 3 % 10 == place { 180 + noise } else { noise }
    })
}

/// [`NAMES`] in another order.
fn turned() -> Vec<&'static str> {
    NAMES.iter().copied().cycle().skip(3).take(10).collect()
}

const MANIFEST: &str = r#"
[pipeline]
name = "signature"
seed = 1

[data.first]
source = "cifar-10"
path = "first"

[data.second]
source = "cifar-10"
path = "second"
normalization = { mean = [0.2, 0.3, 0.4], deviation = [0.4, 0.3, 0.2] }

[stages.teacher]
kind = "train"
data = "first"
network = { arch = "mlp", hidden = [24] }
epochs = 12
batch = 10

[stages.student]
kind = "distill"
data = "second"
teacher = "teacher"
network = { arch = "mlp", hidden = [24] }
epochs = 12
batch = 10
losses = [{ kind = "kd", alpha = 1.0 }]

[stages.augmented]
kind = "distill"
data = "second"
teacher = "teacher"
network = { arch = "mlp", hidden = [24] }
epochs = 12
batch = 10
augment = [{ kind = "cutout", size = 4 }]
losses = [{ kind = "kd", alpha = 1.0 }]

[stages.tuned]
kind = "fine-tune"
data = "second"
from = "teacher"
teacher = "student"
epochs = 1
batch = 10

[stages.regularized]
kind = "regularize"
data = "second"
from = "teacher"
epochs = 1
batch = 10
penalties = [{ kind = "l1", strength = 1e-5 }]

[stages.pruned]
kind = "prune"
data = "second"
from = "teacher"
method = { kind = "channels", criterion = "taylor", ratio = 0.25 }

[stages.on-first]
kind = "evaluate"
data = "first"
models = ["teacher", "student", "augmented", "tuned", "regularized", "pruned"]

[stages.on-second]
kind = "evaluate"
data = "second"
models = ["teacher", "student", "augmented", "tuned", "regularized", "pruned"]
"#;

fn json(project: &Project, stage: &str, output: &str) -> Value {
    serde_json::from_slice(&fs::read(project.object(stage, output)).unwrap()).unwrap()
}

#[test]
fn classes_in_another_order_and_other_constants_are_matched_in_every_kind_of_stage() {
    let project = Project::new(MANIFEST);
    write_set(&project.path().join("first"), &NAMES);
    write_set(&project.path().join("second"), &turned());
    project.run(&[]).expect(0);
    for score in ["on-first", "on-second"] {
        let metrics = json(&project, score, "metrics");
        for (model, entry) in metrics["models"].as_array().unwrap().iter().enumerate() {
            let top1 = entry["top1"].as_f64().unwrap();
            assert!(top1 > 0.8, "model {model} of {score}: {top1}");
        }
    }
    assert_eq!(json(&project, "on-second", "metrics")["classes"][0], "cat");
    // Who learns anew has the order of its set; who goes on has that of its network, and its constants.
    let [teacher, student, tuned] = ["teacher", "student", "tuned"].map(|stage| json(&project, stage, "signature"));
    assert_eq!((&teacher["classes"][0], &student["classes"][0]), (&"airplane".into(), &"cat".into()));
    assert_eq!((&student["task"], &tuned), (&"classification".into(), &teacher));
    // It travels with what is exported.
    project.succeed(&["export", "pleach.toml", "teacher", "-o", "teacher.json"]);
    let exported: Value = serde_json::from_slice(&fs::read(project.path().join("teacher.json")).unwrap()).unwrap();
    assert_eq!(exported["signature"], teacher);
}

#[test]
fn other_classes_are_refused_before_anything_runs() {
    let project = Project::new(MANIFEST);
    write_set(&project.path().join("first"), &NAMES);
    let mut renamed = NAMES;
    renamed[3] = HOSTILE;
    write_set(&project.path().join("second"), &renamed);
    let refused = project.pleach(&["run", "pleach.toml"]).expect(10);
    for words in ["`teacher` learnt other classes", "only in the network: `cat`", "only in the data: `a<b>\\\"c,d`"] {
        assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
    }
    assert!(!project.cache().join("v1/actions").exists(), "nothing ran");
}

/// An import of weights that pleach exported has the classes and constants of their network; only where the layer that makes
/// the logits is fresh, the classes of its data.
#[test]
fn an_import_takes_classes_and_constants_from_its_file() {
    let project = Project::new(MANIFEST);
    write_set(&project.path().join("first"), &NAMES);
    write_set(&project.path().join("second"), &turned());
    project.run(&["teacher"]).expect(0);
    project.succeed(&["export", "pleach.toml", "teacher", "-o", "teacher.safetensors"]);
    project.succeed(&["export", "pleach.toml", "teacher", "-o", "teacher.json"]);
    let teacher = json(&project, "teacher", "signature");
    let data = &MANIFEST[..MANIFEST.find("[stages.teacher]").unwrap()];
    let import = "[stages.bought]\nkind = \"import\"\ndata = \"second\"\npath = \"teacher.safetensors\"\n\
                  network = { file = \"teacher.json\" }\n";
    project.write("pleach.toml", format!("{data}{import}"));
    project.run(&[]).expect(0);
    assert_eq!(json(&project, "bought", "signature"), teacher);
    let graph: Value = serde_json::from_slice(&fs::read(project.path().join("teacher.json")).unwrap()).unwrap();
    let head = graph["layers"].as_array().unwrap().last().unwrap()["name"].as_str().unwrap().to_owned();
    let mut renamed = NAMES;
    renamed[3] = "another";
    write_set(&project.path().join("second"), &renamed);
    let refused = project.run(&[]).expect(11);
    assert!(refused.stderr.contains("learnt other classes"), "{}", refused.stderr);
    // Stages of their own, as results are found by the names of stages.
    for (stage, fresh) in [("by-head", "head = \"fresh\"".to_owned()), ("by-name", format!("fresh = [\"{head}\"]"))] {
        project.write("pleach.toml", format!("{data}{}{fresh}\n", import.replace("bought", stage)));
        project.run(&[]).expect(0);
        let bought = json(&project, stage, "signature");
        assert_eq!((&bought["classes"][3], &bought["mean"]), (&"another".into(), &teacher["mean"]), "{fresh}");
    }
}
