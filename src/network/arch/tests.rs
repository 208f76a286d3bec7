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
    let names = |json: &str| {
        let graph = build(json, [8, 8, 1], 10).unwrap();
        graph.layers.iter().map(|layer| layer.name.clone()).collect::<Vec<_>>().join(" ")
    };
    insta::assert_snapshot!(names(r#"{"arch":"mlp","hidden":[32,16]}"#), @"");
    insta::assert_snapshot!(names(r#"{"arch":"lenet","hidden":[9]}"#), @"");
    insta::assert_snapshot!(names(r#"{"arch":"resnet","depth":8}"#), @"");
    insta::assert_snapshot!(names(r#"{"arch":"resnet","depth":8,"shortcut":"projection"}"#), @"");
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
    insta::assert_snapshot!(errors.join("\n"), @"");
}

#[test]
fn the_serialized_form_has_every_setting_and_unknown_ones_are_refused() {
    let json = |text: &str| serde_json::to_string(&serde_json::from_str::<Architecture>(text).unwrap()).unwrap();
    insta::assert_snapshot!(json(r#"{"arch":"lenet"}"#), @"");
    insta::assert_snapshot!(json(r#"{"arch":"resnet","depth":20}"#), @"");
    let error = serde_json::from_str::<Architecture>(r#"{"arch":"resnet","depth":20,"widht":8}"#).unwrap_err();
    insta::assert_snapshot!(error, @"");
}
