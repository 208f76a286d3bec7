// The polarization regularizer: each tensor in parts, a block each.
#include "rows.h"

// The sign, 0 for 0.
__device__ inline double polarization_sign(double value) { return value == 0.0 ? 0.0 : copysign(1.0, value); }

KERNEL(polarization_sum, const float* x, long count, double* sums) {
    double sum = 0.0;
    for (long i = first_index(); i < count; i += index_stride()) sum += x[i];
    sum = block_total(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// Parts of the loss and of the sum of signs.
KERNEL(polarization, const float* x, long count, const double* mean, double t, double* losses, double* signs) {
    double loss = 0.0, sign = 0.0;
    for (long i = first_index(); i < count; i += index_stride()) {
        double value = x[i], from_mean = value - mean[0];
        loss += t * fabs(value) - fabs(from_mean);
        sign += polarization_sign(from_mean);
    }
    loss = block_total(loss), sign = block_total(sign);
    if (threadIdx.x == 0) losses[blockIdx.x] = loss, signs[blockIdx.x] = sign;
}

KERNEL(polarization_backward, const float* x, long count, const double* mean, const double* mean_sign, double t,
       double scale, const float* dloss, float* dx) {
    double step = dloss[0] * scale;
    for (long i = first_index(); i < count; i += index_stride()) {
        double value = x[i];
        double slope = t * polarization_sign(value) - polarization_sign(value - mean[0]) + mean_sign[0];
        dx[i] += (float)(step * slope);
    }
}
