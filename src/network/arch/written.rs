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
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct WrittenLayer {
    layer: Layer,
    /// The channels or features that it reads, where they are written all the same: they must be right, and decide nothing.
    reads: Option<usize>,
}

impl PartialEq for WrittenLayer {
    fn eq(&self, other: &Self) -> bool {
        self.layer == other.layer
    }
}

impl WrittenLayer {
    /// The layer. A size of its input that `op` has is checked when the graph is built; 0 says nothing.
    pub fn new(name: String, mut op: Op, inputs: Vec<String>) -> Self {
        let reads = input_size(&mut op).map(|(_, size)| std::mem::take(size)).filter(|size| *size > 0);
        Self { layer: Layer { name, op, inputs }, reads }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.layer.name
    }
}

/// The size that follows from the input, of an operation that has one, with its key.
fn input_size(op: &mut Op) -> Option<(&'static str, &mut usize)> {
    match op {
        Op::Convolution { in_channels, .. } | Op::PadShortcut { in_channels, .. } => Some(("in-channels", in_channels)),
        Op::BatchNorm { channels, .. } => Some(("channels", channels)),
        Op::Linear { in_features, .. } => Some(("in-features", in_features)),
        _ => None,
    }
}

impl From<WrittenLayer> for Map<String, Value> {
    fn from(WrittenLayer { mut layer, .. }: WrittenLayer) -> Self {
        let Ok(Value::Object(mut map)) = serde_json::to_value(&layer) else { unreachable!("a layer is an object") };
        if let Some((key, _)) = input_size(&mut layer.op) {
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
        if let Some(key) = key {
            map.entry(key).or_insert_with(|| 0.into());
        }
        Layer::try_from(map).map(|Layer { name, op, inputs }| Self::new(name, op, inputs))
    }
}

/// The graph of `layers` for images of (height, width, channels). Fails, with the index of the layer concerned, as
/// [`Graph::shapes`] does, if a size of an input is written and wrong, or if the last layer does not give `classes` logits.
/// `own` is the shape of the images that the layers were written for, if it is known; any other is refused.
pub(super) fn build(
    layers: &[WrittenLayer],
    own: Option<[usize; 3]>,
    input: [usize; 3],
    classes: usize,
) -> Result<Graph, Unbuildable> {
    let fail =
        |layer: usize, message: String| Unbuildable { layer: Some(layer), error: Error::new(Kind::Manifest, message) };
    let [height, width, channels] = input;
    if let Some([h, w, c]) = own.filter(|own| *own != input) {
        let message = format!("the network takes {h}x{w}x{c} images, but the data has {height}x{width}x{channels}");
        let hint = match build(layers, None, input, classes) {
            // As behind global pooling. What it was trained for is another matter, so that nobody does it in passing.
            Ok(_) => {
                "its layers fit these images too: write them out as `{ arch = \"graph\", layers = […] }` to use them so"
                    .to_owned()
            }
            Err(_) => {
                format!(
                    "its layers fit {h}x{w}x{c} images only: take data of that size (own images: `size = [{h}, {w}]`), or a network for this data"
                )
            }
        };
        return Err(Error::new(Kind::Manifest, message).hint(hint).into());
    }
    let reads: Vec<Option<usize>> = layers.iter().map(|written| written.reads).collect();
    let mut layers: Vec<Layer> = layers.iter().map(|written| written.layer.clone()).collect();
    let names: Vec<String> = layers.iter().map(|layer| layer.name.clone()).collect();
    let mut known = BTreeMap::from([(INPUT, Shape::Map { height, width, channels })]);
    for (index, (layer, name)) in layers.iter_mut().zip(&names).enumerate() {
        let found = layer.inputs.first().and_then(|name| known.get(name.as_str())).map(Shape::channels);
        if let (Some((_, size)), Some(found)) = (input_size(&mut layer.op), found) {
            *size = found;
        }
        // The first mistake stops this; the check of the whole graph tells it.
        let Ok(shape) = layer_shape(layer, &known) else { break };
        known.insert(name, shape);
        if let (Some((key, found)), Some(written)) = (input_size(&mut layer.op), reads[index])
            && *found != written
        {
            let message = format!("layer `{name}`: `{key}` is {written}, but its input has {found}");
            return Err(fail(index, message));
        }
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
