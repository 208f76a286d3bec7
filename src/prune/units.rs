//! Removing units (neurons of a linear layer, channels of a convolution) for real: from the layer itself, from the
//! normalisation behind it, and from every layer that reads it.

use std::collections::BTreeMap;

use crate::error::{Error, Kind, Result};
use crate::network::{Graph, HostTensor, Model, Op, Shape};

/// What belongs to the units of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coupling {
    /// The layer, by index.
    pub layer: usize,
    /// Normalisations behind it.
    pub norms: Vec<usize>,
    /// Layers that read it, with the number of their input columns that belong to one unit (more than one behind a
    /// flattened image).
    pub readers: Vec<(usize, usize)>,
}

/// Follows the units of `layer` to where they are read.
///
/// # Errors
/// A reason, when units of this layer cannot be removed.
pub fn coupled(graph: &Graph, layer: &str) -> Result<Coupling, String> {
    let start = graph.index(layer).ok_or_else(|| format!("there is no layer `{layer}`"))?;
    if !matches!(graph.layers[start].op, Op::Linear { .. } | Op::Convolution { .. }) {
        return Err("only linear and convolution layers have units".to_owned());
    }
    let shapes = graph.shapes().map_err(|error| error.message)?;
    let mut coupling = Coupling { layer: start, norms: Vec::new(), readers: Vec::new() };
    // (layer, columns a unit has in its output)
    let mut open = vec![(start, 1)];
    while let Some((at, columns)) = open.pop() {
        let name = &graph.layers[at].name;
        let consumers: Vec<usize> =
            (0..graph.layers.len()).filter(|i| graph.layers[*i].inputs.iter().any(|input| input == name)).collect();
        if consumers.is_empty() {
            return Err("they are the network's output".to_owned());
        }
        for consumer in consumers {
            match &graph.layers[consumer].op {
                Op::BatchNorm { .. } => {
                    coupling.norms.push(consumer);
                    open.push((consumer, columns));
                }
                Op::Relu | Op::MaxPool { .. } | Op::AveragePool { .. } | Op::GlobalAveragePool => {
                    open.push((consumer, columns));
                }
                Op::Flatten => {
                    let positions = match shapes[at] {
                        Shape::Map { height, width, .. } => height * width,
                        Shape::Vector { .. } => 1,
                    };
                    open.push((consumer, columns * positions));
                }
                Op::Linear { .. } | Op::Convolution { .. } => coupling.readers.push((consumer, columns)),
                _ => {
                    let name = &graph.layers[consumer].name;
                    return Err(format!("`{name}` adds them to units of another layer"));
                }
            }
        }
    }
    coupling.norms.sort_unstable();
    coupling.readers.sort_unstable();
    Ok(coupling)
}

/// Removes all units of `layer` but those in `keep` (ascending): a smaller network, which computes what the old one
/// computes when the activations of the other units are zero.
///
/// # Errors
/// When units of this layer cannot be removed, or `keep` is empty or names a unit that does not exist.
pub fn remove(model: &mut Model, layer: &str, keep: &[usize]) -> Result<()> {
    let coupling = coupled(&model.graph, layer).map_err(|reason| refused(layer, &reason))?;
    if keep.is_empty() {
        return Err(refused(layer, "none would be left"));
    }
    let (graph, masks) = (&model.graph, &mut model.masks);
    remove_from_tensors(graph, layer, keep, &mut model.tensors)?;
    let lengths: Vec<(String, Vec<usize>)> =
        graph.parameters().into_iter().map(|spec| (spec.name, spec.dims)).collect();
    for (name, dims) in lengths {
        if let Some(mask) = masks.get_mut(&name) {
            let as_numbers = mask.iter().map(|kept| *kept as u8 as f32).collect();
            let mut tensor = HostTensor { dims, data: as_numbers };
            select_in(graph, &coupling, keep, &name, &mut tensor)?;
            *mask = tensor.data.iter().map(|kept| *kept != 0.0).collect();
        }
    }
    let kept = keep.len();
    match &mut model.graph.layers[coupling.layer].op {
        Op::Linear { out_features, .. } => *out_features = kept,
        Op::Convolution { out_channels, .. } => *out_channels = kept,
        _ => {}
    }
    for norm in coupling.norms {
        if let Op::BatchNorm { channels, .. } = &mut model.graph.layers[norm].op {
            *channels = kept;
        }
    }
    for (reader, columns) in coupling.readers {
        match &mut model.graph.layers[reader].op {
            Op::Linear { in_features, .. } => *in_features = kept * columns,
            Op::Convolution { in_channels, .. } => *in_channels = kept * columns,
            _ => {}
        }
    }
    Ok(())
}

/// Removes rows and columns from tensors that are called like parameters, or `SLOT/PARAMETER`, and are shaped like them.
///
/// # Errors
/// When a tensor does not fit `graph`.
pub fn remove_from_tensors(
    graph: &Graph,
    layer: &str,
    keep: &[usize],
    tensors: &mut BTreeMap<String, HostTensor>,
) -> Result<()> {
    let coupling = coupled(graph, layer).map_err(|reason| refused(layer, &reason))?;
    for (name, tensor) in tensors {
        let parameter = name.rsplit('/').next().unwrap_or(name);
        select_in(graph, &coupling, keep, parameter, tensor)?;
    }
    Ok(())
}

/// Sets to zero what reads the units of `layer` that are not in `keep`: the network as it is before it is shrunk.
///
/// # Errors
/// When units of this layer cannot be removed.
pub fn silence(model: &mut Model, layer: &str, keep: &[usize]) -> Result<()> {
    let coupling = coupled(&model.graph, layer).map_err(|reason| refused(layer, &reason))?;
    for (reader, columns) in coupling.readers {
        let name = format!("{}.weight", model.graph.layers[reader].name);
        let Some(tensor) = model.tensors.get_mut(&name) else { continue };
        let inputs = tensor.dims[1];
        let size: usize = tensor.dims[2..].iter().product();
        for (index, block) in tensor.data.chunks_mut(size).enumerate() {
            if keep.binary_search(&(index % inputs / columns)).is_err() {
                block.fill(0.0);
            }
        }
    }
    Ok(())
}

/// Selects the rows or columns of the parameter `name` that belong to the kept units, if it has any.
fn select_in(graph: &Graph, coupling: &Coupling, keep: &[usize], name: &str, tensor: &mut HostTensor) -> Result<()> {
    let owner = |layer: usize| {
        name.strip_prefix(&graph.layers[layer].name)
            .is_some_and(|rest| rest.starts_with('.') && !rest[1..].contains('.'))
    };
    if owner(coupling.layer) || coupling.norms.iter().any(|norm| owner(*norm)) {
        select(tensor, 0, keep, name)?;
    }
    // A bias has no columns.
    if let Some((_, columns)) = coupling.readers.iter().find(|(reader, _)| owner(*reader))
        && tensor.dims.len() > 1
    {
        let wide: Vec<usize> = keep.iter().flat_map(|unit| unit * columns..(unit + 1) * columns).collect();
        select(tensor, 1, &wide, name)?;
    }
    Ok(())
}

/// Keeps only the `indices` of one axis.
fn select(tensor: &mut HostTensor, axis: usize, indices: &[usize], name: &str) -> Result<()> {
    let length = tensor.dims[axis];
    if let Some(index) = indices.iter().find(|index| **index >= length) {
        return Err(Error::new(Kind::Internal, format!("`{name}` has no index {index} on axis {axis} of {length}")));
    }
    let inner: usize = tensor.dims[axis + 1..].iter().product();
    let outer: usize = tensor.dims[..axis].iter().product();
    let mut data = Vec::with_capacity(outer * indices.len() * inner);
    for block in 0..outer {
        for index in indices {
            data.extend_from_slice(&tensor.data[(block * length + index) * inner..][..inner]);
        }
    }
    tensor.data = data;
    tensor.dims[axis] = indices.len();
    Ok(())
}

fn refused(layer: &str, reason: &str) -> Error {
    Error::new(Kind::Stage, format!("units of `{layer}` cannot be removed: {reason}"))
}
