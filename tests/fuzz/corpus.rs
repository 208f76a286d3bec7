//! What is damaged: files of the repository, and those in `tests/fuzz/<reader>/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pleach::network::Model;
use pleach::network::arch::Architecture;

/// Files larger than this are left out: inputs are kept small.
const LARGEST: u64 = 64 << 10;

/// The corpus of a reader, in the order of paths.
pub fn of(name: &str) -> Vec<Vec<u8>> {
    let own = format!("tests/fuzz/{name}");
    let mut corpus = files(&own, "");
    corpus.extend(match name {
        "manifest" => [files("pipelines", "toml"), files("src/cli", "toml")].concat(),
        "image" => ["jpg", "png", "webp", "bmp"].map(|ending| files("src/data/folder/fixtures", ending)).concat(),
        "mat" => files("src/data/formats/fixtures", "mat"),
        "record" => below(&root().join("tests/it/golden"), "actions"),
        "journal" => below(&root().join("tests/it/golden"), "runs"),
        "graph" | "model" | "safetensors" => networks(name),
        "gzip" => vec![gzip(b"0,1,2,3\n"), gzip(&[7; 5000])],
        "idx" => vec![
            [&[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28][..], &[9; 784]].concat(),
            vec![0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3],
        ],
        "digits" => vec![format!("{}7\n{}0\n", "3,".repeat(64), "16,".repeat(64)).into_bytes()],
        _ => Vec::new(),
    });
    corpus
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a folder whose names end in `ending`.
fn files(folder: &str, ending: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(root().join(folder)).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.is_file() && path.to_string_lossy().ends_with(ending));
    paths.sort();
    read(&paths)
}

/// All files below `folder` in a folder with the name `part`.
fn below(folder: &Path, part: &str) -> Vec<Vec<u8>> {
    let (mut paths, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() { folders.push(path) } else { paths.push(path) }
        }
    }
    paths.retain(|path| path.components().any(|component| component.as_os_str() == part));
    paths.sort();
    read(&paths)
}

fn read(paths: &[PathBuf]) -> Vec<Vec<u8>> {
    let small = paths.iter().filter(|path| path.metadata().is_ok_and(|found| found.len() <= LARGEST));
    small.map(|path| fs::read(path).unwrap()).collect()
}

/// Small networks as their files are.
fn networks(name: &str) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for text in [
        r#"{"arch":"mlp","hidden":[4]}"#,
        r#"{"arch":"resnet","depth":8,"width":2}"#,
        r#"{"arch":"mobilenet-v2","width":0.1,"dropout":0.0,"stem":"cifar"}"#,
    ] {
        let architecture: Architecture = serde_json::from_str(text).unwrap();
        let graph = architecture.build([4, 4, 1], 3).unwrap();
        let mut model = Model::initialise(graph, 1).unwrap();
        let description = model.description().unwrap();
        let mut kinds = vec![model.weights().unwrap()];
        if name == "model" {
            // With masks it has a form of its own.
            let masks = model.tensors.iter().filter(|(name, _)| name.ends_with("weight"));
            let mask = |length: usize| (0..length).map(|at| at % 3 == 0).collect::<Vec<bool>>();
            model.masks =
                masks.map(|(name, tensor)| (name.clone(), mask(tensor.data.len()))).collect::<BTreeMap<_, _>>();
            kinds.push(model.weights().unwrap());
        }
        all.extend(kinds.into_iter().map(|weights| match name {
            "graph" => description.clone(),
            "safetensors" => weights,
            _ => [&(description.len() as u32).to_le_bytes()[..], &description, &weights].concat(),
        }));
    }
    all
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
