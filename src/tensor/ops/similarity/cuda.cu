// Similarity preserving distillation: a block a row of the products.
#include "rows.h"

__device__ inline double similarity_norm(const double* row, long rows) {
    double squares = 0.0;
    for (long j = threadIdx.x; j < rows; j += blockDim.x) squares += row[j] * row[j];
    return sqrt(block_total(squares));
}

// The row's part of the loss, and in place of the student's products their gradient.
KERNEL(similarity, double* student, const double* teacher, long rows, double* losses) {
    for (long i = blockIdx.x; i < rows; i += gridDim.x) {
        double* row = student + i * rows;
        const double* target = teacher + i * rows;
        double norm = similarity_norm(row, rows), other = similarity_norm(target, rows);
        // A row of zeros stays one.
        double scale = norm > 0.0 ? norm : 1.0, other_scale = other > 0.0 ? other : 1.0;
        double sum = 0.0, along = 0.0;
        for (long j = threadIdx.x; j < rows; j += blockDim.x) {
            double g = row[j] / scale, difference = g - target[j] / other_scale;
            sum += difference * difference, along += g * difference;
        }
        sum = block_total(sum), along = block_total(along);
        for (long j = threadIdx.x; j < rows; j += blockDim.x) {
            double g = row[j] / scale, difference = g - target[j] / other_scale;
            row[j] = norm > 0.0 ? 2.0 * (difference - g * along) / (norm * rows * rows) : 0.0;
        }
        if (threadIdx.x == 0) losses[i] = sum;
    }
}
