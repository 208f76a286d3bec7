//! Layers that pruning leaves with next to nothing, to be told by name.

use super::allocation::Pool;
use crate::network::Model;
use crate::prune::allocation::listed;

/// A layer is starved when it keeps less than this part of the share that all layers keep together.
const PART: f64 = 0.1;

/// Names the layers of `pools` that keep fewer weights than they have outputs, so that some outputs are constant, or less
/// than a tenth of what the share of all together would be. A layer that lost nothing is not starved.
pub(super) fn note(model: &Model, pools: &[Pool]) -> Option<String> {
    let names: Vec<&String> = pools.iter().flat_map(|pool| &pool.tensors).collect();
    let all = |name: &String| model.tensors[name].data.len();
    let kept =
        |name: &String| model.masks.get(name).map_or(all(name), |mask| mask.iter().filter(|kept| **kept).count());
    let sum = |count: &dyn Fn(&String) -> usize| names.iter().map(|name| count(name)).sum::<usize>() as f64;
    let density = sum(&kept) / sum(&all).max(1.0);
    let is_starved = |name: &&&String| {
        let outputs = model.tensors[**name].dims.first().copied().unwrap_or(1);
        let (kept, all) = (kept(name), all(name));
        kept < all && (kept < outputs || (kept as f64) < PART * density * all as f64)
    };
    let starved = names.iter().filter(is_starved).map(|name| {
        let layer = name.rsplit_once('.').map_or(name.as_str(), |(layer, _)| layer);
        format!("{layer} ({} of {})", kept(name), all(name))
    });
    let starved: Vec<String> = starved.collect();
    listed(
        &starved.iter().map(String::as_str).collect::<Vec<_>>(),
        "starved of weights; `minimum` keeps a share of every layer",
    )
}
