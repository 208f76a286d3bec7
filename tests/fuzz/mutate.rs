//! Damage to bytes, as a function of a seed.

/// Pseudo-random numbers (xorshift64*, Vigna 2016): the same for a seed on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64, name: &str) -> Self {
        let hash = blake3::hash(format!("{seed} {name}").as_bytes());
        Self(u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap()) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }

    fn one_of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// Larger inputs try nothing more, and take longer.
const LARGEST: usize = 16 << 10;

/// Numbers at which something changes.
const NUMBERS: [u64; 12] =
    [0, 1, 127, 128, 255, 256, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];

/// Words at which something changes in texts.
const WORDS: [&str; 28] = [
    "0",
    "-1",
    "1e400",
    "nan",
    "inf",
    "99999999999999999999",
    "1048576",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'''",
    "\\u0000",
    "\n",
    "=",
    "${matrix.a}",
    "[matrix]\na = [1, 2, 3]\n",
    "e\u{301}",
    "\u{feff}",
    "\u{202e}",
    "👩\u{200d}👩",
    "(",
    ")",
    "**",
    ",",
    "%",
    "null",
];

/// One of `corpus` with some damage.
pub fn damaged(corpus: &[Vec<u8>], random: &mut Random, name: &str) -> Vec<u8> {
    let mut bytes = corpus[random.below(corpus.len())].clone();
    bytes.truncate(LARGEST);
    for _ in 0..=random.below(4) {
        once(&mut bytes, corpus, random);
        bytes.truncate(LARGEST);
    }
    // Otherwise little gets past the check sums, which are there against accidents and not against people.
    if random.below(4) > 0 {
        match name {
            "record" => seal_record(&mut bytes),
            "image" => seal_png(&mut bytes),
            _ => {}
        }
    }
    bytes
}

fn once(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = random.below(bytes.len() + 1);
    let end = (at + 1 + random.below(32)).min(bytes.len());
    match random.below(10) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 if at < bytes.len() => bytes[at] = random.below(256) as u8,
        2 => bytes.truncate(at),
        3 if at < end => drop(bytes.drain(at..end)),
        4 if at < end => {
            let copy = bytes[at..end].repeat(1 + random.below(4));
            bytes.splice(at..at, copy);
        }
        5 => {
            let number = NUMBERS[random.below(NUMBERS.len())];
            let width = 1 << random.below(4);
            let mut written = number.to_le_bytes()[..width].to_vec();
            if random.below(2) == 0 {
                written.reverse();
            }
            let end = (at + width).min(bytes.len());
            bytes.splice(at..end, written);
        }
        6 => {
            let word = random.one_of(&WORDS);
            bytes.splice(at..at, word.bytes());
        }
        7 => {
            // A number of a text, and another one in its place.
            let Some(start) = (at..bytes.len()).find(|at| bytes[*at].is_ascii_digit()) else { return };
            let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let other = match random.below(2) {
                0 => NUMBERS[random.below(NUMBERS.len())].to_string(),
                _ => random.one_of(&WORDS).to_owned(),
            };
            bytes.splice(start..start + digits, other.bytes());
        }
        8 => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len() + 1);
            let until = (from + random.below(256)).min(other.len());
            bytes.splice(at..end.max(at), other[from..until].iter().copied());
        }
        _ => {
            // Two lines, or runs of bytes, change places.
            let from = random.below(bytes.len() + 1);
            let until = (from + random.below(64)).min(bytes.len());
            let run: Vec<u8> = bytes.drain(from..until).collect();
            let at = at.min(bytes.len());
            bytes.splice(at..at, run);
        }
    }
}

/// Writes the check sum that the bytes before it have.
fn seal_record(bytes: &mut [u8]) {
    const CHECK: &[u8] = b",\"check\":\"";
    let Some(at) = bytes.windows(CHECK.len()).rposition(|window| window == CHECK) else { return };
    let hash = blake3::hash(&bytes[..at]).to_hex();
    if let Some(place) = bytes.get_mut(at + CHECK.len()..at + CHECK.len() + 64) {
        place.copy_from_slice(hash.as_bytes());
    }
}

/// Writes the check sum of every chunk.
fn seal_png(bytes: &mut [u8]) {
    let mut at = 8;
    while bytes.starts_with(b"\x89PNG")
        && let Some(length) = bytes.get(at..at + 4)
    {
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let end = at.saturating_add(8).saturating_add(length);
        let Some(chunk) = bytes.get(at + 4..end) else { return };
        let mut crc = flate2::Crc::new();
        crc.update(chunk);
        let Some(place) = bytes.get_mut(end..end + 4) else { return };
        place.copy_from_slice(&crc.sum().to_be_bytes());
        at = end + 4;
    }
}
