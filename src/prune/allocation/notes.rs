//! What did not come out as asked, by the names of layers.

use super::ledger::{Book, Ledger};
use super::{Part, Request, Rounding};
use crate::network::{Graph, Op};

/// Adds what is to be told of single layers to `notes`. `failed` are those that [`super::rounding`] could not round.
pub(super) fn of_layers(
    request: &Request,
    graph: &Graph,
    parts: &[Part],
    book: &Book,
    ledger: &Ledger,
    failed: &[usize],
    notes: &mut Vec<String>,
) {
    let name = |layer: usize| graph.layers[layer].name.as_str();
    let makers = |wanted: Part| {
        let groups = book.groups.iter().zip(parts).filter(move |(_, part)| **part == wanted);
        let mut layers: Vec<usize> = groups.flat_map(|(group, _)| group.makers(graph).map(|m| m.layer)).collect();
        layers.sort_unstable();
        layers.dedup();
        layers.into_iter().map(name).collect::<Vec<&str>>()
    };
    // Layers of one channel from the start have not collapsed.
    let at_least = |layer: &usize| ledger.widths[*layer] == 1 && book.widths[*layer] > 1;
    let makes = |layer: &usize| matches!(graph.layers[*layer].op, Op::Convolution { .. } | Op::Linear { .. });
    let layers = || 0..graph.layers.len();
    let collapsed: Vec<&str> = layers().filter(|layer| makes(layer) && at_least(layer)).map(name).collect();
    notes.extend(listed(&collapsed, "collapsed to one channel"));
    let unranked = makers(Part::Unranked);
    notes.extend(listed(&unranked, "kept whole, as `bn-scale` cannot rank channels with no normalization behind them"));
    let multiple = request.rounding.multiple;
    let narrow = makers(Part::Narrow);
    notes.extend(listed(
        &narrow,
        &format!("kept whole, as they or layers coupled to them are narrower than `round-to = {multiple}`"),
    ));
    let failed: Vec<&str> = failed.iter().map(|layer| name(*layer)).collect();
    notes.extend(listed(&failed, &format!("kept whole, as no multiple of {multiple} is within reach")));
}

/// That other than `asked` of `all` units are `gone`, because widths were rounded, if it is more than one in a hundred.
pub(super) fn rounded(rounding: Rounding, asked: usize, gone: usize, all: usize) -> Option<String> {
    let share = |units: usize| 100.0 * units as f64 / all.max(1) as f64;
    let multiple = rounding.multiple;
    (asked.abs_diff(gone) * 100 > all).then(|| {
        format!(
            "{gone} of {all} units ({:.1} %) go, and {asked} ({:.1} %) were asked for: widths are brought to the nearest \
             multiple of {multiple}",
            share(gone),
            share(asked)
        )
    })
}

/// `a, b and 3 more: what`, or nothing.
pub fn listed(names: &[&str], what: &str) -> Option<String> {
    const SHOWN: usize = 8;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len() {
        0 => None,
        count if count <= SHOWN => Some(format!("{shown}: {what}")),
        count => Some(format!("{shown} and {} more: {what}", count - SHOWN)),
    }
}
