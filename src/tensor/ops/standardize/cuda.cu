// Standardized logits: a block a row. `moments` has mean and deviation of each row, for the way back.
#include "rows.h"

constexpr double STANDARDIZE_EPSILON = 1e-7;

KERNEL(standardize, const float* logits, float* y, double* moments, long rows, long classes) {
    for (long row = blockIdx.x; row < rows; row += gridDim.x) {
        const float* z = logits + row * classes;
        double sum = 0.0, squares = 0.0;
        for (long k = threadIdx.x; k < classes; k += blockDim.x) sum += z[k];
        double mean = block_total(sum) / classes;
        for (long k = threadIdx.x; k < classes; k += blockDim.x) squares += (z[k] - mean) * (z[k] - mean);
        double deviation = sqrt(block_total(squares) / (classes - 1));
        for (long k = threadIdx.x; k < classes; k += blockDim.x)
            y[row * classes + k] = (float)((z[k] - mean) / (deviation + STANDARDIZE_EPSILON));
        if (threadIdx.x == 0) moments[2 * row] = mean, moments[2 * row + 1] = deviation;
    }
}

KERNEL(standardize_backward, const float* logits, const double* moments, const float* dy, float* dz, long rows,
       long classes) {
    for (long row = blockIdx.x; row < rows; row += gridDim.x) {
        double mean = moments[2 * row], deviation = moments[2 * row + 1], scale = deviation + STANDARDIZE_EPSILON;
        // The same for all threads of the block.
        if (deviation == 0.0) continue;
        const float *z = logits + row * classes, *dy_row = dy + row * classes;
        double sum = 0.0, along = 0.0;
        for (long k = threadIdx.x; k < classes; k += blockDim.x) {
            sum += dy_row[k];
            along += dy_row[k] * ((z[k] - mean) / scale);
        }
        double dy_mean = block_total(sum) / classes;
        along = block_total(along) * scale / (deviation * (classes - 1));
        for (long k = threadIdx.x; k < classes; k += blockDim.x)
            dz[row * classes + k] += (float)((dy_row[k] - dy_mean - (z[k] - mean) / scale * along) / scale);
    }
}
