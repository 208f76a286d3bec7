//! The data sets that a manifest can name.

use serde::{Deserialize, Serialize};

/// Where a data set comes from, as the manifest names it (`"digits"`, `"mnist"`, `"fashion-mnist"`, `"cifar-10"`,
/// `"cifar-100"`).
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
}

impl Source {
    /// Every source, in the order they are listed to a user.
    pub const ALL: &[Source] =
        &[Source::Digits, Source::Mnist, Source::FashionMnist, Source::Cifar10, Source::Cifar100];

    /// The name in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Source::Digits => "digits",
            Source::Mnist => "mnist",
            Source::FashionMnist => "fashion-mnist",
            Source::Cifar10 => "cifar-10",
            Source::Cifar100 => "cifar-100",
        }
    }

    /// Whether the files must be given by the user, as a folder. The built-in set takes no path.
    pub fn needs_path(self) -> bool {
        self != Source::Digits
    }

    /// Height, width and channels of every image.
    pub fn image_shape(self) -> [usize; 3] {
        match self {
            Source::Digits => [8, 8, 1],
            Source::Mnist | Source::FashionMnist => [28, 28, 1],
            Source::Cifar10 | Source::Cifar100 => [32, 32, 3],
        }
    }

    /// The number of classes; labels are 0 to one less than this.
    pub fn classes(self) -> usize {
        match self {
            Source::Digits | Source::Mnist | Source::FashionMnist | Source::Cifar10 => 10,
            Source::Cifar100 => 100,
        }
    }

    /// The published number of training images, before a validation split. A user's folder may hold a part of the
    /// set, so [`load`](super::load) can return fewer or more.
    pub fn train_size(self) -> usize {
        match self {
            Source::Digits => 1_350,
            Source::Mnist | Source::FashionMnist => 60_000,
            Source::Cifar10 | Source::Cifar100 => 50_000,
        }
    }

    /// The published number of test images; see [`train_size`](Self::train_size).
    pub fn test_size(self) -> usize {
        match self {
            Source::Digits => 447,
            Source::Mnist | Source::FashionMnist | Source::Cifar10 | Source::Cifar100 => 10_000,
        }
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
