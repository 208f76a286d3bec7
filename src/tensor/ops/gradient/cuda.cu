// Gradients in place.
#include "rows.h"

KERNEL(gradient_add, float* gradient, const float* values, long count) {
    for (long i = first_index(); i < count; i += index_stride()) gradient[i] += values[i];
}

KERNEL(gradient_scale, float* gradient, float factor, long count) {
    for (long i = first_index(); i < count; i += index_stride()) gradient[i] *= factor;
}

// Multiplied as it is: what is no number is not hidden by a mask.
KERNEL(gradient_mask, float* gradient, const float* mask, long count) {
    for (long i = first_index(); i < count; i += index_stride()) gradient[i] *= mask[i];
}

// A block a part of the sum.
KERNEL(gradient_squares, const float* gradient, long count, double* sums) {
    double sum = 0.0;
    for (long i = first_index(); i < count; i += index_stride()) sum += (double)gradient[i] * (double)gradient[i];
    sum = block_total(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}
