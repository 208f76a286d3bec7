//! `[data.*]` and `augment`: what can be written, and what is said about what cannot.

use pleach::data::Augmentation;

use super::{edited, one_message_each, parse};

const SOURCE: &str = "source = \"digits\"\nvalidation = 0.2";
const AUGMENT: &str = "augment = [\"crop\"]";

#[test]
fn faults() {
    let cases = [
        (AUGMENT, "augment = [\"crob\"]"),
        (AUGMENT, "augment = [3]"),
        (AUGMENT, "augment = [{ kind = \"cutout\", size = 0 }]"),
        (AUGMENT, "augment = [{ kind = \"cutout\", side = 4 }]"),
        (AUGMENT, "augment = [{ size = 4 }]"),
        (AUGMENT, "augment = [{ kind = \"mixup\", alpha = 0 }]"),
        (AUGMENT, "augment = [{ kind = \"cutmix\", alpha = 1e9 }]"),
        (AUGMENT, "augment = [{ kind = \"rand-augment\", magnitude = 31 }]"),
        (AUGMENT, "augment = [{ kind = \"rand-augment\", operations = 0 }]"),
        (AUGMENT, "augment = [\"cutout\", { kind = \"cutout\", size = 3 }]"),
        (AUGMENT, "augment = [\"trivial-augment\", \"rand-augment\"]"),
        (SOURCE, "source = \"digits\"\nvalidation = 0.2\nnormalization = \"given\""),
        (SOURCE, "source = \"digits\"\nvalidation = 0.2\nnormalization = 3"),
        (SOURCE, "source = \"digits\"\nvalidation = 0.2\nnormalization = { mean = [0.5] }"),
        (SOURCE, "source = \"digits\"\nvalidation = 0.2\nnormalization = { mean = [0.5], deviation = [0] }"),
        (SOURCE, "source = \"digits\"\nvalidation = 0.2\nnormalization = { mean = [1.5], deviation = [1] }"),
        (SOURCE, "source = \"digits\"\nvalidation = 0.2\nnormalization = { mean = [0.5, 0.5], deviation = [0.5] }"),
        (SOURCE, "source = \"digits\"\nvalidation = 0.2\nsize = [8, 8]"),
        (SOURCE, "source = \"digits\"\nvalidation = 0.2\nchannels = 1"),
        (SOURCE, "source = \"mnist\"\npath = \"nowhere\"\nvalidation = 0.2\ntest = 0.1"),
        (SOURCE, "source = \"images\"\nvalidation = 0.2\nsize = [8, 8]"),
        (SOURCE, "source = \"images\"\npath = \"nowhere\"\nvalidation = 0.2"),
        (SOURCE, "source = \"images\"\npath = \"nowhere\"\nvalidation = 0.2\nsize = [8]"),
        (SOURCE, "source = \"images\"\npath = \"nowhere\"\nvalidation = 0.2\nsize = [8, 0]"),
        (SOURCE, "source = \"images\"\npath = \"nowhere\"\nvalidation = 0.2\nsize = [8, 8]\nchannels = 2"),
        (SOURCE, "source = \"images\"\npath = \"nowhere\"\nvalidation = 0.2\nsize = [8, 8]\ntest = 1"),
        (SOURCE, "source = \"images\"\npath = \"nowhere\"\nvalidation = 0.2\nsize = [8, 8]"),
    ];
    let cases: Vec<[super::Edit; 1]> = cases.into_iter().map(|edit| [edit]).collect();
    let cases: Vec<&[super::Edit]> = cases.iter().map(|edits| &edits[..]).collect();
    insta::assert_snapshot!(one_message_each(&cases));
}

#[test]
fn words_stand_for_defaults() {
    let list = "augment = [\"mixup\", { kind = \"flip\" }, \"cutout\", { kind = \"rand-augment\", magnitude = 5 }]";
    let manifest = parse(edited(&[(AUGMENT, list)]), &[]).map_err(|_| "refused").unwrap();
    let expected = [
        Augmentation::Mixup { alpha: 0.2 },
        Augmentation::Flip,
        Augmentation::Cutout { size: None },
        Augmentation::RandAugment { operations: 2, magnitude: 5 },
    ];
    assert_eq!(manifest.stages["teacher"].parameters.training().unwrap().augment, expected);
}

#[test]
fn what_meets_in_a_stage_may_be_normalised_unlike() {
    let other = |first: &'static str, second: &'static str| {
        let first = format!("{SOURCE}\n{first}\n[data.other]\nsource = \"digits\"\nvalidation = 0.1\n{second}");
        edited(&[("from = \"pruned\"\nepochs = 2", "from = \"pruned\"\nepochs = 2\n")])
            .replace(SOURCE, &first)
            .replace("kind = \"fine-tune\"\ndata = \"digits\"", "kind = \"fine-tune\"\ndata = \"other\"")
            .replace("\"tuned\", ", "")
    };
    let constants = "normalization = { mean = [0.3], deviation = [0.5] }";
    for (first, second) in [(constants, constants), ("", ""), (constants, ""), ("", constants)] {
        assert!(parse(other(first, second), &[]).is_ok(), "each network gets images in its own constants");
    }
}
