//! Images as they are kept in memory: bytes, not floats, so that a whole set fits.

/// Labelled images of one shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// Height, width and channels of every image.
    pub shape: [usize; 3],
    /// Shape (N, height, width, channels), row-major: channels vary fastest.
    pub pixels: Vec<u8>,
    /// The class of each image, 0 to one less than the number of classes.
    pub labels: Vec<u32>,
}

impl Images {
    /// No images yet, of `shape` (height, width, channels).
    pub fn empty(shape: [usize; 3]) -> Self {
        Self { shape, pixels: Vec::new(), labels: Vec::new() }
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

    /// The same images, each of the class that `label` makes of its own.
    pub fn relabelled(&self, label: impl Fn(u32) -> u32) -> Images {
        let labels = self.labels.iter().map(|own| label(*own)).collect();
        Images { shape: self.shape, pixels: self.pixels.clone(), labels }
    }

    /// The images at `indices`, in that order.
    pub(super) fn select(&self, indices: &[u32]) -> Images {
        let mut selected = Images::empty(self.shape);
        for &index in indices {
            selected.pixels.extend_from_slice(self.image(index as usize));
            selected.labels.push(self.labels[index as usize]);
        }
        selected
    }
}
