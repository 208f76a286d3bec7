//! Matrix multiplication on one thread; callers cut the work into fixed shares.

/// What a matrix can hold.
pub(crate) trait Value: Copy + 'static {
    /// 1.
    const ONE: Self;
}

impl Value for f32 {
    const ONE: Self = 1.0;
}

impl Value for f64 {
    const ONE: Self = 1.0;
}

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
    // SAFETY: the asserts above keep every element of a, b and out that the dimensions and steps reach inside its
    // slice; `out` is borrowed mutably, so it overlaps neither a nor b.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.as_mut_ptr(),
            1,
            row_step as isize,
            accumulate,
            a.values.as_ptr(),
            a.column_step as isize,
            a.row_step as isize,
            b.values.as_ptr(),
            b.column_step as isize,
            b.row_step as isize,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
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

    #[test]
    #[should_panic(expected = "larger than its values")]
    fn a_view_outside_its_values_is_refused() {
        multiply(Matrix::new(&[0.0; 5], 2, 3), Matrix::new(&[0.0; 3], 3, 1), &mut [0.0; 2], false);
    }
}
