mod repeats;

use std::fs;
use std::os::unix::fs::symlink;

use image::{ExtendedColorType, ImageEncoder, codecs::bmp::BmpEncoder, codecs::png::PngEncoder};
use tempfile::{TempDir, tempdir};

use super::*;
use crate::data::Origin;
use crate::data::tests::message;

const SMALL: Decoding = Decoding { size: [2, 2], channels: 3, test: None, orientation: ExifOrientation::Apply };

/// A PNG of one colour.
fn png(color: [u8; 3], width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let pixels: Vec<u8> = (0..width * height).flat_map(|_| color).collect();
    PngEncoder::new(&mut bytes).write_image(&pixels, width, height, ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// The checksum of a PNG's chunk.
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn write(folder: &Path, files: &[(&str, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

fn halves() -> TempDir {
    let folder = tempdir().unwrap();
    let mut bmp = Vec::new();
    BmpEncoder::new(&mut bmp).encode(&[90; 4 * 4 * 3], 4, 4, ExtendedColorType::Rgb8).unwrap();
    write(
        folder.path(),
        &[
            ("train/cat/b.png", png([10, 20, 30], 2, 2)),
            ("train/cat/a.PNG", png([40, 50, 60], 5, 3)),
            ("train/ant/x.bmp", bmp),
            ("train/cat/.hidden", vec![1]),
            ("train/LICENSE", vec![1]),
            ("test/cat/1.png", png([70, 80, 90], 2, 2)),
        ],
    );
    folder
}

fn both(folder: &Path, decoding: Decoding) -> DataSet {
    let set = load(folder, &decoding).unwrap();
    assert_eq!(digest(folder, &decoding).unwrap().digest, set.digest);
    set
}

#[test]
fn a_folder_a_class_in_two_halves() {
    let folder = halves();
    let set = both(folder.path(), SMALL);
    assert_eq!(set.class_names, ["ant", "cat"]);
    assert_eq!((&set.train.labels, &set.test.labels), (&vec![0, 1, 1], &vec![1]));
    assert_eq!((set.train.shape, set.train.image(0)), ([2, 2, 3], &[90; 12][..]));
    assert_eq!(set.train.image(1), [40, 50, 60].repeat(4), "by name, and resized");
    assert_eq!(set.train.image(2), [10, 20, 30].repeat(4));
    let grey = both(folder.path(), Decoding { channels: 1, ..SMALL });
    assert_eq!((grey.train.shape, grey.train.image(0)), ([2, 2, 1], &[90; 4][..]));
    assert_eq!(grey.digest, set.digest, "the digest is of files; size and channels are in the key by themselves");
    set.witness.unchanged().unwrap();
    fs::write(folder.path().join("test/cat/1.png"), png([0; 3], 2, 2)).unwrap();
    set.witness.unchanged().unwrap_err();
}

#[test]
fn the_digest_is_of_content_in_order() {
    let folder = halves();
    write(folder.path(), &[("test/cat/2.png", png([3, 2, 1], 2, 2))]);
    let original = both(folder.path(), SMALL).digest;
    let rename = |from: &str, to: &str| fs::rename(folder.path().join(from), folder.path().join(to)).unwrap();
    rename("train/cat/b.png", "train/cat/c.png");
    assert_eq!(both(folder.path(), SMALL).digest, original, "names of files that keep the order do not count");
    rename("train/ant", "train/bee");
    assert_ne!(both(folder.path(), SMALL).digest, original, "the names of classes do");
    rename("train/bee", "train/ant");
    rename("train/cat/c.png", "train/cat/0.png");
    assert_ne!(both(folder.path(), SMALL).digest, original, "the order of images does");
    rename("train/cat/0.png", "train/cat/c.png");
    rename("train/cat/a.PNG", "train/ant/a.png");
    assert_ne!(both(folder.path(), SMALL).digest, original, "and so does the class");
    rename("train/ant/a.png", "train/cat/a.PNG");
    assert_eq!(both(folder.path(), SMALL).digest, original);
    rename("test/cat/1.png", "train/cat/z.png");
    assert_ne!(both(folder.path(), SMALL).digest, original, "and the half");
}

#[test]
fn a_share_is_held_out_of_each_class_and_always_the_same() {
    let folder = tempdir().unwrap();
    for class in ["a", "b"] {
        for index in 0..10 {
            write(folder.path(), &[(&format!("{class}/{index}.png"), png([index, 0, 0], 2, 2))]);
        }
    }
    let decoding = Decoding { test: Some(0.2), ..SMALL };
    let set = both(folder.path(), decoding);
    assert_eq!((set.train.len(), &set.test.labels), (16, &vec![0, 0, 1, 1]));
    assert_eq!(both(folder.path(), decoding).test, set.test);
    let outline = Origin { source: Source::Images, path: Some(folder.path().into()), decoding: Some(decoding) };
    let outline = outline.outline().unwrap().0;
    assert_eq!((outline.shape, outline.classes, outline.train, outline.test), ([2, 2, 3], 2, 16, 4));
}

#[test]
fn tables_name_files_and_labels() {
    let folder = halves();
    let table = |rows: &str| rows.as_bytes().to_vec();
    write(
        folder.path(),
        &[
            (
                "train.csv",
                table("label,path,note\n10,train/cat/b.png,x\n2,\"train/cat/a.PNG\",\n10,train/ant/x.bmp,\n"),
            ),
            ("test.csv", table("path,label\ntest/cat/1.png,2\n")),
        ],
    );
    let set = both(folder.path(), SMALL);
    assert_eq!(set.class_names, ["2", "10"], "numbers are in numerical order");
    assert_eq!((&set.train.labels, &set.test.labels), (&vec![1, 0, 1], &vec![0]));
    assert_eq!(set.train.image(0)[..3], [10, 20, 30]);
    fs::write(folder.path().join("train.csv"), "path,label\n").unwrap();
    set.witness.unchanged().unwrap_err();
}

/// torchvision issue 714: folders called 1 to 100 were numbered 1, 10, 100, 11, ….
#[test]
fn folders_and_tables_order_classes_alike() {
    for (names, expected) in [
        (&["0", "90", "180", "270"][..], &["0", "90", "180", "270"][..]),
        (&["10", "9", "1", "01", "-1"], &["-1", "01", "1", "9", "10"]),
        (&["10", "9", "nine"], &["10", "9", "nine"]),
        (&["b", "B", "ä", "a"], &["B", "a", "b", "ä"]),
    ] {
        let folder = tempdir().unwrap();
        let mut rows = "path,label\n".to_owned();
        for (index, name) in names.iter().enumerate() {
            for half in ["train", "test"] {
                write(folder.path(), &[(&format!("{half}/{name}/1.png"), png([index as u8, 0, 0], 2, 2))]);
            }
            rows += &format!("train/{name}/1.png,{name}\n");
        }
        let from_folders = both(folder.path(), SMALL);
        assert_eq!(from_folders.class_names, expected);
        write(folder.path(), &[("train.csv", rows.clone().into_bytes()), ("test.csv", rows.into_bytes())]);
        assert_eq!(both(folder.path(), SMALL).class_names, expected);
    }
}

#[test]
fn links_to_images_and_classes_are_followed() {
    let folder = halves();
    let plain = both(folder.path(), SMALL);
    fs::rename(folder.path().join("train/cat"), folder.path().join("elsewhere")).unwrap();
    symlink("../elsewhere", folder.path().join("train/cat")).unwrap();
    fs::rename(folder.path().join("test/cat/1.png"), folder.path().join("image")).unwrap();
    symlink("../../image", folder.path().join("test/cat/1.png")).unwrap();
    let linked = both(folder.path(), SMALL);
    assert_eq!((linked.digest, linked.train, linked.test), (plain.digest, plain.train, plain.test));
}

#[test]
fn a_share_that_holds_nothing_out_is_refused() {
    let folder = tempdir().unwrap();
    write(folder.path(), &[("a/1.png", png([0; 3], 2, 2)), ("b/1.png", png([9; 3], 2, 2))]);
    let error = load(folder.path(), &Decoding { test: Some(0.1), ..SMALL }).unwrap_err();
    assert_eq!(
        message(&error, folder.path()),
        "the set has no test image: FOLDER\n  hint: hold out a larger share with `test`"
    );
}

#[test]
fn what_is_wrong_is_explained() {
    let mut lines = String::new();
    let mut tell = |name: &str, files: &[(&str, Vec<u8>)], decoding: Decoding| {
        let folder = halves();
        write(folder.path(), files);
        let error = load(folder.path(), &decoding).unwrap_err();
        lines += &format!("{name}: {}\n", message(&error, folder.path()));
    };
    let text = |text: &str| text.as_bytes().to_vec();
    tell("share of its own", &[], Decoding { test: Some(0.2), ..SMALL });
    tell("no training image", &[("test/dog/1.png", png([0; 3], 2, 2))], SMALL);
    tell("other files", &[("train/cat/notes.txt", text("x")), ("test/cat/labels.json", text("x"))], SMALL);
    tell("too deep", &[("train/cat/red/1.png", text("x"))], SMALL);
    tell("two halves", &[("val/cat/1.png", text("x")), ("valid/cat/1.png", text("x"))], SMALL);
    tell("an empty half", &[("val/cat/.keep", text("x"))], SMALL);
    tell("two forms", &[("train/caf\u{e9}/1.png", text("x")), ("train/cafe\u{301}/1.png", text("x"))], SMALL);
    tell("a class without images", &[("train/cat/x.png", png([0; 3], 2, 2)), ("train/dog/.keep", text(""))], SMALL);
    tell(
        "a half without images",
        &[
            ("test/cat/1.png", text("")),
            ("train.csv", text("path,label\nx.png,1\ny.png,2\n")),
            ("test.csv", text("path,label\n")),
        ],
        SMALL,
    );
    tell("too many bytes", &[], Decoding { size: [40_000, 40_000], ..SMALL });
    tell("no column", &[("train.csv", text("file,label\na.png,1\n"))], SMALL);
    tell("semicolons", &[("train.csv", text("path;label\na.png;1\n"))], SMALL);
    tell("a blank before quotes", &[("train.csv", text("path,label\na.png, \"1\"\n"))], SMALL);
    tell("ragged", &[("train.csv", text("path,label\na.png\n"))], SMALL);
    tell("no label", &[("train.csv", text("path,label\na.png,\n"))], SMALL);
    tell("no test table", &[("train.csv", text("path,label\ntrain/cat/b.png,1\ntrain/cat/b.png,2\n"))], SMALL);
    tell("one class", &[("train.csv", text("path,label\na.png,1\n")), ("test.csv", text("path,label\n"))], SMALL);
    let broken: Vec<(String, Vec<u8>)> =
        (0..25).map(|index| (format!("train/cat/x{index:02}.png"), text("no"))).collect();
    let mut broken: Vec<(&str, Vec<u8>)> = broken.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    broken.push(("train/ant/cut.png", png([0; 3], 9, 9)[..40].to_vec()));
    tell("broken files", &broken, SMALL);
    // 65,536 x 65,536 pixels in a hundred bytes.
    let mut huge = png([0; 3], 2, 2);
    huge[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let checksum = crc(&huge[12..29]).to_be_bytes();
    huge[29..33].copy_from_slice(&checksum);
    tell("many pixels", &[("train/ant/huge.png", huge)], SMALL);
    let folder = halves();
    symlink("nowhere", folder.path().join("train/dog")).unwrap();
    lines += &format!("a broken link: {}\n", message(&load(folder.path(), &SMALL).unwrap_err(), folder.path()));
    let nowhere = load(Path::new("/nowhere/at/all"), &SMALL).unwrap_err();
    lines += &message(&nowhere, Path::new("/nowhere"));
    insta::assert_snapshot!(lines, @r#"
    share of its own: the folder has test images of its own, and `test` is given: FOLDER
      hint: leave `test` out
    no training image: class `dog` has no training image: FOLDER
      hint: add some, or remove the class
    other files: 2 files are among the images, and no image by name: FOLDER
      hint: train/cat/notes.txt
      hint: test/cat/labels.json
      hint: names of images end in .png, .jpg, .jpeg, .webp or .bmp; move other files elsewhere
    too deep: expected images in the class's folder, found the folder `red`: train/cat
      hint: a class has no folders of its own: move its images up, or the folder elsewhere
      hint: expected a folder a class: `train/cat/1.png` and `test/cat/2.png`, or `cat/1.png` with `test = 0.2`
      hint: or `train.csv` and `test.csv` with the columns `path` and `label`
    two halves: `val` and `valid` are both validation images: FOLDER
      hint: keep one of them
    an empty half: the set's half for validation has no image: FOLDER
      hint: add some, or remove it
    two forms: two folders are class `café`: only how their characters are written differs: train
      hint: the characters outside ASCII are U+0301 in one and U+00E9 in the other
      hint: move the images of one into the other
    a class without images: class `dog` has no training image: FOLDER
      hint: add some, or remove the class
    a half without images: the set has no test image: FOLDER
      hint: add some, or remove the empty half and hold out a share with `test = 0.2`
    too many bytes: 4 images of 40000x40000x3 take 19200000000 bytes, more than 4 GiB
      hint: a whole set is kept in memory; choose a smaller `size`
    no column: the table has no column `path`, but `file`, `label`: train.csv
      hint: expected a first line `path,label`, then a line an image
    semicolons: the columns of the table are separated by semicolons, not by commas: train.csv
      hint: expected a first line `path,label`, then a line an image
    a blank before quotes: line 2 has a quotation mark that does not stand for one: train.csv
      hint: expected a first line `path,label`, then a line an image
      hint: quote with `"` alone, directly behind the comma
    ragged: malformed table: CSV error: record 1 (line: 2, byte: 11): found record with 1 fields, but the previous record has 2 fields: train.csv
      hint: expected a first line `path,label`, then a line an image
    no label: line 2 has no path or no label: train.csv
      hint: expected a first line `path,label`, then a line an image
    no test table: the folder has no test images of its own: FOLDER
      hint: add `test = 0.2` to hold out a fifth, or sort the images into `train` and `test`
    one class: expected at least two classes, found 1: FOLDER
      hint: expected a folder a class: `train/cat/1.png` and `test/cat/2.png`, or `cat/1.png` with `test = 0.2`
      hint: or `train.csv` and `test.csv` with the columns `path` and `label`
    broken files: 26 of 30 images cannot be read: FOLDER
      hint: train/ant/cut.png: expected a PNG, JPEG, WebP or BMP image: unexpected end of file
      hint: train/cat/x00.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x01.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x02.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x03.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x04.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x05.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x06.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x07.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x08.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x09.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x10.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x11.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x12.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x13.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x14.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x15.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x16.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x17.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: train/cat/x18.png: expected a PNG, JPEG, WebP or BMP image: The image format could not be determined
      hint: and 6 more
      hint: replace or remove these files
    many pixels: 1 of 5 images cannot be read: FOLDER
      hint: train/ant/huge.png: expected a PNG, JPEG, WebP or BMP image: it declares 65536x65536 pixels; at most 32768 a side and 512 MiB in all are decoded
      hint: replace or remove these files
    a broken link: cannot read the class's folder: No such file or directory (os error 2): train/dog
      hint: repair or remove it
    cannot read the folder: No such file or directory (os error 2): at/all
      hint: expected a folder a class: `train/cat/1.png` and `test/cat/2.png`, or `cat/1.png` with `test = 0.2`
      hint: or `train.csv` and `test.csv` with the columns `path` and `label`
    "#);
}

#[test]
fn validation_images_of_its_own_are_behind_the_training_images() {
    for name in ["val", "valid", "validation"] {
        let folder = halves();
        let without = both(folder.path(), SMALL);
        assert_eq!(without.validation, 0);
        write(folder.path(), &[(&format!("{name}/cat/1.png"), png([1, 2, 3], 2, 2))]);
        let set = both(folder.path(), SMALL);
        assert_eq!((set.train.len(), set.validation, set.test.len()), (4, 1, 1));
        assert_eq!((set.train.image(3), set.train.labels[3]), (&[1, 2, 3].repeat(4)[..], 1));
        assert_ne!(set.digest, without.digest);
        let (outline, _) = survey(folder.path(), &SMALL).unwrap();
        assert_eq!((outline.train, outline.validation, outline.test), (3, 1, 1));
    }
    let folder = halves();
    let table = |rows: &str| rows.as_bytes().to_vec();
    write(
        folder.path(),
        &[
            ("train.csv", table("\u{feff}path,label\ntrain/cat/b.png,a\n train/cat/a.PNG , b \n\n")),
            ("val.csv", table("path,label\ntrain/ant/x.bmp,b\n")),
            ("test.csv", table("path,label\ntest/cat/1.png,a\n")),
        ],
    );
    let set = both(folder.path(), SMALL);
    assert_eq!((&set.train.labels, set.validation), (&vec![0, 1, 1], 1));
}
