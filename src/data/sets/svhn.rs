//! The Street View House Numbers, cropped digits (Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu, A. Y. Ng, "Reading
//! Digits in Natural Images with Unsupervised Feature Learning", 2011). The extra images are not used.

use super::mnist::DIGIT_NAMES;
use super::{Archive, Half, Holds, Layout, Part};

/// SVHN.
pub const LAYOUT: Layout = Layout {
    unpacked: None,
    parts: &[
        Part { role: "train", names: &["train_32x32.mat"], half: Half::Train, holds: Holds::Matlab },
        Part { role: "test", names: &["test_32x32.mat"], half: Half::Test, holds: Holds::Matlab },
    ],
    class_names_file: None,
    class_names: DIGIT_NAMES,
    publisher: "http://ufldl.stanford.edu/housenumbers",
    licence: "non-commercial use only",
    archives: &[
        Archive {
            url: "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
            md5: "e26dedcc434d2e4c54c9b2d4a06d8373",
        },
        Archive {
            url: "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
            md5: "eb5a983be6a315427106f1b164d9cef3",
        },
    ],
    digest: None,
};
