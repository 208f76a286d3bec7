use super::*;
use crate::network::Shape;

mod torchvision;
mod training;

fn build(json: &str, input: [usize; 3], classes: usize) -> Result<Graph> {
    serde_json::from_str::<Architecture>(json).unwrap().build(input, classes)
}

#[test]
fn resnets_have_the_parameters_and_cost_of_the_paper() {
    for (depth, parameters) in [(20, 269_722), (32, 464_154), (56, 853_018), (110, 1_727_962)] {
        let graph = build(&format!(r#"{{"arch":"resnet","depth":{depth}}}"#), [32, 32, 3], 10).unwrap();
        assert_eq!(graph.parameter_count(), parameters, "depth {depth}");
    }
    let graph = build(r#"{"arch":"resnet","depth":20}"#, [32, 32, 3], 10).unwrap();
    // 40.55 M in convolutions and 640 in the classifier.
    assert_eq!(graph.macs(), 40_551_040);
    // Two 1x1 convolutions and their normalizations more.
    let projected = build(r#"{"arch":"resnet","depth":20,"shortcut":"projection"}"#, [32, 32, 3], 10).unwrap();
    assert_eq!(projected.parameter_count(), 269_722 + 16 * 32 + 64 + 32 * 64 + 128);
}

#[test]
fn densenets_for_small_images_have_the_parameters_of_the_paper() {
    let count = |depth: usize, bottleneck: bool, compression: f64| {
        let json = format!(
            r#"{{"arch":"densenet","depth":{depth},"growth":12,"bottleneck":{bottleneck},"compression":{compression}}}"#
        );
        build(&json, [32, 32, 3], 10).unwrap().parameter_count()
    };
    // The paper says 1.0 M and 0.8 M.
    assert_eq!(count(40, false, 1.0), 1_019_722);
    assert_eq!(count(100, true, 0.5), 769_162);
}

#[test]
fn any_network_can_be_written_out() {
    for json in FAMILIES {
        let graph = build(json, [32, 32, 3], 10).unwrap();
        let written = graph.layers.iter().map(|l| WrittenLayer::new(l.name.clone(), l.op.clone(), l.inputs.clone()));
        let written = Architecture::Graph { layers: written.collect(), input: None };
        let text = serde_json::to_string(&written).unwrap();
        assert!(!text.contains("in-channels") && !text.contains("in-features"), "{text}");
        let read: Architecture = serde_json::from_str(&text).unwrap();
        assert_eq!(read, written);
        assert_eq!(read.build([32, 32, 3], 10).unwrap(), graph, "{json}");
    }
    // Sizes that follow from the input may be written: they must be right, and are no part of what is written.
    let layer = |channels: usize| {
        let json = format!(
            r#"{{"name":"bn","op":"batch-norm","channels":{channels},"epsilon":1e-5,"momentum":0.1,"inputs":["input"]}}"#
        );
        let pool = r#"{"name":"pool","op":"global-average-pool","inputs":["bn"]}"#;
        serde_json::from_str::<Architecture>(&format!(r#"{{"arch":"graph","layers":[{json},{pool}]}}"#)).unwrap()
    };
    assert!(
        layer(3) == layer(4) && serde_json::to_string(&layer(3)).unwrap() == serde_json::to_string(&layer(4)).unwrap()
    );
    assert!(layer(3).build([8, 8, 3], 3).is_ok());
    insta::assert_snapshot!(layer(4).build([8, 8, 3], 3).unwrap_err(), @"layer `bn`: `channels` is 4, but its input has 3");
}

/// One of each family, and of each stem.
const FAMILIES: [&str; 12] = [
    r#"{"arch":"lenet"}"#,
    r#"{"arch":"resnet","depth":8,"width":4}"#,
    r#"{"arch":"resnet","depth":18,"width":4,"shortcut":"projection","stem":"cifar"}"#,
    r#"{"arch":"resnet","depth":50,"width":2,"shortcut":"pad","stem":"imagenet"}"#,
    r#"{"arch":"preact-resnet","depth":8,"width":4,"shortcut":"pad"}"#,
    r#"{"arch":"preact-resnet","depth":50,"width":4,"shortcut":"projection","stem":"imagenet"}"#,
    r#"{"arch":"vgg","depth":11,"width":4,"dropout":0.1}"#,
    r#"{"arch":"vgg","depth":11,"width":2,"classifier":"imagenet","dropout":0.5}"#,
    r#"{"arch":"densenet","depth":13,"growth":4,"bottleneck":false,"compression":1.0}"#,
    r#"{"arch":"densenet","depth":16,"growth":4,"bottleneck":true,"compression":0.5}"#,
    r#"{"arch":"mobilenet-v2","width":0.25,"dropout":0.2,"stem":"cifar"}"#,
    r#"{"arch":"efficientnet","width":0.25,"depth":0.5,"dropout":0.2,"stochastic-depth":0.2,"stem":"imagenet"}"#,
];

#[test]
fn stems_make_the_image_smaller_as_said() {
    // The size of the map that the last pooling reads.
    let last_map = |json: &str| {
        let graph = build(json, [64, 64, 3], 10).unwrap();
        let shapes = graph.shapes().unwrap();
        let mut maps = shapes.iter().filter_map(|shape| match shape {
            Shape::Map { height, .. } if *height > 1 => Some(*height),
            _ => None,
        });
        maps.next_back().unwrap()
    };
    let sizes: Vec<usize> = FAMILIES[1..].iter().map(|json| last_map(json)).collect();
    assert_eq!(sizes, [16, 8, 2, 16, 2, 2, 7, 16, 16, 8, 2]);
}

#[test]
fn every_architecture_takes_digits_mnist_and_cifar() {
    for input in [[8, 8, 1], [28, 28, 1], [32, 32, 3]] {
        for json in [
            r#"{"arch":"mlp","hidden":[32,16]}"#,
            r#"{"arch":"mlp","hidden":[]}"#,
            r#"{"arch":"lenet"}"#,
            r#"{"arch":"resnet","depth":8}"#,
            r#"{"arch":"resnet","depth":14,"width":4,"shortcut":"projection"}"#,
        ] {
            assert_eq!(build(json, input, 7).unwrap().classes(), 7, "{json} {input:?}");
        }
    }
    // LeNet-5 on 28x28: 156 + 2,416 + 48,120 + 10,164 + 850.
    assert_eq!(build(r#"{"arch":"lenet"}"#, [28, 28, 1], 10).unwrap().parameter_count(), 61_706);
}

#[test]
fn layers_are_named_as_agreed() {
    let names = |json: &str, part: &str| {
        let graph = build(json, [8, 8, 1], 10).unwrap();
        let names = graph.layers.iter().map(|layer| layer.name.clone()).filter(|name| name.contains(part));
        names.collect::<Vec<_>>().chunks(5).map(|names| names.join(" ")).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(names(r#"{"arch":"mlp","hidden":[32,16]}"#, ""), @r#"
        flatten hidden1 hidden1.relu hidden2 hidden2.relu
        classifier
        "#);
    insta::assert_snapshot!(names(r#"{"arch":"lenet","hidden":[9]}"#, ""), @r#"
        conv1 conv1.relu pool1 conv2 conv2.relu
        pool2 flatten hidden1 hidden1.relu classifier
        "#);
    insta::assert_snapshot!(names(r#"{"arch":"resnet","depth":8}"#, ""), @r#"
        conv1 bn1 relu layer1.0.conv1 layer1.0.bn1
        layer1.0.relu1 layer1.0.conv2 layer1.0.bn2 layer1.0.add layer1.0.relu
        layer2.0.conv1 layer2.0.bn1 layer2.0.relu1 layer2.0.conv2 layer2.0.bn2
        layer2.0.downsample layer2.0.add layer2.0.relu layer3.0.conv1 layer3.0.bn1
        layer3.0.relu1 layer3.0.conv2 layer3.0.bn2 layer3.0.downsample layer3.0.add
        layer3.0.relu avgpool fc
        "#);
    insta::assert_snapshot!(names(r#"{"arch":"resnet","depth":8,"shortcut":"projection"}"#, "layer2"), @r#"
        layer2.0.conv1 layer2.0.bn1 layer2.0.relu1 layer2.0.conv2 layer2.0.bn2
        layer2.0.downsample.0 layer2.0.downsample.1 layer2.0.add layer2.0.relu
        "#);
}

#[test]
fn what_cannot_be_built_is_told() {
    let max = usize::MAX;
    let error = |json: &str, input, classes| build(json, input, classes).unwrap_err().to_string();
    let errors = [
        error(r#"{"arch":"mlp","hidden":[32,0]}"#, [8, 8, 1], 10),
        error(r#"{"arch":"mlp","hidden":[]}"#, [max, 8, 1], 10),
        error(&format!(r#"{{"arch":"mlp","hidden":[{max}]}}"#), [8, 8, 1], 10),
        error(r#"{"arch":"lenet"}"#, [3, 8, 1], 10),
        error(r#"{"arch":"lenet","channels":[0,1]}"#, [8, 8, 1], 10),
        error(r#"{"arch":"resnet","depth":18}"#, [8, 8, 1], 10),
        error(&format!(r#"{{"arch":"resnet","depth":{max}}}"#), [8, 8, 1], 10),
        error(&format!(r#"{{"arch":"resnet","depth":8,"width":{max}}}"#), [8, 8, 1], 10),
        error(r#"{"arch":"resnet","depth":8}"#, [8, 8, 1], 0),
        error(r#"{"arch":"resnet","depth":20,"stem":"cifar"}"#, [8, 8, 1], 10),
        error(r#"{"arch":"preact-resnet","depth":50,"width":0,"shortcut":"pad"}"#, [8, 8, 1], 10),
        error(r#"{"arch":"vgg","depth":12,"dropout":0}"#, [32, 32, 1], 10),
        error(r#"{"arch":"vgg","depth":11,"dropout":0}"#, [28, 28, 1], 10),
        error(r#"{"arch":"vgg","depth":11,"dropout":1}"#, [32, 32, 1], 10),
        error(r#"{"arch":"densenet","depth":40,"growth":12,"bottleneck":true,"compression":1}"#, [3, 8, 1], 10),
        error(r#"{"arch":"densenet","depth":41,"growth":12,"bottleneck":false,"compression":1}"#, [8, 8, 1], 10),
        error(r#"{"arch":"densenet","depth":43,"growth":12,"bottleneck":true,"compression":1}"#, [8, 8, 1], 10),
        error(r#"{"arch":"densenet","depth":40,"growth":12,"bottleneck":false,"compression":0}"#, [8, 8, 1], 10),
        error(
            r#"{"arch":"densenet","depth":121,"growth":12,"bottleneck":false,"compression":1,"stem":"cifar"}"#,
            [64, 64, 3],
            10,
        ),
        error(
            r#"{"arch":"densenet","depth":120,"growth":12,"bottleneck":true,"compression":1,"stem":"cifar"}"#,
            [64, 64, 3],
            10,
        ),
        error(
            r#"{"arch":"densenet","depth":121,"growth":12,"bottleneck":true,"compression":0.5,"stem":"imagenet"}"#,
            [28, 32, 3],
            10,
        ),
        error(r#"{"arch":"mobilenet-v2","width":0,"dropout":0,"stem":"cifar"}"#, [8, 8, 1], 10),
        error(
            r#"{"arch":"efficientnet","width":1,"depth":1e9,"dropout":0,"stochastic-depth":0,"stem":"cifar"}"#,
            [8, 8, 1],
            10,
        ),
        error(r#"{"arch":"graph","layers":[]}"#, [8, 8, 1], 10),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r#"
        hidden is [32, 0], but no size may be 0
        18446744073709551615x8x1 is too large
        layer `hidden1`: its output, or a tensor of it, is empty or too large
        an image of 3x8 is too small for lenet, which needs 4x4
        channels is [0, 1], but no size may be 0
        a resnet of depth 18: the depth is 6n + 2, from 8 to 1202
        a resnet of depth 18446744073709551615: the depth is 6n + 2, from 8 to 1202
        width is 18446744073709551615, which is too wide
        a network of 0 classes for images of [8, 8, 1]: no size may be 0
        a resnet of depth 20 with a stem: the depth is 18, 34, 50, 101 or 152
        width is [0], but no size may be 0
        a vgg of depth 12: the depth is 11, 13, 16 or 19
        an image of 28x28 is too small for vgg, which needs 32x32
        layer `dropout`: the rate is 1, but must be from 0 to below 1
        an image of 3x8 is too small for densenet, which needs 4x4
        a densenet of depth 41 without bottlenecks: the depth is 3n + 4, from 7 to 1000
        a densenet of depth 43 with bottlenecks: the depth is 6n + 4, from 10 to 1000
        compression is 0, but must be above 0 and at most 1
        a densenet of depth 121 has bottlenecks
        a densenet of depth 120 with a stem: the depth is 121, 169 or 201
        an image of 28x32 is too small for densenet, which needs 29x29
        width is 0, but a multiplier is above 0 and at most 16
        depth is 1000000000, but a multiplier is above 0 and at most 16
        a network without layers
        "#);
}

#[test]
fn the_serialized_form_has_every_setting_and_unknown_ones_are_refused() {
    let json = |text: &str| serde_json::to_string(&serde_json::from_str::<Architecture>(text).unwrap()).unwrap();
    insta::assert_snapshot!(json(r#"{"arch":"lenet"}"#), @r#"{"arch":"lenet","channels":[6,16],"hidden":[120,84]}"#);
    insta::assert_snapshot!(json(r#"{"arch":"resnet","depth":20}"#), @r#"{"arch":"resnet","depth":20,"width":16,"shortcut":"pad"}"#);
    let error = serde_json::from_str::<Architecture>(r#"{"arch":"resnet","depth":20,"widht":8}"#).unwrap_err();
    insta::assert_snapshot!(error, @"unknown field `widht`, expected one of `depth`, `width`, `shortcut`, `stem`");
}
