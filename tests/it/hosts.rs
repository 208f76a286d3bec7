//! The same bits on every host: results of a manifest with as many kinds of arithmetic as fit into a few seconds, as they
//! came out on the first machine. Another processor, other vectors and another C library (a binary for musl, whose path is
//! then in `PLEACH_TEST_BINARY`; see `.ci/run`) must give these.

use crate::support::{Project, Running, repository, skipped};

const MANIFEST: &str = include_str!("hosts/pleach.toml");

/// A line for each stage with a hash of all that it gave, by a binary that uses no wider `vectors` than these.
fn bits(vectors: &str) -> String {
    let project = Project::new(MANIFEST);
    let fixtures = repository("src/data/folder/fixtures");
    for (class, files) in [
        (
            "one",
            [
                "444-baseline-23x17",
                "422-progressive-23x17",
                "420-baseline-23x17",
                "420-progressive-23x17",
                "grey-baseline",
            ],
        ),
        ("two", ["444-progressive-16x16", "422-baseline-16x16", "420-progressive-16x16", "turned-6", "coarse"]),
    ] {
        std::fs::create_dir_all(project.path().join("photos").join(class)).unwrap();
        for file in files.map(|name| format!("{name}.jpg")) {
            project.write(&format!("photos/{class}/{file}"), std::fs::read(fixtures.join(&file)).unwrap());
        }
    }
    let mut command = project.command(&["run", "pleach.toml", "--json", "--device=cpu"]);
    command.env("PLEACH_SIMD", vectors);
    Running::start(command).wait().expect(0);
    let hash = |outputs| blake3::hash(format!("{outputs:?}").as_bytes()).to_hex()[..16].to_owned();
    project.results().into_iter().map(|(stage, outputs)| format!("{stage} {}\n", hash(outputs))).collect()
}

#[test]
fn results_are_these_bits() {
    insta::assert_snapshot!(bits(""), @r"
    hosts/channels 2bce543218b26e98
    hosts/filters ffda9ab824cf53cf
    hosts/photo 91ee74554e193914
    hosts/score 475c2eb298b4e9a5
    hosts/sparse b8ed282d5ac37d8a
    hosts/student 243e39312162d2e4
    hosts/teacher d0c24f3dd193dedc
    hosts/thin 7c2ae5ea929b56f3
    hosts/weights 75cdaac7ec137202
    ");
}

#[test]
fn results_are_these_bits_without_vectors() {
    assert_eq!(bits("scalar"), bits(""));
}

/// This machine takes only the widest by itself.
#[cfg(target_arch = "x86_64")]
#[test]
fn results_are_these_bits_with_narrower_vectors() {
    if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
        assert_eq!(bits("avx2"), bits(""));
    } else {
        skipped("there is no AVX2 here");
    }
}
