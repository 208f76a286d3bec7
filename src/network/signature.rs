//! What a network was trained for: which images it takes, and what its logits stand for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::data::Normalization;
use crate::error::{Error, Kind, Result};

/// The key of the signature in the metadata of a safetensors file.
pub const METADATA: &str = "pleach.signature";

/// The only task there is.
const CLASSIFICATION: &str = "classification";

/// How many names of a list are shown before the rest is only counted.
const SHOWN: usize = 20;

/// What a network was trained for. In the store it is an object of its own beside the layer graph, which it is no part of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Signature {
    task: String,
    /// The name of each class, in the order of the logits.
    pub classes: Vec<String>,
    /// Height, width and channels of an image.
    pub input: [usize; 3],
    /// How images were resized to that; none where they came in that size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<String>,
    /// What images are normalised by, as `mean` and `deviation`.
    #[serde(flatten)]
    pub normalization: Normalization,
}

impl Signature {
    /// That of a network that tells `classes` apart.
    pub fn classification(
        classes: Vec<String>,
        input: [usize; 3],
        resize: Option<String>,
        normalization: Normalization,
    ) -> Self {
        Self { task: CLASSIFICATION.to_owned(), classes, input, resize, normalization }
    }

    /// Reads what was written as JSON.
    ///
    /// # Errors
    /// `Kind::Input` when it is none, contradicts itself, or is for a task that this version does not know.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let invalid = |error: &dyn std::fmt::Display| {
            Error::new(Kind::Input, format!("the signature of the network is not valid: {error}"))
        };
        let value: Value = serde_json::from_slice(bytes).map_err(|error| invalid(&error))?;
        if let Some(task) = value.get("task").and_then(Value::as_str).filter(|task| *task != CLASSIFICATION) {
            let message = format!("the network's task is `{}`, which is not known", task.escape_debug());
            return Err(Error::new(Kind::Input, message).hint("this version knows `classification` only"));
        }
        let signature: Self = serde_json::from_value(value).map_err(|error| invalid(&error))?;
        let Normalization { mean, deviation } = &signature.normalization;
        let channels = signature.input[2];
        if mean.len() != channels || deviation.len() != channels {
            return Err(invalid(&"`mean` and `deviation` need a number for each channel"));
        }
        if !mean.iter().all(|mean| mean.is_finite()) || !deviation.iter().all(|d| d.is_finite() && *d > 0.0) {
            return Err(invalid(&"`mean` must be finite, `deviation` finite and above 0"));
        }
        Ok(signature)
    }

    /// The signature among the metadata of a safetensors file, if there is one.
    ///
    /// # Errors
    /// As for [`Signature::from_json`].
    pub fn in_metadata(metadata: &HashMap<String, String>) -> Result<Option<Self>> {
        metadata.get(METADATA).map(|json| Self::from_json(json.as_bytes())).transpose()
    }

    /// How the classes of a data set, whose images have `shape` (height, width, channels), lie in the network's logits. `name`
    /// is what the network is called in messages.
    ///
    /// # Errors
    /// `Kind::Input` when the set has other classes or images of another size.
    pub fn order(&self, name: &str, shape: [usize; 3], classes: &[String]) -> Result<ClassOrder> {
        if self.input != shape {
            let words = |[h, w, c]: [usize; 3]| format!("{h}x{w}x{c}");
            let message = format!("{name} takes images of {}, and the data has {}", words(self.input), words(shape));
            return Err(Error::new(Kind::Input, message));
        }
        ClassOrder::between(&self.classes, classes).ok_or_else(|| {
            let error = Error::new(Kind::Input, format!("{name} learnt other classes than the data has"));
            difference(&self.classes, classes).into_iter().fold(error, Error::hint)
        })
    }
}

/// Where the classes of one list are in a network's logits. The one place where classes are matched: by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassOrder(Option<Vec<u32>>);

impl ClassOrder {
    /// Both lists are in the same order.
    pub const SAME: Self = Self(None);

    /// How the classes of `list` lie in those of a network; `None` unless they have the same names.
    pub fn between(network: &[String], list: &[String]) -> Option<Self> {
        if network == list {
            return Some(Self::SAME);
        }
        let places: BTreeMap<&String, u32> = network.iter().zip(0..).collect();
        let places: Vec<u32> = list.iter().map(|name| places.get(name).copied()).collect::<Option<_>>()?;
        // Names that are there twice cannot be told apart.
        let different: BTreeSet<u32> = places.iter().copied().collect();
        (different.len() == network.len() && places.len() == network.len()).then_some(Self(Some(places)))
    }

    /// Whether both lists are in the same order.
    pub fn is_same(&self) -> bool {
        self.0.is_none()
    }

    /// The network's number for the class with number `label` in the list.
    ///
    /// # Panics
    /// If there is no such class.
    pub fn label(&self, label: u32) -> u32 {
        self.0.as_ref().map_or(label, |places| places[label as usize])
    }

    /// Brings a network's logits, (images, classes) row by row, into the order of the list.
    pub fn reorder(&self, logits: &mut [f32]) {
        let Some(places) = &self.0 else { return };
        let mut before = vec![0.0; places.len()];
        for row in logits.chunks_exact_mut(places.len()) {
            before.copy_from_slice(row);
            row.iter_mut().zip(places).for_each(|(logit, place)| *logit = before[*place as usize]);
        }
    }
}

/// For an error about classes that are not the same: both lists, and what is on one side only.
pub fn difference(network: &[String], data: &[String]) -> Vec<String> {
    let list = |names: &[&String]| {
        let mut shown: Vec<String> =
            names.iter().take(SHOWN).map(|name| format!("`{}`", name.escape_debug())).collect();
        if names.len() > SHOWN {
            shown.push(format!("and {} more", names.len() - SHOWN));
        }
        if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
    };
    let only = |these: &[String], those: &[String]| {
        let those: BTreeSet<&String> = those.iter().collect();
        list(&these.iter().filter(|name| !those.contains(name)).collect::<Vec<_>>())
    };
    vec![
        format!("classes of the network: {}", list(&network.iter().collect::<Vec<_>>())),
        format!("classes of the data: {}", list(&data.iter().collect::<Vec<_>>())),
        format!("only in the network: {}; only in the data: {}", only(network, data), only(data, network)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn signature() -> Signature {
        let normalization = Normalization { mean: vec![0.1, 1.0 / 3.0, 0.3], deviation: vec![0.2, 0.7, 1.0] };
        Signature::classification(names(&["a<b>\"c,d", "new\nline"]), [8, 6, 3], None, normalization)
    }

    #[test]
    fn what_was_written_is_read_back() {
        let json = serde_json::to_vec(&signature()).unwrap();
        assert_eq!(Signature::from_json(&json).unwrap(), signature());
        let resized = Signature { resize: Some("bilinear".into()), ..signature() };
        assert_eq!(Signature::from_json(&serde_json::to_vec(&resized).unwrap()).unwrap(), resized);
    }

    #[test]
    fn what_is_not_known_or_contradicts_itself_is_refused() {
        let json = serde_json::to_string(&signature()).unwrap();
        let changes = [
            ("\"classification\"", "\"detection\""),
            ("\"input\":[8,6,3]", "\"input\":[8,6,1]"),
            ("0.7", "0.0"),
            ("\"classes\"", "\"labels\""),
        ];
        let told = changes.map(|(from, to)| {
            assert!(json.contains(from), "{json}");
            Signature::from_json(json.replace(from, to).as_bytes()).unwrap_err().to_string()
        });
        insta::assert_snapshot!(told.join("\n"), @"
        the network's task is `detection`, which is not known
        the signature of the network is not valid: `mean` and `deviation` need a number for each channel
        the signature of the network is not valid: `mean` must be finite, `deviation` finite and above 0
        the signature of the network is not valid: missing field `classes`
        ");
    }

    #[test]
    fn classes_are_matched_by_name() {
        let network = names(&["ant", "bee", "cat"]);
        assert!(ClassOrder::between(&network, &network).unwrap().is_same());
        // The list is cat, ant, bee.
        let order = ClassOrder::between(&network, &names(&["cat", "ant", "bee"])).unwrap();
        assert_eq!([0, 1, 2].map(|label| order.label(label)), [2, 0, 1]);
        let mut logits = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        order.reorder(&mut logits);
        assert_eq!(logits, [3.0, 1.0, 2.0, 6.0, 4.0, 5.0]);
        for other in
            [&["ant", "bee"][..], &["ant", "bee", "Cat"], &["ant", "bee", "bee"], &["ant", "bee", "cat", "dog"]]
        {
            assert_eq!(ClassOrder::between(&network, &names(other)), None, "{other:?}");
        }
    }

    #[test]
    fn both_lists_are_shown() {
        let told = difference(&names(&["ant", "new\nline"]), &names(&["ant", "cat"]));
        insta::assert_snapshot!(told.join("\n"), @r"
        classes of the network: `ant`, `new\nline`
        classes of the data: `ant`, `cat`
        only in the network: `new\nline`; only in the data: `cat`
        ");
    }
}
