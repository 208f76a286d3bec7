//! `penalties = [{ kind = … }, …]` of a training stage.

use crate::manifest::reader::{Reader, Shape};
use crate::manifest::scalar::Limits;
use crate::train::parameters::Penalty;

/// What a penalty is, for messages.
pub const PENALTY: Shape = Shape { what: "a penalty", example: "{ kind = \"l1\", strength = 1e-4 }" };

#[derive(Clone, Copy)]
enum Name {
    L1,
    ActivationL1,
    BnL1,
    GroupLasso,
    SparseGroupLasso,
    Polarization,
    Growing,
}

const NAMES: [(&str, Name); 7] = [
    ("l1", Name::L1),
    ("activation-l1", Name::ActivationL1),
    ("bn-l1", Name::BnL1),
    ("group-lasso", Name::GroupLasso),
    ("sparse-group-lasso", Name::SparseGroupLasso),
    ("polarization", Name::Polarization),
    ("growing", Name::Growing),
];

/// Reads one penalty.
pub fn penalty(reader: &mut Reader) -> Penalty {
    match reader.kind("kind", &NAMES) {
        Name::L1 => Penalty::L1 { layer: layer(reader), strength: strength(reader) },
        Name::ActivationL1 => Penalty::ActivationL1 {
            layer: reader.string("layer", "hidden1").map(|(layer, _)| layer).unwrap_or_default(),
            strength: strength(reader),
        },
        Name::BnL1 => Penalty::BnL1 { layer: layer(reader), strength: strength(reader) },
        Name::GroupLasso => Penalty::GroupLasso { layer: layer(reader), strength: strength(reader) },
        Name::SparseGroupLasso => {
            let (layer, strength) = (layer(reader), strength(reader));
            // Without a number of its own, L1 is as strong as the group lasso.
            let l1_strength = reader.optional_number("l1-strength", Limits::NOT_NEGATIVE).unwrap_or(strength);
            let proximal = reader.boolean("proximal", true);
            Penalty::SparseGroupLasso { layer, strength, l1_strength, proximal }
        }
        Name::Polarization => Penalty::Polarization {
            layer: layer(reader),
            strength: strength(reader),
            l1_factor: reader.number("l1-factor", Limits::NOT_NEGATIVE, Some(1.2)),
        },
        Name::Growing => {
            Penalty::Growing { layer: layer(reader), delta: reader.number("delta", Limits::NOT_NEGATIVE, None) }
        }
    }
}

/// All layers that the penalty can look at, unless told otherwise.
fn layer(reader: &mut Reader) -> String {
    reader.optional_string("layer").map_or_else(|| "*".to_owned(), |(layer, _)| layer)
}

fn strength(reader: &mut Reader) -> f64 {
    reader.number("strength", Limits::NOT_NEGATIVE, None)
}
