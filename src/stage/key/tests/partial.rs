//! Keys of what a stage keeps for others: they hold a part of its description, and nothing else.

use super::*;

/// The names of the fields of `description` that make a difference to a key; lists, which change by their elements, once.
fn deciding(description: &Description, key: &dyn Fn(&Description) -> Digest) -> BTreeSet<String> {
    let whole = serde_json::to_value(description).unwrap();
    let mut paths = Vec::new();
    leaves(&whole, &mut Vec::new(), &mut paths);
    let mut deciding = BTreeSet::new();
    for path in paths.iter().filter(|path| !is_tag(path)) {
        let mut target = whole.clone();
        for other in others(at(&mut target, path)) {
            *at(&mut target, path) = other;
            if let Some(different) = read(&target).filter(|different| different != description)
                && key(&different) != key(description)
            {
                let name = path.join(".");
                let is_element = |c: char| c == '.' || c.is_ascii_digit();
                let is_list = path.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
                deciding.insert(if is_list { name.trim_end_matches(is_element).to_owned() } else { name });
            }
        }
    }
    deciding
}

/// The names of the fields of a description that say which images are looked at, and of one input.
fn images_and(description: &Description, input: &str) -> BTreeSet<String> {
    let fields = fields(description);
    let data = fields.iter().map(|(name, _)| name.clone()).filter(|name| name.starts_with("data."));
    data.chain(["masks", "network", "signature", "weights"].map(|part| format!("inputs.{input}.{part}"))).collect()
}

/// A teacher's logits are those of the teacher and the images, whoever learns from them.
#[test]
fn logits_of_a_teacher_are_blind_to_its_student_only() {
    let description = &descriptions()[2];
    let key = |description: &Description| teacher_logits(&fields(description));
    let names = deciding(description, &key);
    assert_eq!(names, images_and(description, "teacher"));
    assert!(["data.digest", "data.validation", "data.seed"].iter().all(|name| names.contains(*name)));
    let other_kind = Description { parameters: descriptions()[5].parameters.clone(), seed: 99, ..description.clone() };
    assert_eq!(key(&other_kind), key(description));
}

/// What a network is worth is that of the network, the images and their split, whatever it stands beside and as which model.
#[test]
fn a_measurement_is_blind_to_other_models_only() {
    let description = descriptions().into_iter().find(|d| matches!(d.parameters, Parameters::Evaluate { .. })).unwrap();
    let input = description.inputs.values().next().unwrap().clone();
    let with = |models: &[(&str, NetworkInput)]| {
        let inputs = models.iter().map(|(role, input)| ((*role).to_owned(), input.clone())).collect();
        Description { inputs, ..description.clone() }
    };
    let masks = Some(input.network);
    let input = NetworkInput { masks, ..input };
    let alone = with(&[("models.0", input.clone())]);
    let key = |description: &Description| measurement(&fields(description), "models.0");
    let mut expected = images_and(&alone, "models.0");
    expected.insert("split".to_owned());
    assert_eq!(deciding(&alone, &key), expected);
    let other = NetworkInput { weights: None, ..input.clone() };
    let second = with(&[("models.0", other), ("models.1", input)]);
    assert_eq!(measurement(&fields(&second), "models.1"), key(&alone));
    assert_ne!(key(&second), key(&alone));
}
