//! How a network and a data set meet: classes are matched by name, and images are normalised as the network was trained.

use std::borrow::Cow;

use super::inputs::{self, Prepared};
use super::{Context, Description, Failure};
use crate::data::{Images, Normalization};
use crate::error::Result;
use crate::network::{ClassOrder, Signature};
use crate::train::Progress;

/// A network's view of a data set.
pub struct Fit {
    /// What the network was trained for; of one that does not say, what the data set says.
    pub signature: Signature,
    /// Where the set's classes are in the network's logits.
    pub order: ClassOrder,
}

impl Fit {
    /// What images are normalised by for the network.
    pub fn normalization(&self) -> &Normalization {
        &self.signature.normalization
    }

    /// `images` with their labels in the network's order.
    pub fn relabelled<'a>(&self, images: &'a Images) -> Cow<'a, Images> {
        if self.order.is_same() {
            return Cow::Borrowed(images);
        }
        Cow::Owned(images.relabelled(|label| self.order.label(label)))
    }
}

/// What a network is trained for that learns from `data`.
pub fn signature_of(data: &Prepared) -> Signature {
    let resize = data.set.source.resize().map(str::to_owned);
    Signature::classification(data.set.class_names.clone(), data.set.train.shape, resize, data.normalization.clone())
}

/// The network that a stage takes as `role`, and its data.
///
/// # Errors
/// `Kind::Input` when they have other classes or images of another size; [`Failure::InputLost`].
pub fn fit(description: &Description, role: &str, data: &Prepared, context: &Context) -> Result<Fit, Failure> {
    let signature = inputs::signature(description, role, context)?;
    if signature.is_none() {
        let note = format!(
            "`{role}` does not say what it was trained for: its classes are taken in the order of the data set, and images \
             are normalised as for that"
        );
        (context.progress)(Progress::Note(note));
    }
    Ok(meet(signature, &format!("`{role}`"), data, context)?)
}

/// A network with `signature`, if it has one, and a data set. `name` is what the network is called in messages.
///
/// # Errors
/// `Kind::Input` when they have other classes or images of another size.
pub fn meet(signature: Option<Signature>, name: &str, data: &Prepared, context: &Context) -> Result<Fit> {
    let Some(signature) = signature else { return Ok(Fit { signature: signature_of(data), order: ClassOrder::SAME }) };
    let order = signature.order(name, data.set.train.shape, &data.set.class_names)?;
    if data.has_own_constants && signature.normalization != data.normalization {
        let note = format!(
            "images are normalised for {name} as it was trained, by {}, not by the constants of the data section",
            signature.normalization
        );
        (context.progress)(Progress::Note(note));
    }
    Ok(Fit { signature, order })
}
