//! Operations on the places of pixels. Each pixel takes the value of the pixel that its centre comes from, without
//! interpolation, or 0 (black) where that is outside. All in integers, in 2^-16 of a pixel.

/// One pixel.
const ONE: i64 = 1 << 16;

/// The height and width of an image.
type Size = (usize, usize);

/// Turns the image around its middle by `degrees`, counter-clockwise. Rounded where Pillow rounds: once the steps from
/// pixel to pixel, and once where the first pixel comes from.
pub fn rotate(image: &[u8], (height, width): Size, channels: usize, degrees: f64) -> Vec<u8> {
    let (sin, cos) = crate::math::sin_cos(degrees.to_radians());
    let fixed = |value: f64| (value * ONE as f64 + 0.5).floor() as i64;
    // From the middle to the centre of the first pixel.
    let (down, right) = (0.5 - height as f64 / 2.0, 0.5 - width as f64 / 2.0);
    let first_row = fixed(height as f64 / 2.0 + down * cos + right * sin);
    let first_column = fixed(width as f64 / 2.0 + right * cos - down * sin);
    let (along, across, back) = (fixed(cos), fixed(sin), fixed(-sin));
    place(image, (height, width), channels, |row, column| {
        let from =
            |first: i64, by_row: i64, by_column: i64| (first + row * by_row + column * by_column).div_euclid(ONE);
        (from(first_row, along, across), from(first_column, back, along))
    })
}

/// Moves each row to the left by `slope` times its distance from the top.
pub fn shear_horizontally(image: &[u8], size: Size, channels: usize, slope: f64) -> Vec<u8> {
    let slope = (slope * ONE as f64).round() as i64;
    place(image, size, channels, |row, column| {
        (row, ((2 * column + 1) * ONE + slope * (2 * row + 1)).div_euclid(2 * ONE))
    })
}

/// Moves each column up by `slope` times its distance from the left.
pub fn shear_vertically(image: &[u8], size: Size, channels: usize, slope: f64) -> Vec<u8> {
    let slope = (slope * ONE as f64).round() as i64;
    place(image, size, channels, |row, column| {
        (((2 * row + 1) * ONE + slope * (2 * column + 1)).div_euclid(2 * ONE), column)
    })
}

/// Moves the image by whole pixels.
pub fn translate(image: &[u8], size: Size, channels: usize, down: i64, right: i64) -> Vec<u8> {
    place(image, size, channels, |row, column| (row - down, column - right))
}

/// The image in which the pixel at (row, column) comes from `origin` of it.
fn place(image: &[u8], (height, width): Size, channels: usize, origin: impl Fn(i64, i64) -> (i64, i64)) -> Vec<u8> {
    let mut placed = vec![0; image.len()];
    let inside = |place: i64, size: usize| usize::try_from(place).ok().filter(|place| *place < size);
    for (index, pixel) in placed.chunks_exact_mut(channels).enumerate() {
        let (row, column) = origin((index / width) as i64, (index % width) as i64);
        if let (Some(row), Some(column)) = (inside(row, height), inside(column, width)) {
            pixel.copy_from_slice(&image[(row * width + column) * channels..][..channels]);
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: [u8; 9] = [1, 2, 3, 4, 5, 6, 7, 8, 9];

    #[test]
    fn a_quarter_and_a_half_turn() {
        assert_eq!(rotate(&IMAGE, (3, 3), 1, 0.0), IMAGE);
        assert_eq!(rotate(&IMAGE, (3, 3), 1, 90.0), [3, 6, 9, 2, 5, 8, 1, 4, 7]);
        assert_eq!(rotate(&IMAGE, (3, 3), 1, -90.0), [7, 4, 1, 8, 5, 2, 9, 6, 3]);
        assert_eq!(rotate(&IMAGE[..6], (2, 3), 1, 180.0), [6, 5, 4, 3, 2, 1]);
        // A wide image on its end: only the middle is inside.
        assert_eq!(rotate(&[1, 2, 3], (1, 3), 1, 90.0), [0, 2, 0]);
        // Turned by 45 degrees, the corners come from outside.
        let turned = rotate(&[1; 25], (5, 5), 1, 45.0);
        assert_eq!((turned[0], turned[4], turned[12], turned[20], turned[24]), (0, 0, 1, 0, 0));
    }

    #[test]
    fn a_shear_moves_lines_by_their_distance() {
        // Rows are moved by 0.5, 1.5 and 2.5 pixels, centres to centres.
        assert_eq!(shear_horizontally(&IMAGE, (3, 3), 1, 1.0), [2, 3, 0, 6, 0, 0, 0, 0, 0]);
        assert_eq!(shear_horizontally(&IMAGE, (3, 3), 1, -0.5), [1, 2, 3, 0, 4, 5, 0, 7, 8]);
        assert_eq!(shear_vertically(&IMAGE, (3, 3), 1, -0.5), [1, 0, 0, 4, 2, 3, 7, 5, 6]);
    }

    #[test]
    fn a_translation_leaves_black_behind() {
        assert_eq!(translate(&IMAGE, (3, 3), 1, 1, -1), [0, 0, 0, 2, 3, 0, 5, 6, 0]);
        assert_eq!(translate(&[1, 2, 3, 4], (1, 2), 2, 0, 1), [0, 0, 1, 2]);
        assert_eq!(translate(&IMAGE, (3, 3), 1, 3, 0), [0; 9]);
    }
}
