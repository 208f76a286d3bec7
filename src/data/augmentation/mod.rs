//! Random changes to training images.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | [`Augmentation`]: what a manifest can name |
//! | `policy.rs` | TrivialAugment and RandAugment: which operations an image gets, and how strongly |
//! | `color.rs` | operations on the values of pixels: autocontrast, equalize, posterize, solarize, … |
//! | `geometry.rs` | operations on the places of pixels: rotate, shear, translate |
//! | `placement.rs` | crop, flip and cutout, which need no copy of the image |
//! | `mix.rs` | mixup and cutmix: two images in one |
//!
//! They are always applied in this order, whatever their order in the manifest: policy, flip and crop, normalisation,
//! cutout, mixup or cutmix. Each draws from a generator of its own by (seed, epoch, sample), so what happens to an image
//! depends on nothing else; mixing depends on its batch too, where its partner comes from.

mod color;
mod geometry;
mod mix;
mod placement;
mod policy;

use serde::{Deserialize, Serialize};

pub use mix::Mix;
pub(super) use mix::mix;
pub(super) use placement::Placement;
pub(super) use policy::apply;

/// A random change of training images, as the manifest names it: `"crop"`, or `{ kind = "cutout", size = 16 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub enum Augmentation {
    /// Pads each side with zeros after normalisation (that is, with the mean) and crops back at a random place. The
    /// padding is an eighth of the size, at least 1: 4 pixels at 32 as in He et al. (2015), 3 at 28, 1 at 8.
    Crop,
    /// Flips left and right with probability 1/2.
    Flip,
    /// Sets a square around a random pixel to the mean (DeVries and Taylor, 2017). It may reach over the border.
    Cutout {
        /// Side of the square in pixels; half of the image's shorter side when absent.
        size: Option<u64>,
    },
    /// Adds two images, λ and 1 − λ of them, and their labels alike (Zhang et al., 2018); λ is drawn from Beta(α, α).
    Mixup {
        /// α.
        alpha: f64,
    },
    /// Puts a rectangle of another image in place, and shares the label by area (Yun et al., 2019); the share of the
    /// rectangle before it is cut off at the border is 1 − λ, drawn from Beta(α, α).
    Cutmix {
        /// α.
        alpha: f64,
    },
    /// One operation of random strength an image (Müller and Hutter, 2021; the wide space).
    TrivialAugment,
    /// Several operations of one strength an image (Cubuk et al., 2020).
    RandAugment {
        /// How many, one after the other.
        operations: u64,
        /// How strongly, 0 to 30.
        magnitude: u64,
    },
}

/// How it is written: without parameters as a word, otherwise as a table.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Word(Word),
    Table(Table),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Crop,
    Flip,
    TrivialAugment,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Table {
    Cutout { size: Option<u64> },
    Mixup { alpha: f64 },
    Cutmix { alpha: f64 },
    RandAugment { operations: u64, magnitude: u64 },
}

impl From<Augmentation> for Written {
    fn from(augmentation: Augmentation) -> Self {
        match augmentation {
            Augmentation::Crop => Written::Word(Word::Crop),
            Augmentation::Flip => Written::Word(Word::Flip),
            Augmentation::TrivialAugment => Written::Word(Word::TrivialAugment),
            Augmentation::Cutout { size } => Written::Table(Table::Cutout { size }),
            Augmentation::Mixup { alpha } => Written::Table(Table::Mixup { alpha }),
            Augmentation::Cutmix { alpha } => Written::Table(Table::Cutmix { alpha }),
            Augmentation::RandAugment { operations, magnitude } => {
                Written::Table(Table::RandAugment { operations, magnitude })
            }
        }
    }
}

impl From<Written> for Augmentation {
    fn from(written: Written) -> Self {
        match written {
            Written::Word(Word::Crop) => Augmentation::Crop,
            Written::Word(Word::Flip) => Augmentation::Flip,
            Written::Word(Word::TrivialAugment) => Augmentation::TrivialAugment,
            Written::Table(Table::Cutout { size }) => Augmentation::Cutout { size },
            Written::Table(Table::Mixup { alpha }) => Augmentation::Mixup { alpha },
            Written::Table(Table::Cutmix { alpha }) => Augmentation::Cutmix { alpha },
            Written::Table(Table::RandAugment { operations, magnitude }) => {
                Augmentation::RandAugment { operations, magnitude }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words_and_parameters_make_tables() {
        let all = [
            (Augmentation::Crop, r#""crop""#),
            (Augmentation::Flip, r#""flip""#),
            (Augmentation::TrivialAugment, r#""trivial-augment""#),
            (Augmentation::Cutout { size: None }, r#"{"kind":"cutout","size":null}"#),
            (Augmentation::Cutout { size: Some(3) }, r#"{"kind":"cutout","size":3}"#),
            (Augmentation::Mixup { alpha: 0.2 }, r#"{"kind":"mixup","alpha":0.2}"#),
            (Augmentation::Cutmix { alpha: 1.0 }, r#"{"kind":"cutmix","alpha":1.0}"#),
            (
                Augmentation::RandAugment { operations: 2, magnitude: 9 },
                r#"{"kind":"rand-augment","operations":2,"magnitude":9}"#,
            ),
        ];
        for (augmentation, text) in all {
            assert_eq!(serde_json::to_string(&augmentation).unwrap(), text);
            assert_eq!(serde_json::from_str::<Augmentation>(text).unwrap(), augmentation);
        }
    }
}
