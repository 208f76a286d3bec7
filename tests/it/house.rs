//! Rules of the source that no compiler holds.

use std::path::{Path, PathBuf};

/// Every Rust file below a folder of the repository.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// dfdx can be left for something else by changing `src/tensor`, and the one line of the executor that asks for the identity
/// of a tensor.
#[test]
fn only_tensor_and_the_executor_name_dfdx() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut beyond: Vec<String> = Vec::new();
    for path in sources("src") {
        let file = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        let names_it = std::fs::read_to_string(&path).unwrap().contains("dfdx::");
        if names_it && !file.starts_with("tensor/") {
            beyond.push(file);
        }
    }
    assert_eq!(beyond, ["network/executor/mod.rs"]);
}
