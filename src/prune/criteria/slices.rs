//! Which values of which tensors belong to a unit of a group.

use crate::error::{Error, Kind, Result};
use crate::network::{Graph, HostTensor, Model, Op};
use crate::prune::groups::{Group, Member, Side};

/// The name a group goes by in messages: its first layer's.
pub(super) fn name<'a>(graph: &'a Graph, group: &Group) -> &'a str {
    group.members.first().and_then(|member| graph.layers.get(member.layer)).map_or("", |layer| &layer.name)
}

/// A tensor of the model.
pub(super) fn tensor<'a>(model: &'a Model, name: &str) -> Result<&'a HostTensor> {
    model.tensors.get(name).ok_or_else(|| Error::new(Kind::Internal, format!("the model has no tensor `{name}`")))
}

/// The tensor `LAYER.weight` of a member.
pub(super) fn weight<'a>(model: &'a Model, member: &Member) -> Result<&'a HostTensor> {
    tensor(model, &format!("{}.weight", model.graph.layers[member.layer].name))
}

/// Fails with [`Kind::Internal`] unless every group has a layer that makes its units and every channel that it names
/// exists, so that nothing below has to ask.
pub(super) fn check(model: &Model, groups: &[Group]) -> Result<()> {
    for group in groups {
        let wrong = |what: &str| {
            let name = name(&model.graph, group);
            Err(Error::new(Kind::Internal, format!("the group of `{name}` does not fit the network: {what}")))
        };
        if group.members.iter().any(|member| member.layer >= model.graph.layers.len()) {
            return wrong("a layer is missing");
        }
        if group.makers(&model.graph).next().is_none() {
            return wrong("no layer makes its units");
        }
        for member in &group.members {
            let dims = &weight(model, member)?.dims;
            let length = match member.side {
                Side::Outputs => dims[0],
                Side::Inputs => dims.get(1).copied().unwrap_or(0),
            };
            if member.channels.len() != group.units {
                return wrong("a unit is missing");
            }
            if member.channels.iter().any(|channels| channels.is_empty() || channels.iter().any(|c| *c >= length)) {
                return wrong("a channel is missing");
            }
        }
    }
    Ok(())
}

/// The normalizations of the group's units.
pub(super) fn normalizations<'a>(graph: &'a Graph, group: &'a Group) -> impl Iterator<Item = &'a Member> {
    group.members.iter().filter(|member| matches!(graph.layers[member.layer].op, Op::BatchNorm { .. }))
}

/// The values of one unit in a tensor of `rows` rows, row after row.
pub(super) fn rows<'a, V>(values: &'a [V], rows: usize, channels: &'a [usize]) -> impl Iterator<Item = &'a V> {
    let size = values.len() / rows.max(1);
    channels.iter().flat_map(move |channel| &values[channel * size..(channel + 1) * size])
}

/// The values of one unit in the columns of a weight (O, I, ...), row after row.
pub(super) fn columns<'a>(tensor: &'a HostTensor, channels: &'a [usize]) -> impl Iterator<Item = &'a f32> {
    let (inputs, size) = (tensor.dims[1], tensor.dims[2..].iter().product::<usize>());
    tensor
        .data
        .chunks_exact((inputs * size).max(1))
        .flat_map(move |row| channels.iter().flat_map(move |channel| &row[channel * size..(channel + 1) * size]))
}

/// `score(layer)` of every unit, as the mean over the layers that make the group's units.
pub(super) fn mean_over_makers(
    model: &Model,
    group: &Group,
    score: impl Fn(&Member) -> Result<Vec<f64>>,
) -> Result<Vec<f64>> {
    mean_over(group.units, group.makers(&model.graph), score)
}

/// The mean over `members` of their scores of every unit; zeros when there is no member.
pub(super) fn mean_over<'a>(
    units: usize,
    members: impl Iterator<Item = &'a Member>,
    score: impl Fn(&'a Member) -> Result<Vec<f64>>,
) -> Result<Vec<f64>> {
    let mut sums = vec![0.0; units];
    let mut count = 0;
    for member in members {
        count += 1;
        sums.iter_mut().zip(score(member)?).for_each(|(sum, score)| *sum += score);
    }
    sums.iter_mut().for_each(|sum| *sum /= f64::from(count.max(1)));
    Ok(sums)
}

/// Σ value(w) over the unit's rows in one layer, for every unit.
pub(super) fn row_sums(model: &Model, member: &Member, value: impl Fn(f64) -> f64) -> Result<Vec<f64>> {
    let weight = weight(model, member)?;
    let sum =
        |channels: &Vec<usize>| rows(&weight.data, weight.dims[0], channels).map(|w| value(f64::from(*w))).sum::<f64>();
    Ok(member.channels.iter().map(sum).collect())
}

/// Divides by the mean, unless that is zero.
pub(super) fn over_mean(mut scores: Vec<f64>) -> Vec<f64> {
    let mean = scores.iter().sum::<f64>() / scores.len().max(1) as f64;
    if mean > 0.0 {
        scores.iter_mut().for_each(|score| *score /= mean);
    }
    scores
}
