//! What a network costs with some of its units gone, worked out from counts alone: a search asks this many times.

use super::groups::{Group, Side};
use crate::error::Result;
use crate::network::{Graph, Op, Shape};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// [`Graph::macs`].
    Macs,
    /// [`Graph::parameter_count`].
    Parameters,
}

/// The sizes of all layers, as units come and go.
#[derive(Debug, Clone)]
pub struct Costs {
    layers: Vec<Layer>,
}

#[derive(Debug, Clone, Default)]
struct Layer {
    /// Rows of the weight, or channels of a normalization.
    outputs: u64,
    /// Columns of the weight; 0 where there is none.
    inputs: u64,
    /// Weights for each pair of row and column.
    window: u64,
    /// How often each weight is multiplied.
    positions: u64,
    /// Values beside the weight for each output.
    beside: u64,
}

impl Costs {
    /// Of the whole graph.
    ///
    /// # Errors
    /// When the graph is not sound.
    pub fn of(graph: &Graph) -> Result<Self> {
        let layer = |(layer, shape): (&crate::network::Layer, &Shape)| {
            let positions = (shape.size() / shape.channels()) as u64;
            match layer.op {
                Op::Convolution { in_channels, out_channels, kernel, groups, bias, .. } => Layer {
                    outputs: out_channels as u64,
                    inputs: (in_channels / groups) as u64,
                    window: (kernel[0] * kernel[1]) as u64,
                    positions,
                    beside: bias as u64,
                },
                Op::Linear { in_features, out_features, bias } => Layer {
                    outputs: out_features as u64,
                    inputs: in_features as u64,
                    window: 1,
                    positions: 1,
                    beside: bias as u64,
                },
                Op::BatchNorm { channels, .. } => Layer { outputs: channels as u64, beside: 2, ..Layer::default() },
                _ => Layer::default(),
            }
        };
        Ok(Self { layers: graph.layers.iter().zip(&graph.shapes()?).map(layer).collect() })
    }

    /// Takes a unit away.
    pub fn remove(&mut self, group: &Group, unit: usize) {
        self.change(group, unit, |count, channels| *count -= channels);
    }

    /// Puts a unit back.
    pub fn restore(&mut self, group: &Group, unit: usize) {
        self.change(group, unit, |count, channels| *count += channels);
    }

    fn change(&mut self, group: &Group, unit: usize, change: impl Fn(&mut u64, u64)) {
        for member in &group.members {
            let layer = &mut self.layers[member.layer];
            let count = match member.side {
                Side::Outputs => &mut layer.outputs,
                Side::Inputs => &mut layer.inputs,
            };
            change(count, member.channels[unit].len() as u64);
        }
    }

    /// The cost as it is now.
    pub fn total(&self, measure: Measure) -> u64 {
        let cost = |layer: &Layer| {
            let weights = layer.outputs * layer.inputs * layer.window;
            match measure {
                Measure::Macs => weights * layer.positions,
                Measure::Parameters => weights + layer.outputs * layer.beside,
            }
        };
        self.layers.iter().map(cost).fold(0, u64::saturating_add)
    }
}
