//! What is not text, or not a file.

use std::os::unix::fs::symlink;

use super::{GOOD, edited, parse, text, wrong};
use crate::support::Project;

#[test]
fn what_is_not_utf8() {
    let mut latin = edited(&[("name = \"tiny\"", "name = \"tXny\"")]).into_bytes();
    let at = latin.iter().position(|byte| *byte == b'X').unwrap();
    latin[at] = 0xef;
    let utf16 = |order: fn(u16) -> [u8; 2], mark: [u8; 2]| {
        mark.into_iter().chain(GOOD.encode_utf16().flat_map(order)).collect::<Vec<u8>>()
    };
    let little = utf16(u16::to_le_bytes, [0xff, 0xfe]);
    let big = utf16(u16::to_be_bytes, [0xfe, 0xff]);
    let all: String = [latin, little, big].iter().map(|bytes| text(&wrong(bytes, &[]))).collect();
    insta::assert_snapshot!(all);
}

#[test]
fn a_byte_order_mark_is_accepted_and_takes_no_column() {
    assert!(parse(format!("\u{feff}{GOOD}"), &[]).is_ok());
    let told = wrong("\u{feff}stages = 3", &[]);
    assert_eq!(told.1.place(told.0[0].span).column, 10);
    let told = text(&told);
    insta::assert_snapshot!(told);
}

#[test]
fn windows_line_ends_are_accepted_and_counted() {
    let windows = edited(&[("epochs = 4", "epochs = 0")]).replace('\n', "\r\n");
    let told = wrong(windows, &[]);
    assert_eq!(told.1.place(told.0[0].span).to_string(), "pleach.toml:22:10");
}

#[test]
fn wide_characters_are_counted_as_characters() {
    let told = wrong(edited(&[("lr = 0.1", "\"größe\" = 1, lr = 0")]), &[]);
    let places: Vec<String> = told.0.iter().map(|d| told.1.place(d.span).to_string()).collect();
    assert_eq!(places, ["pleach.toml:24:29", "pleach.toml:24:47"]);
}

#[test]
fn what_is_not_a_regular_file_is_refused_at_once() {
    let project = Project::new(GOOD);
    let path = |name: &str| project.path().join(name);
    std::fs::create_dir(path("folder.toml")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path("fifo.toml"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    project.write("large.toml", vec![b'#'; (1 << 20) + 1]);
    project.write("just.toml", [vec![b'#'; (1 << 20) - GOOD.len() - 1], vec![b'\n'], GOOD.into()].concat());
    symlink("pleach.toml", path("link.toml")).unwrap();
    symlink("loop.toml", path("loop.toml")).unwrap();
    let mut said = String::new();
    for (name, code) in [
        ("folder.toml", 10),
        ("fifo.toml", 10),
        ("/dev/zero", 10),
        ("/dev/null", 10),
        ("large.toml", 10),
        ("absent.toml", 11),
        ("loop.toml", 11),
        ("pleach.toml/x", 11),
    ] {
        let ran = project.pleach(&["check", name]);
        assert_eq!(ran.code, code, "{name}: {}", ran.stderr);
        said.push_str(&ran.stderr);
    }
    insta::assert_snapshot!(said);
    project.succeed(&["check", "link.toml", "just.toml"]);
}
