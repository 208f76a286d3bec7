//! Numbers of channels that programs which run networks compute slowly. The figures are in `docs/pruning.md`.

use super::allocation::{Rounding, listed};
use crate::network::{Graph, Op};

/// ONNX Runtime keeps the blocked layout of a convolution only where its channels are a multiple of this.
const BLOCK: usize = 4;

/// Convolutions of fewer channels cost little in any layout.
const WIDE: usize = 16;

/// Names concatenations whose channels are no multiple of what is asked for, although those of each part may be.
pub fn sums(graph: &Graph, rounding: Rounding) -> Option<String> {
    let shapes = graph.shapes().ok()?;
    let concatenated = graph.layers.iter().zip(&shapes).filter(|(layer, _)| matches!(layer.op, Op::Concatenate));
    let odd = concatenated.filter(|(_, shape)| {
        let width = shape.channels();
        width >= rounding.from && !width.is_multiple_of(rounding.multiple)
    });
    let odd: Vec<String> = odd.map(|(layer, shape)| format!("{} ({})", layer.name, shape.channels())).collect();
    let names: Vec<&str> = odd.iter().map(String::as_str).collect();
    listed(&names, &format!("the sum of what is concatenated, and no multiple of {}", rounding.multiple))
}

/// Counts the convolutions that read or make 16 channels or more, but no multiple of 4, and names them.
pub fn slow(graph: &Graph) -> Option<String> {
    let is_slow = |width: usize| width >= WIDE && !width.is_multiple_of(BLOCK);
    let convolutions = graph.layers.iter().filter_map(|layer| match layer.op {
        Op::Convolution { in_channels, out_channels, .. } => Some((&layer.name, in_channels, out_channels)),
        _ => None,
    });
    let all = convolutions.clone().count();
    let slow = convolutions.filter(|(_, read, made)| is_slow(*read) || is_slow(*made));
    let slow: Vec<String> = slow.map(|(name, read, made)| format!("{name} ({read} → {made})")).collect();
    let names: Vec<&str> = slow.iter().map(String::as_str).collect();
    let what = format!(
        "{} of {all} convolutions read or make {WIDE} channels or more that are no multiple of {BLOCK}, which many \
         runtimes compute slowly",
        slow.len()
    );
    listed(&names, &what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::arch::Architecture;

    fn densenet(growth: usize) -> Graph {
        let densenet = Architecture::Densenet { depth: 10, growth, bottleneck: false, compression: 0.5, stem: None };
        densenet.build([8, 8, 1], 10).unwrap()
    }

    #[test]
    fn widths_that_are_no_multiples_are_counted_and_named() {
        assert_eq!((sums(&densenet(8), Rounding::of(Some(8))), slow(&densenet(8))), (None, None));
        let odd = densenet(7);
        assert_eq!(sums(&odd, Rounding::of(Some(1))), None);
        let names = |note: String| note.split(": ").next().unwrap_or_default().matches('(').count();
        let concatenations = odd.layers.iter().filter(|layer| matches!(layer.op, Op::Concatenate)).count();
        assert!(concatenations > 3 && names(sums(&odd, Rounding::of(Some(64))).unwrap()) == concatenations.min(8));
        let told = slow(&odd).unwrap();
        assert!(told.contains("convolutions read or make 16 channels or more that are no multiple of 4"), "{told}");
    }
}
