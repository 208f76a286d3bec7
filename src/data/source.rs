//! The data sets that a manifest can name.

use serde::{Deserialize, Serialize};

use super::Outline;
use super::load::class_names;
use super::sets::layout;

/// Where a data set comes from, as the manifest names it (`"digits"`, `"mnist"`, `"fashion-mnist"`, `"cifar-10"`,
/// `"cifar-100"`, `"svhn"`, `"images"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// 1,797 handwritten digits of 8x8 grey pixels, built in.
    Digits,
    /// 70,000 handwritten digits of 28x28 grey pixels (LeCun, Cortes and Burges).
    Mnist,
    /// 70,000 articles of clothing in MNIST's format (Xiao, Rasul and Vollgraf, 2017).
    FashionMnist,
    /// 60,000 photographs of 32x32 colour pixels in 10 classes (Krizhevsky, 2009).
    #[serde(rename = "cifar-10")]
    Cifar10,
    /// 60,000 photographs of 32x32 colour pixels in 100 classes (Krizhevsky, 2009).
    #[serde(rename = "cifar-100")]
    Cifar100,
    /// 99,289 house numbers, cut into digits of 32x32 colour pixels (Netzer et al., 2011).
    Svhn,
    /// A user's own images, from PNG, JPEG, WebP and BMP files.
    Images,
}

impl Source {
    /// Every source, in the order they are listed to a user.
    pub const ALL: &[Source] = &[
        Source::Digits,
        Source::Mnist,
        Source::FashionMnist,
        Source::Cifar10,
        Source::Cifar100,
        Source::Svhn,
        Source::Images,
    ];

    /// The name in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Source::Digits => "digits",
            Source::Mnist => "mnist",
            Source::FashionMnist => "fashion-mnist",
            Source::Cifar10 => "cifar-10",
            Source::Cifar100 => "cifar-100",
            Source::Svhn => "svhn",
            Source::Images => "images",
        }
    }

    /// Whether the files must be given by the user, as a folder. The built-in set takes no path.
    pub fn needs_path(self) -> bool {
        self != Source::Digits
    }

    /// Shape, classes and sizes as published; `None` for a user's own images.
    pub fn published(self) -> Option<Outline> {
        let class_names = class_names(self, None)?;
        let outline =
            |shape, classes, train, test| Some(Outline { shape, classes, class_names, train, validation: 0, test });
        match self {
            Source::Digits => outline([8, 8, 1], 10, 1_350, 447),
            Source::Mnist | Source::FashionMnist => outline([28, 28, 1], 10, 60_000, 10_000),
            Source::Cifar10 => outline([32, 32, 3], 10, 50_000, 10_000),
            Source::Cifar100 => outline([32, 32, 3], 100, 50_000, 10_000),
            Source::Svhn => outline([32, 32, 3], 10, 73_257, 26_032),
            Source::Images => None,
        }
    }

    /// How images are resized, in words; none where they come in one size.
    pub fn resize(self) -> Option<&'static str> {
        (self == Source::Images).then_some("bilinear with antialiasing, aspect ratio not kept")
    }

    /// Where the set is published, and under which terms; `None` for a user's own images.
    pub fn publisher(self) -> Option<(&'static str, &'static str)> {
        match self {
            Source::Digits => Some(("built in", "CC BY 4.0")),
            source => layout(source).map(|layout| (layout.publisher, layout.licence)),
        }
    }

    /// The digest of the published content, where it is known.
    pub fn published_digest(self) -> Option<&'static str> {
        layout(self).and_then(|layout| layout.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_written_as_it_is_named() {
        for &source in Source::ALL {
            let written = serde_json::to_string(&source).unwrap();
            assert_eq!(written, format!("\"{}\"", source.name()));
            assert_eq!(serde_json::from_str::<Source>(&written).unwrap(), source);
        }
    }
}
