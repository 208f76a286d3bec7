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
    tell(Some(graph.to_string()), &["the network takes 28x28x1 images, but the data has 8x8x1"]);
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
