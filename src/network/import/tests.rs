use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, TensorView};

use super::*;
use crate::network::arch::Architecture;

/// Tensors to be written: type, shape, bytes.
type File = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn graph() -> Graph {
    serde_json::from_str::<Architecture>(r#"{"arch":"mlp","hidden":[3]}"#).unwrap().build([2, 2, 1], 2).unwrap()
}

fn model() -> Model {
    Model::initialise(graph(), 1).unwrap()
}

fn file() -> File {
    let bytes = |data: &[f32]| data.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensors = model().tensors.into_iter();
    tensors.map(|(name, tensor)| (name, (Dtype::F32, tensor.dims, bytes(&tensor.data)))).collect()
}

fn import(file: &File) -> Result<Model> {
    import_with(file, &Rules::default()).map(|(model, _)| model)
}

fn bytes_of(file: &File) -> Vec<u8> {
    let views = file
        .iter()
        .map(|(name, (dtype, shape, bytes))| (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

fn import_with(file: &File, rules: &Rules) -> Result<(Model, Taken)> {
    import_bytes(&bytes_of(file), rules)
}

/// Reads the header alone first, as plans do: what it finds is what the import finds.
fn import_bytes(bytes: &[u8], rules: &Rules) -> Result<(Model, Taken)> {
    let graph = graph();
    let request = Request { graph: &graph, rules, seed: 5, other: None };
    let checked = check(Some(&request), &mut &bytes[..], Some(bytes.len() as u64));
    let imported = super::import(&request, bytes).map(|(model, taken, _)| (model, taken));
    if let Err(error) = checked {
        assert_eq!(imported.as_ref().err(), Some(&error));
    }
    imported
}

#[test]
fn what_was_exported_comes_back_with_or_without_counters() {
    assert!(import(&file()).unwrap() == model());
    let mut counted = file();
    counted.insert("bn1.num_batches_tracked".into(), (Dtype::I64, vec![], vec![0; 8]));
    assert!(import(&counted).unwrap() == model());
    assert!(import_bytes(&model().weights().unwrap(), &Rules::default()).unwrap().0 == model());
}

#[test]
fn other_widths_are_brought_to_32_bits() {
    let bias = |dtype, bytes: Vec<u8>| {
        let mut file = file();
        file.insert("hidden1.bias".into(), (dtype, vec![3], bytes));
        import(&file).map(|model| model.tensors["hidden1.bias"].data.clone())
    };
    let doubles = [0.1f64, -2.0, 1e-30].iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(bias(Dtype::F64, doubles).unwrap(), [0.1, -2.0, 1e-30]);
    let shorts = |values: [u16; 3]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    assert_eq!(bias(Dtype::BF16, shorts([0x3f80, 0xc040, 0])).unwrap(), [1.0, -3.0, 0.0]);
    assert_eq!(bias(Dtype::F16, shorts([0x3c00, 0xc500, 0x0001])).unwrap(), [1.0, -5.0, 2f32.powi(-24)]);
    assert_eq!(bias(Dtype::F16, shorts([0x7bff, 0x3555, 0x8000])).unwrap(), [65504.0, 0.333_251_95, 0.0]);
    for infinite in [bias(Dtype::F16, shorts([0x7c00, 0, 0])), bias(Dtype::F64, 1e300f64.to_le_bytes().repeat(3))] {
        assert!(infinite.unwrap_err().message.contains("`hidden1.bias` holds inf at 0"));
    }
}

#[test]
fn everything_that_is_wrong_is_listed_at_once() {
    let mut wrong = file();
    wrong.remove("hidden1.bias");
    wrong.insert("extra.weight".into(), (Dtype::F32, vec![1], vec![0; 4]));
    wrong.insert("hidden1.weight".into(), (Dtype::F32, vec![4, 3], vec![0; 48]));
    let names: Vec<String> = wrong.keys().cloned().collect();
    let last = names.iter().filter(|name| !name.contains("hidden1") && !name.contains("extra"));
    let [bias, weight] = last.collect::<Vec<_>>()[..] else { panic!("{names:?}") };
    wrong.insert(bias.clone(), (Dtype::I32, vec![2], vec![0; 8]));
    wrong.insert(weight.clone(), (Dtype::F32, vec![2, 3], f32::NAN.to_le_bytes().repeat(6)));
    insta::assert_snapshot!(import(&wrong).unwrap_err().message, @"
    the weights do not fit the network:
      `hidden1.weight` has shape [4, 3], not [3, 4]
      `hidden1.bias` is missing
      `classifier.bias` is of integers (I32), not f64, f32, f16 or bf16
      `extra.weight` is not part of the network
    ");
}

#[test]
fn what_is_no_safetensors_file_is_an_error() {
    let whole = model().weights().unwrap();
    let errors: Vec<String> = [&b"not weights"[..], b"", &whole[..whole.len() - 1], &[0xff; 64]]
        .map(|bytes| import_bytes(bytes, &Rules::default()).unwrap_err().message)
        .to_vec();
    insta::assert_snapshot!(errors.join("\n"), @"
    this is not a safetensors file: its first eight bytes, the length of the header, say 7451598620781211502
    this is an empty file, not a safetensors file
    the file is cut off: it has 379 bytes of 380
    this is not a safetensors file: its first eight bytes, the length of the header, say 18446744073709551615
    ");
}

/// The bytes of values.
fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The file with other names.
fn renamed(file: &File, name: impl Fn(&str) -> String) -> File {
    file.iter().map(|(old, tensor)| (name(old), tensor.clone())).collect()
}

/// An error with its hints.
fn told(file: &File, rules: &Rules) -> String {
    let Error { message, hints, .. } = import_with(file, rules).unwrap_err();
    hints.iter().fold(message, |text, hint| format!("{text}\nhelp: {hint}"))
}

#[test]
fn a_first_part_of_all_names_is_taken_off_when_everything_fits_then() {
    for prefix in ["module.", "model.", "_orig_mod.", "_orig_mod.module.", "net."] {
        let wrapped = renamed(&file(), |name| format!("{prefix}{name}"));
        let (found, taken) = import_with(&wrapped, &Rules::default()).unwrap();
        assert!(found == model(), "{prefix}");
        assert!(taken.prefix == prefix && taken.notes[1].contains(prefix), "{:?}", taken.notes);
        let rules = Rules { prefix: Some(prefix.into()), ..Rules::default() };
        let (found, taken) = import_with(&wrapped, &rules).unwrap();
        assert!(found == model() && taken.notes.len() == 1, "{:?}", taken.notes);
    }
    // Not when something else is wrong too, and not a part of some names.
    let mut wrapped = renamed(&file(), |name| format!("module.{name}"));
    wrapped.remove("module.hidden1.bias");
    let mut both = renamed(&file(), |name| format!("student.{name}"));
    both.extend(renamed(&file(), |name| format!("teacher.{name}")));
    let wrong = Rules { prefix: Some("modul.".into()), ..Rules::default() };
    insta::assert_snapshot!([
        told(&wrapped, &Rules::default()),
        told(&both, &Rules::default()),
        told(&renamed(&file(), |name| format!("module.{name}")), &wrong),
    ].join("\n\n"), @r#"
    the weights do not fit the network when `module.` is taken off the names:
      `hidden1.bias` is missing
    help: all names in the file begin with `module.`, as PyTorch's DataParallel writes them: add `prefix = "module."`

    the weights do not fit the network when `student.` is taken off the names:
      `teacher.classifier.bias` is not part of the network
      `teacher.classifier.weight` is not part of the network
      `teacher.hidden1.bias` is not part of the network
      `teacher.hidden1.weight` is not part of the network
    help: names in the file begin with `student.`: add `prefix = "student."`
    help: `ignore-extra = ["teacher.*"]` leaves what the network does not have in the file

    no tensor of the file has a name that begins with `modul.`
    help: the file has `module.classifier.bias`, `module.classifier.weight`, `module.hidden1.bias`
    help: leave `prefix` out, or correct it
    "#);
    let rules = Rules { prefix: Some("student.".into()), ignore_extra: vec!["teacher.*".into()], ..Rules::default() };
    let (found, taken) = import_with(&both, &rules).unwrap();
    assert!(found == model());
    insta::assert_snapshot!(taken.notes.join("\n"), @"4 tensors taken from the file, 4 of the file ignored");
}

#[test]
fn layers_can_get_fresh_weights() {
    // A body without a head, under a prefix; and a head of another size.
    let mut body = renamed(&file(), |name| format!("backbone.{name}"));
    body.retain(|name, _| !name.contains("classifier"));
    let mut wide = file();
    wide.insert("classifier.weight".into(), (Dtype::F32, vec![1000, 3], vec![0; 12000]));
    wide.insert("classifier.bias".into(), (Dtype::F32, vec![1000], vec![0; 4000]));
    let rules = Rules { head: Some(rules::Head::Fresh), ..Rules::default() };
    let fresh = Model::initialise(graph(), 5).unwrap();
    for (file, ignored) in [(&body, 0), (&wide, 2)] {
        let (found, taken) = import_with(file, &rules).unwrap();
        assert_eq!((taken.taken, taken.fresh, taken.ignored), (2, 2, ignored));
        assert_eq!(found.tensors["hidden1.weight"], model().tensors["hidden1.weight"]);
        for name in ["classifier.weight", "classifier.bias"] {
            assert_eq!(found.tensors[name], fresh.tensors[name]);
        }
    }
    let named = Rules { fresh: vec!["class*".into()], ..Rules::default() };
    assert_eq!(import_with(&wide, &named).unwrap().0, import_with(&wide, &rules).unwrap().0);
    let first = Rules { fresh: vec!["hidden1".into()], ..Rules::default() };
    let (found, _) = import_with(&file(), &first).unwrap();
    assert_eq!(found.tensors["hidden1.bias"], fresh.tensors["hidden1.bias"]);
    assert_eq!(found.tensors["classifier.bias"], model().tensors["classifier.bias"]);
    let nothing = Rules { fresh: vec!["hidden2".into()], ..Rules::default() };
    let mut other = file();
    other.insert("hidden1.weight".into(), (Dtype::F32, vec![3, 12], vec![0; 144]));
    insta::assert_snapshot!([
        told(&wide, &Rules::default()),
        told(&other, &Rules::default()),
        told(&file(), &nothing),
    ].join("\n\n"), @r#"
    the weights do not fit the network:
      `classifier.weight` has shape [1000, 3], not [2, 3]
      `classifier.bias` has shape [1000], not [2]
    help: only the last layer, `classifier`, differs: `head = "fresh"` gives it fresh weights for the 2 classes of the data, and takes all others from the file

    the weights do not fit the network:
      `hidden1.weight` has shape [3, 12], not [3, 4]
    help: `fresh = ["hidden1"]` gives fresh weights to the layers that differ, and takes all others from the file

    no layer of the network with weights matches `hidden2` of `fresh`
    help: the network has `hidden1`, `classifier`
    "#);
}

#[test]
fn what_a_profiler_left_can_be_ignored() {
    let mut profiled = file();
    for name in ["total_ops", "hidden1.total_ops", "hidden1.total_params", "classifier.total_ops"] {
        profiled.insert(name.into(), (Dtype::F64, vec![1], vec![0; 8]));
    }
    insta::assert_snapshot!(told(&profiled, &Rules::default()), @r#"
    the weights do not fit the network:
      `classifier.total_ops` is not part of the network
      `hidden1.total_ops` is not part of the network
      `hidden1.total_params` is not part of the network
      `total_ops` is not part of the network
    help: `ignore-extra = ["*total_ops", "*total_params"]` leaves what the network does not have in the file
    "#);
    let rules = Rules { ignore_extra: vec!["*total_ops".into(), "*total_params".into()], ..Rules::default() };
    let (found, taken) = import_with(&profiled, &rules).unwrap();
    assert!(found == model() && taken.ignored == 4);
    let rules = Rules { ignore_extra: vec!["*total_ops".into(), "hidden1.*".into(), "x*".into()], ..Rules::default() };
    let (found, taken) = import_with(&profiled, &rules).unwrap();
    assert!(found == model(), "what the network has is no extra");
    insta::assert_snapshot!(taken.notes.join("\n"), @"
    4 tensors taken from the file, 4 of the file ignored
    no tensor of the file matches `x*` of `ignore-extra`
    ");
}

#[test]
fn names_that_differ_are_shown_of_both_sides() {
    let other = renamed(&file(), |name| name.replace("hidden1", "body.0").replace("classifier", "head.fc"));
    let mut large = renamed(&file(), |name| format!("{name}.0"));
    for index in 0..30 {
        large.insert(format!("layer{index}.weight"), (Dtype::F32, vec![1], vec![0; 4]));
    }
    insta::assert_snapshot!([told(&other, &Rules::default()), told(&large, &Rules::default())].join("\n\n"), @"
    the weights do not fit the network:
      `hidden1.weight` is missing
      `hidden1.bias` is missing
      `classifier.weight` is missing
      `classifier.bias` is missing
      `body.0.bias` is not part of the network
      `body.0.weight` is not part of the network
      `head.fc.bias` is not part of the network
      `head.fc.weight` is not part of the network
    help: names differ: the network has `hidden1.weight`, `hidden1.bias`, `classifier.weight`, the file `body.0.bias`, `body.0.weight`, `head.fc.bias`
    help: `network` must be the one that the file was made from, layer for layer

    the weights do not fit the network:
      `hidden1.weight` is missing
      `hidden1.bias` is missing
      `classifier.weight` is missing
      `classifier.bias` is missing
      `classifier.bias.0` is not part of the network
      `classifier.weight.0` is not part of the network
      `hidden1.bias.0` is not part of the network
      `hidden1.weight.0` is not part of the network
      `layer0.weight` is not part of the network
      `layer1.weight` is not part of the network
      `layer10.weight` is not part of the network
      `layer11.weight` is not part of the network
      `layer12.weight` is not part of the network
      `layer13.weight` is not part of the network
      `layer14.weight` is not part of the network
      `layer15.weight` is not part of the network
      `layer16.weight` is not part of the network
      `layer17.weight` is not part of the network
      `layer18.weight` is not part of the network
      `layer19.weight` is not part of the network
      and 18 more of the file
    help: names differ: the network has `hidden1.weight`, `hidden1.bias`, `classifier.weight`, the file `classifier.bias.0`, `classifier.weight.0`, `hidden1.bias.0`
    help: `network` must be the one that the file was made from, layer for layer
    ");
}

#[test]
fn zeros_become_masks_if_asked_for_and_are_told_if_not() {
    let mut sparse = file();
    let weight: Vec<f32> = (0..12).map(|index| if index % 3 == 0 { 1.5 } else { -0.0 }).collect();
    sparse.insert("hidden1.weight".into(), (Dtype::F32, vec![3, 4], floats(&weight)));
    sparse.insert("hidden1.bias".into(), (Dtype::F32, vec![3], vec![0; 12]));
    sparse.insert("classifier.weight".into(), (Dtype::F32, vec![2, 3], vec![0; 24]));
    let (dense, taken) = import_with(&sparse, &Rules::default()).unwrap();
    assert!(dense.masks.is_empty() && taken.masked == 0);
    let rules = Rules { mask: Some(Mask::Zeros), ..Rules::default() };
    let (masked, masked_taken) = import_with(&sparse, &rules).unwrap();
    let names: Vec<&str> = masked.masks.keys().map(String::as_str).collect();
    assert_eq!(names, ["classifier.weight", "hidden1.weight"], "no mask of a bias");
    assert_eq!(masked.masks["hidden1.weight"].iter().filter(|kept| **kept).count(), 4);
    assert_eq!((masked_taken.masked, masked_taken.masked_weights), (2, 8 + 6));
    insta::assert_snapshot!([taken.notes, masked_taken.notes].concat().join("\n"), @r#"
    4 tensors taken from the file
    77.8 % of the weights are exactly zero, and training changes them: `mask = "zeros"` holds them
    4 tensors taken from the file, 2 masked (77.8 % of the weights stay zero)
    all of `classifier.weight` is zero and masked: of this layer only a bias can learn
    "#);
    // Stored sparse, and read back as it is.
    let parts = (masked.description().unwrap(), masked.weights().unwrap());
    let read = Model::from_parts(&parts.0, &parts.1, None).unwrap();
    assert!(read == masked);
    assert!(read.tensors["hidden1.weight"].data.iter().all(|value| value.to_bits() != (-0.0f32).to_bits()));

    // One zero by chance is no matter, and a mask only if one asks.
    let mut chance = file();
    let mut weight = model().tensors["hidden1.weight"].data.clone();
    weight[5] = 0.0;
    chance.insert("hidden1.weight".into(), (Dtype::F32, vec![3, 4], floats(&weight)));
    assert_eq!(import_with(&chance, &Rules::default()).unwrap().1.notes.len(), 1);
    assert_eq!(import_with(&chance, &rules).unwrap().1.masked_weights, 1);
    assert!(import_with(&file(), &rules).unwrap().0 == model(), "no zeros, no masks");
}

#[test]
fn values_and_masks_of_pytorch_are_joined() {
    let mut pruned = file();
    let (dtype, dims, bytes) = pruned.remove("hidden1.weight").unwrap();
    let mask: Vec<f32> = (0..12).map(|index| if index % 4 == 1 { 0.0 } else { 1.0 }).collect();
    pruned.insert("hidden1.weight_orig".into(), (dtype, dims.clone(), bytes));
    pruned.insert("hidden1.weight_mask".into(), (Dtype::F32, dims.clone(), floats(&mask)));
    let (found, taken) = import_with(&pruned, &Rules::default()).unwrap();
    assert_eq!(found.masks["hidden1.weight"], mask.iter().map(|kept| *kept == 1.0).collect::<Vec<bool>>());
    let whole = model().tensors["hidden1.weight"].data.clone();
    let expected: Vec<f32> =
        whole.iter().zip(&mask).map(|(value, kept)| if *kept == 1.0 { *value } else { 0.0 }).collect();
    assert_eq!(found.tensors["hidden1.weight"].data, expected);
    assert_eq!((taken.taken, taken.masked, taken.masked_weights), (4, 1, 3));
    assert_eq!(taken.notes.len(), 1, "{:?}", taken.notes);
    // Truth values too; and no numbers between.
    pruned.insert(
        "hidden1.weight_mask".into(),
        (Dtype::BOOL, dims.clone(), mask.iter().map(|kept| *kept as u8).collect()),
    );
    assert!(import_with(&pruned, &Rules::default()).unwrap().0 == found);
    let mut soft = pruned.clone();
    soft.insert("hidden1.weight_mask".into(), (Dtype::F32, dims, floats(&[0.5; 12])));
    let mut alone = pruned.clone();
    alone.remove("hidden1.weight_mask");
    insta::assert_snapshot!([told(&soft, &Rules::default()), told(&alone, &Rules::default())].join("\n\n"), @"
    the weights do not fit the network:
      `hidden1.weight` has a mask with values other than 0 and 1
    help: `torch.nn.utils.prune.remove` makes one tensor of values and mask before they are saved

    the weights do not fit the network:
      `hidden1.weight` is missing
      `hidden1.weight_orig` is not part of the network
    help: names differ: the network has `hidden1.weight`, the file `hidden1.weight_orig`
    ");
}

#[test]
fn a_mask_of_a_bias_holds_as_one_of_a_weight() {
    let mut pruned = file();
    let pair = |pruned: &mut File, name: &str, mask: &[f32]| {
        let (dtype, dims, _) = pruned.remove(name).unwrap();
        let values: Vec<f32> = (0..mask.len()).map(|index| 1.0 + index as f32).collect();
        pruned.insert(format!("{name}_orig"), (dtype, dims.clone(), floats(&values)));
        pruned.insert(format!("{name}_mask"), (Dtype::F32, dims, floats(mask)));
    };
    pair(&mut pruned, "hidden1.bias", &[1.0, 0.0, 1.0]);
    pair(&mut pruned, "classifier.bias", &[0.0, 0.0]);
    let rules = Rules { mask: Some(Mask::Zeros), ..Rules::default() };
    for rules in [Rules::default(), rules] {
        let (found, taken) = import_with(&pruned, &rules).unwrap();
        assert_eq!(found.masks["hidden1.bias"], [true, false, true]);
        assert_eq!(found.tensors["hidden1.bias"].data, [1.0, 0.0, 3.0]);
        assert_eq!((taken.taken, taken.masked, taken.masked_weights), (4, 2, 3));
        assert_eq!(taken.notes, ["4 tensors taken from the file, 2 masked (0.0 % of the weights stay zero)"]);
        let parts = (found.description().unwrap(), found.weights().unwrap());
        assert!(Model::from_parts(&parts.0, &parts.1, None).unwrap() == found);
    }
    pruned.insert("hidden1.bias_mask".into(), (Dtype::F32, vec![2], floats(&[1.0, 1.0])));
    insta::assert_snapshot!(told(&pruned, &Rules::default()), @r#"
    the weights do not fit the network:
      `hidden1.bias` has a mask of shape [2], not [3]
    help: `fresh = ["hidden1"]` gives fresh weights to the layers that differ, and takes all others from the file
    "#);
}

#[test]
fn two_names_that_a_prefix_makes_one_are_named() {
    let mut both = file();
    both.extend(renamed(&file(), |name| format!("ema.{name}")));
    let rules = Rules { prefix: Some("ema.".into()), ..Rules::default() };
    insta::assert_snapshot!(told(&both, &rules), @r#"
    the weights do not fit the network when `ema.` is taken off the names:
      `ema.classifier.bias` and `classifier.bias` of the file would both be `classifier.bias`
      `ema.classifier.weight` and `classifier.weight` of the file would both be `classifier.weight`
      `ema.hidden1.bias` and `hidden1.bias` of the file would both be `hidden1.bias`
      `ema.hidden1.weight` and `hidden1.weight` of the file would both be `hidden1.weight`
    help: the file has two networks: without `prefix`, `ignore-extra = ["ema.*"]` takes the one whose names do not begin with `ema.`; the other must be saved in a file of its own
    "#);
    // What the help says does it.
    let rules = Rules { ignore_extra: vec!["ema.*".into()], ..Rules::default() };
    assert!(import_with(&both, &rules).unwrap().0 == model());
    // Counters do not count.
    let mut counted = renamed(&file(), |name| format!("ema.{name}"));
    for name in ["bn1.num_batches_tracked", "ema.bn1.num_batches_tracked"] {
        counted.insert(name.into(), (Dtype::I64, vec![], vec![0; 8]));
    }
    let rules = Rules { prefix: Some("ema.".into()), ..Rules::default() };
    assert!(import_with(&counted, &rules).unwrap().0 == model());
}

#[test]
fn names_are_shown_as_text() {
    let mut odd = file();
    for name in ["größe.weight", "a\n\u{1b}[31mred", "\u{202e}tfel", "", &"x".repeat(5000)] {
        odd.insert(name.to_owned(), (Dtype::F32, vec![1], vec![0; 4]));
    }
    insta::assert_snapshot!(told(&odd, &Rules::default()), @r"
    the weights do not fit the network:
      `` is not part of the network
      `a\n\u{1b}[31mred` is not part of the network
      `größe.weight` is not part of the network
      `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` is not part of the network
      `\u{202e}tfel` is not part of the network
    help: `network` must be the one that the file was made from, layer for layer
    ");
}

#[test]
fn idle_patterns_are_told_where_something_is_wrong() {
    let mut profiled = file();
    profiled.insert("total_ops".into(), (Dtype::F64, vec![1], vec![0; 8]));
    let rules = Rules { ignore_extra: vec!["*total_op".into()], ..Rules::default() };
    insta::assert_snapshot!(told(&profiled, &rules), @r#"
    the weights do not fit the network:
      `total_ops` is not part of the network
    help: no tensor of the file matches `*total_op` of `ignore-extra`
    help: `ignore-extra = ["*total_ops"]` leaves what the network does not have in the file
    "#);
    let rules = Rules { fresh: vec!["clasifier".into()], ..Rules::default() };
    insta::assert_snapshot!(told(&file(), &rules), @"
    no layer of the network with weights matches `clasifier` of `fresh`
    help: the network has `hidden1`, `classifier`
    ");
}

/// The file with its header changed as text; the length is written anew.
fn with_header(change: impl Fn(&str) -> String) -> Vec<u8> {
    let bytes = bytes_of(&file());
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = change(str::from_utf8(&bytes[8..8 + length]).unwrap());
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &bytes[8 + length..]].concat()
}

#[test]
fn headers_that_contradict_themselves_are_told() {
    // In the file: classifier.bias, classifier.weight, hidden1.bias, hidden1.weight.
    let replaced = |from: &'static str, to: &'static str| {
        with_header(|header| {
            assert_eq!(header.matches(from).count(), 1, "{header}");
            header.replace(from, to)
        })
    };
    let twice = r#""hidden1.bias":{"dtype":"F32","shape":[3],"data_offsets":[32,44]},"hidden1.bias""#;
    let cases = [
        replaced(r#""hidden1.bias""#, twice),
        replaced("[32,44]", "[28,40]"),
        replaced("[32,44]", "[36,48]"),
        replaced("[32,44]", "[44,32]"),
        replaced("[32,44]", "[-4,8]"),
        replaced(r#""shape":[3],"#, r#""shape":[4],"#),
        replaced(r#""shape":[3],"#, r#""shape":[4294967296,4294967296],"#),
        replaced(r#""shape":[3],"#, ""),
        replaced(r#"{"dtype":"F32","shape":[3]"#, r#"{"dtype":"Q4_0","shape":[3]"#),
        with_header(|header| header.replacen('{', r#"{"__metadata__":{"format":1},"#, 1)),
        with_header(|header| header[..header.trim_end().len() - 1].to_owned()),
        with_header(|_| "[]".to_owned()),
        [&2_u64.to_le_bytes()[..], b"{}"].concat(),
    ];
    let texts = cases.map(|bytes| {
        let Error { message, hints, .. } = import_bytes(&bytes, &Rules::default()).unwrap_err();
        format!("{message}; {}", hints.join("; "))
    });
    insta::assert_snapshot!(texts.join("\n"), @"
    the weights are not a valid safetensors file: in its header: `hidden1.bias` is there twice at line 1 column 271; write it again, with the `safetensors` library, or download it again
    the weights are not a valid safetensors file: tensor `hidden1.bias` overlaps with the one before it, or leaves a gap between; write it again, with the `safetensors` library, or download it again
    the weights are not a valid safetensors file: tensor `hidden1.bias` overlaps with the one before it, or leaves a gap between; write it again, with the `safetensors` library, or download it again
    the weights are not a valid safetensors file: tensor `hidden1.bias` has shape [3] of F32, and lies from byte 44 to 32; write it again, with the `safetensors` library, or download it again
    the weights are not a valid safetensors file: tensor `hidden1.bias` is not described: invalid value: integer `-4`, expected usize; write it again, with the `safetensors` library, or download it again
    the weights are not a valid safetensors file: tensor `hidden1.bias` has shape [4] of F32, and lies from byte 32 to 44; write it again, with the `safetensors` library, or download it again
    the weights are not a valid safetensors file: tensor `hidden1.bias` has shape [4294967296, 4294967296] of F32, and lies from byte 32 to 44; write it again, with the `safetensors` library, or download it again
    the weights are not a valid safetensors file: tensor `hidden1.bias` is not described: missing field `shape`; write it again, with the `safetensors` library, or download it again
    the weights are not a valid safetensors file: tensor `hidden1.bias` is of type `Q4_0`, which is not known; write it again, with the `safetensors` library, or download it again
    the weights are not a valid safetensors file: its `__metadata__` is not of texts: invalid type: integer `1`, expected a string; write it again, with the `safetensors` library, or download it again
    the weights are not a valid safetensors file: in its header: EOF while parsing an object at line 1 column 275; write it again, with the `safetensors` library, or download it again
    the weights are not a valid safetensors file: in its header: invalid type: sequence, expected an object with the tensors at line 1 column 0; write it again, with the `safetensors` library, or download it again
    the file has no tensors; write it again from the network's `state_dict()`, or download it again
    ");
    // Any order, and words about the file.
    let described = with_header(|header| header.replacen('{', r#"{"__metadata__":{"format":"pt"},"#, 1));
    assert!(import_bytes(&described, &Rules::default()).unwrap().0 == model());
}

#[test]
fn values_that_are_not_finite_are_told_by_place() {
    let mut odd = file();
    let mut weight = model().tensors["hidden1.weight"].data.clone();
    weight[7] = f32::NAN;
    odd.insert("hidden1.weight".into(), (Dtype::F32, vec![3, 4], floats(&weight)));
    odd.insert("classifier.bias".into(), (Dtype::F32, vec![], floats(&[1.0])));
    insta::assert_snapshot!(told(&odd, &Rules::default()), @r#"
    the weights do not fit the network:
      `classifier.bias` has shape [], not [2]
    help: only the last layer, `classifier`, differs: `head = "fresh"` gives it fresh weights for the 2 classes of the data, and takes all others from the file
    "#);
    odd.insert("classifier.bias".into(), (Dtype::F32, vec![2], floats(&[1.0, f32::NEG_INFINITY])));
    insta::assert_snapshot!(told(&odd, &Rules::default()), @"
    the weights do not fit the network:
      `hidden1.weight` holds NaN at 7
      `classifier.bias` holds -inf at 1
    help: training diverged, or the file is damaged: take weights from before that, or write the file again
    ");
}

#[test]
fn types_that_are_not_read_have_words_of_their_own() {
    let types = [Dtype::I8, Dtype::F8_E4M3, Dtype::I64, Dtype::BOOL, Dtype::C64];
    let of_type = |dtype: Dtype| {
        let mut file = file();
        file.insert("hidden1.bias".into(), (dtype, vec![3], vec![0; 3 * dtype.bitsize() / 8]));
        file
    };
    let words = types.map(|dtype| import(&of_type(dtype)).unwrap_err().message.lines().nth(1).unwrap().to_owned());
    insta::assert_snapshot!(told(&of_type(Dtype::I8), &Rules::default()), @"
    the weights do not fit the network:
      `hidden1.bias` is quantized to integers of 8 bits (I8), not f64, f32, f16 or bf16
    help: save these tensors as floating-point numbers of 32 bits: in PyTorch `tensor.dequantize()` of quantized ones, `tensor.float()` of others
    ");
    insta::assert_snapshot!(words.join("\n"), @"
    `hidden1.bias` is quantized to integers of 8 bits (I8), not f64, f32, f16 or bf16
    `hidden1.bias` is quantized to floating-point numbers of 8 bits (F8_E4M3), not f64, f32, f16 or bf16
    `hidden1.bias` is of integers (I64), not f64, f32, f16 or bf16
    `hidden1.bias` is of truth values (BOOL), not f64, f32, f16 or bf16
    `hidden1.bias` is of complex numbers (C64), not f64, f32, f16 or bf16
    ");
}

#[test]
fn files_of_other_kinds_are_told_for_what_they_are() {
    let starts: [&[u8]; 15] = [
        b"PK\x03\x04\0\0\x08\x08 archive/data.pkl",
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
        b"\x80\x04\x95",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
        b"\n <!DOCTYPE html><html><head>",
        b"<?xml version=\"1.0\"?><Error>",
        b"\x89HDF\r\n\x1a\n",
        b"GGUF\x03\0\0\0",
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
        b"\x93NUMPY\x01\0v\0",
        b"",
        b"Not Found",
        "{\"message\":\"Größe…\"}\nmore".as_bytes(),
        b"\xfd7zXZ\0\0\x04\xe6",
        b"\x08\x07\x12",
    ];
    let texts = starts.map(|start| {
        let error = import_bytes(start, &Rules::default()).unwrap_err();
        format!("{}; {}", error.message, error.hints.join("; "))
    });
    insta::assert_snapshot!(texts.join("\n"), @r#"
    this is a file that PyTorch's `torch.save` wrote, or another ZIP archive, not a safetensors file; save its tensors in Python: `from safetensors.torch import save_file; save_file(torch.load("FILE", map_location="cpu"), "FILE.safetensors")`; a checkpoint has them under a key such as `state_dict` or `model`
    this is a Python pickle, as older `torch.save` wrote, not a safetensors file; save its tensors in Python: `from safetensors.torch import save_file; save_file(torch.load("FILE", map_location="cpu"), "FILE.safetensors")`; a checkpoint has them under a key such as `state_dict` or `model`
    this is a Python pickle, not a safetensors file; save its tensors in Python: `from safetensors.torch import save_file; save_file(torch.load("FILE", map_location="cpu"), "FILE.safetensors")`; a checkpoint has them under a key such as `state_dict` or `model`
    this is a Git LFS pointer, which stands for the file, not a safetensors file; fetch the file itself: `git lfs pull` in the repository that it is from
    this is an HTML page, not a safetensors file; the download gave a page in place of the file: use the link of the file itself, logged in where that is needed
    this is an XML document, not a safetensors file; a server's answer in place of the file: look at what it says, and download the file again
    this is an HDF5 file, as Keras writes, not a safetensors file; save its tensors as safetensors, with PyTorch's names and layouts
    this is a GGUF file, not a safetensors file; take the safetensors file that it was made from
    this is a gzip stream, not a safetensors file; give it a name that ends in `.gz`: it is unpacked as it is read
    this is an array of NumPy, not a safetensors file; save all tensors of the network in one file: `safetensors.numpy.save_file`
    this is an empty file, not a safetensors file; write or download it again
    this is not a safetensors file: its first eight bytes, the length of the header, say 7959390263430115150; it is a text that begins with `Not Found`: look at what it says, and download the file again
    this is not a safetensors file: its first eight bytes, the length of the header, say 7449362198107595387; it is a text that begins with `{\"message\":\"Größe…\"}`: look at what it says, and download the file again
    this is not a safetensors file: its first eight bytes, the length of the header, say 288230764183173117; `import` reads what the `safetensors` library writes: convert the file, or download it again
    this is not a safetensors file: it has only 3 bytes; `import` reads what the `safetensors` library writes: convert the file, or download it again
    "#);
}
