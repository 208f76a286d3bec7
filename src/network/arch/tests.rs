use super::*;

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
    ];
    insta::assert_snapshot!(errors.join("\n"), @r#"
        hidden is [32, 0], but no size may be 0
        18446744073709551615x8x1 is too large
        layer `hidden1`: its output, or a tensor of it, is empty or too large
        an image of 3x8 is too small for lenet, which needs 4x4
        channels is [0, 1], but no size may be 0
        a resnet of depth 18: the depth is 6n + 2, from 8 to 1202
        a resnet of depth 18446744073709551615: the depth is 6n + 2, from 8 to 1202
        a resnet of width 18446744073709551615 is too wide
        a network of 0 classes for images of [8, 8, 1]: no size may be 0
        "#);
}

#[test]
fn the_serialized_form_has_every_setting_and_unknown_ones_are_refused() {
    let json = |text: &str| serde_json::to_string(&serde_json::from_str::<Architecture>(text).unwrap()).unwrap();
    insta::assert_snapshot!(json(r#"{"arch":"lenet"}"#), @r#"{"arch":"lenet","channels":[6,16],"hidden":[120,84]}"#);
    insta::assert_snapshot!(json(r#"{"arch":"resnet","depth":20}"#), @r#"{"arch":"resnet","depth":20,"width":16,"shortcut":"pad"}"#);
    let error = serde_json::from_str::<Architecture>(r#"{"arch":"resnet","depth":20,"widht":8}"#).unwrap_err();
    insta::assert_snapshot!(error, @"unknown field `widht`, expected one of `depth`, `width`, `shortcut`");
}
