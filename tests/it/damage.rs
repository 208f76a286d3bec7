//! What is corrupt or missing in the store is put aside, said, and made again; the results are the same.

use std::path::{Path, PathBuf};

use crate::support::{Project, SMALL, SMALL_STAGES, copy, overwrite};

/// What is done to a file.
type Damage = fn(&Path);

/// A folder with a finished run.
fn finished() -> Project {
    let project = Project::new(SMALL);
    project.run(&[]).expect(0);
    project
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    overwrite(path, &bytes);
}

fn cut(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    overwrite(path, &bytes[..bytes.len() / 2]);
}

fn extend(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes.push(b'\n');
    overwrite(path, &bytes);
}

#[test]
fn every_output_that_is_cut_short_or_gone_is_made_again() {
    let whole = finished();
    let expected = whole.results();
    let damages: [(&str, Damage); 4] = [
        ("cut", cut),
        ("extended", extend),
        ("emptied", |path| overwrite(path, b"")),
        ("removed", |path| std::fs::remove_file(path).unwrap()),
    ];
    let outputs = SMALL_STAGES.iter().flat_map(|stage| {
        let outputs = &expected[&format!("small/{stage}")];
        outputs.keys().map(move |output| (*stage, output.clone()))
    });
    for ((stage, output), (how, damage)) in outputs.zip(damages.iter().cycle()) {
        let project = Project::new(SMALL);
        copy(&whole.cache(), &project.cache());
        damage(&project.object(stage, &output));
        let ran = project.run(&[]).expect(0);
        // Stages that came to the same bytes (a layer graph, say) share an object; the first of them makes it again.
        let hash = &expected[&format!("small/{stage}")][&output];
        let shares = |stage: &&str| expected[&format!("small/{stage}")].values().any(|found| found == hash);
        let first = SMALL_STAGES.iter().find(|stage| shares(stage)).unwrap();
        assert_eq!(ran.stages("stage-finished"), [*first], "{how} {output} of {stage}: {}", ran.stdout);
        let said = ran.stdout.contains("counts as missing") || ran.stderr.contains("counts as missing");
        assert!(said, "{how} {output} of {stage}: {}", ran.stdout);
        assert_eq!(project.results(), expected, "{how} {output} of {stage}");
        project.succeed(&["cache", "verify"]);
        let again = project.run(&[]).expect(0);
        assert_eq!(again.stages("stage-cached").len(), 5);
    }
}

#[test]
fn a_flipped_bit_is_noticed_when_a_stage_needs_the_object() {
    let whole = finished();
    for (damaged, output, asked) in
        [("teacher", "weights", "student"), ("teacher", "network", "score"), ("pruned", "weights", "tuned")]
    {
        let project = Project::new(SMALL);
        copy(&whole.cache(), &project.cache());
        flip(&project.object(damaged, output));
        let ran = project.run(&[asked, "--refresh", asked]).expect(0);
        let finished = ran.stages("stage-finished");
        assert!(finished.contains(&damaged.to_owned()) && finished.contains(&asked.to_owned()), "{finished:?}");
        assert!(ran.stdout.contains("is corrupt") && ran.stdout.contains("runs again"), "{}", ran.stdout);
        assert_eq!(project.results(), whole.results());
        assert!(std::fs::read_dir(project.cache().join("v1/quarantine")).unwrap().count() >= 1);
    }
}

#[test]
fn one_loss_that_several_stages_meet_is_mended_once() {
    // Both students read the teacher's weights, at once or one after the other, and find them corrupt.
    let twin = "[stages.twin]\nkind = \"distill\"\ndata = \"digits\"\nteacher = \"teacher\"\n\
        network = { arch = \"mlp\", hidden = [11] }\nepochs = 2\n\n[stages.pruned]";
    let manifest = SMALL.replace("[stages.pruned]", twin);
    let whole = Project::new(&manifest);
    whole.run(&[]).expect(0);
    for jobs in ["1", "3", "3", "3", "3", "3", "3", "3"] {
        let project = Project::new(&manifest);
        copy(&whole.cache(), &project.cache());
        flip(&project.object("teacher", "weights"));
        let refresh = ["--jobs", jobs, "--refresh", "student", "--refresh", "twin", "--refresh", "tuned"];
        let ran = project.run(&refresh).expect(0);
        let finished = ran.stages("stage-finished");
        assert_eq!(finished.iter().filter(|stage| *stage == "teacher").count(), 1, "{finished:?}");
        assert_eq!(project.results(), whole.results());
    }
}

#[test]
fn a_flipped_bit_in_what_is_shown_is_noticed() {
    let project = finished();
    let before = project.results();
    flip(&project.object("score", "metrics"));
    let ran = project.run(&[]).expect(0);
    assert_eq!(ran.stages("stage-finished"), ["score"]);
    assert_eq!(project.results(), before);
}

#[test]
fn every_damaged_record_is_made_again() {
    let whole = finished();
    let expected = whole.results();
    let foreign: Damage = |path| overwrite(path, b"{\"key\":\"not a record\"}\n");
    let damages: [Damage; 5] = [cut, flip, extend, |path| std::fs::remove_file(path).unwrap(), foreign];
    for (stage, damage) in SMALL_STAGES.iter().zip(damages) {
        let project = Project::new(SMALL);
        copy(&whole.cache(), &project.cache());
        damage(&project.record_file(stage));
        let ran = project.run(&[]).expect(0);
        assert_eq!(ran.stages("stage-finished"), [*stage]);
        assert_eq!(project.results(), expected);
    }
}

#[test]
fn a_record_under_another_key_is_not_believed() {
    let project = finished();
    let before = project.results();
    let (teacher, student) = (project.record_file("teacher"), project.record_file("student"));
    overwrite(&student, &std::fs::read(teacher).unwrap());
    let ran = project.run(&[]).expect(0);
    assert_eq!(ran.stages("stage-finished"), ["student"]);
    assert!(ran.stdout.contains("the record of another key"), "{}", ran.stdout);
    assert_eq!(project.results(), before);
}

#[test]
fn checkpoints_that_are_damaged_are_passed_over() {
    let project = Project::new(SMALL);
    project.run(&["teacher"]).expect(0);
    let before = project.results();
    std::fs::remove_file(project.record_file("teacher")).unwrap();
    // Every object but one of the checkpoints' is damaged somewhere.
    for path in files(&project.cache().join("v1/objects")) {
        flip(&path);
    }
    let ran = project.run(&["teacher"]).expect(0);
    assert!(ran.stages("stage-resumed").is_empty(), "{}", ran.stdout);
    assert_eq!(project.results(), before);
    project.succeed(&["cache", "verify"]);
}

#[test]
fn odd_things_in_the_store_do_no_harm() {
    let project = finished();
    let before = project.results();
    let (weights, history) = (project.object("teacher", "weights"), project.object("student", "history"));
    std::fs::remove_file(&weights).unwrap();
    std::fs::create_dir(&weights).unwrap();
    std::fs::remove_file(&history).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &history).unwrap();
    std::fs::write(project.cache().join("v1/objects/readme"), "hello").unwrap();
    std::fs::write(project.cache().join("v1/actions/ab"), "hello").ok();
    let ran = project.run(&[]).expect(0);
    assert_eq!(ran.stages("stage-finished"), ["teacher", "student"], "{}", ran.stdout);
    assert_eq!(project.results(), before);
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
