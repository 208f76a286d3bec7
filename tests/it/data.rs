//! `pleach data`, and a user's own images from their files to a report.

use std::fs;
use std::path::Path;

use image::codecs::bmp::BmpEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::server::{Reply, Server};
use crate::support::{Project, Ran, Running, repository};

/// Runs `pleach data` with these arguments. Proxies of the machine are left aside.
fn data(project: &Project, arguments: &[&str]) -> Ran {
    with_proxy(project, arguments, "")
}

fn with_proxy(project: &Project, arguments: &[&str], proxy: &str) -> Ran {
    let mut command = project.command(&[&["data"], arguments].concat());
    for variable in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        command.env_remove(variable).env_remove(variable.to_ascii_lowercase());
    }
    if !proxy.is_empty() {
        command.env("HTTP_PROXY", proxy);
    }
    Running::start(command).wait()
}

#[test]
fn the_sets_are_listed() {
    let listed = data(&Project::new(""), &["list"]).expect(0);
    assert_eq!(listed.stderr, "");
    insta::assert_snapshot!(listed.stdout);
}

#[test]
fn the_built_in_digits_are_checked() {
    let checked = data(&Project::new(""), &["check", "digits"]).expect(0);
    assert_eq!(checked.stderr, "");
    insta::assert_snapshot!(checked.stdout);
}

#[test]
fn what_is_not_the_published_set_is_told() {
    let project = Project::new("");
    for (name, magic, dimensions, bytes) in [
        ("train-images-idx3-ubyte", 0x803, &[2, 28, 28][..], 2 * 784),
        ("train-labels-idx1-ubyte", 0x801, &[2], 2),
        ("t10k-images-idx3-ubyte", 0x803, &[1, 28, 28], 784),
        ("t10k-labels-idx1-ubyte", 0x801, &[1], 1),
    ] {
        let header: Vec<u8> = [magic].iter().chain(dimensions).flat_map(|number: &u32| number.to_be_bytes()).collect();
        project.write(name, [header, vec![3; bytes]].concat());
    }
    let checked = data(&project, &["check", "mnist", "--path", "."]).expect(0);
    assert!(checked.stdout.starts_with("mnist: 28x28x1, 2 training and 1 test images\n"), "{}", checked.stdout);
    assert!(checked.stdout.ends_with(" (not what was published)\n"), "{}", checked.stdout);
}

/// Each with its exit code, 2 for what is wrong on the command line and 11 for what is wrong with files.
#[test]
fn what_cannot_be_checked_or_fetched() {
    let project = Project::new("");
    fs::create_dir(project.path().join("empty")).unwrap();
    let mut all = String::new();
    for (arguments, code) in [
        (&["check", "minst"][..], 2),
        (&["check", "nonsense"], 2),
        (&["check", "mnist"], 2),
        (&["check", "mnist", "--path", "empty", "--size", "8", "8"], 2),
        (&["check", "images", "--path", "empty"], 2),
        (&["check", "images", "--path", "empty", "--size", "8", "0"], 2),
        (&["check", "mnist", "--path", "nowhere"], 11),
        (&["check", "cifar-100", "--path", "empty"], 11),
        (&["check", "svhn", "--path", "empty"], 11),
        (&["check", "images", "--path", "empty", "--size", "8", "8", "--test", "0.5"], 11),
        (&["fetch", "digits"], 2),
        (&["fetch", "images"], 2),
        (&["fetch", "mnist", "--from", "nonsense"], 2),
    ] {
        let ran = data(&project, arguments).expect(code);
        assert_eq!(ran.stdout, "", "{arguments:?}");
        all.push_str(&format!("$ pleach data {}\n{}\n", arguments.join(" "), ran.stderr));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn fetching_asks_the_mirror_and_refuses_what_was_not_published() {
    let server = Server::start(|_| Reply::whole(&[7; 5000]));
    let project = Project::new("");
    let fetch = ["fetch", "fashion-mnist", "--from", &server.address, "--to", "clothes"];
    // No proxy listens there, and none is asked for a mirror on this machine.
    for proxy in ["", "http://127.0.0.1:9"] {
        let ran = with_proxy(&project, &fetch, proxy).expect(11);
        assert_eq!(ran.stdout, "", "progress is no result");
        let name = "train-images-idx3-ubyte.gz";
        let expected = [
            format!("downloading {}/{name}\n", server.address),
            format!("{name}: 4.9 KiB of 4.9 KiB\n"),
            format!("error: {}/{name} is not the published file: its MD5 is ", server.address),
        ];
        let mut rest = &ran.stderr[..];
        for line in &expected {
            rest = rest.strip_prefix(&line[..]).unwrap_or_else(|| panic!("{line}\n{}", ran.stderr));
        }
        let lines: Vec<String> = server.requests().into_iter().map(|request| request.line).collect();
        assert_eq!(lines, ["GET /train-images-idx3-ubyte.gz"]);
        assert_eq!(fs::read_dir(project.path().join("clothes")).unwrap().count(), 0, "what is wrong is not kept");
    }
}

#[test]
fn servers_that_have_nothing_or_are_not_there() {
    let server = Server::start(|_| Reply::status(404));
    let project = Project::new("");
    let ran = data(&project, &["fetch", "cifar-100", "--from", &format!("{}/sub/", server.address)]).expect(11);
    let requests = server.requests();
    assert_eq!((requests.len(), &requests[0].line[..]), (1, "GET /sub/cifar-100-binary.tar.gz"));
    assert!(ran.stderr.contains("the server answers 404") && ran.stderr.contains("--from"), "{}", ran.stderr);
    let address = server.address.clone();
    drop(server);
    let ran = data(&project, &["fetch", "svhn", "--from", &address]).expect(11);
    assert!(ran.stderr.contains(&format!("cannot download {address}/train_32x32.mat")), "{}", ran.stderr);
    assert!(ran.stderr.contains("check the connection"), "{}", ran.stderr);
    project.write("file", "");
    data(&project, &["fetch", "svhn", "--from", &address, "--to", "file/inside"]).expect(30);
}

#[test]
fn elsewhere_is_asked_through_the_proxy() {
    let proxy = Server::start(|_| Reply::status(502));
    let project = Project::new("");
    with_proxy(&project, &["fetch", "mnist", "--from", "http://mirror.invalid"], &proxy.address).expect(11);
    let lines: Vec<String> = proxy.requests().into_iter().map(|request| request.line).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line == "CONNECT mirror.invalid:80"), "{lines:?}");
}

/// A PNG, or for odd numbers a BMP, of 12 x 10 pixels: class 0 is red, class 1 green, class 2 blue.
fn write_image(folder: &Path, class: usize, number: usize) -> String {
    let noise = |place: usize| ((place * 31 + number * 17) * 2_654_435_761 % 60) as u8;
    let pixel = |place: usize| if place % 3 == class { 180 + noise(place) } else { noise(place) };
    let pixels: Vec<u8> = (0..12 * 10 * 3).map(pixel).collect();
    let mut bytes = Vec::new();
    let ending = if number.is_multiple_of(2) {
        PngEncoder::new(&mut bytes).write_image(&pixels, 12, 10, ExtendedColorType::Rgb8).unwrap();
        "png"
    } else {
        BmpEncoder::new(&mut bytes).write_image(&pixels, 12, 10, ExtendedColorType::Rgb8).unwrap();
        "bmp"
    };
    fs::create_dir_all(folder).unwrap();
    let name = format!("{number:02}.{ending}");
    fs::write(folder.join(&name), bytes).unwrap();
    name
}

const CLASSES: [&str; 3] = ["ant", "bee", "cat"];

/// Trains on images of 8 x 8 pixels, with half of the augmentations that there are.
const IMAGES: &str = r#"
[pipeline]
name = "images"
seed = 1

[data.animals]
source = "images"
path = "animals"
size = [8, 8]
test = 0.25
normalization = { mean = [0.4, 0.4, 0.4], deviation = [0.3, 0.3, 0.3] }

[stages.teacher]
kind = "train"
data = "animals"
network = { arch = "lenet", channels = [4, 4], hidden = [16] }
epochs = 20
batch = 8
augment = ["flip", "trivial-augment", { kind = "cutout", size = 2 }]

[stages.score]
kind = "evaluate"
data = "animals"
models = ["teacher"]
"#;

fn animals() -> Project {
    let project = Project::new(IMAGES);
    for (class, name) in CLASSES.iter().enumerate() {
        for number in 0..16 {
            write_image(&project.path().join("animals").join(name), class, number);
        }
    }
    project
}

#[test]
fn a_folder_of_images_is_trained_on_and_its_files_count() {
    let project = animals();
    let check = ["check", "images", "--path", "animals", "--size", "8", "8", "--test", "0.25"];
    let checked = data(&project, &check).expect(0).stdout;
    assert!(checked.starts_with("images: 8x8x3, 36 training and 12 test images\n"), "{checked}");
    assert!(CLASSES.iter().all(|class| checked.contains(&format!("  {class} "))), "{checked}");
    let ran = project.run(&[]).expect(0);
    assert_eq!(ran.stages("stage-finished"), ["teacher", "score"]);
    let report = project.succeed(&["report", "pleach.toml"]).stdout;
    assert!(report.contains("12 test images of animals"), "{report}");
    // Colours are easy.
    let row = report.lines().find_map(|line| line.trim().strip_prefix("teacher ")).expect("a row");
    let top_1: f64 = row.split_whitespace().next().expect("a column").parse().unwrap();
    assert!(top_1 > 90.0, "{report}");
    assert_eq!(project.run(&[]).expect(0).stages("stage-finished"), [""; 0]);
    // The same classes elsewhere are the same set; another name of a class, or another image, is not.
    fs::rename(project.path().join("animals"), project.path().join("beasts")).unwrap();
    let elsewhere = project.run(&["--set", "data.animals.path=beasts"]).expect(0);
    assert_eq!(elsewhere.stages("stage-finished"), [""; 0]);
    fs::rename(project.path().join("beasts/ant"), project.path().join("beasts/ape")).unwrap();
    let renamed = project.run(&["--set", "data.animals.path=beasts"]).expect(0);
    assert_eq!(renamed.stages("stage-finished"), ["teacher", "score"]);
    write_image(&project.path().join("beasts/cat"), 2, 16);
    let more = project.run(&["--set", "data.animals.path=beasts"]).expect(0);
    assert_eq!(more.stages("stage-finished"), ["teacher", "score"]);
}

#[test]
fn tables_of_images_are_trained_on() {
    let project = Project::new(&IMAGES.replace("test = 0.25\n", "").replace("epochs = 20", "epochs = 1"));
    let folder = project.path().join("animals");
    for (half, count) in [("train", 12), ("test", 4)] {
        let mut rows = String::from("label,path\n");
        for number in 0..count {
            let name = write_image(&folder.join("files").join(half), number % 3, number);
            rows.push_str(&format!("{},files/{half}/{name}\n", CLASSES[number % 3]));
        }
        fs::write(folder.join(format!("{half}.csv")), rows).unwrap();
    }
    project.run(&[]).expect(0);
    let report = project.succeed(&["report", "pleach.toml"]).stdout;
    assert!(report.contains("4 test images of animals"), "{report}");
}

#[test]
fn images_that_are_wrong_are_told_before_or_when_they_are_read() {
    let mut all = String::new();
    let mut tell = |name: &str, code: i32, change: &dyn Fn(&Path)| {
        let project = animals();
        change(&project.path().join("animals"));
        let ran = project.pleach(&["run", "pleach.toml"]).expect(code);
        assert_eq!(ran.stdout, "");
        let told = ran.stderr.replace(project.path().to_str().unwrap(), "PROJECT");
        // How long it took is no part of it.
        let untimed = |line: &str| line.split_once(" skipped in ").map_or(line, |(counts, _)| counts).to_owned() + "\n";
        let told: String = told.lines().map(untimed).collect();
        all.push_str(&format!("{name}\n{told}\n"));
    };
    tell("no folder", 10, &|folder| fs::remove_dir_all(folder).unwrap());
    tell("one class", 10, &|folder| {
        fs::remove_dir_all(folder.join("ant")).unwrap();
        fs::remove_dir_all(folder.join("bee")).unwrap();
    });
    tell("an empty class", 10, &|folder| fs::create_dir(folder.join("dog")).unwrap());
    tell("another file", 10, &|folder| fs::write(folder.join("cat/labels.txt"), "").unwrap());
    tell("broken files", 11, &|folder| {
        fs::write(folder.join("cat/00.png"), "no image").unwrap();
        let whole = fs::read(repository("src/data/folder/fixtures/444-baseline-16x16.jpg")).unwrap();
        fs::remove_file(folder.join("ant/01.bmp")).unwrap();
        fs::write(folder.join("ant/01.jpg"), &whole[..whole.len() - 20]).unwrap();
    });
    insta::assert_snapshot!(all);
}

#[test]
fn test_images_that_were_trained_on_are_told_by_check_plan_and_run() {
    let project = animals();
    let folder = project.path().join("animals");
    // Of two copies in a class of 18, at least one is told, whichever half it is in.
    for copy in ["90.png", "91.png"] {
        fs::copy(folder.join("cat/00.png"), folder.join("cat").join(copy)).unwrap();
    }
    fs::copy(folder.join("cat/02.png"), folder.join("bee/92.png")).unwrap();
    let check = ["check", "images", "--path", "animals", "--size", "8", "8", "--test", "0.25"];
    let told = [
        data(&project, &check).expect(0).stderr,
        project.succeed(&["plan", "pleach.toml"]).stderr,
        project.run(&["--set", "stages.teacher.epochs=1"]).expect(0).stderr,
    ];
    for told in told {
        assert!(told.contains("1 image has more than one class: "), "{told}");
        assert!(told.contains("cat/90.png") && told.contains("cat/00.png"), "{told}");
    }
}

/// Noise can only be learnt by heart: what was guessed right on the validation split were copies of what was trained on.
#[test]
fn copies_of_training_images_validate_nothing() {
    let manifest = IMAGES
        .replace("test = 0.25\n", "validation = 0.25\n")
        .replace("{ arch = \"lenet\", channels = [4, 4], hidden = [16] }", "{ arch = \"mlp\", hidden = [64] }")
        .replace("epochs = 20", "epochs = 30")
        .replace("augment = [\"flip\", \"trivial-augment\", { kind = \"cutout\", size = 2 }]\n", "");
    let project = Project::new(&manifest);
    let mut state = 1u64;
    for half in ["train", "test"] {
        for class in ["ant", "bee"] {
            let folder = project.path().join("animals").join(half).join(class);
            fs::create_dir_all(&folder).unwrap();
            for number in 0..if half == "train" { 40 } else { 2 } {
                let mut next = || {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (state >> 56) as u8
                };
                let pixels: Vec<u8> = (0..8 * 8 * 3).map(|_| next()).collect();
                for (copy, compression) in [("a", CompressionType::Fast), ("b", CompressionType::Uncompressed)] {
                    // Other files, and the same pixels.
                    let mut bytes = Vec::new();
                    PngEncoder::new_with_quality(&mut bytes, compression, FilterType::NoFilter)
                        .write_image(&pixels, 8, 8, ExtendedColorType::Rgb8)
                        .unwrap();
                    fs::write(folder.join(format!("{number:02}{copy}.png")), bytes).unwrap();
                }
            }
        }
    }
    let ran = project.run(&[]).expect(0);
    let mut epochs = ran.events().into_iter().filter(|event| event["event"] == "epoch");
    let last = epochs.next_back().expect("an epoch");
    let [Some(training), Some(validation)] = ["accuracy", "validation-accuracy"].map(|key| last[key].as_f64()) else {
        panic!("{last}")
    };
    assert!(training > 0.95 && validation < 0.7, "{last}");
}

#[test]
fn validation_images_of_its_own_are_chosen_on_and_a_share_is_refused() {
    let manifest = IMAGES.replace("test = 0.25\n", "").replace("epochs = 20", "epochs = 2\nselect = \"best\"");
    let project = Project::new(&manifest);
    for (half, count) in [("train", 8), ("valid", 4), ("test", 4)] {
        for (class, name) in CLASSES.iter().enumerate() {
            for number in 0..count {
                write_image(&project.path().join("animals").join(half).join(name), class, number);
            }
        }
    }
    let check = ["check", "images", "--path", "animals", "--size", "8", "8"];
    let checked = data(&project, &check).expect(0);
    assert!(
        checked.stdout.starts_with("images: 8x8x3, 24 training, 12 validation and 12 test images\n"),
        "{}",
        checked.stdout
    );
    assert!(checked.stderr.contains("12 of 12 validation images are training images too: "), "{}", checked.stderr);
    let ran = project.run(&[]).expect(0);
    assert_eq!(ran.stages("stage-finished"), ["teacher", "score"]);
    let refused = project.pleach(&["check", "pleach.toml", "--set", "data.animals.validation=0.5"]).expect(10);
    assert!(refused.stderr.contains("the set has validation images of its own"), "{}", refused.stderr);
}
