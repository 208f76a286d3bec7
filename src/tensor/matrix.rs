//! Matrix multiplication on one thread; callers cut the work into fixed shares.
//!
//! Every value of a product is a sum in one order, whatever the vectors and caches of the processor: blocks of
//! [`BLOCK`] terms, in each one term after the other with one rounding a term, and the blocks added one after the other.

use pulp::{Simd, WithSimd};

use super::simd::dispatch;

/// How many terms are summed before the sum is added to the output.
const BLOCK: usize = 512;

/// How many rows are computed together, so that a vector of `b` is loaded once for all of them. With two vectors of columns
/// their sums fit into the sixteen registers of AVX2, with four into the thirty-two of AVX-512.
const ROWS: usize = 6;

/// What a matrix can hold.
pub(crate) trait Value: Copy + Default + std::ops::Add<Output = Self> + 'static {
    /// Some values side by side.
    type Vector<S: Simd>: Copy;
    /// As many vectors as `values` has.
    fn vectors<S: Simd>(values: &[Self]) -> &[Self::Vector<S>];
    /// As many vectors as `values` has.
    fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [Self::Vector<S>];
    /// How many values a vector holds.
    fn lanes<S: Simd>() -> usize;
    /// The value in every lane.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;
    /// `a b + c`, rounded once.
    fn mul_add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>, c: Self::Vector<S>) -> Self::Vector<S>;
}

macro_rules! value {
    ($value:ty, $vector:ident, $lanes:ident, $read:ident, $write:ident, $splat:ident, $mul_add:ident) => {
        impl Value for $value {
            type Vector<S: Simd> = S::$vector;
            #[inline(always)]
            fn vectors<S: Simd>(values: &[Self]) -> &[S::$vector] {
                S::$read(values).0
            }
            #[inline(always)]
            fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [S::$vector] {
                S::$write(values).0
            }
            #[inline(always)]
            fn lanes<S: Simd>() -> usize {
                S::$lanes
            }
            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> S::$vector {
                simd.$splat(value)
            }
            #[inline(always)]
            fn mul_add<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$mul_add(a, b, c)
            }
        }
    };
}

value!(f32, f32s, F32_LANES, as_simd_f32s, as_mut_simd_f32s, splat_f32s, mul_add_f32s);
value!(f64, f64s, F64_LANES, as_simd_f64s, as_mut_simd_f64s, splat_f64s, mul_add_f64s);

/// A matrix of values that somebody else owns, with any step between rows and between columns.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T = f32> {
    values: &'a [T],
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// `rows` x `columns`, row after row.
    pub(crate) fn new(values: &'a [T], rows: usize, columns: usize) -> Self {
        Self { values, rows, columns, row_step: columns, column_step: 1 }
    }

    /// Rows and columns exchanged; nothing is moved.
    pub(crate) fn transposed(self) -> Self {
        Self {
            values: self.values,
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
        }
    }

    /// The columns from `start` on, `count` of them.
    pub(crate) fn columns(self, start: usize, count: usize) -> Self {
        assert!(count > 0 && start + count <= self.columns, "columns outside the matrix");
        Self { values: &self.values[start * self.column_step..], columns: count, ..self }
    }

    /// Writes `height` rows from `row` on side by side, for the columns from `start` on. What a line has beyond them is left
    /// alone.
    #[inline(always)]
    fn pack_rows(&self, row: usize, height: usize, start: usize, lines: &mut [[T; ROWS]])
    where
        T: Copy,
    {
        let values = &self.values[row * self.row_step + start * self.column_step..];
        if self.column_step == 1 {
            for of_row in 0..height {
                let values = &values[of_row * self.row_step..];
                lines.iter_mut().zip(values).for_each(|(line, value)| line[of_row] = *value);
            }
        } else if self.row_step == 1 && height == ROWS {
            for (k, line) in lines.iter_mut().enumerate() {
                line.copy_from_slice(&values[k * self.column_step..][..ROWS]);
            }
        } else {
            for (k, line) in lines.iter_mut().enumerate() {
                let values = values[k * self.column_step..].iter().step_by(self.row_step);
                line.iter_mut().zip(values).take(height).for_each(|(to, from)| *to = *from);
            }
        }
    }

    /// Writes `count` columns from `first` on into lines of `width`, for the rows from `start` on. What a line has beyond
    /// them is left alone.
    #[inline(always)]
    fn pack_columns(&self, start: usize, first: usize, count: usize, width: usize, panel: &mut [T])
    where
        T: Copy,
    {
        let values = &self.values[start * self.row_step + first * self.column_step..];
        for (k, line) in panel.chunks_exact_mut(width).enumerate() {
            let values = &values[k * self.row_step..];
            if self.column_step == 1 {
                line[..count].copy_from_slice(&values[..count]);
            } else {
                let values = values.iter().step_by(self.column_step);
                line.iter_mut().zip(values).take(count).for_each(|(to, from)| *to = *from);
            }
        }
    }

    fn assert_inside(&self) {
        let last = (self.rows - 1) * self.row_step + (self.columns - 1) * self.column_step;
        assert!(last < self.values.len(), "a matrix larger than its values");
    }
}

/// `out = a b`, or `out += a b` if `accumulate`. `out` is (a's rows) x (b's columns), row after row.
pub(crate) fn multiply<T: Value>(a: Matrix<T>, b: Matrix<T>, out: &mut [T], accumulate: bool) {
    assert_eq!(out.len(), a.rows * b.columns, "an output of the wrong size");
    multiply_into(a, b, out, b.columns, accumulate);
}

/// As [`multiply`], where the rows of `out` start every `row_step` values and what lies between them is left alone.
pub(crate) fn multiply_into<T: Value>(a: Matrix<T>, b: Matrix<T>, out: &mut [T], row_step: usize, accumulate: bool) {
    let (rows, inner, columns) = (a.rows, a.columns, b.columns);
    assert!(rows > 0 && inner > 0 && columns > 0, "an empty matrix");
    assert_eq!(inner, b.rows, "matrices that do not fit");
    assert!(columns <= row_step && (rows - 1) * row_step + columns <= out.len(), "an output that is too small");
    a.assert_inside();
    b.assert_inside();
    dispatch(Product { a, b, out, row_step, accumulate });
}

/// `out = a b`, or `out += a b`.
struct Product<'a, T> {
    a: Matrix<'a, T>,
    b: Matrix<'a, T>,
    out: &'a mut [T],
    row_step: usize,
    accumulate: bool,
}

impl<T: Value> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let vectors = self.b.columns.div_ceil(T::lanes::<S>());
        match (vectors, S::REGISTER_COUNT) {
            (1, _) => self.by_panels::<S, 1>(simd),
            (2, _) | (_, ..32) => self.by_panels::<S, 2>(simd),
            _ => self.by_panels::<S, 4>(simd),
        }
    }
}

impl<T: Value> Product<'_, T> {
    /// By panels of V vectors of columns.
    #[inline(always)]
    fn by_panels<S: Simd, const V: usize>(self, simd: S) {
        let Self { a, b, out, row_step, accumulate } = self;
        let (rows, inner, columns) = (a.rows, a.columns, b.columns);
        let width = V * T::lanes::<S>();
        let most = inner.min(BLOCK);
        let mut panels = vec![T::default(); most * columns.next_multiple_of(width)];
        let mut lines = vec![[T::default(); ROWS]; most];
        let mut sums = vec![T::default(); ROWS * width];
        for start in (0..inner).step_by(BLOCK) {
            let count = BLOCK.min(inner - start);
            for (panel, first) in panels.chunks_exact_mut(count * width).zip((0..columns).step_by(width)) {
                b.pack_columns(start, first, width.min(columns - first), width, panel);
            }
            for row in (0..rows).step_by(ROWS) {
                let height = ROWS.min(rows - row);
                a.pack_rows(row, height, start, &mut lines[..count]);
                for (panel, first) in panels.chunks_exact(count * width).zip((0..columns).step_by(width)) {
                    sum_panel::<S, T, V>(simd, &lines[..count], panel, &mut sums);
                    let length = width.min(columns - first);
                    for (place, sums) in (row..row + height).zip(sums.chunks_exact(width)) {
                        let out = &mut out[place * row_step + first..][..length];
                        if accumulate || start > 0 {
                            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = *out + *sum);
                        } else {
                            out.copy_from_slice(&sums[..length]);
                        }
                    }
                }
            }
        }
    }
}

/// The sums over a block for some rows, whose values lie side by side, and the columns of a panel.
#[inline(always)]
fn sum_panel<S: Simd, T: Value, const V: usize>(simd: S, lines: &[[T; ROWS]], panel: &[T], sums: &mut [T]) {
    let mut totals = [[T::splat(simd, T::default()); V]; ROWS];
    for (line, b) in lines.iter().zip(T::vectors::<S>(panel).as_chunks::<V>().0) {
        for row in 0..ROWS {
            let value = T::splat(simd, line[row]);
            for v in 0..V {
                totals[row][v] = T::mul_add(simd, value, b[v], totals[row][v]);
            }
        }
    }
    for (sums, total) in T::vectors_mut::<S>(sums).iter_mut().zip(totals.as_flattened()) {
        *sums = *total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_gives_the_naive_product() {
        let (rows, inner, columns) = (5, 7, 9);
        let a: Vec<f32> = (0..rows * inner).map(|i| (i % 11) as f32 - 5.0).collect();
        let b: Vec<f32> = (0..inner * columns).map(|i| (i % 7) as f32 - 3.0).collect();
        let flip = |v: &[f32], r: usize, c: usize| (0..r * c).map(|i| v[(i % r) * c + i / r]).collect::<Vec<_>>();
        let (a_flipped, b_flipped) = (flip(&a, rows, inner), flip(&b, inner, columns));
        let expected: Vec<f32> = (0..rows * columns)
            .map(|i| (0..inner).map(|k| a[i / columns * inner + k] * b[k * columns + i % columns]).sum())
            .collect();
        for a in [Matrix::new(&a, rows, inner), Matrix::new(&a_flipped, inner, rows).transposed()] {
            for b in [Matrix::new(&b, inner, columns), Matrix::new(&b_flipped, columns, inner).transposed()] {
                let mut out = vec![f32::NAN; rows * columns];
                multiply(a, b, &mut out, false);
                assert_eq!(out, expected);
                multiply(a, b, &mut out, true);
                assert!(out.iter().zip(&expected).all(|(o, e)| *o == 2.0 * e));
                let mut part = vec![0.0; rows * 4];
                multiply(a, b.columns(3, 4), &mut part, false);
                assert!((0..rows * 4).all(|i| part[i] == expected[i / 4 * columns + 3 + i % 4]));
                // The same columns written to where they belong, and nothing beside them.
                let mut wide = vec![-1.0; rows * columns];
                multiply_into(a, b.columns(3, 4), &mut wide[3..], columns, false);
                let inside = |i: usize| (3..7).contains(&(i % columns));
                assert!((0..wide.len()).all(|i| wide[i] == if inside(i) { expected[i] } else { -1.0 }));
            }
        }
    }

    /// The order of every sum, written out.
    #[test]
    fn a_sum_has_one_order_whatever_the_vectors() {
        for (rows, inner, columns) in [(1, 700, 1), (3, 512, 17), (9, 1_300, 40), (2, 1, 33), (16, 90, 16)] {
            let value = |i: usize| ((i * 7919 % 1009) as f32 - 504.0) / 97.0;
            let a: Vec<f32> = (0..rows * inner).map(value).collect();
            let b: Vec<f32> = (0..inner * columns).map(|i| value(i + 5)).collect();
            let sum = |i: usize, before: f32| {
                let term = |k: usize| (a[i / columns * inner + k], b[k * columns + i % columns]);
                let block = |start: usize| {
                    (start..inner.min(start + BLOCK)).map(term).fold(0.0, |sum, (a, b)| a.mul_add(b, sum))
                };
                (0..inner).step_by(BLOCK).map(block).fold(before, |total, sum| total + sum)
            };
            let mut out = vec![0.5; rows * columns];
            multiply(Matrix::new(&a, rows, inner), Matrix::new(&b, inner, columns), &mut out, true);
            assert!((0..out.len()).all(|i| out[i].to_bits() == sum(i, 0.5).to_bits()), "{rows} {inner} {columns}");
            for arch in [pulp::Arch::Scalar, pulp::Arch::new()] {
                let mut again = vec![0.5; rows * columns];
                let (a, b) = (Matrix::new(&a, rows, inner), Matrix::new(&b, inner, columns));
                arch.dispatch(Product { a, b, out: &mut again, row_step: columns, accumulate: true });
                assert_eq!(again, out, "{arch:?}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "larger than its values")]
    fn a_view_outside_its_values_is_refused() {
        multiply(Matrix::new(&[0.0; 5], 2, 3), Matrix::new(&[0.0; 3], 3, 1), &mut [0.0; 2], false);
    }
}
