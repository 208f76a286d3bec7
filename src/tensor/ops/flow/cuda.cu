// The flow between two layers.
#include "products.h"
#include "rows.h"

// difference += sign * (aᵀ b / positions) of every image, where a is (positions, m) and b is (positions, n).
KERNEL(flow_matrix, const float* a, const float* b, long images, long positions, long m, long n, double sign,
       double* difference) {
    long i = entry_row(), j = entry_column();
    for (long image = blockIdx.z; image < images; image += gridDim.z) {
        MatrixView<float> left = {a + image * positions * m, m, 1, m}, right = {b + image * positions * n, n, 1, n};
        double entry = product_entry(left, right, 0, positions) / positions;
        if (i < m && j < n) difference[image * m * n + i * n + j] += sign * entry;
    }
}

// A block a part of the sum of squares.
KERNEL(flow_squares, const double* difference, long count, double* sums) {
    double sum = 0.0;
    for (long i = first_index(); i < count; i += index_stride()) sum += difference[i] * difference[i];
    sum = block_total(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// dx += dloss * step * other dᵀ, where dx is (positions, m), other (positions, n), and (i, j) of d (m, n) is at
// i * row_stride + j * inner_stride.
KERNEL(flow_backward, const float* other, const double* difference, long row_stride, long inner_stride, long images,
       long positions, long m, long n, double step, const float* dloss, float* dx) {
    long i = entry_row(), j = entry_column();
    for (long image = blockIdx.z; image < images; image += gridDim.z) {
        MatrixView<float> left = {other + image * positions * n, positions, n, 1};
        MatrixView<double> right = {difference + image * m * n, m, row_stride, inner_stride};
        double sum = product_entry(left, right, 0, n);
        if (i < positions && j < m) dx[(image * positions + i) * m + j] += (float)(dloss[0] * (step * sum));
    }
}
