//! Steps of one or two images, where what is computed over a step needs more.

use super::{GOOD, edited, parse, text, wrong};

/// A normalization behind a linear layer, on 65 images.
const VECTOR: &str = r#"[data.digits]
source = "digits"
limit = 65

[stages.net]
kind = "train"
data = "digits"
epochs = 1
batch = 64

[stages.net.network]
arch = "graph"
layers = [
    { name = "flat", op = "flatten" },
    { name = "fc1", op = "linear", out-features = 32 },
    { name = "bn1", op = "batch-norm" },
    { name = "fc", op = "linear", out-features = 10 },
]

[stages.score]
kind = "evaluate"
data = "digits"
models = ["net"]
"#;

/// A student without normalizations that learns by `loss`, with these lines.
fn student(loss: &str, lines: &str) -> String {
    let losses = "losses = [{ kind = \"kd\", temperature = 4, alpha = 0.9 }]\n";
    GOOD.replacen(losses, &format!("losses = [{loss}]\n{lines}\n"), 1)
}

#[test]
fn a_normalization_over_one_value() {
    let alone = VECTOR.replace("batch = 64", "batch = 1");
    let last = VECTOR.replace("batch = 64", "batch = 64\nlast-batch = \"smaller\"");
    let image = alone.replace("limit = 65", "limit = 1");
    let from = format!(
        "{VECTOR}\n[stages.tuned]\nkind = \"fine-tune\"\ndata = \"digits\"\nfrom = \"net\"\nepochs = 1\nbatch = 1\n"
    )
    .replace("models = [\"net\"]", "models = [\"net\", \"tuned\"]");
    let told = [alone, last, image, from].map(|manifest| text(&wrong(manifest, &[])));
    insta::assert_snapshot!(told.concat());
    // By whatever way the batch comes in.
    assert!(parse(VECTOR, &[]).is_ok());
    assert_eq!(wrong(VECTOR, &["stages.net.batch=1"]).0.len(), 1);
    let swept = VECTOR.replace("batch = 64", "batch = \"${matrix.batch}\"");
    assert_eq!(wrong(format!("{swept}\n[matrix]\nbatch = [1, 2]\n"), &[]).0.len(), 1);
    assert!(parse(format!("{swept}\n[matrix]\nbatch = [2, 64]\n"), &[]).is_ok());
}

#[test]
fn one_image_is_enough_for_larger_maps_and_for_networks_that_only_teach() {
    let deep = |network: &'static str| {
        edited(&[("batch = 64", "batch = 1"), ("arch = \"resnet\"\ndepth = 8\nwidth = 4", network)])
    };
    assert!(parse(deep("arch = \"resnet\"\ndepth = 8\nwidth = 4"), &[]).is_ok(), "maps of 2x2 at the end");
    let shrinking = "arch = \"resnet\"\ndepth = 18\nwidth = 4\nstem = \"imagenet\"";
    insta::assert_snapshot!(text(&wrong(deep(shrinking), &[])));
    // A rest of one, which the default leaves out and `drop` too.
    for last in ["even", "drop"] {
        let set = format!("stages.net.last-batch={last}");
        assert!(parse(VECTOR, &[&set]).is_ok(), "{last}");
    }
    assert!(parse(VECTOR, &["stages.net.last-batch=smaller", "data.digits.limit=66"]).is_ok());
    // The student of a network with such normalizations has none.
    let taught = GOOD.replacen("depth = 8\nwidth = 4", "depth = 18\nwidth = 4\nstem = \"imagenet\"", 1).replacen(
        "teacher = \"teacher\"\n",
        "teacher = \"teacher\"\nbatch = 1\n",
        1,
    );
    assert!(parse(taught, &[]).is_ok());
}

const SP: &str = "{ kind = \"sp\", layers = [{ student = \"hidden1\", teacher = \"avgpool\" }] }";
const RKD: &str = "{ kind = \"rkd\", layers = [{ student = \"hidden1\", teacher = \"avgpool\" }] }";
const DIST: &str = "{ kind = \"dist\" }";

#[test]
fn what_compares_images_needs_two() {
    let told = [SP, RKD, DIST].map(|loss| text(&wrong(student(loss, "batch = 1"), &[])));
    let mixed =
        edited(&[("batch = 64", "batch = 1"), ("augment = [\"crop\"]", "augment = [\"crop\", { kind = \"mixup\" }]")]);
    insta::assert_snapshot!(told.concat() + text(&wrong(mixed, &[])).as_str());
    for loss in ["{ kind = \"dist\", gamma = 0 }", "{ kind = \"kd\" }", "{ kind = \"dkd\" }"] {
        assert!(parse(student(loss, "batch = 1"), &[]).is_ok(), "{loss}");
    }
    // 1,080 images are trained on.
    assert!(parse(student(DIST, "batch = 83"), &[]).is_ok());
    let rest = student(DIST, "batch = 83\nlast-batch = \"smaller\"");
    assert_eq!(wrong(rest, &[]).0.len(), 1, "1080 = 13 · 83 + 1");
}

/// Two images have one distance, which is divided by itself, and no angle; two numbers go up or down together.
#[test]
fn distances_angles_and_correlations_need_three() {
    let two = student(RKD, "batch = 2");
    let last = student(DIST, "batch = 98\nlast-batch = \"smaller\"");
    // Five images are one step of three and two that are left out, or two steps of two and one.
    let even = two
        .replace("batch = 2", "batch = 3")
        .replace("[data.digits]\n", "[data.digits]\nlimit = 5\n")
        .replace("validation = 0.2", "validation = 0.0");
    let even = even
        .replace("select = \"best\"\n", "")
        .replace("batch = 64", "batch = 5")
        .replace("from = \"pruned\"\n", "from = \"pruned\"\nbatch = 5\n");
    let few =
        even.replace("limit = 5", "limit = 2").replace("batch = 3", "batch = 2").replace("batch = 5", "batch = 2");
    let told = [two, last, even, few].map(|manifest| text(&wrong(manifest, &[])));
    insta::assert_snapshot!(told.concat());
    // Both need a step: the loss more of it.
    let both = student(RKD, "batch = 1\naugment = [{ kind = \"mixup\" }]");
    assert!(text(&wrong(both, &[])).contains("`rkd` compares the images of a step, and needs three"));
    for (loss, lines) in [(RKD, "batch = 3"), (DIST, "batch = 3"), (SP, "batch = 2")] {
        assert!(parse(student(loss, lines), &[]).is_ok(), "{loss} {lines}");
    }
    assert!(parse(student("{ kind = \"dist\", gamma = 0 }", "batch = 2"), &[]).is_ok());
    // In a sweep the one that is wrong.
    let swept = student(RKD, "batch = \"${matrix.batch}\"") + "\n[matrix]\nbatch = [2, 3]\n";
    assert_eq!(wrong(swept, &[]).0.len(), 1);
}

#[test]
fn words_that_are_none() {
    let cases =
        ["last-batch = \"pad\"", "last-batch = 3"].map(|line| text(&wrong(VECTOR.replace("batch = 64", line), &[])));
    insta::assert_snapshot!(cases.concat());
}
