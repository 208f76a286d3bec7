//! Downloads from a server on loopback.

#[path = "../../../tests/it/server.rs"]
mod server;

use std::fs::File;
use std::path::PathBuf;

use md5::{Digest, Md5};
use tar::{Builder, EntryType, Header};
use tempfile::{TempDir, tempdir};

use super::*;
use crate::data::tests::{cifar_record, gzip, message, mnist};
use server::{Reply, Request, Server as Loopback};

fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 300,000 bytes: more than one buffer.
fn content() -> Vec<u8> {
    (0..300_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 17) as u8).collect()
}

/// A folder to download to.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Downloads `file` from the server, which should have the MD5 of `expected`.
    fn download(&self, server: &Loopback, expected: &[u8]) -> Result<()> {
        self.download_from(&format!("{}/file", server.address), expected)
    }

    fn download_from(&self, url: &str, expected: &[u8]) -> Result<()> {
        let agent = download::agent(None, url);
        download::download(&agent, url, &self.at("file"), &md5(expected), &mut |_| {})
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The error without ports and paths.
    fn told(&self, error: &Error) -> String {
        let text = message(error, self.0.path());
        let mut told = String::new();
        let mut rest = &text[..];
        while let Some(at) = rest.find("127.0.0.1:") {
            told.push_str(&rest[..at]);
            told.push_str("HOST");
            rest = rest[at + "127.0.0.1:".len()..].trim_start_matches(|digit: char| digit.is_ascii_digit());
        }
        told + rest
    }
}

fn begins(server: &Loopback) -> Vec<Option<usize>> {
    server.requests().iter().map(|request| request.begins).collect()
}

#[test]
fn a_file_is_downloaded_once_and_its_progress_told() {
    let server = Loopback::start(|request| Reply::part(&content(), request));
    let folder = Folder::new();
    let url = format!("{}/file", server.address);
    let mut told = Vec::new();
    let mut tell = |progress: Progress| {
        assert_eq!((progress.url, progress.file, progress.total), (&url[..], "file", Some(300_000)));
        told.push(progress.bytes);
    };
    let agent = download::agent(None, &url);
    for _ in 0..2 {
        download::download(&agent, &url, &folder.at("file"), &md5(&content()), &mut tell).unwrap();
        assert!(fs::read(folder.at("file")).unwrap() == content());
        assert_eq!(folder.names(), ["file"]);
    }
    assert!(told.is_sorted() && told.len() > 1 && *told.last().unwrap() == 300_000, "{told:?}");
    assert_eq!(server.requests(), [Request { line: "GET /file".into(), begins: None }]);
    // Another file in its place may be somebody's own.
    fs::write(folder.at("file"), "something else").unwrap();
    let error = folder.download(&server, &content()).unwrap_err();
    insta::assert_snapshot!(folder.told(&error), @r"
    a file of this name is there, and it is not the published one: file
      hint: move it elsewhere, or download to another folder with `--to`
    ");
    assert_eq!(fs::read(folder.at("file")).unwrap(), b"something else");
}

#[test]
fn a_download_that_is_cut_off_goes_on_where_it_stopped() {
    // However often it is cut, as long as each time brings something.
    let server = Loopback::start(|request| Reply::part(&content(), request).cut(70_000));
    let folder = Folder::new();
    folder.download(&server, &content()).unwrap();
    assert!(fs::read(folder.at("file")).unwrap() == content());
    assert_eq!(begins(&server), [None, Some(70_000), Some(140_000), Some(210_000), Some(280_000)]);
    // A server that knows no parts is asked for all of it again.
    let mut first = true;
    let server = Loopback::start(move |_| {
        let whole = Reply::whole(&content());
        if std::mem::take(&mut first) { whole.cut(70_000) } else { whole }
    });
    let folder = Folder::new();
    folder.download(&server, &content()).unwrap();
    assert!(fs::read(folder.at("file")).unwrap() == content());
    assert_eq!(begins(&server), [None, Some(70_000)]);
}

#[test]
fn the_next_call_goes_on_too() {
    let mut first = true;
    let server = Loopback::start(move |request| {
        if std::mem::take(&mut first) { Reply::part(&content(), request).cut(123_456) } else { Reply::status(503) }
    });
    let folder = Folder::new();
    let error = folder.download(&server, &content()).unwrap_err();
    insta::assert_snapshot!(folder.told(&error));
    assert_eq!(folder.names(), ["file.part"]);
    let server = Loopback::start(|request| Reply::part(&content(), request));
    folder.download(&server, &content()).unwrap();
    assert_eq!(begins(&server), [Some(123_456)]);
    assert_eq!(folder.names(), ["file"]);
}

#[test]
fn what_was_left_of_another_file_is_thrown_away() {
    let server = Loopback::start(|request| Reply::part(&content(), request));
    for (left, expected) in [
        (vec![7; 1000], vec![Some(1000), None]),
        (vec![7; 400_000], vec![Some(400_000), None]),
        (content(), vec![Some(300_000)]),
    ] {
        let folder = Folder::new();
        fs::write(folder.at("file.part"), left).unwrap();
        folder.download(&server, &content()).unwrap();
        assert!(fs::read(folder.at("file")).unwrap() == content());
        assert_eq!((begins(&server), folder.names()), (expected, vec!["file".to_owned()]));
    }
    // A server that sends another part than it was asked for is asked for all.
    let server = Loopback::start(|request| match request.begins {
        None => Reply::whole(&content()),
        Some(_) => Reply::part(&content(), &Request { begins: Some(5), ..request.clone() }),
    });
    let folder = Folder::new();
    fs::write(folder.at("file.part"), &content()[..10]).unwrap();
    folder.download(&server, &content()).unwrap();
    assert!(fs::read(folder.at("file")).unwrap() == content());
}

#[test]
fn a_file_that_cannot_be_had_is_explained_and_leaves_nothing() {
    let mut lines = String::new();
    let mut tell = |name: &str, answer: fn(&Request) -> Reply| {
        let server = Loopback::start(answer);
        let folder = Folder::new();
        let error = folder.download(&server, &content()).unwrap_err();
        assert_eq!(folder.names(), [""; 0], "{name}");
        lines += &format!("{name}: {}\n", folder.told(&error));
    };
    tell("another file", |_| Reply::whole(b"<html>Sign in</html>"));
    tell("too short", |_| Reply::whole(&content()[..299_999]));
    tell("too long", |_| Reply::whole(&[content(), vec![0]].concat()));
    tell("no such file", |_| Reply::status(404));
    tell("forbidden", |_| Reply::status(403));
    tell("out of order", |_| Reply::status(500));
    tell("far too large", |_| Reply { claims: Some(1 << 40), ..Reply::whole(&[1; 100]) });
    tell("in circles", |request| Reply {
        headers: vec![format!("Location: {}x", &request.line["GET ".len()..])],
        ..Reply::status(302)
    });
    let folder = Folder::new();
    let down = Loopback::start(|_| Reply::status(500)).address.clone();
    let error = folder.download_from(&format!("{down}/file"), &content()).unwrap_err();
    lines += &format!("nobody listens: {}\n", folder.told(&error));
    assert_eq!(folder.names(), [""; 0]);
    insta::assert_snapshot!(lines);
}

#[test]
fn redirects_are_followed() {
    let server = Loopback::start(|request| match &request.line[..] {
        "GET /file" => Reply { headers: vec!["Location: /moved/file".into()], ..Reply::status(301) },
        "GET /moved/file" => Reply::part(&content(), request),
        _ => Reply::status(404),
    });
    let folder = Folder::new();
    fs::write(folder.at("file.part"), &content()[..99]).unwrap();
    folder.download(&server, &content()).unwrap();
    assert_eq!(begins(&server), [Some(99), Some(99)]);
}

#[test]
fn one_download_at_a_time() {
    let server = Loopback::start(|request| Reply::part(&content(), request));
    let folder = Folder::new();
    let held = File::create(folder.at("file.part")).unwrap();
    held.lock().unwrap();
    let error = folder.download(&server, &content()).unwrap_err();
    assert_eq!(error.kind, Kind::LockTimeout);
    assert!(server.requests().is_empty());
    drop(held);
    folder.download(&server, &content()).unwrap();
}

#[test]
fn an_address_that_is_none() {
    let folder = Folder::new();
    for url in ["nonsense/file", "ftp://127.0.0.1/file", "/etc/passwd"] {
        let error = folder.download_from(url, b"").unwrap_err();
        assert_eq!(error.kind, Kind::Usage, "{error}");
        assert_eq!(folder.names(), [""; 0]);
    }
}

/// An archive of these entries. Names are taken as they are.
fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, entry_type, bytes) in entries {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*entry_type);
        header.set_size(bytes.len() as u64);
        if !entry_type.is_file() {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    gzip(&builder.into_inner().unwrap())
}

const NAMES: [&str; 6] = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];

/// The files of CIFAR-10 with an image each, and how the archive names them.
fn cifar_10() -> Vec<(String, Vec<u8>)> {
    let file =
        |(index, name): (u8, &str)| (format!("cifar-10-batches-bin/{name}.bin"), cifar_record(&[index], 10 * index));
    (0..).zip(NAMES).map(file).collect()
}

fn regular(files: &[(String, Vec<u8>)]) -> Vec<(&str, EntryType, &[u8])> {
    files.iter().map(|(name, bytes)| (&name[..], EntryType::Regular, &bytes[..])).collect()
}

/// Fetches the files of `source` as if its publisher had `served`.
fn fetch_files(source: Source, to: &Path, served: &[(&str, Vec<u8>)]) -> (Result<()>, Vec<Request>) {
    let archives: Vec<Archive> = served
        .iter()
        .map(|(name, bytes)| Archive { url: format!("http://publisher.invalid/{name}").leak(), md5: md5(bytes).leak() })
        .collect();
    let served: Vec<(String, Vec<u8>)> =
        served.iter().map(|(name, bytes)| (format!("GET /{name}"), bytes.clone())).collect();
    let server = Loopback::start(move |request| {
        let found = served.iter().find(|(line, _)| *line == request.line);
        found.map_or(Reply::status(404), |(_, bytes)| Reply::part(bytes, request))
    });
    let from = Server { mirror: Some(&server.address), proxy: None };
    let fetched = files(layout(source).unwrap(), &archives, to, &from, &mut |_| {});
    (fetched, server.requests())
}

#[test]
fn an_archive_is_unpacked_where_the_set_is_looked_for() {
    let folder = Folder::new();
    let packed = archive(&regular(&cifar_10()));
    let to = folder.at("new/folder");
    let (fetched, requests) = fetch_files(Source::Cifar10, &to, &[("cifar-10-binary.tar.gz", packed)]);
    fetched.unwrap();
    assert_eq!(requests.len(), 1);
    let set = load(Source::Cifar10, Some(&to)).unwrap();
    assert_eq!((set.train.labels, set.test.labels), (vec![0, 1, 2, 3, 4], vec![5]));
    let names: Vec<_> = fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["cifar-10-batches-bin"], "the archive is gone");
}

#[test]
fn an_archive_writes_nothing_but_the_set_s_own_files() {
    let folder = Folder::new();
    let good = cifar_10();
    let absolute = folder.at("absolute.bin");
    let inner = "cifar-10-batches-bin/";
    let mut entries: Vec<(&str, EntryType, &[u8])> = vec![
        ("../data_batch_1.bin", EntryType::Regular, b"evil"),
        ("cifar-10-batches-bin/../../data_batch_1.bin", EntryType::Regular, b"evil"),
        ("cifar-10-batches-bin/../data_batch_1.bin", EntryType::Regular, b"evil"),
        ("elsewhere/data_batch_1.bin", EntryType::Regular, b"evil"),
        ("data_batch_1.bin", EntryType::Regular, b"evil"),
        ("cifar-10-batches-bin/deeper/data_batch_1.bin", EntryType::Regular, b"evil"),
        ("cifar-10-batches-bin/data_batch_1.bin/more", EntryType::Regular, b"evil"),
        ("cifar-10-batches-bin/data_batch_1.bin", EntryType::Symlink, b""),
        ("cifar-10-batches-bin/test_batch.bin", EntryType::Link, b""),
        ("cifar-10-batches-bin/readme.html", EntryType::Regular, b"of no use"),
        (inner, EntryType::Directory, b""),
        (absolute.to_str().unwrap(), EntryType::Regular, b"evil"),
    ];
    entries.extend(regular(&good));
    let packed = archive(&entries);
    let to = folder.at("data");
    fetch_files(Source::Cifar10, &to, &[("x.tar.gz", packed)]).0.unwrap();
    assert_eq!(folder.names(), ["data"]);
    let mut written: Vec<String> =
        fs::read_dir(to.join(inner)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    written.sort();
    assert_eq!(written, NAMES.map(|name| format!("{name}.bin")));
    for (name, bytes) in good {
        assert!(fs::symlink_metadata(to.join(&name)).unwrap().is_file() && fs::read(to.join(name)).unwrap() == bytes);
    }
}

#[test]
fn an_archive_that_is_wrong_is_explained() {
    let good = cifar_10();
    let mut lines = String::new();
    let mut tell = |name: &str, packed: Vec<u8>| {
        let folder = Folder::new();
        let (fetched, _) = fetch_files(Source::Cifar10, folder.0.path(), &[("x.tar.gz", packed)]);
        lines += &format!("{name}: {}\n", message(&fetched.unwrap_err(), folder.0.path()));
    };
    tell("a file is missing", archive(&regular(&good[1..])));
    let whole = archive(&regular(&good));
    tell("cut", whole[..whole.len() / 2].to_vec());
    tell("no archive", b"<html>".to_vec());
    tell("no tar", gzip(&[b'x'; 2000]));
    tell("empty", gzip(b""));
    let mut huge = Header::new_ustar();
    huge.set_path(&good[0].0).unwrap();
    huge.set_size(1 << 40);
    huge.set_entry_type(EntryType::Regular);
    huge.set_cksum();
    tell("a huge file", gzip(huge.as_bytes()));
    huge.set_size(100_000);
    huge.set_cksum();
    tell("a file that ends early", gzip(&[&huge.as_bytes()[..], &[0; 700]].concat()));
    insta::assert_snapshot!(lines);
}

#[test]
fn an_archive_is_read_no_further_than_its_limit() {
    let folder = Folder::new();
    let bulk = vec![0; 1 << 20];
    let good = cifar_10();
    let mut entries = vec![("bulk", EntryType::Regular, &bulk[..])];
    entries.extend(regular(&good));
    fs::write(folder.at("x.tar.gz"), archive(&entries)).unwrap();
    let to = folder.at("to");
    let layout = layout(Source::Cifar10).unwrap();
    let error = unpack::unpack_within(&folder.at("x.tar.gz"), layout, &to, 1 << 20).unwrap_err();
    assert!(error.message.starts_with("cannot unpack the archive") || error.message.contains("lacks"), "{error}");
    unpack::unpack_within(&folder.at("x.tar.gz"), layout, &to, 2 << 20).unwrap();
}

#[test]
fn single_files_are_fetched_as_they_are() {
    let made = mnist();
    let names =
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
    let named = names.map(|name| format!("{name}.gz"));
    let packed = names.map(|name| gzip(&fs::read(made.path().join(name)).unwrap()));
    let served: Vec<(&str, Vec<u8>)> = named.iter().map(|name| &name[..]).zip(packed).collect();
    let folder = Folder::new();
    let (fetched, requests) = fetch_files(Source::Mnist, folder.0.path(), &served);
    fetched.unwrap();
    assert_eq!(requests.len(), 4);
    let [set, original] = [folder.0.path(), made.path()].map(|path| load(Source::Mnist, Some(path)).unwrap());
    assert_eq!((set.digest, set.train), (original.digest, original.train));
    let (again, requests) = fetch_files(Source::Mnist, folder.0.path(), &served);
    again.unwrap();
    assert_eq!(requests, [], "everything is there");
}

#[test]
fn a_folder_that_cannot_be_made_and_a_set_that_nobody_publishes() {
    let folder = Folder::new();
    fs::write(folder.at("file"), "").unwrap();
    let (fetched, requests) = fetch_files(Source::Mnist, &folder.at("file/inside"), &[("x", Vec::new())]);
    assert_eq!((fetched.unwrap_err().kind, requests.len()), (Kind::Store, 0));
    for source in [Source::Digits, Source::Images] {
        let error = fetch(source, &folder.at("new"), &Server::default(), &mut |_| {}).unwrap_err();
        assert_eq!(error.kind, Kind::Usage);
    }
    assert_eq!(folder.names(), ["file"]);
}
