//! The numbers of a tensor in 32 bits.

use safetensors::tensor::Dtype;

/// How a value is read from its bytes.
type Read = fn(&[u8]) -> f32;

/// The bytes of one value, and how it is read; none for types that are not read.
fn conversion(dtype: Dtype) -> Option<(usize, Read)> {
    match dtype {
        Dtype::F32 => Some((4, |bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")))),
        Dtype::F64 => Some((8, |bytes| f64::from_le_bytes(bytes.try_into().expect("eight bytes")) as f32)),
        Dtype::F16 => Some((2, |bytes| from_half(u16::from_le_bytes([bytes[0], bytes[1]])))),
        // The upper half of an f32.
        Dtype::BF16 => Some((2, |bytes| f32::from_le_bytes([0, 0, bytes[0], bytes[1]]))),
        _ => None,
    }
}

/// The values of a tensor, unless its type is refused; see [`refusal`].
pub fn floats(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let (size, read) = conversion(dtype)?;
    Some(bytes.chunks_exact(size).map(read).collect())
}

/// The values of a mask, which are 0 and 1 in any type of numbers, or truth values; nothing if one is another.
pub fn bits(dtype: Dtype, bytes: &[u8]) -> Option<Vec<bool>> {
    let of_number = |value: f32| if value == 0.0 || value == 1.0 { Some(value == 1.0) } else { None };
    match dtype {
        Dtype::BOOL | Dtype::U8 | Dtype::I8 => bytes.iter().map(|byte| of_number(f32::from(*byte))).collect(),
        _ => floats(dtype, bytes)?.into_iter().map(of_number).collect(),
    }
}

/// What is wrong with a type of numbers; nothing for floating-point numbers of 64, 32 and 16 bits.
pub fn refusal(dtype: Dtype) -> Option<String> {
    if conversion(dtype).is_some() {
        return None;
    }
    let what = match dtype {
        Dtype::I8 | Dtype::U8 => "quantized to integers of 8 bits",
        Dtype::F8_E5M2 | Dtype::F8_E4M3 | Dtype::F8_E8M0 | Dtype::F8_E4M3FNUZ | Dtype::F8_E5M2FNUZ => {
            "quantized to floating-point numbers of 8 bits"
        }
        Dtype::F4 | Dtype::F6_E2M3 | Dtype::F6_E3M2 => "quantized to floating-point numbers of fewer than 8 bits",
        Dtype::BOOL => "of truth values",
        Dtype::I16 | Dtype::U16 | Dtype::I32 | Dtype::U32 | Dtype::I64 | Dtype::U64 => "of integers",
        Dtype::C64 => "of complex numbers",
        _ => "of another type",
    };
    Some(format!("is {what} ({dtype:?}), not f64, f32, f16 or bf16"))
}

/// The number that 16 bits stand for: sign, 5 bits of exponent, 10 of fraction (IEEE 754 binary16). Exact.
fn from_half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    sign * match (exponent, fraction) {
        (31, 0.0) => f32::INFINITY,
        (31, _) => f32::NAN,
        (0, fraction) => fraction * 2f32.powi(-24),
        (exponent, fraction) => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    }
}
