// The squared error.
#include "rows.h"

// A block a part of the sum.
KERNEL(squared_error, const float* x, const float* y, long count, double* sums) {
    double sum = 0.0;
    for (long i = first_index(); i < count; i += index_stride()) {
        double difference = (double)x[i] - (double)y[i];
        sum += difference * difference;
    }
    sum = block_total(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

KERNEL(squared_error_backward, const float* x, const float* y, long count, const float* dloss, float* dx) {
    double step = 2.0 * dloss[0] / count;
    for (long i = first_index(); i < count; i += index_stride()) dx[i] += (float)(step * ((double)x[i] - (double)y[i]));
}
