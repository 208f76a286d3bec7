//! Images that are in a set more than once, which training and tests take for independent ones.

use std::collections::HashMap;

use super::DataSet;

/// How many images a warning names.
const SHOWN: usize = 5;

/// One image, as far as another can repeat it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `training`, `validation` or `test`.
    pub half: &'static str,
    /// Its class.
    pub class: u32,
    /// Of its file, or of its pixels.
    pub hash: blake3::Hash,
    /// For people.
    pub name: String,
}

/// For each image the number of the first with its hash; one without a hash is like no other.
pub fn contents(hashes: impl Iterator<Item = Option<blake3::Hash>>) -> Vec<u32> {
    let mut first = HashMap::new();
    let number = |(number, hash): (u32, Option<blake3::Hash>)| match hash {
        Some(hash) => *first.entry(hash).or_insert(number),
        None => number,
    };
    (0..).zip(hashes).map(number).collect()
}

/// A warning for each kind of repetition: test images that are in the training half and the like, an image with two
/// classes, and copies within a half. `images` are in the order of the set, training images first.
pub fn warnings(images: &[Seen], class_names: &[String]) -> Vec<String> {
    let mut places: HashMap<blake3::Hash, Vec<&Seen>> = HashMap::new();
    for image in images {
        places.entry(image.hash).or_default().push(image);
    }
    let others = |image: &Seen, half: &str| places[&image.hash].iter().copied().find(|other| other.half == half);
    let mut warnings = Vec::new();
    for (half, in_half) in [("validation", "training"), ("test", "training"), ("test", "validation")] {
        let of = images.iter().filter(|image| image.half == half);
        let found: Vec<String> =
            of.clone().filter_map(|image| Some(pair(&image.name, &others(image, in_half)?.name))).collect();
        let (all, plural) = (of.count(), if found.len() == 1 { "is" } else { "are" });
        if !found.is_empty() {
            let what = if found.len() == 1 { format!("a {in_half} image") } else { format!("{in_half} images") };
            warnings.push(format!("{} of {all} {half} images {plural} {what} too: {}", found.len(), list(&found)));
        }
    }
    let first = |image: &&Seen| std::ptr::eq(places[&image.hash][0], *image);
    let torn: Vec<String> = images
        .iter()
        .filter(first)
        .filter_map(|image| {
            let other = places[&image.hash].iter().find(|other| other.class != image.class)?;
            let [class, second] = [image.class, other.class].map(|class| &class_names[class as usize]);
            Some(format!("{} is of `{class}` and of `{second}`", pair(&image.name, &other.name)))
        })
        .collect();
    if !torn.is_empty() {
        let noun = if torn.len() == 1 { "image has" } else { "images have" };
        warnings.push(format!("{} {noun} more than one class: {}", torn.len(), list(&torn)));
    }
    for half in ["training", "validation", "test"] {
        let copies: Vec<String> = images
            .iter()
            .filter(|image| image.half == half)
            .filter_map(|image| {
                let original = others(image, half)?;
                let counts = !std::ptr::eq(original, image) && original.class == image.class;
                counts.then(|| pair(&image.name, &original.name))
            })
            .collect();
        if !copies.is_empty() {
            let noun = if copies.len() == 1 { "image repeats another" } else { "images repeat others" };
            warnings.push(format!("{} {half} {noun}: {}", copies.len(), list(&copies)));
        }
    }
    warnings
}

/// The warnings for a set in memory, by its pixels: for published sets, whose images have no files of their own.
pub fn of_pixels(set: &DataSet) -> Vec<String> {
    let trained = set.train.len() - set.validation;
    let train =
        (0..set.train.len()).map(|index| if index < trained { (index, "training") } else { (index, "validation") });
    let train = train.map(|(index, half)| (half, index, &set.train));
    let test = (0..set.test.len()).map(|index| ("test", index, &set.test));
    let seen = |(half, index, images): (&'static str, usize, &super::Images)| Seen {
        half,
        class: images.labels[index],
        hash: blake3::hash(images.image(index)),
        name: format!("{half} image {index}"),
    };
    warnings(&train.chain(test).map(seen).collect::<Vec<Seen>>(), &set.class_names)
}

/// The same file twice has one name.
fn pair(name: &str, other: &str) -> String {
    if name == other { name.to_owned() } else { format!("{name} (= {other})") }
}

fn list(names: &[String]) -> String {
    let mut text = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        text += &format!(" and {} more", names.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(images: &[(&'static str, u32, &str, &str)]) -> String {
        let seen = |(half, class, content, name): &(&'static str, u32, &str, &str)| Seen {
            half,
            class: *class,
            hash: blake3::hash(content.as_bytes()),
            name: (*name).to_owned(),
        };
        let images: Vec<Seen> = images.iter().map(seen).collect();
        warnings(&images, &["cat".to_owned(), "dog".to_owned()]).join("\n")
    }

    #[test]
    fn repeated_images_are_counted_and_named() {
        assert_eq!(told(&[("training", 0, "1", "a"), ("training", 1, "2", "b"), ("test", 0, "3", "c")]), "");
        insta::assert_snapshot!(told(&[
            ("training", 0, "1", "a"),
            ("training", 0, "1", "a copy"),
            ("training", 0, "2", "b"),
            ("training", 1, "2", "b"),
            ("validation", 0, "1", "c"),
            ("validation", 0, "9", "d"),
            ("test", 0, "1", "a"),
            ("test", 1, "9", "e"),
            ("test", 1, "5", "f"),
            ("test", 1, "5", "g"),
        ]), @r"
        1 of 2 validation images is a training image too: c (= a)
        1 of 4 test images is a training image too: a
        2 of 4 test images are validation images too: a (= c), e (= d)
        2 images have more than one class: b is of `cat` and of `dog`, d (= e) is of `cat` and of `dog`
        1 training image repeats another: a copy (= a)
        1 test image repeats another: g (= f)
        ");
        let many: Vec<(&str, u32, String, String)> = ["training", "test"]
            .iter()
            .flat_map(|half| (0..7).map(|n| (*half, 0, n.to_string(), n.to_string())))
            .collect();
        let many: Vec<_> =
            many.iter().map(|(half, class, content, name)| (*half, *class, &content[..], &name[..])).collect();
        insta::assert_snapshot!(
            told(&many),
            @"7 of 7 test images are training images too: 0, 1, 2, 3, 4 and 2 more"
        );
    }
}
