//! Tests of the store as a whole: its contract, locks between threads and processes, a model, and faults.

#![allow(clippy::disallowed_methods, reason = "tests damage files on purpose")]

mod collection;
mod contract;
#[cfg(feature = "fault-injection")]
mod faults;
mod locking;
mod model;
mod opening;

use super::*;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A store in a folder that vanishes with it.
struct Place {
    store: Store,
    folder: tempfile::TempDir,
}

impl std::ops::Deref for Place {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("cache"), &Options::default()).unwrap();
    Place { store, folder }
}

impl Place {
    fn reopen(&self) -> Store {
        Store::open(self.root(), &Options::default()).unwrap()
    }

    fn object(&self, digest: &Digest) -> PathBuf {
        self.tree.object(digest)
    }

    fn action(&self, key: &Digest) -> PathBuf {
        self.tree.action(key)
    }
}

/// A record of kind `stage` that names `outputs`, given by their bytes.
fn record(key: &str, outputs: &[(&str, &[u8])]) -> Record {
    let output = |bytes: &[u8]| Output { digest: Digest::of(bytes), size: bytes.len() as u64 };
    Record {
        key: Digest::of(key.as_bytes()),
        kind: "stage".into(),
        label: key.into(),
        family: Digest::of(b"family"),
        fields: vec![("epochs".into(), "3".into())],
        outputs: outputs.iter().map(|(name, bytes)| ((*name).to_owned(), output(bytes))).collect::<BTreeMap<_, _>>(),
        provenance: serde_json::json!({"device": "cpu"}),
        created: 1_700_000_000,
    }
}

/// Begins the pins of a run that nobody is in the way of.
fn pins<'a>(store: &'a Store, run: &str) -> Pins<'a> {
    store.pins(run, &mut |_| std::ops::ControlFlow::Break(())).unwrap().unwrap()
}

/// Writes over a file of the store, which is read-only to everybody but root.
fn overwrite(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

/// Checks what must hold of a store's files at every instant.
fn check_invariants(root: &Path) {
    let tree = Tree::new(root.join("v1"));
    for shard in tree::shards(&tree.objects()).unwrap() {
        for name in files::list(&shard).unwrap() {
            let path = shard.join(name);
            let digest = tree::named(&path).expect("an object is named by a digest");
            assert_eq!(Digest::of(&fs::read(&path).unwrap()), digest, "an object has its bytes");
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
            // The other where modes could not be changed.
            assert!([0o444, 0o600].contains(&mode), "an object is sealed: {mode:o}");
        }
    }
    for shard in tree::shards(&tree.actions()).unwrap() {
        for name in files::list(&shard).unwrap() {
            let path = shard.join(name);
            let record = Record::decode(&fs::read(&path).unwrap()).expect("a record is whole");
            assert_eq!(tree::named(&path), Some(record.key), "a record is named by its key");
            for output in record.outputs.values() {
                let found = fs::metadata(tree.object(&output.digest)).expect("a record names only what is there");
                assert_eq!(found.len(), output.size);
            }
        }
    }
}
