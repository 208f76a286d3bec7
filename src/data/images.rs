//! Images as they are kept in memory: bytes, not floats, so that a whole set fits.

use std::sync::Arc;

/// Labelled images of one shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// Height, width and channels of every image.
    pub shape: [usize; 3],
    /// Shape (N, height, width, channels), row-major: channels vary fastest. Shared with the same images under other labels.
    pub pixels: Arc<Vec<u8>>,
    /// The class of each image, 0 to one less than the number of classes.
    pub labels: Vec<u32>,
}

impl Images {
    /// No images yet, of `shape` (height, width, channels).
    pub fn empty(shape: [usize; 3]) -> Self {
        Self { shape, pixels: Arc::default(), labels: Vec::new() }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The bytes of one image: height x width x channels.
    pub fn image_size(&self) -> usize {
        self.shape.iter().product()
    }

    /// The pixels of image `index`, shape (height, width, channels).
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.image_size();
        &self.pixels[index * size..][..size]
    }

    /// The same images, each of the class that `label` makes of its own. Pixels are not copied.
    pub fn relabelled(&self, label: impl Fn(u32) -> u32) -> Images {
        let labels = self.labels.iter().map(|own| label(*own)).collect();
        Images { shape: self.shape, pixels: Arc::clone(&self.pixels), labels }
    }

    /// The pixels, to add to. Copies them where they are shared.
    pub(super) fn pixels_mut(&mut self) -> &mut Vec<u8> {
        Arc::make_mut(&mut self.pixels)
    }

    /// The images at `indices`, in that order.
    pub(super) fn select(&self, indices: &[u32]) -> Images {
        let pixels: Vec<u8> = indices.iter().flat_map(|&index| self.image(index as usize)).copied().collect();
        let labels = indices.iter().map(|&index| self.labels[index as usize]).collect();
        Images { shape: self.shape, pixels: Arc::new(pixels), labels }
    }
}
