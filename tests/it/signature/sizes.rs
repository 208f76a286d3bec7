//! A network meets images of another size than it takes: every kind of stage refuses them before anything runs.

use image::RgbImage;

use super::{MANIFEST, NAMES, picture, write_set};
use crate::support::Project;

/// The classes and pictures of `first`, as files that are made 16x16.
const SMALL: &str = r#"
[data.small]
source = "images"
path = "small"
size = [16, 16]
channels = 3
test = 0.25
"#;

fn project() -> Project {
    let head = &MANIFEST[..MANIFEST.find("[stages.student]").unwrap()];
    // Takes images of any size but for what its signature says.
    let network = "network = { arch = \"resnet\", depth = 8, width = 4 }";
    let project = Project::new(
        &head.replace("network = { arch = \"mlp\", hidden = [24] }\nepochs = 12", &format!("{network}\nepochs = 1")),
    );
    write_set(&project.path().join("first"), &NAMES);
    write_set(&project.path().join("second"), &NAMES);
    for (place, name) in NAMES.iter().enumerate() {
        let folder = project.path().join("small").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for number in 0..4 {
            let planes: Vec<u8> = picture(place, number).collect();
            let pixel =
                |x: u32, y: u32| image::Rgb([0, 1, 2].map(|channel| planes[channel * 1024 + (32 * y + x) as usize]));
            RgbImage::from_fn(32, 32, pixel).save(folder.join(format!("{number}.png"))).unwrap();
        }
    }
    project.run(&["teacher"]).expect(0);
    for ending in ["safetensors", "json"] {
        project.succeed(&["export", "pleach.toml", "teacher", "-o", &format!("teacher.{ending}")]);
    }
    project
}

#[test]
fn every_kind_of_stage_refuses_images_of_another_size_before_anything_runs() {
    let project = project();
    let manifest = std::fs::read_to_string(project.path().join("pleach.toml")).unwrap() + SMALL;
    let own = "network = { arch = \"mlp\", hidden = [8] }\nepochs = 1";
    let stages = [
        ("kind = \"train\"\nnetwork = { like = \"teacher\" }\nepochs = 1".to_owned(), 10),
        (format!("kind = \"distill\"\nteacher = \"teacher\"\n{own}"), 10),
        (
            "kind = \"regularize\"\nfrom = \"teacher\"\nepochs = 1\npenalties = [{ kind = \"l1\", strength = 1e-5 }]"
                .to_owned(),
            10,
        ),
        ("kind = \"fine-tune\"\nfrom = \"teacher\"\nepochs = 1".to_owned(), 10),
        ("kind = \"evaluate\"\nmodels = [\"teacher\"]".to_owned(), 10),
        // Its layers fit images of any size.
        (
            "kind = \"import\"\npath = \"teacher.safetensors\"\nnetwork = { arch = \"resnet\", depth = 8, width = 4 }"
                .to_owned(),
            11,
        ),
        ("kind = \"import\"\npath = \"teacher.safetensors\"\nnetwork = { like = \"teacher\" }".to_owned(), 10),
        ("kind = \"import\"\npath = \"teacher.safetensors\"\nnetwork = { file = \"teacher.json\" }".to_owned(), 10),
    ];
    let channels = ["apoz", "mean-activation", "inactive", "taylor", "snip", "obd", "hrank"]
        .map(|name| format!("kind = \"prune\"\nfrom = \"teacher\"\nmethod = {{ kind = \"channels\", criterion = \"{name}\", ratio = 0.25 }}"));
    let weights = ["taylor", "snip", "obd"]
        .map(|name| format!("kind = \"prune\"\nfrom = \"teacher\"\nmethod = {{ kind = \"weights\", criterion = \"{name}\", sparsity = 0.5 }}"));
    let units = "kind = \"prune\"\nfrom = \"teacher\"\nmethod = { kind = \"inactive\", layer = \"layer1.0.conv1\", threshold = 0.1 }";
    let prunes = channels.into_iter().chain(weights).chain([units.to_owned()]).map(|stage| (stage, 10));
    let kinds = stages.into_iter().chain(prunes);
    for (stage, code) in kinds {
        project.write("small.toml", format!("{manifest}\n[stages.stage]\ndata = \"small\"\n{stage}\n"));
        for command in [&["plan", "small.toml"][..], &["run", "small.toml", "--json"]] {
            let refused = project.pleach(command).expect(code);
            let told = ["16x16x3", "32x32x3"].iter().all(|size| refused.stderr.contains(size));
            assert!(told, "{stage}\n{}", refused.stderr);
            assert!(!refused.stdout.contains("stage-started"), "{stage}\n{}", refused.stdout);
        }
    }
    assert_eq!(project.records().len(), 1, "nothing but the teacher ran");
}
