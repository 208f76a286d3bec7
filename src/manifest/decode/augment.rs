//! `augment`: random changes of training images, each a word or a table.

use crate::data::Augmentation;
use crate::manifest::describe::{Field, describe};
use crate::manifest::reader::{Reader, Shape, table};
use crate::manifest::scalar::{Limits, choice};
use crate::manifest::value::Content;

const SHAPE: Shape = Shape { what: "an augmentation", example: "{ kind = \"cutout\", size = 16 }" };

/// Every augmentation with its defaults, as a word alone stands for.
const NAMES: [(&str, Augmentation); 7] = [
    ("crop", Augmentation::Crop),
    ("flip", Augmentation::Flip),
    ("cutout", Augmentation::Cutout { size: None }),
    ("mixup", Augmentation::Mixup { alpha: 0.2 }),
    ("cutmix", Augmentation::Cutmix { alpha: 1.0 }),
    ("trivial-augment", Augmentation::TrivialAugment),
    ("rand-augment", Augmentation::RandAugment { operations: 2, magnitude: 9 }),
];

/// Reads the list. Each kind may be named once.
pub fn augment(reader: &mut Reader) -> Vec<Augmentation> {
    reader.note("augment", || Field::Kinds(describe(parameters)));
    let items = reader.array("augment").unwrap_or_default();
    let mut chosen: Vec<Augmentation> = Vec::new();
    for item in items {
        let prefix = format!("{}augment.{}", reader.prefix(), chosen.len());
        let augmentation = match &item.content {
            Content::Table(_) => {
                let Some((augmentation, spans)) = table(reader.diagnostics, &prefix, SHAPE, item, parameters) else {
                    continue;
                };
                reader.spans.extend(spans);
                Some(augmentation)
            }
            _ => choice(reader.diagnostics, "an augmentation", item, &NAMES),
        };
        let Some(augmentation) = augmentation else { continue };
        reader.spans.insert(prefix, item.span);
        if chosen.iter().any(|other| name(other) == name(&augmentation)) {
            reader.diagnostics.error(item.span, "this augmentation is named twice").hint("leave one out");
        }
        chosen.push(augmentation);
    }
    policies(reader, &chosen);
    chosen
}

fn parameters(reader: &mut Reader) -> Augmentation {
    match reader.kind("kind", &NAMES) {
        Augmentation::Cutout { .. } => Augmentation::Cutout { size: reader.optional_integer("size", 1..=1 << 16) },
        Augmentation::Mixup { alpha } => {
            Augmentation::Mixup { alpha: reader.number("alpha", Limits::BETA, Some(alpha)) }
        }
        Augmentation::Cutmix { alpha } => {
            Augmentation::Cutmix { alpha: reader.number("alpha", Limits::BETA, Some(alpha)) }
        }
        Augmentation::RandAugment { operations, magnitude } => Augmentation::RandAugment {
            operations: reader.integer("operations", 1..=14, Some(operations)),
            magnitude: reader.integer("magnitude", 0..=30, Some(magnitude)),
        },
        plain @ (Augmentation::Crop | Augmentation::Flip | Augmentation::TrivialAugment) => plain,
    }
}

/// Both policies at once would be neither of the two published ones.
fn policies(reader: &mut Reader, chosen: &[Augmentation]) {
    let has = |wanted: &str| chosen.iter().any(|augmentation| name(augmentation) == wanted);
    if has("trivial-augment") && has("rand-augment") {
        let span = reader.place("augment");
        let message = "`trivial-augment` and `rand-augment` are two policies for the same";
        reader.diagnostics.error(span, message).hint("leave one out");
    }
}

/// The name in a manifest.
fn name(augmentation: &Augmentation) -> &'static str {
    match augmentation {
        Augmentation::Crop => "crop",
        Augmentation::Flip => "flip",
        Augmentation::Cutout { .. } => "cutout",
        Augmentation::Mixup { .. } => "mixup",
        Augmentation::Cutmix { .. } => "cutmix",
        Augmentation::TrivialAugment => "trivial-augment",
        Augmentation::RandAugment { .. } => "rand-augment",
    }
}
