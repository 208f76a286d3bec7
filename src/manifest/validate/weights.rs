//! What the keys of weight pruning mean to the network, and to the epochs of a stage that prunes while it trains.

use super::channels;
use crate::manifest::Stage;
use crate::manifest::diagnostic::Diagnostics;
use crate::manifest::scalar::printable;
use crate::network::{Graph, pattern};
use crate::prune::{Method, weights};
use crate::train::parameters::{SparsitySchedule, Training};

/// Checks a method that masks weights; `prefix` is its name in keys.
pub fn check(stage: &Stage, method: &Method, prefix: &str, graph: &Graph, diagnostics: &mut Diagnostics) {
    if !stage.spans.sound(&format!("{prefix}.kind")) {
        return;
    }
    let none = Default::default();
    let (ignore, layers) = match method {
        Method::Weights { ignore, layers, .. } | Method::Surgery { ignore, layers, .. } => (ignore, layers),
        Method::Rigl { ignore, .. } => (ignore, &none),
        Method::Inactive { .. } | Method::Channels { .. } => return,
    };
    let mut all_match = true;
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
    if !all_match {
        return;
    }
    let ignored = |layer: &str| ignore.iter().any(|wanted| pattern::matches(wanted, layer));
    if pattern::layers(graph, "*").all(ignored) {
        diagnostics
            .error(stage.span(&format!("{prefix}.ignore")), "every layer of the network is ignored")
            .hint("ignore fewer");
        return;
    }
    if let Method::Weights { sparsity, minimum: Some(minimum), .. }
    | Method::Rigl { sparsity, minimum: Some(minimum), .. } = method
        && stage.spans.sound(&format!("{prefix}.minimum"))
    {
        let sound = |path: &String| stage.spans.sound(&format!("{prefix}.{path}"));
        let own = layers.iter().map(|(wanted, own)| (*own, format!("layers.{wanted}")));
        let common = std::iter::once((*sparsity, "sparsity".to_owned()));
        let sparsities = common.chain(own).filter(|(_, path)| sound(path));
        channels::reachable(stage, prefix, "sparsity", *minimum, sparsities, diagnostics);
    }
    if let Some(target) = method.target()
        && stage.spans.sound(&format!("{prefix}.sparsity"))
        && let Some((emptied, sparsity)) = weights::emptied(graph, &target)
    {
        let own = layers.iter().find(|(_, own)| **own == sparsity && sparsity != target.sparsity);
        let path = own.map_or(format!("{prefix}.sparsity"), |(wanted, _)| format!("{prefix}.layers.{wanted}"));
        diagnostics
            .error(stage.span(&path), format!("a sparsity of {sparsity} leaves {emptied} without a weight"))
            .hint("choose a lower one, or keep a share of every layer with `minimum`");
    }
}

/// Checks when a stage that trains prunes weights.
pub fn schedule(stage: &Stage, training: &Training, diagnostics: &mut Diagnostics) {
    let Some(prune) = &training.prune else { return };
    if !stage.spans.sound("prune.method.kind") || !stage.spans.sound("prune.method") {
        return;
    }
    if prune.method.is_dynamic() {
        for key in ["every", "schedule"] {
            if stage.spans.get(&format!("prune.{key}")).is_some() {
                diagnostics
                    .error(stage.span(&format!("prune.{key}")), format!("`{key}` means nothing to this method"))
                    .label("its masks change in steps, not after epochs")
                    .hint("leave it out");
            }
        }
        return;
    }
    let Some(SparsitySchedule::Agp { initial, begin, end }) = &prune.schedule else { return };
    let sound = |key: &str| stage.spans.sound(&format!("prune.{key}"));
    if !sound("schedule") {
        return;
    }
    let Method::Weights { sparsity, .. } = prune.method else {
        diagnostics
            .error(stage.span("prune.schedule"), "only the sparsity of weights has a schedule")
            .hint("leave it out, or prune with `kind = \"weights\"`");
        return;
    };
    if *initial > sparsity && sound("method.sparsity") {
        diagnostics
            .error(stage.span("prune.schedule.initial"), format!("`initial` is above the sparsity of {sparsity}"))
            .hint(format!("it can be from 0 to {sparsity}"));
    }
    if begin >= end {
        diagnostics
            .error(stage.span("prune.schedule.begin"), format!("`begin` is not before the `end` at {end}"))
            .hint("the sparsity rises after epoch `begin`, up to what it is after epoch `end`");
    } else if prune.complete_after() > training.epochs && sound("every") && stage.spans.sound("epochs") {
        let epoch = prune.complete_after();
        let message = format!("the sparsity is reached after epoch {epoch}, and there are {} epochs", training.epochs);
        let hint = match prune.every {
            1 => "lower `end`, or train longer",
            _ => "lower `end` or `every`, or train longer; the stage prunes after every `every` epochs",
        };
        diagnostics.error(stage.span("prune.schedule.end"), message).hint(hint);
    }
}
