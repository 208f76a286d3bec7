//! Model files: what is written comes back, and whatever is wrong with one is told and does no harm.

use super::*;
use crate::network::arch::Architecture;

/// Two features to one class, weight [0.5, -1] and bias [2].
fn small() -> Model {
    let graph = Architecture::Mlp { hidden: vec![] }.build([1, 2, 1], 1).unwrap();
    let mut model = Model::initialise(graph, 1).unwrap();
    model.tensors.get_mut("classifier.weight").unwrap().data = vec![0.5, -1.0];
    model.tensors.get_mut("classifier.bias").unwrap().data = vec![2.0];
    model
}

fn resnet() -> Model {
    let architecture: Architecture = serde_json::from_str(r#"{"arch":"resnet","depth":8,"width":2}"#).unwrap();
    let mut model = Model::initialise(architecture.build([8, 8, 1], 3).unwrap(), 1).unwrap();
    for (name, count) in [("conv1.weight", 18), ("fc.weight", 24)] {
        let mask: Vec<bool> = (0..count).map(|index| index % 5 != 2).collect();
        let weights = &mut model.tensors.get_mut(name).unwrap().data;
        weights.iter_mut().zip(&mask).filter(|(_, kept)| !**kept).for_each(|(weight, _)| *weight = 0.0);
        model.masks.insert(name.into(), mask);
    }
    model
}

/// A safetensors file of a JSON header and data.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

const BIAS: &str = r#""classifier.bias":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;

fn with_weight(dtype: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let end = 4 + data.len();
    let weight = format!(r#""classifier.weight":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[4,{end}]}}"#);
    file(&format!("{{{BIAS},{weight}}}"), &[&floats(&[2.0]), data].concat())
}

fn error_of(weights: &[u8]) -> String {
    let error = Model::from_parts(&small().description().unwrap(), weights, None).unwrap_err();
    assert_eq!(error.kind, Kind::Input);
    error.message
}

#[test]
fn a_model_comes_back_bit_for_bit() {
    for model in [small(), resnet()] {
        let (description, weights) = (model.description().unwrap(), model.weights().unwrap());
        let back = Model::from_parts(&description, &weights, None).unwrap();
        assert_eq!(back, model);
        assert_eq!((back.description().unwrap(), back.weights().unwrap()), (description.clone(), weights));
        // Written out in full it has the same tensors, and no masks.
        let dense = Model::from_parts(&description, &model.safetensors().unwrap(), None).unwrap();
        assert_eq!((dense.tensors, dense.masks.len()), (model.tensors, 0));
    }
    // By hand, so that the encoder is not its own judge; also a negative zero.
    let weights = with_weight("F32", "[1,2]", &floats(&[0.5, -0.0]));
    let model = Model::from_parts(&small().description().unwrap(), &weights, None).unwrap();
    assert_eq!(model.tensors["classifier.weight"].data[1].to_bits(), (-0.0_f32).to_bits());
    assert_eq!(model.weights().unwrap()[model.weights().unwrap().len() - 8..], floats(&[0.5, -0.0]));
}

#[test]
fn wrong_weights_are_told() {
    let cases: [(&str, Vec<u8>); 15] = [
        ("I32", with_weight("I32", "[1,2]", &[0; 8])),
        ("F64", with_weight("F64", "[1,2]", &[0; 16])),
        ("F16", with_weight("F16", "[1,2]", &[0; 4])),
        ("U8", with_weight("U8", "[1,2]", &[0; 2])),
        ("NaN", with_weight("F32", "[1,2]", &floats(&[0.0, f32::NAN]))),
        ("infinite", with_weight("F32", "[1,2]", &floats(&[f32::INFINITY, 0.0]))),
        ("shape", with_weight("F32", "[2,1]", &floats(&[0.0, 0.0]))),
        ("missing", file(&format!("{{{BIAS}}}"), &floats(&[2.0]))),
        ("truncated", with_weight("F32", "[1,2]", &floats(&[0.0, 0.0]))[..60].to_vec()),
        ("data cut off", {
            let mut bytes = with_weight("F32", "[1,2]", &[0; 8]);
            bytes.pop();
            bytes
        }),
        ("empty", Vec::new()),
        ("header length", [u64::MAX.to_le_bytes().to_vec(), b"{}".to_vec()].concat()),
        ("deep", file(&format!("{{\"a\":{}", "[".repeat(200_000)), &[])),
        ("shape overflow", with_weight("F32", "[4294967296,4294967296,4294967296]", &[0; 8])),
        ("offsets", file(&format!("{{{}}}", BIAS.replace("[0,4]", "[4,0]")), &floats(&[2.0]))),
    ];
    let told: Vec<String> = cases.iter().map(|(name, bytes)| format!("{name}: {}", error_of(bytes))).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
        I32: the weights do not fit the network:
          `classifier.weight` is of type I32, not F32
        F64: the weights do not fit the network:
          `classifier.weight` is of type F64, not F32
        F16: the weights do not fit the network:
          `classifier.weight` is of type F16, not F32
        U8: the weights do not fit the network:
          `classifier.weight` is of type U8, not F32
        NaN: the weights do not fit the network:
          `classifier.weight` holds NaN at 1
        infinite: the weights do not fit the network:
          `classifier.weight` holds inf at 0
        shape: the weights do not fit the network:
          `classifier.weight` has shape [2, 1], not [1, 2]
        missing: the weights do not fit the network:
          `classifier.weight` is missing
        truncated: the weights are not a valid safetensors file: invalid header length
        data cut off: the weights are not a valid safetensors file: incomplete metadata, file not fully covered
        empty: the weights are not a valid safetensors file: header too small
        header length: the weights are not a valid safetensors file: header too large
        deep: the weights are not a valid safetensors file: invalid JSON in header: recursion limit exceeded at line 1 column 132
        shape overflow: the weights are not a valid safetensors file: overflow computing buffer size from shape and/or element type
        offsets: the weights are not a valid safetensors file: invalid offset for tensor `classifier.bias`
        "#);
}

#[test]
fn all_problems_are_listed_at_once() {
    let mut model = resnet();
    model.tensors.remove("conv1.weight");
    model.tensors.insert("extra".into(), HostTensor { dims: vec![1], data: vec![0.0] });
    model.tensors.insert("bn1.bias".into(), HostTensor { dims: vec![3], data: vec![0.0; 3] });
    model.tensors.get_mut("bn1.running_var").unwrap().data[1] = -1.0;
    model.tensors.get_mut("fc.bias").unwrap().data[2] = f32::NAN;
    let error = Model::from_parts(&model.description().unwrap(), &model.weights().unwrap(), None).unwrap_err();
    insta::assert_snapshot!(error, @r#"
        the weights do not fit the network:
          `conv1.weight` is missing
          `bn1.bias` has shape [3], not [2]
          `bn1.running_var` holds a variance of -1 at 1
          `fc.bias` holds NaN at 2
          `extra` is not part of the network
        "#);
    let error = Model::from_parts(&resnet().description().unwrap(), &file("{}", &[]), None).unwrap_err();
    let rest = resnet().graph.parameters().len() - 20;
    assert!(error.message.ends_with(&format!("\n  and {rest} more")), "{error}");
}

#[test]
fn wrong_descriptions_are_told() {
    let weights = small().weights().unwrap();
    let good = String::from_utf8(small().description().unwrap()).unwrap();
    let cases = [
        String::new(),
        format!(r#"{{"input":[1,2,1],"layers":[{{"name":{}"#, "[".repeat(200_000)),
        r#"{"input":[1,2,1],"layers":[],"more":1}"#.to_owned(),
        r#"{"input":[1,2,1],"layers":[]}"#.to_owned(),
        good.replace("linear", "quadratic"),
        good.replace("\"in-features\": 2", "\"in-features\": -2"),
        good.replace("\"in-features\": 2", "\"in-features\": 3"),
        good.replace("\"out-features\": 1", "\"out-features\": 18446744073709551615"),
    ];
    let told = cases.iter().map(|case| {
        let error = Model::from_parts(case.as_bytes(), &weights, None).unwrap_err();
        assert_eq!(error.kind, Kind::Input);
        error.message
    });
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @r#"
        the description of the network is not valid: EOF while parsing a value at line 1 column 0
        the description of the network is not valid: recursion limit exceeded at line 1 column 160
        the description of the network is not valid: unknown field `more`, expected one of `input`, `layers`, `signature` at line 1 column 35
        the description of the network is not valid: a network without layers
        the description of the network is not valid: layer `classifier`: unknown variant `quadratic`, expected one of `convolution`, `batch-norm`, `relu`, `relu6`, `silu`, `hard-swish`, `sigmoid`, `add`, `multiply`, `concatenate`, `dropout`, `stochastic-depth`, `max-pool`, `average-pool`, `global-average-pool`, `adaptive-average-pool`, `flatten`, `linear`, `pad-shortcut` at line 25 column 3
        the description of the network is not valid: layer `classifier`: invalid value: integer `-2`, expected usize at line 25 column 3
        the description of the network is not valid: layer `classifier`: expects 3 features, but its input has 2
        the description of the network is not valid: layer `classifier`: its output, or a tensor of it, is empty or too large
        "#);
}

/// A file of masks that keep every weight, as earlier versions wrote it.
fn masks_file(masks: &[(&str, usize)]) -> Vec<u8> {
    let mut bytes = b"pleach masks 1\n".to_vec();
    for (name, count) in masks {
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend(name.as_bytes());
        bytes.extend((*count as u64).to_le_bytes());
        bytes.extend((0..count.div_ceil(8)).map(|at| if 8 * at + 8 > *count { (1 << (count % 8)) - 1 } else { 0xff }));
    }
    bytes
}

#[test]
fn masks_beside_the_weights_are_still_read() {
    let model = resnet();
    let (description, weights) = (model.description().unwrap(), model.safetensors().unwrap());
    let file = masks_file(&[("conv1.weight", 18), ("fc.weight", 24)]);
    let mut file = file.clone();
    *file.last_mut().unwrap() = 0b0111_1111;
    let read = Model::from_parts(&description, &weights, Some(&file)).unwrap();
    assert_eq!(read.masks["conv1.weight"], vec![true; 18]);
    assert_eq!(read.masks["fc.weight"], [vec![true; 23], vec![false]].concat());
    assert_eq!(read.tensors, model.tensors);
}

#[test]
fn wrong_masks_are_told() {
    let model = resnet();
    let (description, weights) = (model.description().unwrap(), model.safetensors().unwrap());
    let good = masks_file(&[("conv1.weight", 18)]);
    let header = b"pleach masks 1\n".len();
    let cases = [
        Vec::new(),
        good[..good.len() - 1].to_vec(),
        [&good[..], &[0]].concat(),
        [&good[..], &good[header..]].concat(),
        [&good[..good.len() - 1], &[255]].concat(),
        masks_file(&[("conv1.weight", 17)]),
        masks_file(&[("conv9.weight", 18)]),
    ];
    let told = cases.iter().map(|case| {
        let error = Model::from_parts(&description, &weights, Some(case)).unwrap_err();
        assert_eq!(error.kind, Kind::Input);
        error.message
    });
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @r#"
        the masks do not fit the network: not a file of masks, or of a newer version
        the masks do not fit the network: cut off
        the masks do not fit the network: cut off
        the masks do not fit the network: the mask of `conv1.weight` is out of order
        the masks do not fit the network: the mask of `conv1.weight` has bits beyond its end
        the masks do not fit the network: `conv1.weight` has 18 weights, its mask 17
        the masks do not fit the network: there is no tensor `conv9.weight`
        "#);
}

#[test]
fn no_damage_to_a_file_is_more_than_an_error() {
    let model = resnet();
    let parts = [
        model.description().unwrap(),
        model.weights().unwrap(),
        model.safetensors().unwrap(),
        masks_file(&[("conv1.weight", 18), ("fc.weight", 24)]),
    ];
    for part in 0..parts.len() {
        // Every cut and every flipped byte of the short ones, some of the long ones.
        let stride = (parts[part].len() / 200).max(1);
        for at in (0..parts[part].len()).step_by(stride) {
            for flip in [None, Some(0x01), Some(0x80), Some(0xff)] {
                let mut damaged = parts.clone();
                match flip {
                    None => damaged[part].truncate(at),
                    Some(flip) => damaged[part][at] ^= flip,
                }
                for (weights, masks) in [(&damaged[1], None), (&damaged[2], Some(&damaged[3][..]))] {
                    match Model::from_parts(&damaged[0], weights, masks) {
                        Ok(model) => model.check_finite().unwrap(),
                        Err(error) => assert_eq!(error.kind, Kind::Input),
                    }
                }
            }
        }
    }
}

#[test]
fn nonzero_values_are_counted_without_running_statistics_and_masked_ones() {
    let mut model = small();
    assert_eq!((model.nonzero_count(), model.graph.parameter_count()), (3, 3));
    model.masks.insert("classifier.weight".into(), vec![true, false]);
    model.tensors.get_mut("classifier.bias").unwrap().data[0] = 0.0;
    assert_eq!(model.nonzero_count(), 1);
    let resnet = resnet();
    // Biases of normalizations start at zero, and so do masked weights.
    let zero: usize = resnet
        .tensors
        .iter()
        .filter(|(name, _)| name.contains("bn") && name.ends_with("bias"))
        .map(|(_, tensor)| tensor.data.len())
        .sum();
    let masked = resnet.masks.values().flatten().filter(|kept| !**kept).count();
    assert_eq!(resnet.nonzero_count(), resnet.graph.parameter_count() - (zero + masked) as u64);
}

#[test]
fn values_that_are_not_finite_are_found() {
    let mut model = small();
    model.check_finite().unwrap();
    model.tensors.get_mut("classifier.weight").unwrap().data[1] = f32::NEG_INFINITY;
    let error = model.check_finite().unwrap_err();
    assert_eq!(error.kind, Kind::Diverged);
    insta::assert_snapshot!(error, @"tensor `classifier.weight` holds -inf at 1");
}

#[test]
fn masks_of_biases_are_no_masked_weights() {
    let mut model = small();
    assert_eq!(model.masked_share(), 0.0);
    model.masks.insert("classifier.bias".into(), vec![false]);
    assert_eq!((model.masked_share(), model.nonzero_count()), (0.0, 2));
    model.masks.insert("classifier.weight".into(), vec![true, false]);
    assert_eq!((model.masked_share(), model.nonzero_count()), (0.5, 1));
}
