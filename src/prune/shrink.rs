//! Removing units for real: smaller tensors and a new layer graph, which computes what the old one computes when
//! nothing reads the removed units.

use std::collections::BTreeMap;

use super::coupling::{Coupling, Runs, runs};
use crate::error::{Error, Kind, Result};
use crate::network::{Graph, HostTensor, Model, Op};

/// Which units stay: for each group one flag a unit.
pub type Keep = Vec<Vec<bool>>;

/// What stays of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// The layer graph afterwards.
    pub graph: Graph,
    /// By layer, what stays of its tensors.
    layers: BTreeMap<String, Stays>,
}

/// What stays of a layer's tensors, ascending; `None` when all does.
#[derive(Debug, Clone, PartialEq, Default)]
struct Stays {
    rows: Option<Vec<usize>>,
    columns: Option<Vec<usize>>,
}

impl Selection {
    /// What is left of `graph` when only the units in `keep` stay.
    ///
    /// # Errors
    /// [`Kind::Stage`] when a layer would be empty.
    pub fn new(graph: &Graph, coupling: &Coupling, keep: &Keep) -> Result<Self> {
        let outputs: Vec<Vec<bool>> = coupling
            .outputs
            .iter()
            .map(|units| units.iter().map(|unit| unit.is_none_or(|unit| keep[unit.group][unit.unit])).collect())
            .collect();
        let image = vec![true; graph.input[2]];
        let mut selection = Selection { graph: graph.clone(), layers: BTreeMap::new() };
        for (number, layer) in selection.graph.layers.iter_mut().enumerate() {
            let (made, read) = (&outputs[number], coupling.sources[number].map_or(&image, |source| &outputs[source]));
            let count = |flags: &[bool]| flags.iter().filter(|kept| **kept).count();
            if count(made) == 0 {
                return Err(Error::new(Kind::Stage, format!("no channel of `{}` would be left", layer.name)));
            }
            let mut columns = None;
            match &mut layer.op {
                op @ Op::Convolution { .. } => {
                    let runs = runs(op);
                    let Op::Convolution { in_channels, out_channels, groups, .. } = op else { continue };
                    columns = match runs {
                        Runs::One => indices(read),
                        Runs::Depthwise => None,
                        Runs::Several(runs) => indices(&read[..read.len() / runs]),
                    };
                    (*in_channels, *out_channels) = (count(read), count(made));
                    if runs == Runs::Depthwise {
                        *groups = *in_channels;
                    }
                }
                Op::Linear { in_features, out_features, .. } => {
                    columns = indices(read);
                    (*in_features, *out_features) = (count(read), count(made));
                }
                Op::BatchNorm { channels, .. } => *channels = count(made),
                Op::PadShortcut { in_channels, out_channels, before, .. } => {
                    let zeros = before.unwrap_or((*out_channels - *in_channels) / 2);
                    if made.contains(&false) {
                        *before = Some(count(&made[..zeros]));
                    }
                    (*in_channels, *out_channels) = (count(read), count(made));
                    continue;
                }
                _ => continue,
            }
            selection.layers.insert(layer.name.clone(), Stays { rows: indices(made), columns });
        }
        Ok(selection)
    }

    /// The smaller network.
    ///
    /// # Errors
    /// When a tensor does not fit the graph from before.
    pub fn shrink(&self, model: &mut Model) -> Result<()> {
        for (name, mask) in &mut model.masks {
            if let Some(tensor) = model.tensors.get(name) {
                self.select(name, &mut tensor.dims.clone(), mask)?;
            }
        }
        self.remove_from(&mut model.tensors)?;
        model.graph = self.graph.clone();
        Ok(())
    }

    /// Takes the rows and columns that do not stay out of tensors that are called like parameters, or `SLOT/PARAMETER`,
    /// and shaped like them.
    ///
    /// # Errors
    /// When a tensor does not fit the graph from before.
    pub fn remove_from(&self, tensors: &mut BTreeMap<String, HostTensor>) -> Result<()> {
        for (name, tensor) in tensors {
            self.select(name, &mut tensor.dims, &mut tensor.data)?;
        }
        Ok(())
    }

    /// Sets to zero whatever reads the units that do not stay: the network as it is before it is shrunk.
    pub fn silence(&self, model: &mut Model) {
        for (layer, stays) in &self.layers {
            let Some(columns) = &stays.columns else { continue };
            let Some(tensor) = model.tensors.get_mut(&format!("{layer}.weight")) else { continue };
            let inputs = tensor.dims[1];
            let size: usize = tensor.dims[2..].iter().product();
            for (index, block) in tensor.data.chunks_mut(size).enumerate() {
                if columns.binary_search(&(index % inputs)).is_err() {
                    block.fill(0.0);
                }
            }
        }
    }

    fn select<T: Copy>(&self, name: &str, dims: &mut [usize], data: &mut Vec<T>) -> Result<()> {
        let parameter = name.rsplit('/').next().unwrap_or(name);
        let Some((layer, _)) = parameter.rsplit_once('.') else { return Ok(()) };
        let Some(stays) = self.layers.get(layer) else { return Ok(()) };
        // A bias has no columns.
        for (axis, indices) in [&stays.rows, &stays.columns].into_iter().enumerate().take(dims.len()) {
            let Some(indices) = indices else { continue };
            let length = dims[axis];
            if let Some(index) = indices.last().filter(|index| **index >= length) {
                return Err(Error::new(
                    Kind::Internal,
                    format!("`{name}` has no index {index} on axis {axis} of {length}"),
                ));
            }
            let inner: usize = dims[axis + 1..].iter().product();
            let outer: usize = dims[..axis].iter().product();
            let mut chosen = Vec::with_capacity(outer * indices.len() * inner);
            for block in 0..outer {
                for index in indices {
                    chosen.extend_from_slice(&data[(block * length + index) * inner..][..inner]);
                }
            }
            *data = chosen;
            dims[axis] = indices.len();
        }
        Ok(())
    }
}

/// Where the flags are set; `None` when they all are.
fn indices(kept: &[bool]) -> Option<Vec<usize>> {
    kept.contains(&false).then(|| (0..kept.len()).filter(|index| kept[*index]).collect())
}
