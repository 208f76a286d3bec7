//! Files that are no safetensors files, known by how they begin.

use crate::error::{Error, Kind};

/// How many bytes of a file it takes.
pub const PROBE: usize = 512;

/// Beginnings of files, what they are, and what to do.
const BEGINNINGS: &[(&[u8], &str, &str)] = &[
    (b"PK\x03\x04", "a file that PyTorch's `torch.save` wrote, or another ZIP archive", CONVERT),
    // Protocols 2 to 5; torch.save before PyTorch 1.6 wrote nothing else.
    (b"\x80\x02", "a Python pickle, as older `torch.save` wrote", CONVERT),
    (b"\x80\x03", "a Python pickle", CONVERT),
    (b"\x80\x04", "a Python pickle", CONVERT),
    (b"\x80\x05", "a Python pickle", CONVERT),
    (
        b"version https://git-lfs",
        "a Git LFS pointer, which stands for the file",
        "fetch the file itself: `git lfs pull` in the repository that it is from",
    ),
    (
        b"\x89HDF\r\n",
        "an HDF5 file, as Keras writes",
        "save its tensors as safetensors, with PyTorch's names and layouts",
    ),
    (b"\x1f\x8b", "a gzip stream", "give it a name that ends in `.gz`: it is unpacked as it is read"),
    (b"\x93NUMPY", "an array of NumPy", "save all tensors of the network in one file: `safetensors.numpy.save_file`"),
    (b"GGUF", "a GGUF file", "take the safetensors file that it was made from"),
];

const CONVERT: &str = "save its tensors in Python: `from safetensors.torch import save_file; save_file(torch.load(\"FILE\", \
                       map_location=\"cpu\"), \"FILE.safetensors\")`; a checkpoint has them under a key such as \
                       `state_dict` or `model`";

/// So many characters of a text are shown.
const SHOWN: usize = 60;

/// The error about a file that begins with `start`, if it is known to be something else.
pub fn refusal(start: &[u8]) -> Option<Error> {
    let (what, hint) = recognise(start)?;
    Some(Error::new(Kind::Input, format!("this is {what}, not a safetensors file")).hint(hint))
}

/// The error about a file that begins with `start`, which `why` says is not safetensors, and nobody knows what it is.
pub fn unknown(start: &[u8], why: &str) -> Error {
    let error = Error::new(Kind::Input, format!("this is not a safetensors file: {why}"));
    error.hint(match text(start) {
        Some(text) => {
            format!("it is a text that begins with `{text}`: look at what it says, and download the file again")
        }
        None => {
            "`import` reads what the `safetensors` library writes: convert the file, or download it again".to_owned()
        }
    })
}

/// The first line of a text; none if the bytes are none.
fn text(start: &[u8]) -> Option<String> {
    let valid = match str::from_utf8(start) {
        Ok(text) => text,
        // The last character may be cut.
        Err(error) if error.error_len().is_none() => str::from_utf8(&start[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let is_text = valid.chars().all(|c| !c.is_control() || c.is_ascii_whitespace());
    let line = valid.trim().lines().next().filter(|_| is_text)?;
    let shown: String = line.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    Some(if line.chars().nth(SHOWN).is_some() { shown + "…" } else { shown })
}

fn recognise(start: &[u8]) -> Option<(&'static str, &'static str)> {
    if start.is_empty() {
        return Some(("an empty file", "write or download it again"));
    }
    if let Some((_, what, hint)) = BEGINNINGS.iter().find(|(beginning, ..)| start.starts_with(beginning)) {
        return Some((what, hint));
    }
    let text = start.trim_ascii_start().to_ascii_lowercase();
    let is_page = [&b"<!doctype html"[..], b"<html", b"<head"].iter().any(|beginning| text.starts_with(beginning));
    if is_page {
        return Some((
            "an HTML page",
            "the download gave a page in place of the file: use the link of the file itself, logged in where that is needed",
        ));
    }
    text.starts_with(b"<?xml").then_some((
        "an XML document",
        "a server's answer in place of the file: look at what it says, and download the file again",
    ))
}
