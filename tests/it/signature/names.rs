//! Names of classes are data: they come out of every report and file as they went in, and are matched before anything runs
//! where a file says them.

use std::fs;

use pleach::network::signature::METADATA;
use serde_json::{Value, json};

use super::{HOSTILE, MANIFEST, NAMES, json as output, turned, write_set};
use crate::support::Project;

/// A teacher of classes of which one is hostile, and its evaluation.
fn hostile() -> Project {
    let stages = MANIFEST.find("[stages.student]").unwrap();
    let score = "[stages.score]\nkind = \"evaluate\"\ndata = \"second\"\nmodels = [\"teacher\"]\n";
    let project = Project::new(&format!("{}{score}", &MANIFEST[..stages]));
    let renamed = |names: &[&'static str]| -> Vec<&str> {
        names.iter().map(|name| if *name == "cat" { HOSTILE } else { name }).collect()
    };
    write_set(&project.path().join("first"), &renamed(&NAMES));
    write_set(&project.path().join("second"), &renamed(&turned()));
    project
}

#[test]
fn a_hostile_name_comes_out_of_reports_and_files_as_it_went_in() {
    let project = hostile();
    project.run(&[]).expect(0);
    let report = |arguments: &[&str]| project.succeed(&[&["report", "pleach.toml"], arguments].concat()).stdout;
    assert!(report(&[]).contains(HOSTILE), "{}", report(&[]));
    // CSV: quoted, and read back as one field. The set has its classes in another order than the network.
    let text = report(&["--format=csv", "--rows=classes"]);
    assert!(text.contains("\"a<b>\"\"c,d\""), "{text}");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap(), vec!["evaluation", "model", "data", "split", "class", "images", "top1"]);
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), 10);
    assert_eq!((&records[0][4], &records[0][5], &records[1][4]), (HOSTILE, "4", "deer"));
    assert!(records[0][6].parse::<f64>().unwrap() > 0.5, "{text}");
    // JSON, with what the network's images are normalised by, and not those of the data section.
    let document: Value = serde_json::from_str(&report(&["--format=json"])).unwrap();
    let signature = output(&project, "teacher", "signature");
    let row = &document["rows"][0];
    assert_eq!((&row["classes"][0], &signature["classes"][3]), (&json!(HOSTILE), &json!(HOSTILE)));
    let constants = json!({ "mean": signature["mean"], "deviation": signature["deviation"] });
    assert_eq!(row["normalization"], constants);
    assert_ne!(row["normalization"]["mean"][0], json!(0.2));
    // The page holds the document where no name can end it; `report_page` looks at what it shows.
    let page = report(&["--format=html"]);
    assert!(!page.contains("a<b>") && page.contains(r#"a\u003cb>\"c,d"#));
    // Exported files.
    for ending in ["json", "safetensors"] {
        project.succeed(&["export", "pleach.toml", "teacher", "-o", &format!("teacher.{ending}")]);
    }
    let exported: Value = serde_json::from_slice(&fs::read(project.path().join("teacher.json")).unwrap()).unwrap();
    assert_eq!(exported["signature"], signature);
    let file = fs::read(project.path().join("teacher.safetensors")).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&file).unwrap();
    let written = &header.metadata().as_ref().unwrap()[METADATA];
    assert_eq!(serde_json::from_str::<Value>(written).unwrap(), signature);
}

/// A stage that trains tells once what images are normalised by, and lines for people say the same constants once.
#[test]
fn the_constants_of_a_network_are_told_when_its_training_starts() {
    let stages = MANIFEST.find("[stages.augmented]").unwrap();
    let project = Project::new(&MANIFEST[..stages].replace("epochs = 12", "epochs = 1"));
    write_set(&project.path().join("first"), &NAMES);
    write_set(&project.path().join("second"), &turned());
    let ran = project.run(&[]).expect(0);
    let told: Vec<Value> = ran.events().into_iter().filter(|event| event["event"] == "normalization").collect();
    assert_eq!(told.len(), 2, "{told:?}");
    for event in told {
        let signature = output(&project, event["stage"].as_str().unwrap(), "signature");
        assert_eq!((&event["mean"], &event["deviation"]), (&signature["mean"], &signature["deviation"]));
    }
    let again = project.pleach(&["run", "pleach.toml", "--refresh", "teacher", "--refresh", "student"]).expect(0);
    let line = "student: images are normalised by mean [0.2, 0.3, 0.4] and deviation [0.4, 0.3, 0.2]";
    assert!(again.stderr.contains(line), "{}", again.stderr);
    assert_eq!(again.stderr.matches("images are normalised by").count(), 2, "{}", again.stderr);
    // Two students in the same constants.
    let twice = format!(
        "{}[stages.second]{}",
        fs::read_to_string(project.path().join("pleach.toml")).unwrap(),
        MANIFEST[MANIFEST.find("[stages.student]").unwrap()..stages]
            .replace("[stages.student]", "")
            .replace("epochs = 12", "epochs = 2")
    );
    project.write("pleach.toml", twice);
    let both = project.pleach(&["run", "pleach.toml", "--refresh", "student"]).expect(0);
    assert_eq!(both.stderr.matches("images are normalised by").count(), 1, "{}", both.stderr);
}

/// What a file says that its network was trained for is held against the data before anything runs, of a compressed file too,
/// and where the network is that of a stage that has no result yet.
#[test]
fn other_classes_in_a_file_are_refused_before_anything_runs() {
    let project = Project::new(MANIFEST);
    write_set(&project.path().join("first"), &NAMES);
    write_set(&project.path().join("second"), &turned());
    project.run(&["teacher"]).expect(0);
    project.succeed(&["export", "pleach.toml", "teacher", "-o", "teacher.safetensors"]);
    let packed = fs::File::create(project.path().join("teacher.safetensors.gz")).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    let bytes = fs::read(project.path().join("teacher.safetensors")).unwrap();
    std::io::Write::write_all(&mut encoder, &bytes).unwrap();
    encoder.finish().unwrap();
    let mut renamed = NAMES;
    renamed[3] = HOSTILE;
    write_set(&project.path().join("second"), &renamed);
    let data = &MANIFEST[..MANIFEST.find("[stages.teacher]").unwrap()];
    let own = "network = { arch = \"mlp\", hidden = [24] }";
    let before = format!("[stages.before]\nkind = \"train\"\ndata = \"second\"\n{own}\nepochs = 1\n");
    for file in ["teacher.safetensors", "teacher.safetensors.gz"] {
        for network in [own, "network = { like = \"before\" }"] {
            let import =
                format!("[stages.bought]\nkind = \"import\"\ndata = \"second\"\npath = \"{file}\"\n{network}\n");
            project.write("pleach.toml", format!("{data}{before}{import}"));
            for command in ["check", "plan", "run"] {
                let refused = project.pleach(&[command, "pleach.toml"]).expect(11);
                insta::allow_duplicates! {
                    let told = refused.stderr.lines().skip_while(|line| !line.starts_with("error")).collect::<Vec<_>>();
                    insta::assert_snapshot!(told.join("\n").replace(file, "FILE"), @r#"
                    error: the network of the file learnt other classes than the data has: FILE
                      help: classes of the network: `airplane`, `automobile`, `bird`, `cat`, `deer`, `dog`, `frog`, `horse`, `ship`, `truck`
                      help: classes of the data: `airplane`, `automobile`, `bird`, `a<b>\"c,d`, `deer`, `dog`, `frog`, `horse`, `ship`, `truck`
                      help: only in the network: `cat`; only in the data: `a<b>\"c,d`
                      help: `head = "fresh"` makes the last layer anew, for the classes of the data
                      help: `path` of `[stages.bought]` names the file (pleach.toml:23:8)
                    "#);
                }
            }
            // A fresh head has the classes of the data.
            project.write("pleach.toml", format!("{data}{before}{import}head = \"fresh\"\n"));
            project.succeed(&["plan", "pleach.toml"]);
        }
    }
    let is_new = |record: &&pleach::store::Record| record.label.contains("before") || record.label.contains("bought");
    assert_eq!(project.records().iter().filter(is_new).count(), 0, "nothing ran");
}
