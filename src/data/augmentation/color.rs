//! Operations on the values of pixels. Images are bytes, (height, width, channels); with one channel it is its own grey.
//! What each computes is what Pillow's `ImageOps` and `ImageEnhance` compute, which the papers used.

/// Integer weights of red, green and blue in grey (ITU-R 601-2), summing to 2^16.
const GREY_WEIGHTS: [u32; 3] = [19_595, 38_470, 7_471];

/// The grey value of every pixel.
fn grey(image: &[u8], channels: usize) -> Vec<u8> {
    let luma = |pixel: &[u8]| {
        let sum: u32 = pixel.iter().zip(GREY_WEIGHTS).map(|(value, weight)| u32::from(*value) * weight).sum();
        ((sum + 0x8000) >> 16) as u8
    };
    image.chunks_exact(channels).map(|pixel| if channels == 3 { luma(pixel) } else { pixel[0] }).collect()
}

/// `plain + factor (value − plain)`, rounded down, within 0 to 255.
fn blend(plain: u8, value: u8, factor: f32) -> u8 {
    let (plain, value) = (f32::from(plain), f32::from(value));
    (plain + factor * (value - plain)).clamp(0.0, 255.0) as u8
}

/// From black (0) over the image itself (1) to twice as bright (2).
pub fn brightness(image: &mut [u8], factor: f32) {
    image.iter_mut().for_each(|value| *value = blend(0, *value, factor));
}

/// From one grey, the image's mean (0), over the image itself (1) to twice the contrast (2).
pub fn contrast(image: &mut [u8], channels: usize, factor: f32) {
    let grey = grey(image, channels);
    let sum: u64 = grey.iter().map(|value| u64::from(*value)).sum();
    let count = grey.len() as u64;
    let mean = ((2 * sum + count) / (2 * count).max(1)) as u8;
    image.iter_mut().for_each(|value| *value = blend(mean, *value, factor));
}

/// From grey (0) over the image itself (1) to twice the colour (2). Changes nothing in a grey image.
pub fn color(image: &mut [u8], channels: usize, factor: f32) {
    if channels == 1 {
        return;
    }
    let grey = grey(image, channels);
    for (pixel, grey) in image.chunks_exact_mut(channels).zip(grey) {
        pixel.iter_mut().for_each(|value| *value = blend(grey, *value, factor));
    }
}

/// From smoothed (0) over the image itself (1) to sharpened (2). Smoothed is the mean of a pixel and its eight neighbours
/// with the pixel counted five times; the border stays.
pub fn sharpness(image: &mut [u8], (height, width): (usize, usize), channels: usize, factor: f32) {
    let original = image.to_vec();
    let row = width * channels;
    for y in 1..height.saturating_sub(1) {
        for x in channels..row.saturating_sub(channels) {
            let middle = y * row + x;
            let mut sum = 4 * u32::from(original[middle]);
            for line in [middle - row, middle, middle + row] {
                sum += [line - channels, line, line + channels].iter().map(|at| u32::from(original[*at])).sum::<u32>();
            }
            image[middle] = blend(((2 * sum + 13) / 26) as u8, original[middle], factor);
        }
    }
}

/// Keeps the highest `bits` (1 to 8) of every value.
pub fn posterize(image: &mut [u8], bits: u32) {
    let mask = !(0xff_u16 >> bits) as u8;
    image.iter_mut().for_each(|value| *value &= mask);
}

/// Inverts every value of at least `threshold`.
pub fn solarize(image: &mut [u8], threshold: f32) {
    image.iter_mut().filter(|value| f32::from(**value) >= threshold).for_each(|value| *value = 255 - *value);
}

/// Stretches each channel so that its darkest value becomes 0 and its brightest 255.
pub fn autocontrast(image: &mut [u8], channels: usize) {
    for channel in 0..channels {
        let values = || image.iter().skip(channel).step_by(channels).copied();
        let (low, high) = (values().min().unwrap_or(0), values().max().unwrap_or(0));
        if high > low {
            let scale = 255.0 / f64::from(high - low);
            let offset = -f64::from(low) * scale;
            let table: [u8; 256] = std::array::from_fn(|value| (value as f64 * scale + offset).clamp(0.0, 255.0) as u8);
            image.iter_mut().skip(channel).step_by(channels).for_each(|value| *value = table[usize::from(*value)]);
        }
    }
}

/// Spreads each channel's values so that all are about equally frequent.
pub fn equalize(image: &mut [u8], channels: usize) {
    for channel in 0..channels {
        let mut counts = [0_usize; 256];
        image.iter().skip(channel).step_by(channels).for_each(|value| counts[usize::from(*value)] += 1);
        let brightest = counts.iter().rev().copied().find(|count| *count > 0).unwrap_or(0);
        let step = (counts.iter().sum::<usize>() - brightest) / 255;
        if step == 0 {
            continue;
        }
        let mut below = step / 2;
        let table = counts.map(|count| {
            let value = (below / step).min(255) as u8;
            below += count;
            value
        });
        image.iter_mut().skip(channel).step_by(channels).for_each(|value| *value = table[usize::from(*value)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `operation` on a copy of `image`.
    fn after(image: &[u8], operation: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let mut copy = image.to_vec();
        operation(&mut copy);
        copy
    }

    #[test]
    fn blending_with_black_and_with_the_mean() {
        assert_eq!(after(&[0, 10, 101, 200], |x| brightness(x, 0.5)), [0, 5, 50, 100]);
        assert_eq!(after(&[0, 10, 101, 200], |x| brightness(x, 1.5)), [0, 15, 151, 255]);
        assert_eq!(after(&[0, 10, 101, 200], |x| brightness(x, 1.0)), [0, 10, 101, 200]);
        // The mean is (0 + 100 + 201) / 3 = 100.33, 100 when rounded.
        assert_eq!(after(&[0, 100, 201], |x| contrast(x, 1, 0.5)), [50, 100, 150]);
        assert_eq!(after(&[0, 100, 201], |x| contrast(x, 1, 2.0)), [0, 100, 255]);
        assert_eq!(after(&[7, 90, 3], |x| contrast(x, 3, 1.0)), [7, 90, 3]);
    }

    #[test]
    fn grey_is_weighted() {
        // 0.299 x 100 + 0.587 x 50 + 0.114 x 200 = 82.05.
        assert_eq!(grey(&[100, 50, 200, 255, 255, 255], 3), [82, 255]);
        assert_eq!(after(&[100, 50, 200], |x| color(x, 3, 0.0)), [82, 82, 82]);
        assert_eq!(after(&[100, 50, 200], |x| color(x, 3, 1.5)), [109, 34, 255]);
        assert_eq!(after(&[100, 50, 200], |x| color(x, 1, 0.0)), [100, 50, 200]);
    }

    #[test]
    fn sharpness_spares_the_border() {
        // The middle is smoothed to (5 x 130 + 8 x 0) / 13 = 50.
        let image = [0, 0, 0, 0, 130, 0, 0, 0, 0];
        assert_eq!(after(&image, |x| sharpness(x, (3, 3), 1, 0.0)), [0, 0, 0, 0, 50, 0, 0, 0, 0]);
        assert_eq!(after(&image, |x| sharpness(x, (3, 3), 1, 1.5)), [0, 0, 0, 0, 170, 0, 0, 0, 0]);
        assert_eq!(after(&image[..4], |x| sharpness(x, (2, 2), 1, 0.0)), image[..4]);
        // Channels do not mix: (5 x 130 + 8 x 13) / 13 = 58 in the first.
        let two: Vec<u8> = image.iter().flat_map(|value| [(*value).max(13), 9]).collect();
        let expected: Vec<u8> = two.iter().map(|value| if *value == 130 { 58 } else { *value }).collect();
        assert_eq!(after(&two, |x| sharpness(x, (3, 3), 2, 0.0)), expected);
    }

    #[test]
    fn posterize_and_solarize() {
        assert_eq!(after(&[255, 129, 127, 3], |x| posterize(x, 1)), [128, 128, 0, 0]);
        assert_eq!(after(&[255, 129, 127, 3], |x| posterize(x, 8)), [255, 129, 127, 3]);
        assert_eq!(after(&[0, 99, 100, 255], |x| solarize(x, 100.0)), [0, 99, 155, 0]);
        assert_eq!(after(&[0, 99], |x| solarize(x, 0.0)), [255, 156]);
    }

    #[test]
    fn autocontrast_stretches_each_channel() {
        assert_eq!(after(&[50, 7, 100, 7, 150, 7], |x| autocontrast(x, 2)), [0, 7, 127, 7, 255, 7]);
    }

    #[test]
    fn equalize_spreads_each_channel() {
        // 512 values: 256 of 10, 255 of 20, one of 30. A step is (512 - 1) / 255 = 2; below 10 there is 1 (half a step), below
        // 20 257, below 30 512.
        let image: Vec<u8> = [vec![10; 256], vec![20; 255], vec![30; 1]].concat();
        let expected: Vec<u8> = [vec![0; 256], vec![128; 255], vec![255; 1]].concat();
        assert_eq!(after(&image, |x| equalize(x, 1)), expected);
        assert_eq!(after(&[1, 2, 3, 4], |x| equalize(x, 1)), [1, 2, 3, 4], "too few to spread");
    }
}
