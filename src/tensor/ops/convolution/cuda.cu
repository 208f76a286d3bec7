// Convolution as matrix products whose left side, the patches, is gathered while it is read and never stored; see mod.rs
// for the mathematics. Every block computes a tile of the result; sums over a tile's depth run in order.
#include "kernel.h"
#include "tiles.h"
#include "window.h"

namespace convolution {
using window::place;
using window::Row;
using window::row_of;
using window::Shape;
using tiles::DEPTH;
using tiles::kept;
using tiles::PAD;
using tiles::Sums;

// result (rows, width) = patches of `image` x `matrix`; a tile of M x N a block of 256 threads, TM x TN a thread. V
// channels are read at once. The matrix of each group is (taps, depth of a tap, width of a group).
template <int P, int M, int N, int TM, int TN, int V, bool BACK>
__device__ void product(const Shape& s, const float* image, const float* matrix, const float* bias, float* result,
                        int sum) {
    constexpr int ROWS = THREADS * V / DEPTH;  // read in one go
    constexpr int GOES = M / ROWS;
    constexpr int LOADS = DEPTH * N / THREADS;
    alignas(16) __shared__ float left[2][DEPTH][M + PAD];
    alignas(16) __shared__ float right[2][DEPTH][N + PAD];
    const int depth_all = BACK ? s.outputs : s.channels, width_all = BACK ? s.channels : s.outputs;
    const int depth = depth_all / s.groups, width = width_all / s.groups;
    const int across = BACK ? s.positions : s.width;
    const int taps = s.kernel_y * s.kernel_x, k_all = taps * depth;
    const long rows = (long)s.batch * (BACK ? s.height * s.width : s.lines * s.positions);
    const int thread = threadIdx.x, group = blockIdx.z;
    const long first_row = blockIdx.x * (long)M;
    const int first_column = blockIdx.y * N;
    matrix += (long)group * k_all * width;

    const int own_k = thread % (DEPTH / V) * V, own_row = thread / (DEPTH / V);
    Row row[GOES];
    bool inside[GOES];
    for (int go = 0; go < GOES; go++) {
        long m = first_row + own_row + go * ROWS;
        inside[go] = m < rows;
        row[go] = row_of<BACK>(s, inside[go] ? m : 0);
    }

    float read[GOES][V], weights[LOADS];
    auto fetch = [&](int k0) {
        int k = k0 + own_k, tap = k / depth, channel = k - tap * depth;
        for (int go = 0; go < GOES; go++) {
            int y, x;
            bool is_there = inside[go] && k < k_all && place<BACK>(s, row[go], tap, y, x);
            const float* from =
                image + row[go].image + ((long)y * across + x) * depth_all + group * depth + channel;
            if (V == 4) {
                float4 four = is_there ? *reinterpret_cast<const float4*>(from) : make_float4(0, 0, 0, 0);
                read[go][0] = four.x, read[go][1 % V] = four.y, read[go][2 % V] = four.z, read[go][3 % V] = four.w;
            } else {
                read[go][0] = is_there ? *from : 0.0f;
            }
        }
        for (int load = 0; load < LOADS; load++) {
            int at = thread + load * THREADS, wk = k0 + at / N, column = first_column + at % N;
            weights[load] = wk < k_all && column < width ? matrix[(long)wk * width + column] : 0.0f;
        }
    };
    auto keep = [&](int side) {
        for (int go = 0; go < GOES; go++)
            for (int v = 0; v < V; v++) left[side][own_k + v][own_row + go * ROWS] = kept<P>(read[go][v]);
        for (int load = 0; load < LOADS; load++) {
            int at = thread + load * THREADS;
            right[side][at / N][at % N] = kept<P>(weights[load]);
        }
    };

    Sums<P, M, N, TM, TN> sums;
    fetch(0);
    keep(0);
    __syncthreads();
    int side = 0;
    for (int k0 = 0; k0 < k_all; k0 += DEPTH, side ^= 1) {
        bool more = k0 + DEPTH < k_all;
        if (more) fetch(k0 + DEPTH);
        sums.add(left[side], right[side]);
        if (more) keep(side ^ 1);
        __syncthreads();
    }

    sums.each([&](int i, int j, float value) {
        long m = first_row + i;
        int n = first_column + j;
        if (m >= rows || n >= width) return;
        int column = group * width + n;
        if (bias) value += bias[column];
        float* to = result + m * width_all + column;
        *to = sum ? *to + value : value;
    });
}

// part[share] (groups, taps, depth, width of a group) = patchesᵀ x gradient, over a share of the rows.
template <int P, int M, int N, int TM, int TN>
__device__ void weights(const Shape& s, const float* image, const float* gradient, float* parts, int shares,
                        long share_rows) {
    constexpr int LOADS_LEFT = DEPTH * M / THREADS, LOADS_RIGHT = DEPTH * N / THREADS;
    constexpr int EACH = THREADS / M;  // rows that are read at once
    alignas(16) __shared__ float left[DEPTH][M + PAD];
    alignas(16) __shared__ float right[DEPTH][N + PAD];
    __shared__ Row row[DEPTH];
    const int depth = s.channels / s.groups, width = s.outputs / s.groups;
    const int k_all = s.kernel_y * s.kernel_x * depth;
    const long rows = (long)s.batch * s.lines * s.positions;
    const int thread = threadIdx.x, group = blockIdx.z / shares, share = blockIdx.z % shares;
    const long begin = share * share_rows, end = min(begin + share_rows, rows);
    const int first_k = blockIdx.x * M, first_column = blockIdx.y * N;
    const int own_k = first_k + thread % M, tap = own_k / depth, channel = own_k - tap * depth;

    Sums<P, M, N, TM, TN> sums;
    for (long m0 = begin; m0 < end; m0 += DEPTH) {
        if (thread < DEPTH) row[thread] = row_of<false>(s, min(m0 + thread, end - 1));
        __syncthreads();
        for (int load = 0; load < LOADS_LEFT; load++) {
            int r = thread / M + load * EACH, y, x;
            bool is_there = m0 + r < end && own_k < k_all && place<false>(s, row[r], tap, y, x);
            left[r][thread % M] = kept<P>(
                is_there ? image[row[r].image + ((long)y * s.width + x) * s.channels + group * depth + channel] : 0.0f);
        }
        for (int load = 0; load < LOADS_RIGHT; load++) {
            int at = thread + load * THREADS, r = at / N, column = first_column + at % N;
            bool is_there = m0 + r < end && column < width;
            right[r][at % N] = kept<P>(is_there ? gradient[(m0 + r) * s.outputs + group * width + column] : 0.0f);
        }
        __syncthreads();
        sums.add(left, right);
        __syncthreads();
    }
    float* part = parts + ((long)share * s.groups + group) * k_all * width;
    sums.each([&](int i, int j, float value) {
        int k = first_k + i, column = first_column + j;
        if (k < k_all && column < width) part[(long)k * width + column] = value;
    });
}

}  // namespace convolution

// Kernels of a precision and a tile size: forwards and back to the input, channels read one by one and by four.
#define PRODUCTS(PRECISION, NAME, M, N, TM, TN)                                                                       \
    KERNEL(convolution_##NAME##_##M##x##N, window::Shape s, const float* x, const float* w, const float* bias,        \
           float* y, int sum) {                                                                                       \
        convolution::product<PRECISION, M, N, TM, TN, 1, false>(s, x, w, bias, y, sum);                               \
    }                                                                                                                 \
    KERNEL(convolution_##NAME##_by_four_##M##x##N, window::Shape s, const float* x, const float* w,                   \
           const float* bias, float* y, int sum) {                                                                    \
        convolution::product<PRECISION, M, N, TM, TN, 4, false>(s, x, w, bias, y, sum);                               \
    }                                                                                                                 \
    KERNEL(convolution_##NAME##_back_##M##x##N, window::Shape s, const float* dy, const float* w, const float* bias,  \
           float* dx, int sum) {                                                                                      \
        convolution::product<PRECISION, M, N, TM, TN, 1, true>(s, dy, w, bias, dx, sum);                              \
    }                                                                                                                 \
    KERNEL(convolution_##NAME##_back_by_four_##M##x##N, window::Shape s, const float* dy, const float* w,             \
           const float* bias, float* dx, int sum) {                                                                   \
        convolution::product<PRECISION, M, N, TM, TN, 4, true>(s, dy, w, bias, dx, sum);                              \
    }
#define WEIGHTS(PRECISION, NAME, M, N, TM, TN)                                                                        \
    KERNEL(convolution_##NAME##_weights_##M##x##N, window::Shape s, const float* x, const float* dy, float* parts,    \
           int shares, long share_rows) {                                                                             \
        convolution::weights<PRECISION, M, N, TM, TN>(s, x, dy, parts, shares, share_rows);                           \
    }
#define ALL_TILES(PRECISION, NAME)         \
    PRODUCTS(PRECISION, NAME, 128, 128, 8, 8) \
    PRODUCTS(PRECISION, NAME, 128, 64, 8, 4)  \
    PRODUCTS(PRECISION, NAME, 64, 64, 4, 4)   \
    PRODUCTS(PRECISION, NAME, 128, 32, 4, 4)  \
    PRODUCTS(PRECISION, NAME, 128, 16, 4, 2)  \
    WEIGHTS(PRECISION, NAME, 64, 64, 4, 4)    \
    WEIGHTS(PRECISION, NAME, 64, 32, 4, 2)    \
    WEIGHTS(PRECISION, NAME, 64, 16, 4, 1)
ALL_TILES(F32, f32)
ALL_TILES(TF32, tf32)
ALL_TILES(BF16, bf16)

// From PyTorch's layout (outputs, depth, taps) to those of the products: forwards (group, tap, depth, output), and
// back (group, tap, output, depth).
KERNEL(convolution_pack, window::Shape s, const float* weight, float* forwards, float* back) {
    int depth = s.channels / s.groups, width = s.outputs / s.groups, taps = s.kernel_y * s.kernel_x;
    long count = (long)s.outputs * depth * taps;
    for (long i = first_index(); i < count; i += index_stride()) {
        int tap = (int)(i % taps);
        long rest = i / taps;
        int channel = (int)(rest % depth), output = (int)(rest / depth);
        int group = output / width, own = output % width;
        float value = weight[i];
        forwards[(((long)group * taps + tap) * depth + channel) * width + own] = value;
        back[(((long)group * taps + tap) * width + own) * depth + channel] = value;
    }
}

// dweight, in PyTorch's layout, += the sum of all parts in order. Parts are (share, group, tap, depth, output).
KERNEL(convolution_unpack, window::Shape s, const float* parts, int shares, float* dweight) {
    int depth = s.channels / s.groups, width = s.outputs / s.groups, taps = s.kernel_y * s.kernel_x;
    long count = (long)s.outputs * depth * taps;
    for (long i = first_index(); i < count; i += index_stride()) {
        int own = (int)(i % width);
        long rest = i / width;
        int channel = (int)(rest % depth);
        rest /= depth;
        int tap = (int)(rest % taps), group = (int)(rest / taps);
        float total = 0.0f;
        for (int share = 0; share < shares; share++) total += parts[share * count + i];
        dweight[((long)(group * width + own) * depth + channel) * taps + tap] += total;
    }
}

// Depthwise: every channel has taps of its own, weight (channels, taps). Outputs are channels.
KERNEL(depthwise, window::Shape s, const float* x, const float* weight, const float* bias, float* y) {
    int taps = s.kernel_y * s.kernel_x, each = s.outputs / s.channels;
    long count = (long)s.batch * s.lines * s.positions * s.outputs;
    for (long i = first_index(); i < count; i += index_stride()) {
        int output = (int)(i % s.outputs);
        window::Row row = window::row_of<false>(s, i / s.outputs);
        float total = bias ? bias[output] : 0.0f;
        for (int tap = 0; tap < taps; tap++) {
            int py, px;
            if (window::place<false>(s, row, tap, py, px))
                total += x[row.image + ((long)py * s.width + px) * s.channels + output / each] *
                         weight[output * taps + tap];
        }
        y[i] = total;
    }
}

KERNEL(depthwise_back, window::Shape s, const float* dy, const float* weight, float* dx, int sum) {
    int taps = s.kernel_y * s.kernel_x, each = s.outputs / s.channels;
    long count = (long)s.batch * s.height * s.width * s.channels;
    for (long i = first_index(); i < count; i += index_stride()) {
        int channel = (int)(i % s.channels);
        window::Row row = window::row_of<true>(s, i / s.channels);
        float total = 0.0f;
        for (int tap = 0; tap < taps; tap++) {
            int py, px;
            if (!window::place<true>(s, row, tap, py, px)) continue;
            for (int output = channel * each; output < (channel + 1) * each; output++)
                total += dy[row.image + ((long)py * s.positions + px) * s.outputs + output] *
                         weight[output * taps + tap];
        }
        dx[i] = sum ? dx[i] + total : total;
    }
}

// parts (share, output, tap): a block has 32 outputs, and 8 runs of a share's rows that are added in order.
KERNEL(depthwise_weights, window::Shape s, const float* x, const float* dy, float* parts, long share_rows) {
    __shared__ float sums[THREADS];
    int taps = s.kernel_y * s.kernel_x, each = s.outputs / s.channels;
    int lane = threadIdx.x % 32, run = threadIdx.x / 32, output = blockIdx.y * 32 + lane, tap = blockIdx.z;
    long rows = (long)s.batch * s.lines * s.positions;
    long begin = blockIdx.x * share_rows, end = min(begin + share_rows, rows);
    float total = 0.0f;
    if (output < s.outputs)
        for (long m = begin + run; m < end; m += THREADS / 32) {
            window::Row row = window::row_of<false>(s, m);
            int py, px;
            if (window::place<false>(s, row, tap, py, px))
                total += x[row.image + ((long)py * s.width + px) * s.channels + output / each] * dy[m * s.outputs + output];
        }
    sums[threadIdx.x] = total;
    __syncthreads();
    if (run == 0 && output < s.outputs) {
        for (int other = 1; other < THREADS / 32; other++) total += sums[other * 32 + lane];
        parts[((long)blockIdx.x * s.outputs + output) * taps + tap] = total;
    }
}

// total += the sum of all parts in order.
KERNEL(add_parts, const float* parts, int shares, long count, float* total) {
    for (long i = first_index(); i < count; i += index_stride()) {
        float sum = 0.0f;
        for (int share = 0; share < shares; share++) sum += parts[share * count + i];
        total[i] += sum;
    }
}

// parts (share, columns): sums of a share's rows of x (rows, columns), by 32 columns as in depthwise_weights.
KERNEL(column_sums, const float* x, long rows, int columns, float* parts, long share_rows) {
    __shared__ float sums[THREADS];
    int lane = threadIdx.x % 32, run = threadIdx.x / 32, column = blockIdx.y * 32 + lane;
    long begin = blockIdx.x * share_rows, end = min(begin + share_rows, rows);
    float total = 0.0f;
    if (column < columns)
        for (long row = begin + run; row < end; row += THREADS / 32) total += x[row * columns + column];
    sums[threadIdx.x] = total;
    __syncthreads();
    if (run == 0 && column < columns) {
        for (int other = 1; other < THREADS / 32; other++) total += sums[other * 32 + lane];
        parts[(long)blockIdx.x * columns + column] = total;
    }
}
