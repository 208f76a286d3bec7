// The L1 penalty.
#include "rows.h"

// A block a part of the sum.
KERNEL(absolute_sum, const float* x, long count, double* sums) {
    double sum = 0.0;
    for (long i = first_index(); i < count; i += index_stride()) sum += fabs(x[i]);
    sum = block_total(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

KERNEL(absolute_sum_backward, const float* x, long count, float scale, const float* dloss, float* dx) {
    float step = dloss[0] * scale;
    for (long i = first_index(); i < count; i += index_stride())
        if (x[i] != 0.0f) dx[i] += step * copysignf(1.0f, x[i]);
}
