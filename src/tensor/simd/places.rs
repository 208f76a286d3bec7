//! Places in memory that kernels go to without looking whether they are inside; that is checked once for all.

/// Where each of some positions starts, and the greatest of these.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    places: &'a [u32],
    greatest: u32,
}

impl<'a> Places<'a> {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The greatest; 0 if there are none.
    pub(super) fn greatest(&self) -> usize {
        self.greatest as usize
    }

    pub(crate) fn get(&self) -> &'a [u32] {
        self.places
    }
}

/// The places of a number of images, the same ones in each.
#[derive(Debug)]
pub(crate) struct Table {
    places: Vec<u32>,
    of_image: usize,
    greatest: u32,
    step: u32,
}

impl Table {
    /// `places` of the first of `images`, which start `step` after each other.
    pub(crate) fn new(places: &[usize], images: usize, step: usize) -> Self {
        let all = (0..images).flat_map(|image| places.iter().map(move |place| (place + image * step) as u32));
        Self {
            places: all.collect(),
            of_image: places.len(),
            greatest: places.iter().max().map_or(0, |place| *place as u32),
            step: step as u32,
        }
    }

    /// The places in the first `images`.
    pub(crate) fn of(&self, images: usize) -> Places<'_> {
        let places = &self.places[..images * self.of_image];
        let greatest = if places.is_empty() { 0 } else { self.greatest + (images as u32 - 1) * self.step };
        Places { places, greatest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_is_in_the_last_image() {
        let table = Table::new(&[4, 9, 2], 3, 100);
        assert_eq!(table.of(2).get(), [4, 9, 2, 104, 109, 102]);
        assert_eq!([1, 2, 3].map(|images| table.of(images).greatest()), [9, 109, 209]);
        assert_eq!((table.of(0).len(), table.of(0).greatest()), (0, 0));
    }
}
