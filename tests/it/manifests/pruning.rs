//! Mistakes in pruning methods, and what is allowed but probably not meant.

use super::{Edit, GOOD, edited, one_message_each, parse, text, wrong};
use pleach::manifest::diagnostic::render;

/// The method of `masked` in [`GOOD`].
const MASKED: &str = "method = { kind = \"weights\", sparsity = 0.5 }";

#[test]
fn channel_pruning() {
    let told = one_message_each(&[
        &[(MASKED, "method = { kind = \"channels\" }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.5, macs = 0.5 }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.5, macs = 0.5, parameters = 0.5 }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 1 }")],
        &[(MASKED, "method = { kind = \"channels\", macs = 1 }")],
        &[(MASKED, "method = { kind = \"channels\", parameters = 0 }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = \"half\" }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.5, scope = \"everywhere\" }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.5, criterion = \"l3\" }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.5, criterion = \"taylor\" }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.5, criterion = \"bn-scale\" }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.5, round-to = 0 }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.5, minimum = 2 }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.5, steps = 0 }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.5, images = 0 }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.5, rounds = 3 }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.5, ignore = \"hidden1\" }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.5, ignore = [1] }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.5, ignore = [\"hiden*\"] }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.5, ignore = [\"hidden*\"] }")],
        &[(MASKED, "method = { kind = \"channels\", layers = 0.5 }")],
        &[(MASKED, "method = { kind = \"channels\", layers = {} }")],
        &[(MASKED, "method = { kind = \"channels\", layers = { hidden1 = 1.5 } }")],
        &[(MASKED, "method = { kind = \"channels\", layers = { hiden1 = 0.5 } }")],
        &[(MASKED, "method = { kind = \"channels\", layers = { classifier = 0.5 } }")],
        &[("select = \"best\"", "prune = { every = 3, method = { kind = \"channels\", ratio = 0.5, steps = 2 } }")],
        &[("select = \"best\"", "prune = { every = 5, method = { kind = \"channels\", ratio = 0.5 } }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.5, ignore = [\"hidden1\", \"hidden1\"] }")],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.8, minimum = 0.5 }")],
        &[(MASKED, "method = { kind = \"channels\", layers = { hidden1 = 0.8 }, minimum = 0.5 }")],
        &[
            (MASKED, "data = \"digits\"\nmethod = { kind = \"channels\", ratio = 0.5, criterion = \"apoz\" }"),
            SMOOTH,
            ("layer = \"hidden1\"", "layer = \"hidden1\", threshold = 0.1"),
        ],
        &[("select = \"best\"", "prune = { every = 2, method = { kind = \"inactive\", layer = \"fc\" } }")],
        &[("select = \"best\"", "prune = { every = 2, method = { kind = \"inactive\", layer = \"bn1\" } }")],
    ]);
    insta::assert_snapshot!(told);
}

/// [`GOOD`]'s small network without ReLU.
const SMOOTH: Edit = (
    "arch = \"mlp\"\nhidden = [32]",
    "arch = \"graph\"\nlayers = [{ name = \"flatten\", op = \"flatten\" }, { name = \"hidden1\", op = \"linear\", \
     out-features = 32 }, { name = \"silu\", op = \"silu\" }, { name = \"classifier\", op = \"linear\", out-features = 10 }]",
);

/// A threshold of its own makes units of a smooth activation inactive, and so nothing is wrong.
#[test]
fn what_is_not_needed_and_not_wrong() {
    for edits in [
        &[(MASKED, "data = \"digits\"\nmethod = { kind = \"weights\", sparsity = 0.5 }")][..],
        &[("layer = \"hidden1\"", "layer = \"hidden1\", threshold = 0.1"), SMOOTH],
        &[(MASKED, "method = { kind = \"channels\", ratio = 0.7, minimum = 0.3 }")],
    ] {
        assert!(parse(edited(edits), &[]).is_ok_and(|manifest| manifest.warnings.is_empty()), "{edits:?}");
    }
}

#[test]
fn a_number_that_no_layer_is_as_wide_as() {
    const WIDER: &str = "method = { kind = \"channels\", ratio = 0.5, round-to = 64 }";
    const AS_WIDE: &str = "method = { kind = \"channels\", ratio = 0.5, round-to = 32 }";
    let manifest = parse(edited(&[(MASKED, WIDER)]), &[]).map_err(|_| "refused").unwrap();
    let told = render(&manifest.warnings, &manifest.sources, false);
    assert!(told.contains("warning: nothing goes with `round-to = 64`"), "{told}");
    assert!(told.contains("every layer of the network of `student` whose channels"), "{told}");
    assert!(parse(edited(&[(MASKED, AS_WIDE)]), &[]).is_ok_and(|manifest| manifest.warnings.is_empty()));
}

#[test]
fn a_network_without_channels_is_named() {
    let method = (MASKED, "method = { kind = \"channels\", ratio = 0.5 }");
    let linear = "arch = \"graph\"\nlayers = [{ name = \"flatten\", op = \"flatten\" }, { name = \"classifier\", op = \
                  \"linear\", out-features = 10 }]";
    let told = text(&wrong(edited(&[method, (SMOOTH.0, linear)]), &[]));
    assert!(told.contains("no channel of the network of `student` can be removed"), "{told}");
}

/// Without ReLU nothing falls silent by itself, but a penalty may bring a unit to zero.
#[test]
fn units_that_are_seldom_inactive() {
    let told = ["measure = \"zeros\"", "measure = \"mean\""].map(|measure| {
        let text = edited(&[SMOOTH]).replacen("layer = \"hidden1\"", &format!("layer = \"hidden1\", {measure}"), 1);
        let manifest = parse(text, &[]).map_err(|_| "refused").unwrap();
        render(&manifest.warnings, &manifest.sources, false)
    });
    insta::assert_snapshot!(told.concat());
}

/// The last convolution of each block has nothing behind it.
#[test]
fn zeros_that_only_some_layers_have() {
    let text = edited(&[
        ("arch = \"resnet\"\ndepth = 8\nwidth = 4", "arch = \"mobilenet-v2\""),
        (MASKED, "data = \"digits\"\nmethod = { kind = \"channels\", ratio = 0.5, criterion = \"apoz\" }"),
    ]);
    let text = text.replace(
        "[stages.masked]\nkind = \"prune\"\nfrom = \"student\"",
        "[stages.masked]\nkind = \"prune\"\nfrom = \"teacher\"",
    );
    let manifest = parse(text, &[]).map_err(|_| "refused").unwrap();
    insta::assert_snapshot!(render(&manifest.warnings, &manifest.sources, false));
}

#[test]
fn channels_of_any_layer_but_the_last_can_go() {
    for layers in ["ratio = 0.5", "layers = { conv1 = 0.5 }", "macs = 0.5, criterion = \"bn-scale\""] {
        let method = format!("from = \"teacher\"\nmethod = {{ kind = \"channels\", {layers} }}");
        let manifest = GOOD.replace(&format!("from = \"student\"\n{MASKED}"), &method);
        assert!(parse(&manifest, &[]).is_ok(), "{layers}");
    }
}

#[test]
fn weight_pruning() {
    const PLACE: &str = "select = \"best\"";
    let told = one_message_each(&[
        &[(MASKED, "method = { kind = \"weights\", sparsity = 0.5, scope = \"layer\" }")],
        &[(MASKED, "method = { kind = \"weights\", sparsity = 0.5, criterion = \"fpgm\" }")],
        &[(MASKED, "method = { kind = \"weights\", sparsity = 0.5, criterion = \"snip\" }")],
        &[(MASKED, "method = { kind = \"weights\", sparsity = 0.5, steps = 0 }")],
        &[(MASKED, "method = { kind = \"weights\", sparsity = 0.5, ignore = [\"hiden1\"] }")],
        &[(MASKED, "method = { kind = \"weights\", sparsity = 0.5, ignore = [\"*\"] }")],
        &[(MASKED, "method = { kind = \"weights\", sparsity = 0.5, layers = { \"fc*\" = 0.5 } }")],
        &[(MASKED, "method = { kind = \"weights\", sparsity = 0.5, layers = { hidden1 = 1.5 } }")],
        &[(MASKED, "method = { kind = \"weights\", sparsity = 0.5, layers = { hidden1 = 0.9999 } }")],
        &[(MASKED, "method = { kind = \"weights\", sparsity = 0.9999, scope = \"lamp\" }")],
        &[(MASKED, "method = { kind = \"weights\", sparsity = 0.8, minimum = 0.5 }")],
        &[(MASKED, "method = { kind = \"weights\", sparsity = 0.2, layers = { hidden1 = 0.8 }, minimum = 0.5 }")],
        &[(MASKED, "method = { kind = \"weights\", sparsity = 0.2, minimum = 2 }")],
        &[(MASKED, "method = { kind = \"surgery\" }")],
        &[(MASKED, "method = { kind = \"rigl\", sparsity = 0.5 }")],
        &[(PLACE, "prune = { method = { kind = \"rigl\" } }")],
        &[(PLACE, "prune = { method = { kind = \"rigl\", sparsity = 0.5, scope = \"global\" } }")],
        &[(PLACE, "prune = { method = { kind = \"rigl\", sparsity = 0.5, every-steps = 0 } }")],
        &[(PLACE, "prune = { method = { kind = \"rigl\", sparsity = 0.5, alpha = 2 } }")],
        &[(PLACE, "prune = { method = { kind = \"rigl\", sparsity = 0.5, ignore = [\"nowhere\"] } }")],
        &[(PLACE, "prune = { method = { kind = \"rigl\", sparsity = 0.8, minimum = 0.5 } }")],
        &[(PLACE, "prune = { method = { kind = \"surgery\", c = \"0\" } }")],
        &[(PLACE, "prune = { method = { kind = \"surgery\", c = inf } }")],
        &[(PLACE, "prune = { method = { kind = \"surgery\", gamma = -1 } }")],
        &[(PLACE, "prune = { every = 2, method = { kind = \"surgery\" } }")],
        &[(PLACE, "prune = { method = { kind = \"surgery\" }, schedule = { kind = \"agp\", end = 2 } }")],
        &[(
            PLACE,
            "prune = { method = { kind = \"weights\", sparsity = 0.5 }, schedule = { kind = \"linear\", end = 2 } }",
        )],
        &[(PLACE, "prune = { method = { kind = \"weights\", sparsity = 0.5 }, schedule = { kind = \"agp\" } }")],
        &[(
            PLACE,
            "prune = { method = { kind = \"weights\", sparsity = 0.5 }, schedule = { kind = \"agp\", end = 2, begin = 2 } }",
        )],
        &[(
            PLACE,
            "prune = { method = { kind = \"weights\", sparsity = 0.5 }, schedule = { kind = \"agp\", end = 2, initial = 0.6 } }",
        )],
        &[(
            PLACE,
            "prune = { method = { kind = \"weights\", sparsity = 0.5 }, schedule = { kind = \"agp\", end = 5 } }",
        )],
        &[(
            PLACE,
            "prune = { every = 3, method = { kind = \"weights\", sparsity = 0.5 }, schedule = { kind = \"agp\", end = 4 } }",
        )],
        &[(
            PLACE,
            "prune = { method = { kind = \"inactive\", layer = \"layer1.0.conv1\" }, schedule = { kind = \"agp\", end = 2 } }",
        )],
    ]);
    insta::assert_snapshot!(told);
}
