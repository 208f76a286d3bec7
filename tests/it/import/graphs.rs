//! Layer graphs that were exported and are read back.

use serde_json::Value;

use super::measures;
use crate::support::Project;

const PRUNED: &str = r#"
[data.digits]
source = "digits"
limit = 300

[stages.net]
kind = "train"
data = "digits"
network = NETWORK
epochs = 1

[stages.pruned]
kind = "prune"
from = "net"
method = { kind = "channels", ratio = 0.5 }

[stages.score]
kind = "evaluate"
data = "digits"
models = ["pruned"]
"#;

const SECOND: &str = r#"
[data.digits]
source = "digits"
limit = 300

[stages.pruned]
kind = "import"
path = "pruned.safetensors"
data = "digits"
network = { file = "pruned.json" }

[stages.score]
kind = "evaluate"
data = "digits"
models = ["pruned"]
"#;

/// A project in which a network was pruned and exported.
fn exported(network: &str) -> Project {
    let project = Project::new(&PRUNED.replace("NETWORK", network));
    project.run(&[]).expect(0);
    project.succeed(&["export", "pleach.toml", "pruned", "-o", "pruned.safetensors"]);
    project.succeed(&["export", "pleach.toml", "pruned", "-o", "pruned.json"]);
    project
}

/// A value as TOML.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<String>>().join(", ")),
        Value::Object(table) => {
            let pairs = table.iter().map(|(key, value)| format!("{key} = {}", toml(value)));
            format!("{{ {} }}", pairs.collect::<Vec<String>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[test]
fn an_exported_graph_is_read_back() {
    for network in [
        "{ arch = \"lenet\" }",
        "{ arch = \"preact-resnet\", depth = 8, width = 4 }",
        "{ arch = \"densenet\", depth = 10, growth = 4 }",
        "{ arch = \"mobilenet-v2\", width = 0.1 }",
    ] {
        let project = exported(network);
        let own = measures(&project, "score");
        let other = Project::new(SECOND);
        for file in ["pruned.json", "pruned.safetensors"] {
            other.write(file, std::fs::read(project.path().join(file)).unwrap());
        }
        other.succeed(&["check", "pleach.toml"]);
        other.run(&[]).expect(0);
        for measure in ["accuracy", "loss", "parameters", "macs"] {
            assert_eq!(measures(&other, "score")[measure], own[measure], "{measure} of {network}");
        }
        // Layers pasted as they are, a file of another name, and a named network are the same graph.
        let text = std::fs::read_to_string(project.path().join("pruned.json")).unwrap();
        let graph: Value = serde_json::from_str(&text).unwrap();
        let pasted = format!("{{ arch = \"graph\", layers = {} }}", toml(&graph["layers"]));
        std::fs::rename(other.path().join("pruned.json"), other.path().join("other.json")).unwrap();
        for network in [
            format!("network = {pasted}"),
            "network = { file = \"other.json\" }".to_owned(),
            "network = \"n\"\n[networks.n]\nfile = \"${matrix.net}.json\"\n[matrix]\nnet = [\"other\"]".to_owned(),
        ] {
            let text = SECOND.replace("network = { file = \"pruned.json\" }", &network);
            other.write("pleach.toml", text);
            assert!(other.succeed(&["plan", "pleach.toml"]).stdout.contains("2 cached"), "{network}");
        }
    }
}

#[test]
fn graphs_that_do_not_fit_are_told() {
    let project = exported("{ arch = \"lenet\" }");
    let text = std::fs::read_to_string(project.path().join("pruned.json")).unwrap();
    project.write("pleach.toml", SECOND);
    let tell = |text: Option<String>, expected: &[&str]| {
        match text {
            Some(text) => project.write("pruned.json", text),
            None => std::fs::remove_file(project.path().join("pruned.json")).unwrap(),
        }
        let told = project.pleach(&["check", "pleach.toml"]).expect(10).stderr;
        // The place in the manifest, and what is wrong.
        assert!(told.contains("pleach.toml:10:20"), "{told}");
        expected.iter().for_each(|part| assert!(told.contains(part), "{part}: {told}"));
    };
    tell(None, &["cannot read the file", "pruned.json", "writes the layer graph of a network"]);
    tell(Some("{".to_owned()), &["line 1, column 1 of the file is no layer graph (EOF while parsing an object)"]);
    let unknown = text.replacen("\"convolution\"", "\"convolutoin\"", 1);
    tell(Some(unknown), &["of the file is no layer graph", "unknown variant `convolutoin`"]);
    let wider = text.replacen("\"in-channels\": 1,", "\"in-channels\": 2,", 1);
    tell(Some(wider), &["`in-channels` is 2, but its input has 1"]);
    let mut graph: Value = serde_json::from_str(&text).unwrap();
    graph["input"] = serde_json::json!([28, 28, 1]);
    let other_size = "the network takes 28x28x1 images, but the data has 8x8x1";
    tell(Some(graph.to_string()), &[other_size, "pruned.json", "its layers fit these images too"]);
    let linear = graph["layers"].as_array_mut().unwrap().iter_mut().find(|layer| layer["op"] == "linear").unwrap();
    linear["in-features"] = serde_json::json!(400);
    tell(Some(graph.to_string()), &[other_size, "its layers fit 28x28x1 images only", "own images: `size = [28, 28]`"]);
    // A member about what the network was trained for is no layer; widths that the weights do not have are told.
    graph = serde_json::from_str(&text).unwrap();
    graph["signature"] = serde_json::json!({ "task": "classification" });
    project.write("pruned.json", graph.to_string());
    project.succeed(&["check", "pleach.toml"]);
    let explained = project.succeed(&["explain", "pleach.toml", "pruned"]).stdout;
    assert!(explained.contains("network.layers.0.op"), "{explained}");
    assert!(!explained.contains("in-channels"), "{explained}");
    let layers = graph["layers"].as_array_mut().unwrap();
    for layer in layers.iter_mut() {
        layer.as_object_mut().unwrap().retain(|key, _| !key.starts_with("in-"));
    }
    let first = layers.iter_mut().find(|layer| layer["op"] == "linear").unwrap();
    first["out-features"] = serde_json::json!(7);
    project.write("pruned.json", graph.to_string());
    let misfit = project.pleach(&["check", "pleach.toml"]).expect(11).stderr;
    assert!(misfit.contains("`hidden1.weight` has shape"), "{misfit}");
}

/// Behind global pooling any size will do; that it is another than the file's is said.
#[test]
fn a_graph_for_images_of_another_size_is_told_what_would_do() {
    let project = exported("{ arch = \"resnet\", depth = 8, width = 4 }");
    let text = std::fs::read_to_string(project.path().join("pruned.json")).unwrap();
    let mut graph: Value = serde_json::from_str(&text).unwrap();
    graph["input"] = serde_json::json!([32, 32, 1]);
    project.write("pruned.json", graph.to_string());
    project.write("pleach.toml", SECOND);
    for command in ["check", "plan", "run"] {
        let told = project.pleach(&[command, "pleach.toml"]).expect(10).stderr;
        insta::allow_duplicates! {
            insta::assert_snapshot!(told, @r#"
            error: the network takes 32x32x1 images, but the data has 8x8x1
              --> pleach.toml:10:20
               |
            10 | network = { file = "pruned.json" }
               |                    ^^^^^^^^^^^^^
               |
               = help: its layers fit these images too: write them out as `{ arch = "graph", layers = […] }` to use them so

            error: the manifest has 1 error
            "#);
        }
    }
    let pasted = format!("network = {{ arch = \"graph\", layers = {} }}", toml(&graph["layers"]));
    project.write("pleach.toml", SECOND.replace("network = { file = \"pruned.json\" }", &pasted));
    project.succeed(&["check", "pleach.toml"]);
    // A set of one channel is no set of three.
    graph["input"] = serde_json::json!([8, 8, 3]);
    project.write("pruned.json", graph.to_string());
    project.write("pleach.toml", SECOND);
    let told = project.pleach(&["check", "pleach.toml"]).expect(10).stderr;
    assert!(told.contains("the network takes 8x8x3 images, but the data has 8x8x1"), "{told}");
}

/// A step of one image is an error of a network from a file, of one that goes on from an import, and of one like it.
#[test]
fn a_graph_with_a_normalization_of_one_value_needs_two_images() {
    let graph = serde_json::json!({ "input": [8, 8, 1], "layers": [
        { "name": "flat", "op": "flatten", "inputs": ["input"] },
        { "name": "fc1", "op": "linear", "out-features": 8, "bias": true, "inputs": ["flat"] },
        { "name": "bn1", "op": "batch-norm", "epsilon": 1e-5, "momentum": 0.1, "inputs": ["fc1"] },
        { "name": "fc", "op": "linear", "out-features": 10, "bias": true, "inputs": ["bn1"] },
    ] });
    let data = "[data.digits]\nsource = \"digits\"\nlimit = 64\n\n[networks.read]\nfile = \"net.json\"\n\n";
    let end = "\n[stages.score]\nkind = \"evaluate\"\ndata = \"digits\"\nmodels = [\"net\"]\n";
    let import = "[stages.got]\nkind = \"import\"\npath = \"w.safetensors\"\ndata = \"digits\"\nnetwork = \"read\"\n\n";
    let train = "[stages.net]\ndata = \"digits\"\nepochs = 1\nbatch = 1\n";
    let project = Project::new("");
    project.write("net.json", graph.to_string());
    for stage in [
        format!("{train}kind = \"train\"\nnetwork = {{ file = \"net.json\" }}\n"),
        format!("{train}kind = \"train\"\nnetwork = \"read\"\n"),
        format!("{import}{train}kind = \"fine-tune\"\nfrom = \"got\"\n"),
        format!("{import}{train}kind = \"train\"\nnetwork = {{ like = \"got\" }}\n"),
    ] {
        project.write("pleach.toml", format!("{data}{stage}{end}"));
        let told = project.pleach(&["check", "pleach.toml"]).expect(10).stderr;
        assert!(told.contains("`bn1` normalizes over the step, and would see one value a channel"), "{stage}: {told}");
        project.succeed(&["check", "pleach.toml", "--set", "stages.net.batch=2"]);
    }
}
