//! MNIST (Y. LeCun, C. Cortes, C. J. C. Burges) and Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017), which took
//! over MNIST's shapes, sizes and file names.

use super::{Half, Holds, Layout, Part};

/// The four files. MNIST is also passed around with a dot before `idx`.
const PARTS: &[Part] = &[
    Part {
        role: "train-images",
        names: &[
            "train-images-idx3-ubyte",
            "train-images-idx3-ubyte.gz",
            "train-images.idx3-ubyte",
            "train-images.idx3-ubyte.gz",
        ],
        half: Half::Train,
        holds: Holds::Images,
    },
    Part {
        role: "train-labels",
        names: &[
            "train-labels-idx1-ubyte",
            "train-labels-idx1-ubyte.gz",
            "train-labels.idx1-ubyte",
            "train-labels.idx1-ubyte.gz",
        ],
        half: Half::Train,
        holds: Holds::Labels,
    },
    Part {
        role: "test-images",
        names: &[
            "t10k-images-idx3-ubyte",
            "t10k-images-idx3-ubyte.gz",
            "t10k-images.idx3-ubyte",
            "t10k-images.idx3-ubyte.gz",
        ],
        half: Half::Test,
        holds: Holds::Images,
    },
    Part {
        role: "test-labels",
        names: &[
            "t10k-labels-idx1-ubyte",
            "t10k-labels-idx1-ubyte.gz",
            "t10k-labels.idx1-ubyte",
            "t10k-labels.idx1-ubyte.gz",
        ],
        half: Half::Test,
        holds: Holds::Labels,
    },
];

/// The names of digits.
pub const DIGIT_NAMES: &[&str] = &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// MNIST.
pub const MNIST: Layout = Layout {
    unpacked: None,
    parts: PARTS,
    class_names_file: None,
    class_names: DIGIT_NAMES,
    publisher: "http://yann.lecun.com/exdb/mnist",
};

/// Fashion-MNIST.
pub const FASHION_MNIST: Layout = Layout {
    unpacked: None,
    parts: PARTS,
    class_names_file: None,
    class_names: &[
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
    publisher: "https://github.com/zalandoresearch/fashion-mnist",
};
