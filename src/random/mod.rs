//! Random numbers keyed by what they are for, never drawn from a shared stream.
//!
//! A generator is a pure function of (seed, purpose, epoch, sample). So a result cannot depend on the number of
//! threads, on the order of work, or on whether a run was interrupted and resumed. Nor on the host: distributions are here.

mod beta;
mod normal;

pub use beta::beta;
pub use normal::normal;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The generator for one `purpose` (such as `"augment"`), one epoch and one sample of a run with `seed`.
pub fn generator(seed: u64, purpose: &str, epoch: u64, sample: u64) -> ChaCha8Rng {
    let mut hasher = blake3::Hasher::new_derive_key("pleach 2026 random generator");
    for part in [seed, epoch, sample] {
        hasher.update(&part.to_le_bytes());
    }
    hasher.update(purpose.as_bytes());
    ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn every_part_of_the_key_matters_and_nothing_else() {
        let first = |seed, purpose, epoch, sample| generator(seed, purpose, epoch, sample).next_u64();
        let base = first(1, "crop", 2, 3);
        assert_eq!(base, first(1, "crop", 2, 3));
        for other in [first(2, "crop", 2, 3), first(1, "flip", 2, 3), first(1, "crop", 3, 3), first(1, "crop", 2, 4)] {
            assert_ne!(base, other);
        }
    }
}
