//! CIFAR-100, binary version (A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009). The fine
//! labels are the classes.

use super::{Archive, Half, Holds, Layout, Part};
use crate::data::formats::cifar::Labels;

const HOLDS: Holds = Holds::Records(Labels::CoarseAndFine);

/// CIFAR-100.
pub const LAYOUT: Layout = Layout {
    unpacked: Some("cifar-100-binary"),
    parts: &[
        Part { role: "train", names: &["train.bin"], half: Half::Train, holds: HOLDS },
        Part { role: "test", names: &["test.bin"], half: Half::Test, holds: HOLDS },
    ],
    class_names_file: Some("fine_label_names.txt"),
    class_names: &CLASS_NAMES,
    publisher: "https://www.cs.toronto.edu/~kriz/cifar.html",
    licence: "none stated",
    archives: &[Archive {
        url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        md5: "03b5dce01913d631647c71ecec9e9cb8",
    }],
    digest: None,
};

#[rustfmt::skip]
const CLASS_NAMES: [&str; 100] = [
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
    "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
    "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
    "mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
    "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
    "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
];
