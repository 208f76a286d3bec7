//! Every architecture: what it is after defaults, and what is said when it is wrong.

use pleach::manifest::NetworkSource;

use super::{edited, one_message_each, parse};

const DEEP: &str = "arch = \"resnet\"\ndepth = 8\nwidth = 4";

/// The network as it is in keys.
fn read(network: &'static str) -> String {
    let manifest = parse(edited(&[(DEEP, network)]), &[]).unwrap_or_else(|_| panic!("{network} is refused"));
    let NetworkSource::Architecture(architecture) = &manifest.networks["deep"].network else { panic!("{network}") };
    serde_json::to_string(architecture).unwrap()
}

/// What is said about each of these in place of the deep network.
fn told(networks: &[&'static str]) -> String {
    let edits: Vec<[super::Edit; 1]> = networks.iter().map(|network| [(DEEP, *network)]).collect();
    let cases: Vec<&[super::Edit]> = edits.iter().map(|edit| &edit[..]).collect();
    one_message_each(&cases)
}

#[test]
fn defaults_are_filled_in() {
    let read: Vec<String> = [
        "arch = \"resnet\"\ndepth = 20",
        "arch = \"resnet\"\ndepth = 18",
        "arch = \"resnet\"\ndepth = 50\nwidth = 8\nstem = \"imagenet\"\nshortcut = \"pad\"",
        "arch = \"preact-resnet\"\ndepth = 20\nshortcut = \"projection\"",
        "arch = \"preact-resnet\"\ndepth = 34",
        "arch = \"densenet\"\ndepth = 40",
        "arch = \"densenet\"\ndepth = 100\nbottleneck = true\ncompression = 0.25",
        "arch = \"densenet\"\ndepth = 121\ngrowth = 8",
        "arch = \"mobilenet-v2\"",
        "arch = \"mobilenet-v2\"\nwidth = 0.5\ndropout = 0\nstem = \"imagenet\"",
        "arch = \"efficientnet\"",
        "arch = \"efficientnet\"\nvariant = \"b3\"",
        "arch = \"efficientnet\"\nvariant = \"b1\"\nwidth = 0.5\nstochastic-depth = 0",
        GRAPH,
    ]
    .into_iter()
    .map(read)
    .collect();
    insta::assert_snapshot!(read.join("\n"));
}

const GRAPH: &str = r#"arch = "graph"
layers = [
    { name = "conv1", op = "convolution", out-channels = 4, kernel = 3 },
    { name = "bn1", op = "batch-norm" },
    { name = "act1", op = "hard-swish" },
    { name = "conv2", op = "convolution", out-channels = 4, kernel = [3, 5], groups = 4, dilation = 2, bias = false },
    { name = "sum", op = "add", inputs = ["conv2", "act1"] },
    { name = "gate", op = "sigmoid" },
    { name = "product", op = "multiply", inputs = ["sum", "gate"] },
    { name = "both", op = "concatenate", inputs = ["product", "conv1"] },
    { name = "pool1", op = "max-pool", kernel = 2 },
    { name = "pool2", op = "average-pool", kernel = 3, stride = 1, padding = 1 },
    { name = "drop", op = "dropout", rate = 0.1 },
    { name = "skip", op = "stochastic-depth", rate = 0.1 },
    { name = "short", op = "pad-shortcut", stride = 2, out-channels = 12 },
    { name = "pool3", op = "adaptive-average-pool", output = 1 },
    { name = "flat", op = "flatten" },
    { name = "hidden", op = "linear", out-features = 7 },
    { name = "relu6", op = "relu6" },
    { name = "fc", op = "linear", out-features = 10, bias = false },
]"#;

#[test]
fn families() {
    insta::assert_snapshot!(told(&[
        "arch = \"resnet\"\ndepth = 8\nstem = \"imagenet\"",
        "arch = \"resnet\"\ndepth = 18\nstem = \"cifar-10\"",
        "arch = \"preact-resnet\"\ndepth = 9",
        "arch = \"vgg\"",
        "arch = \"vgg\"\ndepth = 12",
        "arch = \"vgg\"\ndepth = 20",
        "arch = \"vgg\"\ndepth = 11\nclassifier = \"linear\"",
        "arch = \"vgg\"\ndepth = 11",
        "arch = \"densenet\"\ndepth = 41",
        "arch = \"densenet\"\ndepth = 43\nbottleneck = true",
        "arch = \"densenet\"\ndepth = 121\nbottleneck = false",
        "arch = \"densenet\"\ndepth = 40\nstem = \"cifar\"",
        "arch = \"densenet\"\ndepth = 40\ncompression = 0",
        "arch = \"densenet\"\ndepth = 40\ngrowth = 0",
        "arch = \"densenet\"\ndepth = 121\nstem = \"imagenet\"",
        "arch = \"mobilenet-v2\"\nwidth = 0",
        "arch = \"mobilenet-v2\"\ndropout = 1",
        "arch = \"mobilenet-v3\"",
        "arch = \"efficientnet\"\nvariant = \"b4\"",
        "arch = \"efficientnet\"\ndepth = 17",
        "arch = \"efficientnet\"\nstochastic-depth = 1.0",
    ]));
}

#[test]
fn written_layers() {
    insta::assert_snapshot!(told(&[
        "arch = \"graph\"",
        "arch = \"graph\"\nlayers = []",
        "arch = \"graph\"\nlayers = [3]",
        "arch = \"graph\"\nlayers = [{ op = \"flatten\" }]",
        "arch = \"graph\"\nlayers = [{ name = \"a\" }]",
        "arch = \"graph\"\nlayers = [{ name = \"a\", op = \"flaten\" }]",
        "arch = \"graph\"\nlayers = [{ name = \"a\", op = \"linear\" }]",
        "arch = \"graph\"\nlayers = [{ name = \"a\", op = \"linear\", out-features = 0 }]",
        "arch = \"graph\"\nlayers = [{ name = \"a\", op = \"max-pool\" }]",
        "arch = \"graph\"\nlayers = [{ name = \"a\", op = \"max-pool\", kernel = [1, 2, 3] }]",
        "arch = \"graph\"\nlayers = [{ name = \"a\", op = \"max-pool\", kernel = [1, 0] }]",
        "arch = \"graph\"\nlayers = [{ name = \"a\", op = \"max-pool\", kernel = [1, \"b\"] }]",
        "arch = \"graph\"\nlayers = [{ name = \"a\", op = \"dropout\" }]",
        "arch = \"graph\"\nlayers = [{ name = \"a\", op = \"dropout\", rate = 1 }]",
        "arch = \"graph\"\nlayers = [{ name = \"a\", op = \"flatten\", inputs = \"input\" }]",
        "arch = \"graph\"\nlayers = [{ name = \"a\", op = \"flatten\", inputs = [1] }]",
        // What only the images tell.
        "arch = \"graph\"\nlayers = [\n  { name = \"a\", op = \"flatten\" },\n  { name = \"b\", op = \"linear\", out-features = 10, in-features = 63 },\n]",
        "arch = \"graph\"\nlayers = [\n  { name = \"a\", op = \"flatten\" },\n  { name = \"b\", op = \"linear\", out-features = 7 },\n]",
        "arch = \"graph\"\nlayers = [\n  { name = \"a\", op = \"max-pool\", kernel = 9 },\n  { name = \"b\", op = \"flatten\" },\n]",
        "arch = \"graph\"\nlayers = [\n  { name = \"a\", op = \"flatten\", inputs = [\"b\"] },\n  { name = \"b\", op = \"flatten\" },\n]",
        "arch = \"graph\"\nlayers = [\n  { name = \"a\", op = \"flatten\" },\n  { name = \"b\", op = \"linear\", out-features = 3 },\n  { name = \"c\", op = \"linear\", out-features = 10, inputs = [\"a\"] },\n]",
        "arch = \"graph\"\nlayers = [\n  { name = \"a\", op = \"flatten\" },\n  { name = \"a\", op = \"linear\", out-features = 10 },\n]",
        "arch = \"graph\"\nlayers = [\n  { name = \"a b\", op = \"flatten\" },\n  { name = \"c\", op = \"linear\", out-features = 10 },\n]",
        "arch = \"graph\"\nlayers = [\n  { name = \"a\", op = \"flatten\" },\n  { name = \"b\", op = \"convolution\", out-channels = 10, kernel = 1 },\n]",
        "arch = \"graph\"\nlayers = [\n  { name = \"a\", op = \"relu\" },\n]",
    ]));
}

/// The section of a named network has the place too, and a stage's own network has its own.
#[test]
fn a_written_layer_has_its_place_in_a_stage_too() {
    insta::assert_snapshot!(one_message_each(&[&[(
        "network = \"deep\"",
        "network = { arch = \"graph\", layers = [{ name = \"a\", op = \"flatten\" }, { name = \"b\", op = \"relu\" }] }"
    )]]));
}

#[test]
fn a_name_with_its_size_is_told_apart() {
    for (written, hint) in [
        ("resnet18", "write `arch = \"resnet\"` and `depth = 18`"),
        ("ResNet-50", "write `arch = \"resnet\"` and `depth = 50`"),
        ("vgg16", "write `arch = \"vgg\"` and `depth = 16`"),
        ("densenet_121", "write `arch = \"densenet\"` and `depth = 121`"),
        ("efficientnet_b0", "write `arch = \"efficientnet\"` and `variant = \"b0\"`"),
        ("mobilenet_v2", "did you mean `mobilenet-v2`?"),
        ("resnt", "did you mean `resnet`?"),
    ] {
        let wrong = super::GOOD.replacen(DEEP, &format!("arch = \"{written}\""), 1);
        let told = super::text(&super::wrong(wrong, &[]));
        assert!(told.contains(&format!("= help: {hint}")), "{written}: {told}");
        assert_eq!(told.matches("error: ").count(), 1, "{told}");
    }
}
