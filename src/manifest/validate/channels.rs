//! What the keys of `method = { kind = "channels", … }` mean to the network.

use crate::manifest::Stage;
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::scalar::printable;
use crate::network::{Graph, Op, pattern};
use crate::prune::allocation::Rounding;

use crate::prune::coupling::Coupling;
use crate::prune::groups::Group;
use crate::prune::{Criterion, Method, NO_CHANNELS};

/// Checks a method that removes channels; other methods are left alone. `prefix` is the method's name in keys.
pub fn check(
    stage: &Stage,
    method: &Method,
    prefix: &str,
    graph: &Graph,
    coupling: &Coupling,
    diagnostics: &mut Diagnostics,
) {
    let Method::Channels { criterion, ratio, macs, parameters, round_to, minimum, ignore, layers, .. } = method else {
        return;
    };
    if !stage.spans.sound(&format!("{prefix}.kind")) {
        return;
    }
    let sound = |key: &str| stage.spans.sound(&format!("{prefix}.{key}"));
    if sound("minimum") {
        let own = layers.iter().map(|(wanted, ratio)| (*ratio, format!("layers.{wanted}")));
        let common = ratio.iter().map(|ratio| (*ratio, "ratio".to_owned()));
        reachable(stage, prefix, "ratio", *minimum, common.chain(own).filter(|(_, path)| sound(path)), diagnostics);
    }
    let mut all_match = ["ratio", "ignore", "layers"].into_iter().all(sound);
    let listed = ignore.iter().enumerate().map(|(index, wanted)| (wanted, format!("{prefix}.ignore.{index}")));
    let own = layers.keys().map(|wanted| (wanted, format!("{prefix}.layers.{wanted}")));
    for (wanted, path) in listed.chain(own) {
        if !stage.spans.sound(&path) {
            all_match = false;
        } else if pattern::layers(graph, wanted).next().is_none() {
            all_match = false;
            let message = format!("no layer of the network matches `{}`", printable(wanted));
            let weighted: Vec<&str> = pattern::layers(graph, "*").collect();
            diagnostics.unknown(stage.span(&path), message, wanted, weighted.iter().copied());
        }
    }
    let any =
        |group: &Group, fits: &dyn Fn(&str) -> bool| group.makers(graph).any(|m| fits(&graph.layers[m.layer].name));
    let mut removable = true;
    for wanted in layers.keys().filter(|_| all_match) {
        if coupling.groups.iter().any(|group| any(group, &|name| pattern::matches(wanted, name))) {
            continue;
        }
        let path = format!("{prefix}.layers.{wanted}");
        let mut matching = pattern::layers(graph, wanted);
        let reason = matching.find_map(|layer| coupling.refusal(graph, layer)).unwrap_or_default();
        diagnostics
            .error(stage.span(&path), format!("no channel of `{}` can be removed", printable(wanted)))
            .label(reason)
            .hint("leave it out");
        removable = false;
    }
    if !all_match || !removable {
        return;
    }
    let ignored = |name: &str| ignore.iter().any(|wanted| pattern::matches(wanted, name));
    let common = ratio.is_some() || macs.is_some() || parameters.is_some();
    let own = |name: &str| layers.keys().any(|wanted| pattern::matches(wanted, name));
    let takes_part = |group: &&Group| !any(group, &ignored) && (common || any(group, &own));
    let candidates: Vec<&Group> = coupling.groups.iter().filter(takes_part).collect();
    if candidates.is_empty() {
        let path = if ignore.is_empty() { prefix.to_owned() } else { format!("{prefix}.ignore") };
        let message = if coupling.groups.is_empty() {
            format!("no channel of {} can be removed", network_name(stage))
        } else if !common && layers.is_empty() {
            "nothing says how much goes".to_owned()
        } else {
            format!("every layer of {} whose channels could be removed is ignored", network_name(stage))
        };
        diagnostics.error(stage.span(&path), message).hint(if coupling.groups.is_empty() {
            NO_CHANNELS
        } else if !common && layers.is_empty() {
            "add `ratio = 0.5`, or a ratio for a layer to `layers`"
        } else {
            "layers that are coupled, by an addition for example, are ignored together; ignore fewer"
        });
    } else if *criterion == Criterion::BnScale && !candidates.iter().any(|group| group.is_normalized(graph)) {
        diagnostics
            .error(stage.span(&format!("{prefix}.criterion")), "`bn-scale` needs a normalization behind the channels")
            .label("and none of those that could be removed has one")
            .hint("use `l1`, or a network with batch normalization");
    } else if *criterion == Criterion::Apoz && sound("criterion") {
        zeros(stage, prefix, graph, &candidates, diagnostics);
    }
    if sound("round-to") {
        too_narrow(stage, prefix, Rounding::of(*round_to), graph, &candidates, diagnostics);
    }
}

/// The network of a stage, in words.
fn network_name(stage: &Stage) -> String {
    match (&stage.network, stage.inputs.get("from").or_else(|| stage.inputs.get("like"))) {
        (Some(network), _) => format!("the network `{}`", printable(network)),
        (None, Some(input)) => format!("the network of `{}`", printable(&input.stage)),
        (None, None) => format!("the network of `{}`", printable(&stage.template)),
    }
}

/// Layers that are narrower than what widths are to be multiples of stay whole; that may be all of them.
fn too_narrow(
    stage: &Stage,
    prefix: &str,
    rounding: Rounding,
    graph: &Graph,
    candidates: &[&Group],
    diagnostics: &mut Diagnostics,
) {
    let Ok(shapes) = graph.shapes() else { return };
    let stays = |group: &&Group| group.makers(graph).any(|m| rounding.keeps_whole(shapes[m.layer].channels()));
    if !candidates.is_empty() && candidates.iter().all(stays) {
        let multiple = rounding.multiple;
        diagnostics
            .warning(stage.span(&format!("{prefix}.round-to")), format!("nothing goes with `round-to = {multiple}`"))
            .label(format!("every layer of {} whose channels could be removed is narrower", network_name(stage)))
            .hint("lower it; layers of which no multiple is left stay whole");
    }
}

/// A ratio, or a sparsity, cannot take more than `minimum` lets go.
pub(super) fn reachable(
    stage: &Stage,
    prefix: &str,
    what: &str,
    minimum: f64,
    ratios: impl Iterator<Item = (f64, String)>,
    diagnostics: &mut Diagnostics,
) {
    for (ratio, path) in ratios {
        // 0.7 and 0.3 are more than 1 in floating point.
        if ratio + minimum > 1.0 + 1e-9 {
            diagnostics
                .error(stage.span(&format!("{prefix}.{path}")), format!("a {what} of {ratio} cannot be reached"))
                .label(format!("`minimum = {minimum}` keeps more than that leaves"))
                .hint(format!("lower the {what}, or `minimum`; together they can be at most 1"));
        }
    }
}

/// What `layer`'s activation comes out of when that is hardly ever exactly zero; none where ReLU or its like is behind it.
pub fn never_zero<'a>(graph: &'a Graph, layer: &str) -> Option<&'a str> {
    let end = &graph.layers[graph.activation_of(layer)?];
    (!matches!(end.op, Op::Relu | Op::Relu6 | Op::HardSwish)).then_some(&end.name)
}

/// Shares of zeros tell channels apart only where there are zeros.
fn zeros(stage: &Stage, prefix: &str, graph: &Graph, candidates: &[&Group], diagnostics: &mut Diagnostics) {
    let name = |group: &Group| group.makers(graph).map(|m| graph.layers[m.layer].name.as_str()).next();
    let has_none =
        |group: &Group| group.makers(graph).all(|m| never_zero(graph, &graph.layers[m.layer].name).is_some());
    let without: Vec<&str> =
        candidates.iter().filter(|group| has_none(group)).filter_map(|group| name(group)).collect();
    let span = stage.span(&format!("{prefix}.criterion"));
    if without.len() == candidates.len() {
        diagnostics
            .error(span, "`apoz` counts zeros, and no channel that could be removed is ever exactly zero")
            .label("it tells channels apart with ReLU right behind them only")
            .hint("use `mean-activation`, `l1` or `taylor`");
    } else if let [first, rest @ ..] = &without[..] {
        let more = if rest.is_empty() { String::new() } else { format!(" and of {} more", rest.len()) };
        diagnostics
            .warning(span, format!("`apoz` cannot tell the channels of `{first}`{more} apart"))
            .label("no ReLU is right behind them, so they are never exactly zero")
            .hint("they go last; name them in `ignore`, or use another criterion");
    }
}

/// Whether all steps of a method fit into the epochs of a stage that trains and prunes every so many of them.
pub fn steps(stage: &Stage, method: &Method, every: u64, epochs: u64, diagnostics: &mut Diagnostics) {
    let sound = |path: &str| stage.spans.sound(path);
    if !sound("prune.every") || !sound("epochs") || !sound("prune.method") || !sound("prune.method.steps") {
        return;
    }
    let room = epochs / every;
    let Method::Channels { steps, .. } = method else {
        if room == 0 && !method.is_dynamic() {
            let message = format!("the stage prunes after every {every} epochs, and has {epochs}");
            let error = diagnostics.error(stage.span("prune.every"), message);
            error.label("it never prunes").hint("prune more often, or train longer");
        }
        return;
    };
    if *steps > room {
        let times = |count: u64| if count == 1 { "once".to_owned() } else { format!("{count} times") };
        let error = diagnostics.error(
            stage.span("prune.method.steps"),
            format!("{steps} {} not fit the {epochs} epochs", if *steps == 1 { "step does" } else { "steps do" }),
        );
        error.label(if room == 0 {
            "the stage never prunes".to_owned()
        } else {
            format!("the stage prunes {}", times(room))
        });
        error.hint(format!("train for {} epochs, or prune more often", steps.saturating_mul(every)));
    }
}
