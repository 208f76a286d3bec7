//! `method = { kind = … }` of pruning.

use crate::manifest::reader::{Reader, Shape};
use crate::manifest::scalar::Limits;
use crate::prune::{Criterion, Measure, Method, Scope};

#[derive(Clone, Copy)]
enum Name {
    Inactive,
    Weights,
}

/// Reads `method` of a table that needs one.
pub fn needed(reader: &mut Reader) -> Method {
    let shape = Shape { what: "a pruning method", example: "{ kind = \"inactive\", layer = \"hidden1\" }" };
    if !reader.has("method") {
        reader.missing("method", shape.example);
    }
    let stand_in = Method::Weights { criterion: Criterion::Magnitude, sparsity: 0.0, scope: Scope::Global };
    reader.table("method", shape, method).unwrap_or(stand_in)
}

fn method(reader: &mut Reader) -> Method {
    match reader.kind("kind", &[("inactive", Name::Inactive), ("weights", Name::Weights)]) {
        Name::Inactive => {
            let measures = [("maximum", Measure::Maximum), ("mean", Measure::Mean), ("zeros", Measure::Zeros)];
            let measure = reader.choice("measure", &measures, Some(Measure::Maximum));
            let limits = if measure == Measure::Zeros { Limits::SHARE } else { Limits::NOT_NEGATIVE };
            Method::Inactive {
                layer: reader.string("layer", "hidden1").map(|(layer, _)| layer).unwrap_or_default(),
                measure,
                threshold: reader.number("threshold", limits, Some(0.0)),
                minimum: reader.integer("minimum", 1..=1 << 20, Some(1)),
            }
        }
        Name::Weights => Method::Weights {
            criterion: reader.choice(
                "criterion",
                &[("magnitude", Criterion::Magnitude), ("random", Criterion::Random)],
                Some(Criterion::Magnitude),
            ),
            sparsity: reader.number("sparsity", Limits::BELOW_ONE, None),
            scope: reader.choice(
                "scope",
                &[("global", Scope::Global), ("uniform", Scope::Uniform)],
                Some(Scope::Global),
            ),
        },
    }
}
