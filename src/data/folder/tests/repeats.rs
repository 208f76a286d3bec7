//! The same image twice, and the same name in two forms.

use super::*;

/// An image and its copy were drawn for different halves.
#[test]
fn copies_are_held_out_together() {
    let folder = tempdir().unwrap();
    let decoding = Decoding { test: Some(0.3), ..SMALL };
    for class in ["a", "b"] {
        for index in 0..30 {
            write(folder.path(), &[(&format!("{class}/{index:02}.png"), png([index, class.len() as u8, 7], 2, 2))]);
        }
    }
    // Those of `a` and `b` are the same.
    let told = digest(folder.path(), &decoding).unwrap().repeats;
    assert!(told.len() == 1 && told[0].starts_with("30 images have more than one class"), "{told:?}");
    for index in 0..30 {
        write(folder.path(), &[(&format!("b/{index:02}.png"), png([index, 9, 7], 2, 2))]);
    }
    let alone = both(folder.path(), decoding);
    for index in 0..8 {
        write(folder.path(), &[(&format!("a/copy{index}.png"), png([index, 1, 7], 2, 2))]);
    }
    let set = both(folder.path(), decoding);
    let repeats = digest(folder.path(), &decoding).unwrap().repeats;
    assert!(!repeats.is_empty() && repeats.iter().all(|told| told.contains("repeat")), "{repeats:?}");
    assert_eq!((set.train.len(), set.test.len(), alone.test.len()), (48, 20, 18));
    let (outline, _) = survey(folder.path(), &decoding).unwrap();
    assert_eq!((outline.train, outline.test), (48, 20), "as many as without looking at them");
}

#[test]
fn files_that_are_there_twice_are_told() {
    let folder = halves();
    assert_eq!(digest(folder.path(), &SMALL).unwrap().repeats, [""; 0]);
    write(
        folder.path(),
        &[
            ("test/cat/leak.png", png([10, 20, 30], 2, 2)),
            ("train/ant/other.png", png([40, 50, 60], 5, 3)),
            ("train/cat/c.png", png([10, 20, 30], 2, 2)),
        ],
    );
    let repeats = digest(folder.path(), &SMALL).unwrap().repeats;
    insta::assert_snapshot!(repeats.join("\n"), @r"
    1 of 2 test images is a training image too: test/cat/leak.png (= train/cat/b.png)
    1 image has more than one class: train/ant/other.png (= train/cat/a.PNG) is of `ant` and of `cat`
    1 training image repeats another: train/cat/c.png (= train/cat/b.png)
    ");
}

/// A table from a Mac, files from elsewhere, and the other way round.
#[test]
fn tables_name_files_in_any_form_of_unicode() {
    let folder = halves();
    write(
        folder.path(),
        &[
            ("caf\u{e9}/\u{fc}.png", png([1; 3], 2, 2)),
            ("cafe\u{301}2/u\u{308}.png", png([2; 3], 2, 2)),
            ("\u{e9}.png", png([3; 3], 2, 2)),
            ("e\u{301}.png", png([4; 3], 2, 2)),
            (
                "train.csv",
                "path,label\ncafe\u{301}/u\u{308}.png,a\ncaf\u{e9}2/\u{fc}.png,b\n\u{e9}.png,b\ne\u{301}.png,b\n"
                    .into(),
            ),
            ("test.csv", "path,label\ntest/cat/1.png,a\n".into()),
        ],
    );
    let set = both(folder.path(), SMALL);
    let first: Vec<u8> = (0..4).map(|index| set.train.image(index)[0]).collect();
    assert_eq!(first, [1, 2, 3, 4], "what is there as it is written is taken");
    write(folder.path(), &[("test.csv", "path,label\nnai\u{308}f.png,a\n".into())]);
    let error = load(folder.path(), &SMALL).unwrap_err();
    insta::assert_snapshot!(message(&error, folder.path()), @r"
    1 of 5 images cannot be read: FOLDER
      hint: naïf.png: cannot read the file: No such file or directory (os error 2)
      hint: replace or remove these files
    ");
}

#[test]
fn names_of_classes_are_compared_in_one_form_and_leftovers_are_no_images() {
    let folder = halves();
    write(
        folder.path(),
        &[
            ("train/caf\u{e9}/1.png", png([1; 3], 2, 2)),
            ("test/cafe\u{301}/1.png", png([2; 3], 2, 2)),
            ("train/Cat/1.png", png([3; 3], 2, 2)),
            ("train/cat/Thumbs.db", vec![1]),
            ("test/cat/desktop.ini", vec![1]),
            ("train/__MACOSX/x", vec![1]),
        ],
    );
    let set = both(folder.path(), SMALL);
    assert!(set.class_names.contains(&"caf\u{e9}".to_owned()) && set.class_names.len() == 4, "{:?}", set.class_names);
    let (_, notes) = survey(folder.path(), &SMALL).unwrap();
    assert_eq!(notes, ["the classes `Cat` and `cat` differ only in case or blanks"]);
}
