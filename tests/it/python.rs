//! What `export` writes is read, and computes the same, in PyTorch. Skipped, visibly, where no Python with `torch` and
//! `safetensors` is at hand; the environment variable `PLEACH_PYTHON` says which Python to ask.

use std::collections::BTreeMap;
use std::process::Command;

use pleach::data::{self, Source};
use pleach::network::{Executor, HostTensor, Mode, Model, weights};
use pleach::tensor::{Backend, Cpu, NoneTape};

use crate::support::{Project, repository};

/// Networks of several families, each pruned by channels and by weights.
const MANIFEST: &str = r#"
[data.digits]
source = "digits"

NETWORKS
"#;

/// Every architecture that takes images of 8x8.
const NETWORKS: [(&str, &str); 5] = [
    ("resnet", r#"{ arch = "resnet", depth = 8, width = 8 }"#),
    ("projected", r#"{ arch = "resnet", depth = 18, width = 8 }"#),
    ("densenet", r#"{ arch = "densenet", depth = 16, growth = 4 }"#),
    ("mobilenet", r#"{ arch = "mobilenet-v2", width = 0.25, stem = "cifar" }"#),
    ("efficientnet", r#"{ arch = "efficientnet", variant = "b0", width = 0.25, stem = "cifar" }"#),
];

fn python() -> Option<String> {
    let python = std::env::var("PLEACH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import torch, safetensors"]).output().ok()?;
    found.status.success().then_some(python)
}

#[test]
#[allow(clippy::print_stdout, reason = "a skipped test says so")]
fn an_exported_network_computes_the_same_in_pytorch() {
    let Some(python) = python() else {
        println!("skipped: no Python with torch and safetensors; set PLEACH_PYTHON to one");
        return;
    };
    let stages = NETWORKS.map(|(name, network)| {
        format!(
            r#"
            [stages.{name}]
            kind = "train"
            data = "digits"
            network = {network}
            epochs = 1

            [stages.{name}-channels]
            kind = "prune"
            data = "digits"
            from = "{name}"
            method = {{ kind = "channels", criterion = "l1", ratio = 0.4 }}

            [stages.{name}-both]
            kind = "prune"
            from = "{name}-channels"
            method = {{ kind = "weights", sparsity = 0.5 }}
            "#
        )
    });
    let project = Project::new(&MANIFEST.replace("NETWORKS", &stages.concat()));
    project.succeed(&["run", "pleach.toml"]);
    let set = data::load(Source::Digits, None).unwrap();
    let normalization = data::Normalization::of(&set.train, &(0..set.train.len() as u32).collect::<Vec<_>>());
    let batch = data::batch(&set.test, &(0..32).collect::<Vec<_>>(), &normalization, None);
    let input = HostTensor { dims: vec![32, 1, 8, 8], data: batch.pixels.clone() };
    project.write("input.safetensors", weights::encode(&BTreeMap::from([("input".to_owned(), input)])).unwrap());
    for (name, _) in NETWORKS {
        for stage in [name.to_owned(), format!("{name}-channels"), format!("{name}-both")] {
            let [graph, tensors] = ["json", "safetensors"].map(|ending| format!("{stage}.{ending}"));
            for file in [&graph, &tensors] {
                project.succeed(&["export", "pleach.toml", &stage, "-o", file]);
            }
            let read = |file: &str| std::fs::read(project.path().join(file)).unwrap();
            let model = Model::from_parts(&read(&graph), &read(&tensors), None).unwrap();
            let device = Cpu::default();
            let network = Executor::new(&model, &device).unwrap();
            let pixels = device.upload(&batch.pixels).unwrap();
            let logits = network.forward(pixels, 32, Mode::Evaluate, &[], &mut NoneTape).unwrap().logits;
            let script = repository("tests/it/python/network.py");
            let output = Command::new(&python)
                .current_dir(project.path())
                .arg(script)
                .args([&graph, &tensors, "input.safetensors"])
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success(), "{stage}: {}", String::from_utf8_lossy(&output.stderr));
            let shapes: Vec<String> =
                text.lines().filter_map(|line| line.strip_prefix("tensor ")).map(Into::into).collect();
            let expected: Vec<String> = model.tensors.iter().map(|(name, tensor)| shape(name, tensor)).collect();
            assert_eq!(shapes, expected);
            let rows = text.lines().filter_map(|line| line.strip_prefix("logits "));
            let theirs: Vec<f32> = rows.flat_map(|row| row.split(' ').map(|value| value.parse().unwrap())).collect();
            let ours = Cpu::download(&logits);
            let largest = ours.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            assert_eq!(ours.len(), theirs.len());
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert!((ours - theirs).abs() <= 1e-4 * largest, "{stage}: {ours} against {theirs}");
            }
        }
    }
}

fn shape(name: &str, tensor: &HostTensor) -> String {
    tensor.dims.iter().fold(name.to_owned(), |text, size| format!("{text} {size}"))
}
