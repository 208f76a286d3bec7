//! MNIST (Y. LeCun, C. Cortes, C. J. C. Burges) and Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017), which took
//! over MNIST's shapes, sizes and file names.

use super::{Archive, Half, Holds, Layout, Part};

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
    // The publisher's own server, yann.lecun.com, refuses downloads; the checksums are those of its files.
    publisher: "https://ossci-datasets.s3.amazonaws.com/mnist (PyTorch's copy of http://yann.lecun.com/exdb/mnist)",
    licence: "CC BY-SA 3.0",
    archives: &[
        Archive {
            url: "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz",
            md5: "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        },
        Archive {
            url: "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz",
            md5: "d53e105ee54ea40749a09fcbcd1e9432",
        },
        Archive {
            url: "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz",
            md5: "9fb629c4189551a2d022fa330f9573f3",
        },
        Archive {
            url: "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz",
            md5: "ec29112dd5afa0611ce80d1b7f02629c",
        },
    ],
    digest: Some("5b8857ba3a2333bbfe3d221f49b6a127938a35bef86722151783075107fedc6f"),
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
    licence: "MIT",
    archives: &[
        Archive {
            url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-images-idx3-ubyte.gz",
            md5: "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        },
        Archive {
            url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/train-labels-idx1-ubyte.gz",
            md5: "25c81989df183df01b3e8a0aad5dffbe",
        },
        Archive {
            url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-images-idx3-ubyte.gz",
            md5: "bef4ecab320f06d8554ea6380940ec79",
        },
        Archive {
            url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-labels-idx1-ubyte.gz",
            md5: "bb300cfdad3c16e7a12a480ee83cd310",
        },
    ],
    digest: Some("75470bd116164571e5ca6f1fe5ac7e4034cfa97e2d603a731372dbda49a4db97"),
};
