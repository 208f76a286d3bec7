//! Losses on features: layers that are not there, are several, or cannot meet.

use super::{GOOD, edited, one_message_each, parse, text, wrong};

const KD: &str = "{ kind = \"kd\", temperature = 4, alpha = 0.9 }";

#[test]
fn layers_of_student_and_teacher() {
    let told = one_message_each(&[
        &[(KD, "{ kind = \"fitnet\" }")],
        &[(KD, "{ kind = \"fitnet\", layers = [] }")],
        &[(KD, "{ kind = \"fitnet\", layers = [\"hidden1\"] }")],
        &[(KD, "{ kind = \"fitnet\", layers = [{ student = \"hidden1\" }] }")],
        &[(KD, "{ kind = \"fitnet\", layers = [{ student = \"hidden2\", teacher = \"avgpool\" }] }")],
        &[(KD, "{ kind = \"rkd\", layers = [{ student = \"hidden1\", teacher = \"layer4.0.relu\" }] }")],
        &[(KD, "{ kind = \"sp\", layers = [{ student = \"hidden1\", teacher = \"layer*.relu\" }] }")],
        &[(KD, "{ kind = \"attention\", layers = [{ student = \"hidden1\", teacher = \"layer3.0.relu\" }] }")],
        &[(KD, "{ kind = \"fsp\", layers = [{ student = \"hidden1\", teacher = \"avgpool\" }] }")],
        &[(
            KD,
            "{ kind = \"fsp\", layers = [{ student = \"hidden1\", teacher = \"avgpool\" }, \
           { student = \"classifier\", teacher = \"fc\" }] }",
        )],
        &[(KD, "{ kind = \"dkd\", beta = -1 }")],
        &[(KD, "{ kind = \"dist\", layers = [] }")],
        &[("select = \"best\"", "losses = [{ kind = \"dkd\" }]")],
        &[(KD, "{ kind = \"mutual\" }")],
    ]);
    insta::assert_snapshot!(told);
}

/// A stage that goes on from another knows that one's layers.
#[test]
fn layers_of_a_student_that_is_gone_on_from() {
    let tuned = |student: &str, teacher: &str| {
        let to = format!(
            "from = \"pruned\"\nteacher = \"teacher\"\nepochs = 2\n\
             losses = [{{ kind = \"fitnet\", layers = [{{ student = \"{student}\", teacher = \"{teacher}\" }}] }}]"
        );
        GOOD.replacen("from = \"pruned\"\nepochs = 2", &to, 1)
    };
    assert!(parse(tuned("hidden1", "avgpool"), &[]).is_ok());
    let told = [("hidden7", "avgpool"), ("hidden1", "avgpol")].map(|(s, t)| text(&wrong(tuned(s, t), &[])));
    insta::assert_snapshot!(told.concat());
}

#[test]
fn maps_that_cannot_meet() {
    let lenet = edited(&[
        ("arch = \"mlp\"\nhidden = [32]", "arch = \"lenet\"\nhidden = [32]"),
        ("source = \"digits\"", "source = \"mnist\"\npath = \"p\""),
        (KD, "{ kind = \"vid\", layers = [{ student = \"conv2\", teacher = \"layer3.0.relu\" }] }"),
    ]);
    insta::assert_snapshot!(text(&wrong(lenet, &[])));
}

#[test]
fn connectors_and_channels_that_go() {
    let vid = "{ kind = \"vid\", layers = [{ student = \"hidden1\", teacher = \"avgpool\" }] }";
    let prune = |method: &str| {
        let losses = format!("losses = [{vid}]\nprune = {{ every = 1, method = {method} }}");
        GOOD.replacen(&format!("losses = [{KD}]"), &losses, 1)
    };
    insta::assert_snapshot!(text(&wrong(prune("{ kind = \"inactive\", layer = \"hidden1\" }"), &[])));
    assert!(parse(prune("{ kind = \"weights\", sparsity = 0.5 }"), &[]).is_ok());
}

/// What pruning leaves is not known before it has run.
#[test]
fn channels_of_a_pruned_student_are_left_to_the_stage() {
    let fsp = "losses = [{ kind = \"fsp\", layers = [{ student = \"hidden1\", teacher = \"avgpool\" }, \
               { student = \"hidden1\", teacher = \"avgpool\" }] }]";
    let tuned = |from: &str| {
        let to = format!("from = \"{from}\"\nteacher = \"teacher\"\n{fsp}\nepochs = 2");
        GOOD.replacen("from = \"pruned\"\nepochs = 2", &to, 1)
    };
    assert!(parse(tuned("pruned"), &[]).is_ok());
    assert!(parse(tuned("masked"), &[]).is_err());
}

#[test]
fn all_kinds_are_read() {
    let pair = "[{ student = \"hid*1\", teacher = \"avgpool\" }]";
    let kinds = ["fitnet", "sp", "vid", "rkd"].map(|kind| format!("{{ kind = \"{kind}\", layers = {pair} }}"));
    let others = [
        "kd\", standardize = true, smoothing = 0.1",
        "logits-mse\"",
        "dkd\", warmup = 0",
        "dist\", gamma = 2",
        "mutual\"",
    ]
    .map(|kind| format!("{{ kind = \"{kind} }}"));
    for loss in kinds.iter().chain(&others) {
        // A distill stage needs a loss that uses its teacher.
        let all = format!("{KD}, {loss}");
        assert!(parse(GOOD.replacen(KD, &all, 1), &[]).is_ok(), "{loss}");
    }
}
