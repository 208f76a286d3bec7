// Sums over rows.
#include "rows.h"

// Of each row its norm or, where strengths are given, half of the norm squared times its strength. A block a row.
KERNEL(rows_norms, const float* x, long rows, long columns, const float* strengths, double* out) {
    for (long row = blockIdx.x; row < rows; row += gridDim.x) {
        double sum = 0.0;
        for (long c = threadIdx.x; c < columns; c += blockDim.x) {
            double value = x[row * columns + c];
            sum += value * value;
        }
        sum = block_total(sum);
        if (threadIdx.x == 0) out[row] = strengths ? 0.5 * strengths[row] * sum : sqrt(sum);
    }
}

KERNEL(rows_norm_backward, const float* x, const double* norms, long count, long columns, double scale,
       const float* dloss, float* dx) {
    for (long i = first_index(); i < count; i += index_stride()) {
        double norm = norms[i / columns];
        if (norm > 0.0) dx[i] += (float)(dloss[0] * scale / norm) * x[i];
    }
}

KERNEL(rows_square_backward, const float* x, const float* strengths, long count, long columns, const float* dloss,
       float* dx) {
    for (long i = first_index(); i < count; i += index_stride()) dx[i] += dloss[0] * strengths[i / columns] * x[i];
}

KERNEL(rows_shrink, float* x, const double* norms, long count, long columns, float threshold) {
    for (long i = first_index(); i < count; i += index_stride()) {
        double norm = norms[i / columns];
        // Not multiplied: zeros, whatever the signs.
        x[i] = norm <= threshold ? 0.0f : x[i] * (float)(1.0 - threshold / norm);
    }
}
