// Attention transfer.
#include "rows.h"

// Threads that sum over the channels of one position, side by side.
constexpr int ATTENTION_LANES = 32;

// The mean square over the channels of every position; a block has THREADS / ATTENTION_LANES positions at a time.
KERNEL(attention_map, const float* feature, long positions, long channels, double* map) {
    __shared__ double sums[THREADS];
    int lane = threadIdx.x % ATTENTION_LANES, of_block = THREADS / ATTENTION_LANES;
    for (long first = blockIdx.x * (long)of_block; first < positions; first += gridDim.x * (long)of_block) {
        long position = first + threadIdx.x / ATTENTION_LANES;
        double sum = 0.0;
        if (position < positions)
            for (long c = lane; c < channels; c += ATTENTION_LANES) {
                double x = feature[position * channels + c];
                sum += x * x;
            }
        sums[threadIdx.x] = sum;
        __syncthreads();
        for (int half = ATTENTION_LANES / 2; half > 0; half /= 2) {
            if (lane < half) sums[threadIdx.x] += sums[threadIdx.x + half];
            __syncthreads();
        }
        if (lane == 0 && position < positions) map[position] = sums[threadIdx.x] / channels;
        __syncthreads();
    }
}

// The norm of a map.
__device__ inline double attention_norm(const double* map, long positions) {
    double squares = 0.0;
    for (long p = threadIdx.x; p < positions; p += blockDim.x) squares += map[p] * map[p];
    return sqrt(block_total(squares));
}

// A block an image: its part of the loss, and in place of the student's map the gradient of that times channels / 2.
KERNEL(attention, double* student, const double* teacher, long images, long positions, double* losses) {
    for (long image = blockIdx.x; image < images; image += gridDim.x) {
        double* map = student + image * positions;
        const double* target = teacher + image * positions;
        double norm = attention_norm(map, positions), other = attention_norm(target, positions);
        // An image without attention stays zeros.
        double scale = norm > 0.0 ? norm : 1.0, other_scale = other > 0.0 ? other : 1.0;
        double along = 0.0, sum = 0.0;
        for (long p = threadIdx.x; p < positions; p += blockDim.x) {
            double a = map[p] / scale, difference = a - target[p] / other_scale;
            along += a * difference, sum += difference * difference;
        }
        along = block_total(along), sum = block_total(sum);
        for (long p = threadIdx.x; p < positions; p += blockDim.x) {
            double a = map[p] / scale, difference = a - target[p] / other_scale;
            map[p] = norm > 0.0 ? 2.0 * (difference - a * along) / (norm * images * positions) : 0.0;
        }
        if (threadIdx.x == 0) losses[image] = sum;
    }
}

KERNEL(attention_backward, const float* feature, const double* steps, long count, long channels, const float* dloss,
       float* dx) {
    for (long i = first_index(); i < count; i += index_stride())
        dx[i] += (float)(dloss[0] * (2.0 * feature[i] * steps[i / channels] / channels));
}
