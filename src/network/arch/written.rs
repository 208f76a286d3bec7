//! Layers written out in the manifest. Sizes that follow from what a layer reads are not written: they are worked out
//! when the graph is built for images of one shape.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::Unbuildable;
use crate::error::{Error, Kind, Result};
use crate::network::graph::{Graph, INPUT, Layer, Op};
use crate::network::shapes::{Shape, layer_shape};

/// A layer as it is written. Its serialized form is a layer's, without the channels or features that it reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct WrittenLayer(Layer);

impl WrittenLayer {
    /// The layer, whatever sizes of its input `op` has.
    pub fn new(name: String, mut op: Op, inputs: Vec<String>) -> Self {
        set_input_size(&mut op, 0);
        Self(Layer { name, op, inputs })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

/// Sets the size that follows from the input, of an operation that has one.
fn set_input_size(op: &mut Op, size: usize) {
    match op {
        Op::Convolution { in_channels: read, .. }
        | Op::PadShortcut { in_channels: read, .. }
        | Op::BatchNorm { channels: read, .. }
        | Op::Linear { in_features: read, .. } => *read = size,
        _ => {}
    }
}

/// The key that is not written.
fn input_size_key(op: &Op) -> Option<&'static str> {
    match op {
        Op::Convolution { .. } | Op::PadShortcut { .. } => Some("in-channels"),
        Op::BatchNorm { .. } => Some("channels"),
        Op::Linear { .. } => Some("in-features"),
        _ => None,
    }
}

impl From<WrittenLayer> for Map<String, Value> {
    fn from(WrittenLayer(layer): WrittenLayer) -> Self {
        let Ok(Value::Object(mut map)) = serde_json::to_value(&layer) else { unreachable!("a layer is an object") };
        if let Some(key) = input_size_key(&layer.op) {
            map.shift_remove(key);
        }
        // A single precision number as it is written, and not with the digits of its double.
        for value in map.values_mut().filter(|value| value.is_f64()) {
            let single = value.as_f64().map(|double| (double as f32).to_string());
            let shortest = single.and_then(|text| text.parse().ok()).and_then(Number::from_f64);
            *value = shortest.map_or(Value::Null, Value::Number);
        }
        map
    }
}

impl TryFrom<Map<String, Value>> for WrittenLayer {
    type Error = String;

    fn try_from(mut map: Map<String, Value>) -> Result<Self, String> {
        let key = match map.get("op").and_then(Value::as_str) {
            Some("convolution" | "pad-shortcut") => Some("in-channels"),
            Some("batch-norm") => Some("channels"),
            Some("linear") => Some("in-features"),
            _ => None,
        };
        if let Some(key) = key
            && map.insert(key.into(), 0.into()).is_some()
        {
            return Err(format!("`{key}` follows from the input and is not written"));
        }
        Layer::try_from(map).map(Self)
    }
}

/// The graph of `layers` for images of (height, width, channels). Fails, with the index of the layer concerned, as
/// [`Graph::shapes`] does, and if the last layer does not give `classes` logits.
pub(super) fn build(layers: &[WrittenLayer], input: [usize; 3], classes: usize) -> Result<Graph, Unbuildable> {
    let fail =
        |layer: usize, message: String| Unbuildable { layer: Some(layer), error: Error::new(Kind::Manifest, message) };
    let mut layers: Vec<Layer> = layers.iter().map(|written| written.0.clone()).collect();
    let [height, width, channels] = input;
    let names: Vec<String> = layers.iter().map(|layer| layer.name.clone()).collect();
    let mut known = BTreeMap::from([(INPUT, Shape::Map { height, width, channels })]);
    for (layer, name) in layers.iter_mut().zip(&names) {
        if let Some(shape) = layer.inputs.first().and_then(|name| known.get(name.as_str())) {
            set_input_size(&mut layer.op, shape.channels());
        }
        // The first mistake stops this; the check of the whole graph tells it.
        let Ok(shape) = layer_shape(layer, &known) else { break };
        known.insert(name, shape);
    }
    let graph = Graph { input, layers };
    let shapes = graph.located_shapes().map_err(|(layer, message)| fail(layer, message))?;
    let logits = shapes.last().map_or(0, Shape::size);
    if logits != classes {
        let last = shapes.len() - 1;
        let message = format!(
            "the last layer, `{}`, gives {logits} logits, but the data has {classes} classes",
            graph.layers[last].name
        );
        return Err(fail(last, message));
    }
    Ok(graph)
}
