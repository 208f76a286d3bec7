//! `method = { kind = … }` of pruning.

use crate::manifest::reader::{Reader, Shape};
use crate::manifest::scalar::Limits;
use crate::prune::{ChannelScope, Criterion, Measure, Method, WeightScope};

#[derive(Clone, Copy)]
enum Name {
    Inactive,
    Weights,
    Channels,
    Surgery,
    Rigl,
}

const NAMES: [(&str, Name); 5] = [
    ("inactive", Name::Inactive),
    ("weights", Name::Weights),
    ("channels", Name::Channels),
    ("surgery", Name::Surgery),
    ("rigl", Name::Rigl),
];

/// Reads `method` of a table that needs one. `trains` says whether it belongs to a stage that trains: some methods need
/// steps.
pub fn needed(reader: &mut Reader, trains: bool) -> Method {
    let shape = Shape { what: "a pruning method", example: "{ kind = \"inactive\", layer = \"hidden1\" }" };
    if !reader.has("method") {
        reader.missing("method", shape.example);
    }
    let stand_in = Method::Weights {
        criterion: Criterion::Magnitude,
        sparsity: 0.0,
        scope: WeightScope::Global,
        steps: None,
        ignore: Vec::new(),
        layers: Default::default(),
        minimum: None,
        images: None,
    };
    let read = |reader: &mut Reader| {
        let method = method(reader);
        if method.is_dynamic() && !trains && reader.understood() {
            let span = reader.place("kind");
            reader
                .diagnostics
                .error(span, "this method changes masks while a network is trained")
                .label("and a prune stage does not train")
                .hint("use `kind = \"weights\"`, or give this method as `prune = { method = … }` of a fine-tune stage");
        }
        method
    };
    reader.table("method", shape, read).unwrap_or(stand_in)
}

fn method(reader: &mut Reader) -> Method {
    match reader.kind("kind", &NAMES) {
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
        Name::Weights => weights(reader),
        Name::Surgery => Method::Surgery {
            c: reader.number("c", Limits::ANY, Some(0.0)),
            gamma: reader.number("gamma", Limits::NOT_NEGATIVE, Some(1e-4)),
            power: reader.number("power", Limits::NOT_NEGATIVE, Some(1.0)),
            ignore: reader.strings("ignore", "a pattern"),
            layers: reader.numbers("layers", "{ \"conv1\" = -0.5 }", Limits::ANY),
        },
        Name::Rigl => Method::Rigl {
            sparsity: reader.number("sparsity", Limits::BELOW_ONE, None),
            scope: reader.choice(
                "scope",
                &[("erk", WeightScope::Erk), ("uniform", WeightScope::Uniform)],
                Some(WeightScope::Erk),
            ),
            every_steps: reader.integer("every-steps", 1..=1 << 32, Some(100)),
            alpha: reader.number("alpha", Limits::SHARE, Some(0.3)),
            until: reader.number("until", Limits::SHARE, Some(0.75)),
            ignore: reader.strings("ignore", "a pattern"),
            minimum: least_weights(reader),
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
        [] if !reader.has("layers") => reader.missing_all(&["ratio", "macs", "parameters", "layers"], "0.5"),
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
        round_to: reader.optional_integer("round-to", 1..=1024),
        minimum: reader.number("minimum", Limits::SHARE, Some(0.0)),
        ignore: reader.strings("ignore", "a pattern"),
        layers,
        steps: reader.integer("steps", 1..=1000, Some(1)),
        images: reader.optional_integer("images", 1..=1 << 32).or_else(|| criterion.default_images()),
    }
}

/// The share of every layer's weights that stays. None is the same whether it is said or not, and so is its key.
fn least_weights(reader: &mut Reader) -> Option<f64> {
    Some(reader.number("minimum", Limits::SHARE, Some(0.0))).filter(|minimum| *minimum > 0.0)
}

/// The rounds that the paper of SynFlow takes.
const SYNFLOW_STEPS: u64 = 100;

fn weights(reader: &mut Reader) -> Method {
    let criteria: Vec<(&'static str, Criterion)> =
        Criterion::ALL.into_iter().filter(|(_, criterion)| criterion.ranks_weights()).collect();
    let criterion = reader.choice("criterion", &criteria, Some(Criterion::Magnitude));
    let steps = if criterion == Criterion::Synflow { SYNFLOW_STEPS } else { 1 };
    let steps = reader.integer("steps", 1..=1000, Some(steps));
    Method::Weights {
        criterion,
        sparsity: reader.number("sparsity", Limits::BELOW_ONE, None),
        scope: reader.choice("scope", &WeightScope::ALL, Some(WeightScope::Global)),
        // One round is the same whether it is said or not, and so is its key.
        steps: (steps > 1).then_some(steps),
        ignore: reader.strings("ignore", "a pattern"),
        layers: reader.numbers("layers", "{ \"conv1\" = 0.5 }", Limits::BELOW_ONE),
        minimum: least_weights(reader),
        images: reader.optional_integer("images", 1..=1 << 32).or_else(|| criterion.default_images()),
    }
}
