//! Every manifest in `pipelines/` is run, shortened where it is long, and on small sets of the right format where the
//! real one is not there.

use crate::support::{Project, Ran, repository};

/// Runs a pipeline of the repository with `sets` laid over it, twice; the second time does nothing.
fn run(project: &Project, pipeline: &str, sets: &[String]) -> Ran {
    let path = repository("pipelines").join(pipeline);
    let mut arguments = vec!["run".to_owned(), path.to_str().unwrap().to_owned()];
    arguments.extend(sets.iter().map(|set| format!("--set={set}")));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ran = project.succeed(&arguments);
    let again = project.succeed(&arguments);
    assert_eq!(again.stdout, ran.stdout);
    assert!(again.stderr.contains(" cached, 0 run"), "{}", again.stderr);
    ran
}

fn epochs(count: u32) -> Vec<String> {
    ["teacher", "student", "quiet", "tuned", "plain", "scratch"]
        .map(|stage| format!("stages.{stage}.epochs={count}"))
        .into()
}

/// An image of `size` bytes that shows its class: a pattern of its own, and noise that depends on `index`.
fn image(class: usize, index: usize, size: usize) -> Vec<u8> {
    let pixel = |i: usize| {
        let pattern = if (i / 7 + i * class) % 10 < 4 { 180 } else { 20 };
        let noise = (i * 31 + index * 17) * 2_654_435_761 % 60;
        (pattern + noise) as u8
    };
    (0..size).map(pixel).collect()
}

const TRAIN: usize = 600;
const TEST: usize = 100;

#[test]
fn every_manifest_is_valid_and_run_by_a_test() {
    let project = Project::new("");
    let mut found: Vec<String> = std::fs::read_dir(repository("pipelines"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "distil-after-pruning.toml",
            "fashion-mnist.toml",
            "kddp-cifar-10.toml",
            "kddp.toml",
            "weights-or-channels.toml",
        ],
        "a new one needs a test below"
    );
    for name in found {
        project.succeed(&["check", repository("pipelines").join(name).to_str().unwrap()]);
    }
}

#[test]
fn kddp_runs_short() {
    let project = Project::new("");
    let mut sets = epochs(2);
    sets.push("matrix.strength=[0.3]".into());
    let ran = run(&project, "kddp.toml", &sets);
    assert!(ran.stdout.contains("score: 447 test images of digits"), "{}", ran.stdout);
}

#[test]
fn fashion_mnist_runs_short() {
    let project = Project::new("");
    for (name, count) in [("train", TRAIN), ("t10k", TEST)] {
        let header = |magic: u32, sizes: &[u32]| -> Vec<u8> {
            [&[magic], sizes].concat().iter().flat_map(|n| n.to_be_bytes()).collect()
        };
        let images = (0..count).flat_map(|i| image(i % 10, i, 28 * 28));
        let labels = (0..count).map(|i| (i % 10) as u8);
        let images: Vec<u8> = header(0x803, &[count as u32, 28, 28]).into_iter().chain(images).collect();
        let labels: Vec<u8> = header(0x801, &[count as u32]).into_iter().chain(labels).collect();
        project.write(&format!("{name}-images-idx3-ubyte"), images);
        project.write(&format!("{name}-labels-idx1-ubyte"), labels);
    }
    let mut sets = epochs(1);
    sets.push(format!("data.clothes.path={}", project.path().display()));
    let ran = run(&project, "fashion-mnist.toml", &sets);
    assert!(ran.stdout.contains("score: 100 test images of clothes"), "{}", ran.stdout);
}

/// CIFAR-10's files with few images, in the folder of `project`.
fn write_cifar_10(project: &Project) {
    let batch = |count: usize| -> Vec<u8> {
        (0..count).flat_map(|i| std::iter::once((i % 10) as u8).chain(image(i % 10, i, 3 * 32 * 32))).collect()
    };
    for number in 1..=5 {
        project.write(&format!("data_batch_{number}.bin"), batch(TRAIN / 5));
    }
    project.write("test_batch.bin", batch(TEST));
}

#[test]
fn kddp_cifar_10_runs_short() {
    let project = Project::new("");
    write_cifar_10(&project);
    let mut sets = epochs(1);
    sets.extend(["networks.teacher.depth=8".into(), "networks.student.hidden=[16]".into()]);
    sets.extend(["matrix.strength=[1e-3]".into(), "matrix.seed=[1, 2]".into(), "data.objects.limit=200".into()]);
    sets.push(format!("data.objects.path={}", project.path().display()));
    let ran = run(&project, "kddp-cifar-10.toml", &sets);
    assert!(ran.stdout.contains("score: 100 test images of objects; mean ± standard deviation"), "{}", ran.stdout);
}

#[test]
fn distil_after_pruning_runs_short() {
    let project = Project::new("");
    write_cifar_10(&project);
    let mut sets: Vec<String> =
        ["stages.whole.epochs=1", "matrix.epochs=[1]", "matrix.kept=[0.5, 0.2]", "matrix.seed=[1, 2]"]
            .map(str::to_owned)
            .into();
    sets.extend(["networks.whole.depth=8".into(), "data.objects.limit=200".into()]);
    sets.push(format!("data.objects.path={}", project.path().display()));
    let ran = run(&project, "distil-after-pruning.toml", &sets);
    let rows = |model: &str| ran.stdout.lines().filter(|line| line.trim_start().starts_with(model)).count();
    assert_eq!(
        (rows("whole"), rows("pruned"), rows("distilled"), rows("scratch-distilled")),
        (1, 2, 2, 2),
        "{}",
        ran.stdout
    );
}

#[test]
fn weights_or_channels_runs_short_at_equal_parameters() {
    let project = Project::new("");
    write_cifar_10(&project);
    let stages = ["teacher", "student", "tuned", "scratch"];
    let mut sets: Vec<String> = stages.iter().map(|stage| format!("stages.{stage}.epochs=1")).collect();
    sets.extend(["networks.teacher.depth=8".into(), "networks.resnet.depth=8".into()]);
    sets.extend(["networks.densenet.depth=10".into(), "data.objects.limit=200".into()]);
    sets.extend(["matrix.seed=[1]".into(), "matrix.sparsity=[0.7]".into()]);
    sets.push("matrix.method=[\"weights\", \"channels\"]".into());
    sets.push("report.against=channels".into());
    sets.push(format!("data.objects.path={}", project.path().display()));
    run(&project, "weights-or-channels.toml", &sets);
    let manifest = repository("pipelines/weights-or-channels.toml");
    let mut arguments = vec!["report".to_owned(), manifest.to_str().unwrap().to_owned(), "--format=json".to_owned()];
    arguments.extend(sets.iter().map(|set| format!("--set={set}")));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let report: serde_json::Value = serde_json::from_str(&project.succeed(&arguments).stdout).unwrap();
    let rows = report["rows"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    for arch in ["resnet", "densenet", "mobilenet", "efficientnet"] {
        let nonzeros = |name: &str, method: Option<&str>| {
            let axis = |row: &serde_json::Value, axis: &str, value: Option<&str>| row["axes"][axis].as_str() == value;
            let is = |row: &&serde_json::Value| {
                row["name"] == name && axis(row, "arch", Some(arch)) && axis(row, "method", method)
            };
            let row = rows.iter().find(is).unwrap_or_else(|| panic!("{report:#}"));
            row["values"]["nonzeros"].as_f64().unwrap()
        };
        let (weights, channels) = (nonzeros("tuned", Some("weights")), nonzeros("tuned", Some("channels")));
        // Masks leave scales and shifts of normalizations, of which narrow networks have many.
        assert!((weights / channels - 1.0).abs() < 0.15, "{arch}: {weights} and {channels} parameters");
        let student = nonzeros("student", None);
        assert!((channels / student - 0.3).abs() < 0.02, "{arch}: {channels} of {student}");
    }
}

#[test]
fn a_set_that_is_missing_is_explained() {
    let project = Project::new("");
    let path = repository("pipelines/fashion-mnist.toml");
    let ran = project.pleach(&["run", path.to_str().unwrap(), "--set=data.clothes.path=nowhere"]);
    assert_eq!(ran.code, 11);
    insta::assert_snapshot!(ran.stderr);
}
