// Variational information distillation.
#include "rows.h"

// Columns that a block takes side by side.
constexpr int VARIATIONAL_COLUMNS = 32;

// Σ (m − t)² of each channel over a share of the rows: part blockIdx.y has rows from share * blockIdx.y on.
KERNEL(variational_squares, const float* mean, const float* teacher, long rows, long channels, long share, double* parts) {
    __shared__ double sums[THREADS];
    int lane = threadIdx.x / VARIATIONAL_COLUMNS, lanes = THREADS / VARIATIONAL_COLUMNS;
    long channel = blockIdx.x * (long)VARIATIONAL_COLUMNS + threadIdx.x % VARIATIONAL_COLUMNS;
    long from = share * blockIdx.y, to = min(from + share, rows);
    double sum = 0.0;
    if (channel < channels)
        for (long row = from + lane; row < to; row += lanes) {
            double difference = (double)mean[row * channels + channel] - (double)teacher[row * channels + channel];
            sum += difference * difference;
        }
    sums[threadIdx.x] = sum;
    __syncthreads();
    for (int half = lanes / 2; half > 0; half /= 2) {
        if (lane < half) sums[threadIdx.x] += sums[threadIdx.x + half * VARIATIONAL_COLUMNS];
        __syncthreads();
    }
    if (lane == 0 && channel < channels) parts[blockIdx.y * channels + channel] = sums[threadIdx.x];
}

// Of each channel its part of the loss, its variance, and the gradient of its scale.
KERNEL(variational_channels, const float* scale, const double* parts, long how_many, long rows, long channels,
       double epsilon, double* losses, double* variances, float* gradient) {
    for (long c = first_index(); c < channels; c += index_stride()) {
        double s = scale[c], square = 0.0;
        for (long part = 0; part < how_many; part++) square += parts[part * channels + c];
        // ln(1 + e^s) without overflow.
        double variance = (s < 0.0 ? 0.0 : s) + log1p(exp(-fabs(s))) + epsilon;
        losses[c] = 0.5 * (square / variance + rows * log(variance));
        variances[c] = variance;
        double slope = 0.5 * (rows / variance - square / (variance * variance)) / (rows * channels);
        gradient[c] = (float)(slope / (1.0 + exp(-s)));
    }
}

KERNEL(variational_backward, const float* mean, const float* teacher, const double* variances, long count, long channels,
       const float* dloss, float* dmean) {
    for (long i = first_index(); i < count; i += index_stride()) {
        double difference = (double)mean[i] - (double)teacher[i];
        dmean[i] += (float)(dloss[0] * (difference / (variances[i % channels] * count)));
    }
}
