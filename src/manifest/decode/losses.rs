//! `losses`: one function a kind.

use crate::manifest::reader::{Reader, Shape};
use crate::manifest::scalar::Limits;
use crate::train::parameters::{LayerPair, Loss};

/// How a loss is written.
pub const LOSS: Shape = Shape { what: "a loss", example: "{ kind = \"cross-entropy\" }" };
/// No names of layers: those of one network are none of another.
const PAIR: Shape = Shape { what: "a pair of layers", example: "{ student = \"LAYER\", teacher = \"LAYER\" }" };

/// The loss where none is named: distillation with a teacher, without one cross entropy.
pub fn default(teacher: bool) -> Loss {
    if teacher {
        Loss::Kd { temperature: 4.0, alpha: 0.9, smoothing: 0.0, weight: 1.0, standardize: false }
    } else {
        Loss::CrossEntropy { smoothing: 0.0, weight: 1.0 }
    }
}

#[derive(Clone, Copy)]
enum Name {
    CrossEntropy,
    Kd,
    LogitsMse,
    Fitnet,
    Attention,
    Fsp,
    Sp,
    Vid,
    Rkd,
    Dkd,
    Dist,
    Mutual,
}

const NAMES: [(&str, Name); 12] = [
    ("cross-entropy", Name::CrossEntropy),
    ("kd", Name::Kd),
    ("logits-mse", Name::LogitsMse),
    ("fitnet", Name::Fitnet),
    ("attention", Name::Attention),
    ("fsp", Name::Fsp),
    ("sp", Name::Sp),
    ("vid", Name::Vid),
    ("rkd", Name::Rkd),
    ("dkd", Name::Dkd),
    ("dist", Name::Dist),
    ("mutual", Name::Mutual),
];

/// Reads one loss.
pub fn loss(reader: &mut Reader) -> Loss {
    let name = reader.kind("kind", &NAMES);
    let weight = |reader: &mut Reader, default| reader.number("weight", Limits::POSITIVE, Some(default));
    match name {
        Name::CrossEntropy => Loss::CrossEntropy { smoothing: smoothing(reader), weight: weight(reader, 1.0) },
        Name::Kd => Loss::Kd {
            temperature: temperature(reader, 4.0),
            alpha: reader.number("alpha", Limits::SHARE, Some(0.9)),
            smoothing: smoothing(reader),
            weight: weight(reader, 1.0),
            standardize: reader.boolean("standardize", false),
        },
        Name::LogitsMse => Loss::LogitsMse { weight: weight(reader, 1.0) },
        Name::Fitnet => Loss::Fitnet { layers: layers(reader, false), weight: weight(reader, 100.0) },
        Name::Attention => Loss::Attention { layers: layers(reader, false), weight: weight(reader, 1000.0) },
        Name::Fsp => Loss::Fsp { layers: layers(reader, true), weight: weight(reader, 50.0) },
        Name::Sp => Loss::Sp { layers: layers(reader, false), weight: weight(reader, 3000.0) },
        Name::Vid => Loss::Vid { layers: layers(reader, false), weight: weight(reader, 1.0) },
        Name::Rkd => Loss::Rkd {
            layers: layers(reader, false),
            distance: reader.number("distance", Limits::NOT_NEGATIVE, Some(25.0)),
            angle: reader.number("angle", Limits::NOT_NEGATIVE, Some(50.0)),
            weight: weight(reader, 1.0),
        },
        Name::Dkd => Loss::Dkd {
            temperature: temperature(reader, 4.0),
            alpha: reader.number("alpha", Limits::NOT_NEGATIVE, Some(1.0)),
            beta: reader.number("beta", Limits::NOT_NEGATIVE, Some(8.0)),
            warmup: reader.integer("warmup", 0..=100_000, Some(20)),
            weight: weight(reader, 1.0),
        },
        Name::Dist => Loss::Dist {
            temperature: temperature(reader, 1.0),
            beta: reader.number("beta", Limits::NOT_NEGATIVE, Some(1.0)),
            gamma: reader.number("gamma", Limits::NOT_NEGATIVE, Some(1.0)),
            weight: weight(reader, 1.0),
        },
        Name::Mutual => Loss::Mutual { weight: weight(reader, 1.0) },
    }
}

fn temperature(reader: &mut Reader, default: f64) -> f64 {
    reader.number("temperature", Limits::TEMPERATURE, Some(default))
}

fn smoothing(reader: &mut Reader) -> f64 {
    reader.number("smoothing", Limits::BELOW_ONE, Some(0.0))
}

/// Reads the pairs of layers, `two_by_two` if each two belong together.
fn layers(reader: &mut Reader, two_by_two: bool) -> Vec<LayerPair> {
    let name = |reader: &mut Reader, key| reader.string(key, "LAYER").map(|(name, _)| name).unwrap_or_default();
    let pair = |reader: &mut Reader| LayerPair { student: name(reader, "student"), teacher: name(reader, "teacher") };
    let example = match two_by_two {
        true => format!("[{0}, {0}]", PAIR.example),
        false => format!("[{}]", PAIR.example),
    };
    if !reader.has("layers") {
        reader.missing("layers", &example);
    }
    let Some(layers) = reader.tables("layers", PAIR, pair) else { return Vec::new() };
    let wrong = if layers.is_empty() {
        Some("`layers` is empty")
    } else if two_by_two && layers.len() % 2 == 1 {
        Some("`fsp` takes layers two by two, and the last has no other")
    } else {
        None
    };
    if let Some(message) = wrong.filter(|_| reader.sound("layers")) {
        let span = reader.place("layers");
        reader
            .diagnostics
            .error(span, message)
            .hint(format!("write `layers = {example}`; `pleach layers` has the names"));
    }
    layers
}
