//! Sparse weights come back bit for bit, are small, and whatever is wrong with a file is told.

use proptest::prelude::*;

use super::*;
use crate::network::Role;

fn spec(name: &str, dims: &[usize]) -> ParameterSpec {
    ParameterSpec { name: name.into(), dims: dims.to_vec(), role: Role::Weight }
}

/// The bits of what comes back when one tensor with one mask is written and read.
fn there_and_back(values: &[f32], mask: &[bool]) -> (Vec<u32>, Option<Vec<bool>>) {
    let tensor = HostTensor { dims: vec![values.len()], data: values.to_vec() };
    let bytes =
        encode(&BTreeMap::from([("w".into(), tensor)]), &BTreeMap::from([("w".into(), mask.to_vec())])).unwrap();
    let (data, mask) = entries(&bytes).unwrap()["w"].read().unwrap();
    (data.iter().map(|value| value.to_bits()).collect(), mask)
}

proptest! {
    /// Any bits, NaN and negative zero too, under any mask: at every density, so in each of the three ways.
    #[test]
    fn every_bit_comes_back(
        values in prop::collection::vec(any::<u32>(), 1..400),
        density in 0.0..1.0f64,
        draws in prop::collection::vec(0.0..1.0f64, 400),
        zeroed in any::<bool>(),
    ) {
        let mask: Vec<bool> = draws[..values.len()].iter().map(|draw| *draw < density).collect();
        let bits: Vec<u32> =
            values.iter().zip(&mask).map(|(bits, kept)| if *kept || !zeroed { *bits } else { 0 }).collect();
        let values: Vec<f32> = bits.iter().map(|bits| f32::from_bits(*bits)).collect();
        prop_assert_eq!(there_and_back(&values, &mask), (bits, Some(mask)));
    }

    #[test]
    fn no_bytes_are_more_than_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..200), header in any::<bool>()) {
        if header {
            bytes = [HEADER, &bytes].concat();
        }
        if let Err(error) = decode(&bytes, &[spec("w", &[3])]) {
            prop_assert_eq!(error.kind, Kind::Input);
        }
    }
}

#[test]
fn special_values_and_masks_come_back() {
    let special = [-0.0, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE / 2.0, 0.0];
    let bits: Vec<u32> = special.iter().map(|value| value.to_bits()).collect();
    for mask in [[true; 5], [true, false, true, false, false], [false; 5]] {
        assert_eq!(
            there_and_back(&special, &mask),
            (bits.clone(), Some(mask.to_vec())),
            "masked values that are not 0"
        );
    }
    assert_eq!(there_and_back(&[-0.0, 0.0, f32::NAN], &[true, false, true]).0, [1 << 31, 0, f32::NAN.to_bits()]);
    // A gap of three bytes, and each way of writing positions.
    let mut mask = vec![false; 100_000];
    mask[99_999] = true;
    let values: Vec<f32> = mask.iter().map(|kept| f32::from(u8::from(*kept))).collect();
    assert_eq!(there_and_back(&values, &mask).1, Some(mask));
}

/// Deterministic, and far from any pattern that compresses by itself.
fn scattered(count: usize, density: f64) -> (Vec<f32>, Vec<bool>) {
    use rand::RngExt;
    let mut random = crate::random::generator(1, "scattered", 0, 0);
    let mask: Vec<bool> = (0..count).map(|_| random.random::<f64>() < density).collect();
    (mask.iter().map(|kept| if *kept { random.random::<f32>() + 0.5 } else { 0.0 }).collect(), mask)
}

#[test]
fn the_bytes_are_few() {
    // Bits a weight for positions; at most 15 % above the entropy of where they are.
    for (density, way, entropy) in [(0.5, 0, 1.0), (0.1, 2, 0.469), (0.02, 2, 0.141)] {
        let (values, mask) = scattered(50_000, density);
        let (chosen, positions) = positions(&mask).unwrap();
        assert_eq!(chosen, way, "{density}");
        let bits = 8.0 * positions.len() as f64 / mask.len() as f64;
        assert!(bits < 1.15 * entropy && bits > 0.9 * entropy, "{bits} bits a weight at {density}");
        let tensor = HostTensor { dims: vec![values.len()], data: values };
        let kept = mask.iter().filter(|kept| **kept).count();
        let bytes = encode(&BTreeMap::from([("w".into(), tensor)]), &BTreeMap::from([("w".into(), mask)])).unwrap();
        assert!(bytes.len() < 4 * kept + positions.len() + 100);
    }
    // A regular mask is nothing at all.
    let regular: Vec<bool> = (0..50_000).map(|index| index % 2 == 0).collect();
    assert!(positions(&regular).unwrap().1.len() < 200);
}

#[test]
fn wrong_files_are_told() {
    let tensors = BTreeMap::from([
        ("a".to_owned(), HostTensor { dims: vec![2, 2], data: vec![1.0, 0.0, f32::NAN, 0.0] }),
        ("b".to_owned(), HostTensor { dims: vec![1], data: vec![-1.0] }),
        ("c".to_owned(), HostTensor { dims: vec![3], data: vec![0.0; 3] }),
    ]);
    let masks = BTreeMap::from([("a".to_owned(), vec![true, false, true, false])]);
    let good = encode(&tensors, &masks).unwrap();
    let told = |bytes: &[u8]| {
        let specs = [
            spec("a", &[2, 2]),
            ParameterSpec { role: Role::RunningVariance, ..spec("b", &[1]) },
            spec("d", &[1]),
            spec("c", &[2]),
        ];
        let error = decode(bytes, &[&specs[..]].concat()).unwrap_err();
        assert_eq!(error.kind, Kind::Input);
        error.message
    };
    insta::assert_snapshot!(told(&good), @r"
        the weights do not fit the network:
          `a` holds NaN at 2
          `b` holds a variance of -1 at 0
          `d` is missing
          `c` has shape [3], not [2]
        ");
    // Of the entry `a`: 17 bytes of header, 3 of name, 17 of dimensions, form, kept count, way, length, one byte of bits.
    let edited = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        let message = told(&bytes);
        message.lines().nth(1).unwrap_or(&message).to_owned()
    };
    let cases = [
        told(b"pleach weights 2\n"),
        told(&good[..good.len() - 1]),
        edited(17, 200),
        edited(19, 0xff),
        edited(19, b'b'),
        edited(20, 255),
        edited(35, 255),
        edited(37, 9),
        edited(38, 200),
        edited(38, 3),
        edited(46, 7),
        edited(46, 2),
        edited(55, 0xf5),
    ];
    insta::assert_snapshot!(cases.join("\n"), @r"
    the weights are not a valid file of sparse weights: its first line is not of this version
    the weights are not a valid file of sparse weights: cut off
    the weights are not a valid file of sparse weights: cut off
    the weights are not a valid file of sparse weights: a name that is not UTF-8
    the weights are not a valid file of sparse weights: `b` is out of order
    the weights are not a valid file of sparse weights: cut off
    the weights are not a valid file of sparse weights: `a` has more than 2147483648 weights
    the weights are not a valid file of sparse weights: `a` has the unknown form 9
    the weights are not a valid file of sparse weights: `a` keeps 200 of 4 weights
    the weights are not a valid file of sparse weights: `\0` is out of order
      `a` has positions that cannot be read
      `a` has positions that cannot be read
      `a` has positions that cannot be read
    ");
}

#[test]
fn a_small_file_cannot_ask_for_much_memory() {
    // Deflated zeros, a thousand times as long as they are written: more than the mask has, so no more is read.
    let bomb = deflate(&vec![0; 1 << 24]).unwrap();
    assert_eq!(inflate(&bomb, 1000), None);
    assert_eq!(from_gaps(&bomb, 3, 1000), None);
    // Gaps that lead beyond the end, that do not end, and that are too long.
    for gaps in [&[5_u8, 200, 1][..], &[0x80], &[0xff; 12]] {
        assert_eq!(from_gaps(&deflate(gaps).unwrap(), 3, 100), None, "{gaps:?}");
    }
    assert_eq!(from_gaps(&deflate(&[1, 0]).unwrap(), 2, 4), Some(vec![false, true, true, false]));
}
