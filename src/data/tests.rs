//! Whole data sets from small files made here, and the helpers that the folder's tests share.

use std::fmt::Debug;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use flate2::{Compression, write::GzEncoder};
use tempfile::{TempDir, tempdir};

use super::*;
use crate::error::{Error, Kind, Result};

/// An IDX file of grey images.
pub fn idx_images(height: u32, width: u32, pixels: &[u8]) -> Vec<u8> {
    let count = pixels.len() as u32 / (height * width);
    let header = [0x0803, count, height, width].map(u32::to_be_bytes).concat();
    [&header, pixels].concat()
}

/// An IDX file of labels.
pub fn idx_labels(labels: &[u8]) -> Vec<u8> {
    let header = [0x0801, labels.len() as u32].map(u32::to_be_bytes).concat();
    [&header, labels].concat()
}

/// A CIFAR record: every pixel is `start` + its channel, 7 more at the pixel in row 1, column 2.
pub fn cifar_record(labels: &[u8], start: u8) -> Vec<u8> {
    let mut record = labels.to_vec();
    for channel in 0..3 {
        let mut plane = [start + channel; 32 * 32];
        plane[32 + 2] += 7;
        record.extend(plane);
    }
    record
}

/// An uncompressed MATLAB array of values of type `kind`.
pub fn mat_array(name: &str, dimensions: &[u32], kind: u32, values: &[u8]) -> Vec<u8> {
    let element = |kind: u32, content: &[u8]| {
        let mut bytes = [kind.to_le_bytes(), (content.len() as u32).to_le_bytes()].concat();
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    };
    // Short names are in short elements.
    let name = match name.len() {
        1..=4 => {
            let mut short = (1 | (name.len() as u32) << 16).to_le_bytes().to_vec();
            short.extend(name.as_bytes());
            short.resize(8, 0);
            short
        }
        _ => element(1, name.as_bytes()),
    };
    let dimensions: Vec<u8> = dimensions.iter().flat_map(|size| size.to_le_bytes()).collect();
    element(14, &[element(6, &[9, 0, 0, 0, 0, 0, 0, 0]), element(5, &dimensions), name, element(kind, values)].concat())
}

/// A MATLAB 5 file of elements.
pub fn mat_file(elements: &[&[u8]]) -> Vec<u8> {
    let mut header = b"MATLAB 5.0 MAT-file, made by a test".to_vec();
    header.resize(124, b' ');
    header.extend([0, 1, b'I', b'M']);
    [header, elements.concat()].concat()
}

/// A file like SVHN's: row + 2 column + 70 channel + image at every pixel.
pub fn svhn(labels: &[u8]) -> Vec<u8> {
    let count = labels.len();
    let pixel = |index: usize| {
        let (row, column, channel, image) = (index % 32, index / 32 % 32, index / 1024 % 3, index / 3072);
        (row + 2 * column + 70 * channel + image) as u8
    };
    let pixels: Vec<u8> = (0..count * 3072).map(pixel).collect();
    let x = mat_array("X", &[32, 32, 3, count as u32], 2, &pixels);
    mat_file(&[&x, &mat_array("y", &[count as u32, 1], 2, labels)])
}

/// `bytes` compressed.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An input error in words, with paths given from `folder` on.
pub fn message(error: &Error, folder: &Path) -> String {
    assert_eq!(error.kind, Kind::Input);
    let hints: String = error.hints.iter().map(|hint| format!("\n  hint: {hint}")).collect();
    format!("{error}{hints}").replace(&format!("{}/", folder.display()), "").replace(folder.to_str().unwrap(), "FOLDER")
}

/// What `parse` says about each malformed input, a line each.
pub fn messages<T: Debug>(
    cases: impl IntoIterator<Item = (&'static str, Vec<u8>)>,
    parse: impl Fn(&[u8]) -> Result<T>,
) -> String {
    let line = |(name, bytes): (&str, Vec<u8>)| {
        format!("{name}: {}\n", message(&parse(&bytes).unwrap_err(), Path::new("/nowhere")))
    };
    cases.into_iter().map(line).collect()
}

/// `count` images whose bytes look random.
pub fn some_images(shape: [usize; 3], count: usize) -> Images {
    let size: usize = shape.iter().product();
    let byte = |index: usize| (index.wrapping_mul(2_654_435_761) >> 13) as u8;
    Images { shape, pixels: Arc::new((0..count * size).map(byte).collect()), labels: (0..count as u32).collect() }
}

/// What `work` gives on a pool of `threads`.
pub fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// A folder like MNIST's, with 3 training and 2 test images.
pub fn mnist() -> TempDir {
    let folder = tempdir().unwrap();
    let pixels: Vec<u8> = (0..5 * 784).map(|index| (index % 253) as u8).collect();
    let (train, test) = pixels.split_at(3 * 784);
    let write = |name: &str, bytes: Vec<u8>| fs::write(folder.path().join(name), bytes).unwrap();
    write("train-images-idx3-ubyte", idx_images(28, 28, train));
    write("train-labels-idx1-ubyte", idx_labels(&[7, 0, 9]));
    write("t10k-images-idx3-ubyte", idx_images(28, 28, test));
    write("t10k-labels-idx1-ubyte", idx_labels(&[1, 2]));
    folder
}

/// A folder like the one that CIFAR-10's archive unpacks to, with one image a file.
fn cifar_10() -> TempDir {
    let folder = tempdir().unwrap();
    let names = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];
    for (index, name) in (0..).zip(names) {
        fs::write(folder.path().join(format!("{name}.bin")), cifar_record(&[index], 10 * index)).unwrap();
    }
    folder
}

fn load_digest(source: Source, path: &Path) -> blake3::Hash {
    let loaded = load(source, Some(path)).unwrap().digest;
    assert_eq!(digest(source, Some(path)).unwrap(), loaded);
    loaded
}

#[test]
fn mnist_is_read_whole() {
    let folder = mnist();
    let set = load(Source::Mnist, Some(folder.path())).unwrap();
    assert_eq!((set.train.len(), set.test.len()), (3, 2));
    assert_eq!((&set.train.labels, &set.test.labels), (&vec![7, 0, 9], &vec![1, 2]));
    assert_eq!(set.train.shape, [28, 28, 1]);
    assert_eq!(set.train.image(1)[..2], [784 % 253, 785 % 253_u16].map(|byte| byte as u8));
    assert_eq!(set.test.image(0)[0], (3 * 784 % 253_u16) as u8);
    assert_eq!(set.class_names[9], "9");
    set.witness.unchanged().unwrap();
}

#[test]
fn a_digest_is_of_content_whatever_holds_it() {
    let folder = mnist();
    let expected = load_digest(Source::Mnist, folder.path());
    let elsewhere = mnist();
    assert_eq!(load_digest(Source::Mnist, elsewhere.path()), expected);
    for name in ["train-images", "train-labels", "t10k-images", "t10k-labels"] {
        let kind = if name.ends_with("images") { "idx3" } else { "idx1" };
        let plain = elsewhere.path().join(format!("{name}-{kind}-ubyte"));
        let packed = elsewhere.path().join(format!("{name}.{kind}-ubyte.gz"));
        fs::write(packed, gzip(&fs::read(&plain).unwrap())).unwrap();
        fs::remove_file(plain).unwrap();
        assert_eq!(load_digest(Source::Mnist, elsewhere.path()), expected, "after packing {name}");
    }
}

#[test]
fn every_file_is_in_the_digest() {
    let folder = mnist();
    let original = load_digest(Source::Mnist, folder.path());
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let content = fs::read(&path).unwrap();
        let mut changed = content.clone();
        *changed.last_mut().unwrap() ^= 1;
        fs::write(&path, changed).unwrap();
        assert_ne!(load_digest(Source::Mnist, folder.path()), original, "{path:?}");
        fs::write(&path, content).unwrap();
    }
    // The same two files with their roles exchanged.
    let [train, test] = ["train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"].map(|name| folder.path().join(name));
    fs::rename(&train, folder.path().join("other")).unwrap();
    fs::rename(&test, &train).unwrap();
    fs::rename(folder.path().join("other"), &test).unwrap();
    assert_ne!(digest(Source::Mnist, Some(folder.path())).unwrap(), original);
}

#[test]
fn a_set_that_changes_in_use_is_noticed() {
    let folder = mnist();
    let set = load(Source::Mnist, Some(folder.path())).unwrap();
    fs::write(folder.path().join("t10k-labels-idx1-ubyte"), idx_labels(&[1, 3])).unwrap();
    insta::assert_snapshot!(message(&set.witness.unchanged().unwrap_err(), folder.path()), @r#"
    input `t10k-labels-idx1-ubyte` changed while it was in use: t10k-labels-idx1-ubyte
      hint: leave the files of a data set alone during a run, and run again
    "#);
    assert_ne!(load(Source::Mnist, Some(folder.path())).unwrap().digest, set.digest);
}

#[test]
fn cifar_10_is_read_from_its_folder_or_the_parent() {
    let folder = cifar_10();
    let set = load(Source::Cifar10, Some(folder.path())).unwrap();
    assert_eq!((&set.train.labels, &set.test.labels), (&vec![0, 1, 2, 3, 4], &vec![5]));
    assert_eq!(set.train.image(3)[..3], [30, 31, 32]);
    assert_eq!(set.class_names[3], "cat");

    let parent = tempdir().unwrap();
    fs::rename(folder.path(), parent.path().join("cifar-10-batches-bin")).unwrap();
    assert_eq!(load_digest(Source::Cifar10, parent.path()), set.digest);
}

#[test]
fn class_names_are_read_and_count_where_they_are_not_the_published_ones() {
    let folder = cifar_10();
    let original = load_digest(Source::Cifar10, folder.path());
    let file = folder.path().join("batches.meta.txt");
    let names = load(Source::Cifar10, Some(folder.path())).unwrap().class_names.join("\n");
    fs::write(&file, format!("{names}\n\n")).unwrap();
    assert_eq!(load_digest(Source::Cifar10, folder.path()), original);
    fs::write(&file, names.replace("cat", "chat")).unwrap();
    assert_ne!(load_digest(Source::Cifar10, folder.path()), original);
    let set = load(Source::Cifar10, Some(folder.path())).unwrap();
    assert_eq!(set.class_names[3], "chat");
    set.witness.unchanged().unwrap();
    fs::write(&file, names.replace("cat", "kat")).unwrap();
    set.witness.unchanged().unwrap_err();
    fs::write(&file, "cat").unwrap();
    insta::assert_snapshot!(message(&load(Source::Cifar10, Some(folder.path())).unwrap_err(), folder.path()), @r#"
    expected 10 class names, one a line, found 1: batches.meta.txt
      hint: remove the file to use the well-known class names
    "#);
}

#[test]
fn cifar_100_has_its_fine_labels_as_classes() {
    let parent = tempdir().unwrap();
    let folder = parent.path().join("cifar-100-binary");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("train.bin"), [cifar_record(&[4, 0], 0), cifar_record(&[18, 90], 9)].concat()).unwrap();
    fs::write(folder.join("test.bin"), cifar_record(&[10, 49], 0)).unwrap();
    let set = load(Source::Cifar100, Some(parent.path())).unwrap();
    assert_eq!((&set.train.labels, &set.test.labels), (&vec![0, 90], &vec![49]));
    assert_eq!((set.class_names[0].as_str(), set.class_names[90].as_str()), ("apple", "train"));
    assert_eq!(load_digest(Source::Cifar100, &folder), set.digest);
}

#[test]
fn svhn_is_read_whole() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("train_32x32.mat"), svhn(&[10, 3])).unwrap();
    fs::write(folder.path().join("test_32x32.mat"), svhn(&[7])).unwrap();
    let set = load(Source::Svhn, Some(folder.path())).unwrap();
    assert_eq!((&set.train.labels, &set.test.labels), (&vec![0, 3], &vec![7]));
    assert_eq!((set.train.shape, set.class_names[7].as_str()), ([32, 32, 3], "7"));
    assert_eq!(load_digest(Source::Svhn, folder.path()), set.digest);
}

#[test]
fn digits_have_a_fixed_stratified_split() {
    let set = load(Source::Digits, None).unwrap();
    assert_eq!(digest(Source::Digits, None).unwrap(), set.digest);
    let counts = |images: &Images| -> Vec<usize> {
        (0..10).map(|class| images.labels.iter().filter(|&&label| label == class).count()).collect()
    };
    let (train, test) = (counts(&set.train), counts(&set.test));
    assert_eq!((train.iter().sum::<usize>(), test.iter().sum::<usize>()), (1_350, 447));
    let totals: Vec<usize> = train.iter().zip(&test).map(|(train, test)| train + test).collect();
    assert_eq!(totals, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    assert!(test.iter().all(|count| (43..=46).contains(count)), "{test:?}");
    assert_eq!(set.train.pixels.iter().max(), Some(&240));
    assert!(set.train.pixels.iter().all(|value| value % 15 == 0));
    // Should these bytes change, so must the role that stands for them in the digest.
    let mut hasher = blake3::Hasher::new();
    for images in [&set.train, &set.test] {
        hasher.update(&images.pixels);
        images.labels.iter().for_each(|label| {
            hasher.update(&label.to_le_bytes());
        });
    }
    insta::assert_snapshot!(hasher.finalize(), @"02019fc758103095708d89d15d16a055776adaf534358d11732f354c3c2d1fd3");
}

#[test]
fn published_sizes_are_those_of_the_built_in_set() {
    let set = load(Source::Digits, None).unwrap();
    let outline = Source::Digits.published().unwrap();
    assert_eq!((set.train.len(), set.test.len()), (outline.train, outline.test));
}

#[test]
fn sets_that_are_not_there_are_explained() {
    let folder = mnist();
    let path = folder.path();
    fs::remove_file(path.join("t10k-images-idx3-ubyte")).unwrap();
    let cases = [
        (Source::Digits, Some(path.to_owned())),
        (Source::Mnist, None),
        (Source::Mnist, Some(path.to_owned())),
        (Source::FashionMnist, Some(path.join("nowhere"))),
        (Source::Cifar10, Some(path.join("train-labels-idx1-ubyte"))),
        (Source::Cifar100, Some(path.to_owned())),
    ];
    let mut lines = String::new();
    for (source, path) in cases {
        let error = load(source, path.as_deref()).unwrap_err();
        assert_eq!(digest(source, path.as_deref()).unwrap_err(), error);
        lines += &format!("{}: {}\n", source.name(), message(&error, folder.path()));
    }
    insta::assert_snapshot!(lines, @r#"
    digits: data set `digits` is built in and takes no path: FOLDER
      hint: remove `path`
    mnist: data set `mnist` needs `path`, the folder that has its files
      hint: expected in the folder: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (each may end in .gz)
      hint: `pleach data fetch` downloads them; they are published at https://ossci-datasets.s3.amazonaws.com/mnist (PyTorch's copy of http://yann.lecun.com/exdb/mnist)
    mnist: the data set lacks its file `t10k-images-idx3-ubyte`: FOLDER
      hint: expected in the folder: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (each may end in .gz)
      hint: `pleach data fetch` downloads them; they are published at https://ossci-datasets.s3.amazonaws.com/mnist (PyTorch's copy of http://yann.lecun.com/exdb/mnist)
    fashion-mnist: cannot read the data set's folder: No such file or directory (os error 2): nowhere
      hint: expected in the folder: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (each may end in .gz)
      hint: `pleach data fetch` downloads them; they are published at https://github.com/zalandoresearch/fashion-mnist
    cifar-10: expected a folder, found a file: train-labels-idx1-ubyte
      hint: expected in the folder: data_batch_1.bin, data_batch_2.bin, data_batch_3.bin, data_batch_4.bin, data_batch_5.bin, test_batch.bin
      hint: `pleach data fetch` downloads them; they are published at https://www.cs.toronto.edu/~kriz/cifar.html
    cifar-100: the data set lacks its file `train.bin`: FOLDER
      hint: expected in the folder: train.bin, test.bin
      hint: `pleach data fetch` downloads them; they are published at https://www.cs.toronto.edu/~kriz/cifar.html
    "#);
}

#[test]
fn malformed_sets_are_explained() {
    let folder = mnist();
    let at = |name: &str| folder.path().join(name);
    let error = || format!("{}\n", message(&load(Source::Mnist, Some(folder.path())).unwrap_err(), folder.path()));
    fs::write(at("t10k-labels-idx1-ubyte"), idx_labels(&[1, 2, 3])).unwrap();
    let mut lines = error();
    fs::write(at("train-labels-idx1-ubyte"), idx_labels(&[7, 10, 9])).unwrap();
    lines += &error();
    fs::remove_file(at("train-images-idx3-ubyte")).unwrap();
    fs::write(at("train-images-idx3-ubyte.gz"), "none").unwrap();
    lines += &error();
    insta::assert_snapshot!(lines, @r#"
    expected 2 labels, one an image, found 3: t10k-labels-idx1-ubyte
      hint: get the file again from https://ossci-datasets.s3.amazonaws.com/mnist (PyTorch's copy of http://yann.lecun.com/exdb/mnist)
    label 10 of image 1 is not a class: expected 0 to 9: train-labels-idx1-ubyte
      hint: get the file again from https://ossci-datasets.s3.amazonaws.com/mnist (PyTorch's copy of http://yann.lecun.com/exdb/mnist)
    expected a gzip stream: it does not begin with the bytes 1f 8b: train-images-idx3-ubyte.gz
      hint: get the file again from https://ossci-datasets.s3.amazonaws.com/mnist (PyTorch's copy of http://yann.lecun.com/exdb/mnist)
    "#);
}
