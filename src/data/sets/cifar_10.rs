//! CIFAR-10, binary version (A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009).

use super::{Archive, Half, Holds, Layout, Part};
use crate::data::formats::cifar::Labels;

const fn part(role: &'static str, names: &'static [&'static str], half: Half) -> Part {
    Part { role, names, half, holds: Holds::Records(Labels::One) }
}

/// CIFAR-10.
pub const LAYOUT: Layout = Layout {
    unpacked: Some("cifar-10-batches-bin"),
    parts: &[
        part("train-1", &["data_batch_1.bin"], Half::Train),
        part("train-2", &["data_batch_2.bin"], Half::Train),
        part("train-3", &["data_batch_3.bin"], Half::Train),
        part("train-4", &["data_batch_4.bin"], Half::Train),
        part("train-5", &["data_batch_5.bin"], Half::Train),
        part("test", &["test_batch.bin"], Half::Test),
    ],
    class_names_file: Some("batches.meta.txt"),
    class_names: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    publisher: "https://www.cs.toronto.edu/~kriz/cifar.html",
    licence: "none stated",
    archives: &[Archive {
        url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        md5: "c32a1d4ab5d03f1284b67883e8d87530",
    }],
    digest: Some("bfdaf27750713a3c9a179fcd6a42ed46c78d48200d94092a3810e48e16762391"),
};
