//! Opening: formats, owners, folders that cannot be written, orphans.

use super::*;
use crate::error::Kind;

#[test]
fn a_new_store_has_the_whole_layout() {
    let store = place();
    for folder in ["objects", "actions", "tmp", "locks", "quarantine", "runs"] {
        let found = fs::metadata(store.root().join("v1").join(folder)).unwrap();
        assert!(found.is_dir());
        assert_eq!(found.permissions().mode() & 0o022, 0, "nobody else may write {folder}");
    }
    let tag = fs::read_to_string(store.root().join("CACHEDIR.TAG")).unwrap();
    assert!(tag.starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"));
    assert!(store.is_writable());
    assert!(store.take_warnings().is_empty());
}

#[test]
fn a_newer_format_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("v2")).unwrap();
    let error = Store::open(folder.path(), &Options::default()).unwrap_err();
    assert_eq!(error.kind, Kind::StoreTooNew);
    assert!(error.message.contains("format 2"), "{error}");
    assert_eq!(count(folder.path()), 1, "nothing was written");
    let other = tempfile::tempdir().unwrap();
    for name in ["v0", "vx", "video", "2"] {
        fs::create_dir(other.path().join(name)).unwrap();
    }
    Store::open(other.path(), &Options::default()).unwrap();
}

#[test]
fn what_everybody_may_write_is_not_trusted() {
    let store = place();
    let digest = store.put(b"weights").unwrap();
    let good = record("teacher", &[("network", b"weights")]);
    store.commit(good.clone(), false).unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let trusting = Options { allow_foreign_owner: true, ..Options::default() };
    for folder in [store.root(), &store.root().join("v1"), &store.tree.objects(), &store.tree.actions()] {
        mode(folder, 0o777);
        let error = Store::open(store.root(), &Options::default()).unwrap_err();
        assert_eq!((error.kind, error.path.as_deref()), (Kind::Store, Some(folder)));
        Store::open(store.root(), &trusting).unwrap();
        mode(folder, 0o755);
    }
    mode(&store.object(&digest), 0o666);
    assert_eq!(store.get(&digest).unwrap_err().kind, Kind::Store);
    assert_eq!(store.lookup(&good.key).unwrap_err().kind, Kind::Store);
    assert!(Store::open(store.root(), &trusting).unwrap().get(&digest).unwrap().is_some());
    mode(&store.object(&digest), 0o444);
    mode(&store.action(&good.key), 0o666);
    assert_eq!(store.lookup(&good.key).unwrap_err().kind, Kind::Store);
    mode(&store.action(&good.key), 0o444);
    assert_eq!(store.lookup(&good.key).unwrap(), Some(good));
}

#[test]
fn what_belongs_to_another_user_is_not_trusted() {
    let store = place();
    let digest = store.put(b"weights").unwrap();
    if std::os::unix::fs::chown(store.root(), Some(12345), None).is_err() {
        return; // only root can give files away
    }
    let error = Store::open(store.root(), &Options::default()).unwrap_err();
    assert_eq!(error.kind, Kind::Store);
    assert!(error.message.contains("12345"), "{error}");
    Store::open(store.root(), &Options { allow_foreign_owner: true, ..Options::default() }).unwrap();
    std::os::unix::fs::chown(store.object(&digest), Some(12345), None).unwrap();
    assert_eq!(store.get(&digest).unwrap_err().kind, Kind::Store);
}

#[test]
fn where_no_folder_can_be_a_run_can_work_in_a_private_one() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("cache");
    fs::write(&root, b"a file").unwrap();
    let error = Store::open(&root, &Options::default()).unwrap_err();
    assert!(error.kind == Kind::Store && error.message.contains("something else"), "{error}");
    assert!(Store::open(&root, &Options { access: Access::Read, ..Options::default() }).is_ok());
    let dead = {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let name = temps::name().replace(&format!("-{}-", std::process::id()), &format!("-{}-", child.id()));
        folder.path().join(format!("pleach-{name}"))
    };
    fs::create_dir_all(dead.join("objects")).unwrap();
    let options = Options { access: Access::InFront(folder.path().to_owned()), ..Options::default() };
    let store = Store::open(&root, &options).unwrap();
    assert!(!dead.exists(), "what a dead run left is swept");
    let warnings = store.take_warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("is only read"), "{warnings:?}");
    assert!(!store.is_writable());
    let private = store.tree.base.clone();
    assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o700);
    let digest = store.put(b"weights").unwrap();
    let good = record("teacher", &[("network", b"weights")]);
    assert_eq!(store.commit(good.clone(), false).unwrap(), Commit::Stored);
    assert_eq!(store.lookup(&good.key).unwrap(), Some(good));
    assert_eq!(store.get(&digest).unwrap().unwrap(), b"weights");
    assert_eq!(store.gc(&GcPolicy::default()).unwrap_err().kind, Kind::Store);
    drop(pins(&store, "run"));
    drop(store);
    assert!(!private.exists());
    assert_eq!(fs::read(&root).unwrap(), b"a file");
}

/// A store whose real layout is treated as read-only, as an opening that could not write leaves it.
fn behind_glass(store: &Place) -> Store {
    let private = store.folder.path().join("private");
    fs::create_dir_all(&private).unwrap();
    let mut glass = store.reopen();
    glass.beneath = Some(std::mem::replace(&mut glass.tree, Tree::new(private)));
    glass
}

fn snapshot(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(snapshot(&path)) } else { found.push((path.clone(), fs::read(&path).unwrap())) }
    }
    found.sort();
    found
}

#[test]
fn a_read_only_store_serves_hits_and_is_never_written() {
    let store = place();
    for bytes in [b"one", b"two"] {
        store.put(bytes).unwrap();
    }
    let (first, second) = (record("a", &[("x", b"one")]), record("b", &[("x", b"two")]));
    store.commit(first.clone(), false).unwrap();
    store.commit(second.clone(), false).unwrap();
    overwrite(&store.object(&Digest::of(b"two")), b"tow");
    let before = snapshot(store.root());

    let glass = behind_glass(&store);
    assert_eq!(glass.lookup(&first.key).unwrap().as_ref(), Some(&first));
    assert_eq!(glass.get(&Digest::of(b"one")).unwrap().unwrap(), b"one");
    glass.put(b"one").unwrap();
    assert!(!glass.tree.object(&Digest::of(b"one")).exists(), "what is there is not kept twice");
    for _ in 0..3 {
        assert_eq!(glass.get(&Digest::of(b"two")).unwrap(), None);
    }
    glass.put(b"two").unwrap();
    assert_eq!(glass.get(&Digest::of(b"two")).unwrap().unwrap(), b"two", "healed in front");
    assert_eq!(glass.take_warnings().len(), 1);

    let other = record("a", &[("x", b"two")]);
    assert_eq!(glass.commit(other.clone(), false).unwrap(), Commit::Kept(first.clone()));
    assert_eq!(glass.commit(other.clone(), true).unwrap(), Commit::Stored);
    assert_eq!(glass.lookup(&first.key).unwrap(), Some(other.clone()));
    let mut labels: Vec<_> = glass.records().map(|record| (record.label, record.outputs)).collect();
    labels.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(labels, [("a".to_owned(), other.outputs), ("b".to_owned(), second.outputs.clone())]);
    glass.forget(&second.key).unwrap();
    assert_eq!(glass.lookup(&second.key).unwrap(), None);
    assert_eq!(glass.commit(second.clone(), false).unwrap(), Commit::Stored);
    assert_eq!(glass.lookup(&second.key).unwrap(), Some(second));
    glass.verify().unwrap();
    glass.save_in_run("run", "left", b"x").unwrap();
    drop(glass);
    assert_eq!(snapshot(store.root()), before);
}

#[test]
fn looking_at_a_store_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("cache");
    let store = Store::open(&root, &Options { access: Access::Read, ..Options::default() }).unwrap();
    assert_eq!(store.lookup(&Digest::of(b"x")).unwrap(), None);
    assert_eq!(store.get(&Digest::of(b"x")).unwrap(), None);
    assert_eq!((store.status().unwrap().objects, store.records().count()), (0, 0));
    assert_eq!(count(folder.path()), 0);
    assert!(store.take_warnings().is_empty());
}

/// The second member of a group could neither trust nor write what the first had made.
#[test]
fn a_folder_that_was_made_for_a_group_gets_folders_for_the_group() {
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let shared = folder.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o2775)).unwrap();
    let store = Store::open(&shared, &Options::default()).unwrap();
    let digest = store.put(b"weights").unwrap();
    let object = store.tree.object(&digest);
    for path in [&store.tree.base, &store.tree.temps(), object.parent().unwrap()] {
        assert_eq!(mode(path), 0o2775, "{}", path.display());
    }
    assert_eq!(mode(&object), 0o444);
    let plain = Store::open(&folder.path().join("plain"), &Options::default()).unwrap();
    assert_eq!(mode(&plain.tree.temps()) & 0o7022, 0);
    // What another member owns is the group's; what a stranger owns is not.
    if std::os::unix::fs::chown(&object, Some(12345), None).is_ok() {
        assert_eq!(store.get(&digest).unwrap().unwrap(), b"weights");
        std::os::unix::fs::chown(&object, Some(12345), Some(54321)).unwrap();
        let error = store.get(&digest).unwrap_err();
        assert!(error.hints.iter().any(|hint| hint.contains("--trust-cache")), "{:?}", error.hints);
    }
}

#[test]
fn opening_sweeps_orphans_and_lets_the_living_write() {
    let store = place();
    let mine = store.tree.temps().join(temps::name());
    let orphan = store.tree.temps().join("elsewhere-1-0");
    fs::write(&mine, b"half").unwrap();
    fs::write(&orphan, b"half").unwrap();
    fs::File::options().write(true).open(&orphan).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(store.status().unwrap().temps, 2);
    store.reopen();
    assert!(mine.exists() && !orphan.exists());
}

#[test]
fn odd_paths_are_no_trouble() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"a b\xff\n'")).join("x".repeat(200));
    let store = Store::open(&odd, &Options::default()).unwrap();
    let digest = store.put(b"weights").unwrap();
    assert_eq!(store.get(&digest).unwrap().unwrap(), b"weights");
    check_invariants(&odd);
}
