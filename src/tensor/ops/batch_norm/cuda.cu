// Batch normalization with what follows it: the sum with a second input, and a function. See mod.rs for the mathematics.
//
// Tables have one number a channel. Sums over rows are made in shares that depend on sizes only, 32 channels a block, and
// joined in double precision in their order.
#include "functions.h"
#include "kernel.h"

// A sum in single precision, moved to double precision every so many terms: nearly as exact, and as fast on GPUs that
// have few units for double precision.
struct Total {
    double whole = 0.0;
    float part = 0.0f;
    int terms = 0;

    __device__ void add(float value) {
        part += value;
        if (++terms == 32) {
            whole += part;
            part = 0.0f;
            terms = 0;
        }
    }
    __device__ double value() const { return whole + part; }
};

// A number close to a channel's mean, from its first rows: what is summed is the distance from it, so that a large mean
// costs no digits.
__device__ inline float pivot_of(const float* x, long rows, int channels, int channel) {
    float sum = 0.0f;
    int count = (int)min(rows, 8L);
    for (int row = 0; row < count; row++) sum += x[(long)row * channels + channel];
    return sum / count;
}

// parts (share, 2, channels): sums of x − pivot and of its square over a share's rows.
KERNEL(norm_moments, const float* x, long rows, int channels, double* parts, long share_rows) {
    __shared__ double sums[THREADS], squares[THREADS];
    int lane = threadIdx.x % 32, run = threadIdx.x / 32, channel = blockIdx.y * 32 + lane;
    long begin = blockIdx.x * share_rows, end = min(begin + share_rows, rows);
    Total each, each_square;
    if (channel < channels) {
        float pivot = pivot_of(x, rows, channels, channel);
        for (long row = begin + run; row < end; row += THREADS / 32) {
            float value = x[row * channels + channel] - pivot;
            each.add(value);
            each_square.add(value * value);
        }
    }
    double sum = each.value(), square = each_square.value();
    sums[threadIdx.x] = sum;
    squares[threadIdx.x] = square;
    __syncthreads();
    if (run == 0 && channel < channels) {
        for (int other = 1; other < THREADS / 32; other++) {
            sum += sums[other * 32 + lane];
            square += squares[other * 32 + lane];
        }
        double* part = parts + (long)blockIdx.x * 2 * channels;
        part[channel] = sum;
        part[channels + channel] = square;
    }
}

// The batch's mean and variance from the parts.
KERNEL(norm_statistics, const float* x, const double* parts, int shares, long rows, int channels, float* mean,
       float* variance) {
    for (long c = first_index(); c < channels; c += index_stride()) {
        double sum = 0.0, square = 0.0;
        for (int share = 0; share < shares; share++) {
            sum += parts[(long)share * 2 * channels + c];
            square += parts[(long)share * 2 * channels + channels + c];
        }
        double offset = sum / rows, spread = square / rows - offset * offset;
        mean[c] = (float)(pivot_of(x, rows, channels, (int)c) + offset);
        variance[c] = spread < 0.0 ? 0.0f : (float)spread;
    }
}

// tables (4, channels): scale, bias, mean, 1 / deviation, so that the normalization is scale (x − mean) + bias.
KERNEL(norm_settle, const float* mean, const float* variance, const float* weight, const float* bias, float epsilon,
       int channels, float* tables) {
    for (long c = first_index(); c < channels; c += index_stride()) {
        float inverse = 1.0f / sqrtf(variance[c] + epsilon), scale = weight[c] * inverse;
        tables[c] = scale;
        tables[channels + c] = bias[c];
        tables[2 * channels + c] = mean[c];
        tables[3 * channels + c] = inverse;
    }
}

KERNEL(norm_apply, const float* x, const float* tables, const float* other, float* y, int channels, int function,
       long count) {
    for (long i = first_index(); i < count; i += index_stride()) {
        int c = (int)(i % channels);
        float value = (x[i] - tables[2 * channels + c]) * tables[c] + tables[channels + c];
        if (other) value += other[i];
        y[i] = value_of(function, value);
    }
}

// Brings g back through the function and to the second input, and makes parts (share, 2, channels): sums of
// g (x − mean) and of g.
KERNEL(norm_gather, float* g, const float* x, const float* tables, const float* other, float* dother, int sum_other,
       long rows, int channels, int function, double* parts, long share_rows) {
    __shared__ double products[THREADS], sums[THREADS];
    int lane = threadIdx.x % 32, run = threadIdx.x / 32, c = blockIdx.y * 32 + lane;
    long begin = blockIdx.x * share_rows, end = min(begin + share_rows, rows);
    Total each_product, each;
    if (c < channels) {
        float scale = tables[c], bias = tables[channels + c], mean = tables[2 * channels + c];
        for (long row = begin + run; row < end; row += THREADS / 32) {
            long i = row * channels + c;
            float value = g[i];
            if (function != NOTHING) {
                float before = (x[i] - mean) * scale + bias;
                if (other) before += other[i];
                value = weighed(function, value, before);
                g[i] = value;
            }
            if (dother) give(dother + i, value, sum_other);
            each_product.add(value * (x[i] - mean));
            each.add(value);
        }
    }
    double product = each_product.value(), sum = each.value();
    products[threadIdx.x] = product;
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (run == 0 && c < channels) {
        for (int run = 1; run < THREADS / 32; run++) {
            product += products[run * 32 + lane];
            sum += sums[run * 32 + lane];
        }
        double* part = parts + (long)blockIdx.x * 2 * channels;
        part[c] = product;
        part[channels + c] = sum;
    }
}

// dweight and dbias, and behind the four tables two more: slope and offset of the way through the statistics, both 0
// when these are constants.
KERNEL(norm_join, const double* parts, int shares, long rows, int channels, int through, float* tables, float* dweight,
       float* dbias) {
    for (long c = first_index(); c < channels; c += index_stride()) {
        double product = 0.0, sum = 0.0;
        for (int share = 0; share < shares; share++) {
            product += parts[(long)share * 2 * channels + c];
            sum += parts[(long)share * 2 * channels + channels + c];
        }
        float scale = tables[c], inverse = tables[3 * channels + c];
        float of_weight = (float)(product * inverse), of_bias = (float)sum;
        dweight[c] += of_weight;
        dbias[c] += of_bias;
        tables[4 * channels + c] = through ? scale * inverse * of_weight / rows : 0.0f;
        tables[5 * channels + c] = through ? scale * of_bias / rows : 0.0f;
    }
}

// dx = scale g − slope (x − mean) − offset.
KERNEL(norm_back, const float* g, const float* x, const float* tables, float* dx, int channels, int sum, long count) {
    for (long i = first_index(); i < count; i += index_stride()) {
        int c = (int)(i % channels);
        float value = tables[c] * g[i] - tables[4 * channels + c] * (x[i] - tables[2 * channels + c]) -
                      tables[5 * channels + c];
        give(dx + i, value, sum);
    }
}

// Moves running averages towards a batch's statistics.
KERNEL(norm_average, float* running_mean, float* running_variance, const float* mean, const float* variance,
       float momentum, double unbiased, int channels) {
    for (long c = first_index(); c < channels; c += index_stride()) {
        running_mean[c] = (1.0f - momentum) * running_mean[c] + momentum * mean[c];
        running_variance[c] = (1.0f - momentum) * running_variance[c] + momentum * (float)(variance[c] * unbiased);
    }
}
