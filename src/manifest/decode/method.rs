//! `method = { kind = … }` of pruning.

use crate::manifest::reader::{Reader, Shape};
use crate::manifest::scalar::Limits;
use crate::prune::{ChannelScope, Criterion, Measure, Method, WeightScope};

#[derive(Clone, Copy)]
enum Name {
    Inactive,
    Weights,
    Channels,
}

/// Reads `method` of a table that needs one.
pub fn needed(reader: &mut Reader) -> Method {
    let shape = Shape { what: "a pruning method", example: "{ kind = \"inactive\", layer = \"hidden1\" }" };
    if !reader.has("method") {
        reader.missing("method", shape.example);
    }
    let stand_in = Method::Weights { criterion: Criterion::Magnitude, sparsity: 0.0, scope: WeightScope::Global };
    reader.table("method", shape, method).unwrap_or(stand_in)
}

fn method(reader: &mut Reader) -> Method {
    match reader.kind("kind", &[("inactive", Name::Inactive), ("weights", Name::Weights), ("channels", Name::Channels)])
    {
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
                &[("global", WeightScope::Global), ("uniform", WeightScope::Uniform)],
                Some(WeightScope::Global),
            ),
        },
        Name::Channels => channels(reader),
    }
}

fn channels(reader: &mut Reader) -> Method {
    let criterion = reader.choice("criterion", &Criterion::ALL, Some(Criterion::L1));
    let ratio = reader.optional_number("ratio", Limits::BELOW_ONE);
    let macs = reader.optional_number("macs", Limits::BETWEEN);
    let parameters = reader.optional_number("parameters", Limits::BETWEEN);
    let layers = reader.numbers("layers", "{ \"conv1\" = 0.5 }", Limits::BELOW_ONE);
    let given: Vec<&str> = ["ratio", "macs", "parameters"].into_iter().filter(|key| reader.has(key)).collect();
    match given[..] {
        [] if !reader.has("layers") => reader.missing("ratio", "0.5"),
        [] | [_] => {}
        [first, .., last] => {
            let span = reader.place(last);
            reader
                .diagnostics
                .error(span, format!("`{first}` and `{last}` both say how much goes"))
                .hint("give one of `ratio`, `macs` and `parameters`");
        }
    }
    let scopes = [
        ("global", ChannelScope::Global),
        ("uniform", ChannelScope::Uniform),
        ("isomorphic", ChannelScope::Isomorphic),
    ];
    Method::Channels {
        criterion,
        ratio,
        macs,
        parameters,
        scope: reader.choice("scope", &scopes, Some(ChannelScope::Global)),
        round_to: reader.integer("round-to", 1..=1024, Some(1)),
        minimum: reader.number("minimum", Limits::SHARE, Some(0.0)),
        ignore: reader.strings("ignore", "a pattern"),
        layers,
        steps: reader.integer("steps", 1..=1000, Some(1)),
        images: reader.optional_integer("images", 1..=1 << 32),
    }
}
