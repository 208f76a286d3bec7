//! Mistakes in `penalties`.

use super::{Edit, edited, one_message_each, parse};

const OLD: &str = "{ kind = \"l1\", layer = \"hidden*\", strength = 1e-4 }";

#[test]
fn penalties_must_find_what_they_look_at() {
    let cases: &[&[Edit]] = &[
        &[(OLD, "{ kind = \"l2\", strength = 1e-4 }")],
        &[(OLD, "{ kind = \"bn-l1\", strength = 1e-4 }")],
        &[(OLD, "{ kind = \"group-lasso\", layer = \"output\", strength = 1e-4 }")],
        &[(OLD, "{ kind = \"sparse-group-lasso\", layer = \"hiden1\", strength = 1e-4 }")],
        &[("select = \"best\"", "penalties = [{ kind = \"polarization\", layer = \"bn9*\", strength = 1e-4 }]")],
        &[("select = \"best\"", "penalties = [{ kind = \"bn-l1\", layer = \"layer1.0.bn\", strength = 1e-4 }]")],
    ];
    insta::assert_snapshot!(one_message_each(cases));
}

#[test]
fn penalties_need_their_numbers() {
    let cases: &[&[Edit]] = &[
        &[("select = \"best\"", "penalties = [{ kind = \"bn-l1\" }]")],
        &[(OLD, "{ kind = \"group-lasso\", strength = -1 }")],
        &[(OLD, "{ kind = \"sparse-group-lasso\", strength = 1, proximal = 1 }")],
        &[(OLD, "{ kind = \"growing\" }")],
        &[("select = \"best\"", "penalties = [{ kind = \"polarization\", strength = 1, t = 1.2 }]")],
    ];
    insta::assert_snapshot!(one_message_each(cases));
}

#[test]
fn what_has_grown_for_a_channel_cannot_lose_the_channel() {
    let prune =
        "epochs = 3\nprune = { every = 2, method = { kind = \"inactive\", layer = \"hidden1\" } }\n\n[stages.pruned]";
    let cases: &[&[Edit]] =
        &[&[(OLD, "{ kind = \"growing\", delta = 1e-4 }"), ("epochs = 3\n\n[stages.pruned]", prune)]];
    insta::assert_snapshot!(one_message_each(cases));
    // Masks take no channel away.
    for keys in [
        "penalties = [{ kind = \"growing\", delta = 1 }]\nprune = { method = { kind = \"weights\", sparsity = 0.5 } }",
        "penalties = [{ kind = \"growing\", delta = 1 }]\nprune = { method = { kind = \"surgery\" } }",
        "penalties = [{ kind = \"growing\", delta = 1 }]\nprune = { method = { kind = \"rigl\", sparsity = 0.5 } }",
    ] {
        assert!(parse(edited(&[("select = \"best\"", keys)]), &[]).is_ok(), "{keys}");
    }
}

#[test]
fn every_penalty_can_be_written() {
    let penalties = "penalties = [{ kind = \"l1\", strength = 1 }, { kind = \"activation-l1\", \
         layer = \"layer1.0.conv1\", strength = 1 }, { kind = \"bn-l1\", strength = 1 }, \
         { kind = \"group-lasso\", strength = 1 }, { kind = \"sparse-group-lasso\", strength = 1 }, \
         { kind = \"polarization\", strength = 1 }, { kind = \"growing\", delta = 1 }]";
    let text = edited(&[("select = \"best\"", penalties)]);
    let manifest = parse(text, &[]).map_err(|_| "refused").unwrap();
    let training = manifest.stages["teacher"].parameters.training().unwrap();
    let words = serde_json::to_string(&training.penalties).unwrap();
    insta::assert_snapshot!(words.replace("},{", "},\n{"));
}
