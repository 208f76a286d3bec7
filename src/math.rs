//! Elementary functions that are the same bits on every host.
//!
//! Those of the standard library are calls of the operating system's mathematics library, whose last digits differ from
//! one to another. These are the crate `libm`'s: musl's algorithms, compiled into the program. Whatever a result in the
//! store depends on uses them; `clippy.toml` keeps the others out. Square roots, products with sums (`mul_add`) and whole
//! powers (`powi`) are exact or arithmetic alone, and stay the standard library's.

type OfOne = fn(f64) -> f64;
type OfTwo = fn(f64, f64) -> f64;

/// What an expression can call with one number.
pub const FUNCTIONS: &[(&str, OfOne)] = &[
    ("exp", libm::exp),
    ("ln", libm::log),
    ("log", libm::log10),
    ("sin", libm::sin),
    ("cos", libm::cos),
    ("tan", libm::tan),
    ("sinh", libm::sinh),
    ("cosh", libm::cosh),
    ("tanh", libm::tanh),
    ("asin", libm::asin),
    ("acos", libm::acos),
    ("atan", libm::atan),
    ("asinh", libm::asinh),
    ("acosh", libm::acosh),
    ("atanh", libm::atanh),
];

/// What an expression can call with two numbers.
pub const FUNCTIONS_OF_TWO: &[(&str, OfTwo)] = &[("atan", libm::atan2), ("hypot", libm::hypot)];

/// `e^x`.
pub fn exp(x: f64) -> f64 {
    libm::exp(x)
}

/// The natural logarithm of `x`.
pub fn ln(x: f64) -> f64 {
    libm::log(x)
}

/// `ln(1 + x)`, exact also where `x` is small.
pub fn ln_1p(x: f64) -> f64 {
    libm::log1p(x)
}

/// `base^exponent`.
pub fn powf(base: f64, exponent: f64) -> f64 {
    libm::pow(base, exponent)
}

/// The cosine of `x` radians.
pub fn cos(x: f64) -> f64 {
    libm::cos(x)
}

/// The sine and the cosine of `x` radians.
pub fn sin_cos(x: f64) -> (f64, f64) {
    libm::sincos(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash of the bits of every function at many places: whatever the host, it is this one.
    #[test]
    fn the_bits_are_the_same_on_every_host() {
        let mut hasher = blake3::Hasher::new();
        for step in 1..20_000 {
            let x = f64::from(step) * 0.003_7;
            let (sin, cosine) = sin_cos(x - 30.0);
            let values = [exp(x - 60.0), ln(x), ln_1p(x / 1e3), powf(x, 0.37 - x / 40.0), cos(x), sin, cosine];
            for value in values {
                hasher.update(&value.to_bits().to_le_bytes());
            }
        }
        insta::assert_snapshot!(hasher.finalize().to_hex()[..16], @"b78a58990625b4d7");
    }

    #[test]
    fn they_are_within_two_units_in_the_last_place_of_the_standard_library() {
        for step in 1..20_000 {
            let x = f64::from(step) * 0.003_7;
            let (sin, cosine) = sin_cos(x - 30.0);
            for (found, expected) in [
                (exp(x - 60.0), (x - 60.0).exp()),
                (ln(x), x.ln()),
                (ln_1p(x / 1e3), (x / 1e3).ln_1p()),
                (powf(x, 0.37 - x / 40.0), x.powf(0.37 - x / 40.0)),
                (cos(x), x.cos()),
                (sin, (x - 30.0).sin()),
                (cosine, (x - 30.0).cos()),
            ] {
                assert!((found - expected).abs() <= 2.0 * f64::EPSILON * expected.abs(), "{x}: {found} {expected}");
            }
        }
    }
}
