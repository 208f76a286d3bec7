//! Files that other programs wrote: names with a prefix, other heads, zeros without masks.

use std::io::Write;

use pleach::network::Model;
use pleach::network::arch::Architecture;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

use crate::support::{Project, Ran};

/// Tensors by name, dimensions and values.
type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Some values, without a zero.
fn values(count: usize, salt: usize) -> Vec<f32> {
    (0..count).map(|index| ((index * 7919 + salt * 104_729) % 1000) as f32 / 1000.0 - 0.4995).collect()
}

fn tensors(shapes: &[(&str, &[usize])]) -> Tensors {
    let tensor = |(salt, (name, dims)): (usize, &(&str, &[usize]))| {
        ((*name).to_owned(), dims.to_vec(), values(dims.iter().product(), salt))
    };
    shapes.iter().enumerate().map(tensor).collect()
}

fn file(tensors: &Tensors) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, data)| data.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, dims, _), bytes)| (name.clone(), TensorView::new(Dtype::F32, dims.clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

fn manifest(network: &str, rules: &str, more: &str) -> String {
    format!(
        "[data.digits]\nsource = \"digits\"\nvalidation = 0.2\nlimit = 300\n\n[stages.bought]\nkind = \"import\"\npath = \
         \"w.safetensors\"\ndata = \"digits\"\nnetwork = {network}\n{rules}\n\n{more}"
    )
}

const MLP: &str = "{ arch = \"mlp\", hidden = [16] }";
const SHAPES: [(&str, &[usize]); 4] = [
    ("hidden1.weight", &[16, 64]),
    ("hidden1.bias", &[16]),
    ("classifier.weight", &[10, 16]),
    ("classifier.bias", &[10]),
];

/// What the stage `bought` said.
fn notes(ran: &Ran) -> Vec<String> {
    let events = ran.events().into_iter().filter(|event| event["event"] == "note" && event["stage"] == "bought");
    events.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
}

fn report(project: &Project) -> Value {
    serde_json::from_slice(&std::fs::read(project.object("bought", "report")).unwrap()).unwrap()
}

#[test]
fn names_with_a_prefix_are_taken() {
    let mut weights = Vec::new();
    for prefix in ["", "module.", "model.", "_orig_mod."] {
        let project = Project::new(&manifest(MLP, "", ""));
        let named = tensors(&SHAPES).into_iter().map(|(name, dims, data)| (format!("{prefix}{name}"), dims, data));
        project.write("w.safetensors", file(&named.collect()));
        project.succeed(&["check", "pleach.toml"]);
        let ran = project.run(&[]).expect(0);
        assert_eq!(notes(&ran).len(), if prefix.is_empty() { 1 } else { 2 }, "{:?}", notes(&ran));
        assert_eq!(report(&project)["prefix"], prefix);
        assert_eq!(report(&project)["taken"], 4);
        weights.push(std::fs::read(project.object("bought", "weights")).unwrap());
        if prefix == "module." {
            insta::assert_snapshot!(notes(&ran).join("\n"), @"
            4 tensors taken from the file
            `module.` was taken off all names, as PyTorch's DataParallel writes them
            ");
            // What is written is another key, and the same weights.
            let ran = project.run(&["--set", "stages.bought.prefix=module."]).expect(0);
            assert_eq!(ran.stages("stage-started"), ["bought"]);
        }
    }
    assert!(weights.windows(2).all(|pair| pair[0] == pair[1]));
}

/// A compressed file is looked into as a plain one is.
#[test]
fn what_is_wrong_with_a_compressed_file_is_told_before_anything_runs() {
    let project = Project::new(&manifest(MLP, "", "").replace("w.safetensors", "w.safetensors.gz"));
    let pack = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        project.write("w.safetensors.gz", encoder.finish().unwrap());
    };
    let whole = file(&tensors(&SHAPES));
    pack(&whole);
    project.succeed(&["check", "pleach.toml"]);
    for (bytes, expected) in [
        (file(&tensors(&SHAPES[..3])), "`classifier.bias` is missing"),
        (whole[..100].to_vec(), "its header is cut off"),
        (b"<html>".to_vec(), "this is an HTML page"),
    ] {
        pack(&bytes);
        let told = project.pleach(&["check", "pleach.toml"]).expect(11).stderr;
        assert!(told.contains(expected), "{told}");
    }
    pack(&whole);
    project.run(&[]).expect(0);
}

#[test]
fn a_body_gets_a_head_for_other_classes() {
    let project = Project::new(&manifest(
        MLP,
        "",
        "[stages.tuned]\nkind = \"fine-tune\"\ndata = \"digits\"\nfrom = \"bought\"\nepochs = 1\n",
    ));
    let mut shapes = SHAPES;
    (shapes[2].1, shapes[3].1) = (&[1000, 16], &[1000]);
    project.write("w.safetensors", file(&tensors(&shapes)));
    // Told before anything runs, with the place.
    for command in ["check", "plan", "run"] {
        let told = project.pleach(&[command, "pleach.toml"]).expect(11).stderr;
        assert!(told.contains("`head = \"fresh\"` gives it fresh weights for the 10 classes"), "{told}");
        assert!(told.contains("(pleach.toml:8:8)"), "{told}");
    }
    let head = ["--set", "stages.bought.head=fresh"];
    let ran = project.run(&head).expect(0);
    insta::assert_snapshot!(notes(&ran).join("\n"), @"2 tensors taken from the file, 2 fresh (classifier), 2 of the file ignored");
    // Another seed draws another head; a layer by its name is another key.
    let plan = |more: &[&str]| project.succeed(&[&["plan", "pleach.toml", "bought"], &head[..], more].concat()).stdout;
    assert!(plan(&[]).contains("1 cached"), "{}", plan(&[]));
    for set in ["seed=8", "fresh=[\"hidden*\"]", "ignore-extra=[\"x\"]", "mask=zeros"] {
        let set = format!("stages.bought.{set}");
        if set.contains("fresh=") {
            let told =
                project.pleach(&[&["check", "pleach.toml"], &head[..], &["--set", &set]].concat()).expect(10).stderr;
            assert!(told.contains("every layer gets fresh weights"), "{told}");
            continue;
        }
        assert!(plan(&["--set", &set]).contains("1 to run"), "{set}: {}", plan(&["--set", &set]));
    }
    // A prefix that no name has is a slip of the pen, though everything fits without it.
    let idle = ["plan", "pleach.toml", "bought", "--set", "stages.bought.prefix=module."];
    let told = project.pleach(&[&idle[..], &head[..]].concat()).expect(11).stderr;
    assert!(told.contains("no tensor of the file has a name that begins with `module.`"), "{told}");
    let explained = project.succeed(&[&["explain", "pleach.toml", "bought"], &head[..]].concat()).stdout;
    assert!(
        explained.lines().any(|line| line.trim_start().starts_with("head ") && line.contains("\"fresh\"")),
        "{explained}"
    );
    // Seeds of a sweep draw a head each; without a fresh layer there is one import.
    let swept = |rules: &str| {
        manifest(
            MLP,
            rules,
            "[matrix]\nseed = [1, 2]\n\n[stages.score]\nkind = \"evaluate\"\ndata = \"digits\"\nmodels = [\"bought\"]\n",
        )
    };
    project.write("pleach.toml", swept("head = \"fresh\""));
    assert_eq!(project.run(&[]).expect(0).stages("stage-started").len(), 4);
    project.write("pleach.toml", swept("fresh = [\"clasifier\"]"));
    let told = project.pleach(&["check", "pleach.toml"]).expect(10).stderr;
    assert!(told.contains("no layer of the network with weights matches `clasifier`"), "{told}");
    assert!(told.contains("did you mean `classifier`?") && told.contains("pleach.toml:11:"), "{told}");
    project.write("pleach.toml", manifest(MLP, "seed = 3", ""));
    let told = project.pleach(&["check", "pleach.toml"]).expect(10).stderr;
    assert!(told.contains("`seed` decides nothing here"), "{told}");
}

/// What `torch.nn.utils.prune` leaves: values and masks, of a weight and of the bias of the same units.
#[test]
fn units_that_pytorch_pruned_stay_silent_in_training() {
    let more = "[stages.tuned]\nkind = \"fine-tune\"\ndata = \"digits\"\nfrom = \"bought\"\nepochs = 2\noptimizer = { kind = \
                \"sgd\", lr = 0.1, momentum = 0.9, weight-decay = 1e-3 }\n\n[stages.score]\nkind = \"evaluate\"\ndata = \
                \"digits\"\nmodels = [\"bought\", \"tuned\"]\n";
    let project = Project::new(&manifest(MLP, "", more));
    // Every fourth unit is gone.
    let mut pairs = Tensors::new();
    for (name, dims, data) in tensors(&SHAPES) {
        if !name.starts_with("hidden1") {
            pairs.push((name, dims, data));
            continue;
        }
        let width = data.len() / 16;
        let mask = (0..data.len()).map(|index| if index / width % 4 == 0 { 0.0 } else { 1.0 }).collect();
        pairs.push((format!("{name}_orig"), dims.clone(), data));
        pairs.push((format!("{name}_mask"), dims, mask));
    }
    project.write("w.safetensors", file(&pairs));
    let ran = project.run(&[]).expect(0);
    insta::assert_snapshot!(notes(&ran).join("\n"), @"4 tensors taken from the file, 2 masked (21.6 % of the weights stay zero)");
    let told = project.succeed(&["export", "pleach.toml", "tuned", "-o", "tuned.safetensors"]).stdout;
    assert!(told.contains("21.6 % of its weights are masked"), "256 of 1,184: {told}");
    let bytes = std::fs::read(project.path().join("tuned.safetensors")).unwrap();
    let tuned = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    for (name, width) in [("hidden1.weight", 64), ("hidden1.bias", 1)] {
        let (values, _) = tuned.tensor(name).unwrap().data().as_chunks::<4>();
        let is_zero = |value: &[u8; 4]| f32::from_le_bytes(*value) == 0.0;
        let zeros = |unit: &[[u8; 4]]| unit.iter().all(is_zero);
        let silent: Vec<bool> = values.chunks(width).map(zeros).collect();
        assert_eq!(silent, (0..16).map(|unit| unit % 4 == 0).collect::<Vec<bool>>(), "{name}");
    }
    assert!(project.run(&[]).expect(0).stages("stage-started").is_empty());
}

/// `check` and `plan` say it too; what is not there may come yet.
#[test]
fn what_is_no_file_is_told_before_anything_runs() {
    let project = Project::new(&manifest(MLP, "", ""));
    let path = project.path().join("w.safetensors");
    project.succeed(&["check", "pleach.toml"]);
    std::fs::create_dir(&path).unwrap();
    let tell = |found: &str| {
        for command in ["check", "plan", "run"] {
            let told = project.pleach(&[command, "pleach.toml"]).expect(11).stderr;
            assert!(told.contains(&format!("expected a regular file, found {found}")), "{told}");
            assert!(told.contains("w.safetensors"), "{told}");
        }
    };
    tell("a folder");
    std::fs::remove_dir(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    tell("a named pipe");
}

#[test]
fn a_stem_that_differs_is_proposed() {
    let build = |stem: &str| -> Architecture {
        serde_json::from_str(&format!(
            r#"{{"arch":"resnet","depth":18,"width":4,"shortcut":"projection","stem":"{stem}"}}"#
        ))
        .unwrap()
    };
    let model = Model::initialise(build("imagenet").build([32, 32, 1], 1000).unwrap(), 1).unwrap();
    let network = "{ arch = \"resnet\", depth = 18, width = 4 }";
    let project = Project::new(&manifest(network, "", ""));
    project.write("w.safetensors", model.safetensors().unwrap());
    let told = project.pleach(&["check", "pleach.toml"]).expect(11).stderr;
    insta::assert_snapshot!(told.replace(&format!("{}/", project.path().display()), ""), @r#"
    error: the weights do not fit the network:
      `conv1.weight` has shape [4, 1, 7, 7], not [4, 1, 3, 3]
      `fc.weight` has shape [1000, 32], not [10, 32]
      `fc.bias` has shape [1000], not [10]: w.safetensors
      help: the file's network has `stem = "imagenet"`: add it to `network`
      help: only the last layer, `fc`, differs: `head = "fresh"` gives it fresh weights for the 10 classes of the data, and takes all others from the file
      help: `path` of `[stages.bought]` names the file (pleach.toml:8:8)
    "#);
    let network = network.replace(" }", ", stem = \"imagenet\" }");
    project.write("pleach.toml", manifest(&network, "head = \"fresh\"", ""));
    project.run(&[]).expect(0);
}

#[test]
fn a_sparse_network_stays_sparse() {
    let tuned = "[stages.tuned]\nkind = \"fine-tune\"\ndata = \"digits\"\nfrom = \"bought\"\nepochs = 2\n\n[stages.pruned]\nkind \
                 = \"fine-tune\"\ndata = \"digits\"\nfrom = \"bought\"\nepochs = 2\nprune = { method = { kind = \"weights\", \
                 sparsity = 0.95 }, schedule = { kind = \"agp\", begin = 0, end = 2 } }\n\n[stages.score]\nkind = \
                 \"evaluate\"\ndata = \"digits\"\nmodels = [\"bought\", \"tuned\", \"pruned\"]\n";
    let project = Project::new(&manifest(MLP, "", tuned));
    let mut sparse = tensors(&SHAPES);
    for (name, _, data) in &mut sparse {
        let is_weight = name.ends_with("weight");
        data.iter_mut()
            .enumerate()
            .filter(|(index, _)| is_weight && index % 10 != 0)
            .for_each(|(_, value)| *value = 0.0);
    }
    project.write("w.safetensors", file(&sparse));
    let dense = project.run(&["bought"]).expect(0);
    let whole = std::fs::metadata(project.object("bought", "weights")).unwrap().len();
    insta::assert_snapshot!(notes(&dense).join("\n"), @r#"
    4 tensors taken from the file
    89.9 % of the weights are exactly zero, and training changes them: `mask = "zeros"` holds them
    "#);
    let project = Project::new(&manifest(MLP, "mask = \"zeros\"", tuned));
    project.write("w.safetensors", file(&sparse));
    let masked = project.run(&[]).expect(0);
    insta::assert_snapshot!(notes(&masked).join("\n"), @"4 tensors taken from the file, 2 masked (89.9 % of the weights stay zero)");
    let metrics: Value = serde_json::from_slice(&std::fs::read(project.object("score", "metrics")).unwrap()).unwrap();
    let nonzeros: Vec<u64> =
        metrics["models"].as_array().unwrap().iter().map(|model| model["nonzeros"].as_u64().unwrap()).collect();
    assert_eq!(nonzeros[0], 119 + 26);
    assert!(nonzeros[1] <= nonzeros[0], "{nonzeros:?}");
    // Pruning on goes from what is there, and never back.
    assert!(nonzeros[2] < 26 + 65, "{nonzeros:?}");
    assert!(std::fs::metadata(project.object("bought", "weights")).unwrap().len() < whole / 2);
    let exported = project.succeed(&["export", "pleach.toml", "bought", "-o", "dense.safetensors"]).stdout;
    assert!(exported.contains("89.9 % of its weights are masked and are zeros in this file"), "{exported}");
    project.succeed(&["export", "pleach.toml", "bought", "-o", "w.safetensors"]);
    assert!(notes(&project.run(&["bought", "--refresh", "bought"]).expect(0))[0].contains("89.9 %"));
}
