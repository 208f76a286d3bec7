// The steps of a network that are neither a convolution nor a normalization; see `ops` for their mathematics. Every thread
// computes whole values, so sums run in order.
#include "functions.h"
#include "kernel.h"
#include "window.h"

KERNEL(apply, const float* x, float* y, int function, long count) {
    for (long i = first_index(); i < count; i += index_stride()) y[i] = value_of(function, x[i]);
}

KERNEL(apply_back, const float* g, const float* x, float* dx, int function, int sum, long count) {
    for (long i = first_index(); i < count; i += index_stride()) give(dx + i, weighed(function, g[i], x[i]), sum);
}

KERNEL(add, const float* a, const float* b, float* y, int function, long count) {
    for (long i = first_index(); i < count; i += index_stride()) y[i] = value_of(function, a[i] + b[i]);
}

KERNEL(multiply, const float* a, const float* b, float* y, int sum, long count) {
    for (long i = first_index(); i < count; i += index_stride()) give(y + i, a[i] * b[i], sum);
}

// Each value times the factor of its run; 0 for a factor of 0. Without factors it is a copy.
KERNEL(scale_runs, const float* x, const float* factors, float* y, long run, int sum, long count) {
    for (long i = first_index(); i < count; i += index_stride()) {
        float factor = factors ? factors[i / run] : 1.0f;
        give(y + i, factor == 0.0f ? 0.0f : factor == 1.0f ? x[i] : factor * x[i], sum);
    }
}

// x (batch, positions, channels) times gate (batch, channels).
KERNEL(gate, const float* x, const float* gate, float* y, long image, int channels, int sum, long count) {
    for (long i = first_index(); i < count; i += index_stride())
        give(y + i, x[i] * gate[i / image * channels + i % channels], sum);
}

// The sums over positions of a b, or of a alone, times a factor: (batch, channels).
KERNEL(sum_positions, const float* a, const float* b, float* y, long positions, int channels, float factor, int sum,
       long count) {
    for (long i = first_index(); i < count; i += index_stride()) {
        long from = i / channels * positions * channels + i % channels;
        float total = 0.0f;
        for (long p = 0; p < positions; p++, from += channels) total += b ? a[from] * b[from] : a[from];
        give(y + i, factor * total, sum);
    }
}

// y (batch, positions, channels): x (batch, channels) times a factor.
KERNEL(spread_positions, const float* x, float* y, long image, int channels, float factor, int sum, long count) {
    for (long i = first_index(); i < count; i += index_stride())
        give(y + i, factor * x[i / image * channels + i % channels], sum);
}

// `columns` columns of x (rows, x_width) from x_first on, to y (rows, y_width) from y_first on.
KERNEL(copy_columns, const float* x, int x_width, int x_first, float* y, int y_width, int y_first, int columns, int sum,
       long count) {
    for (long i = first_index(); i < count; i += index_stride()) {
        long row = i / columns, column = i % columns;
        give(y + row * y_width + y_first + column, x[row * x_width + x_first + column], sum);
    }
}

// (rows, columns) to (columns, rows), image by image.
KERNEL(transpose_images, const float* x, float* y, long rows, long columns, int sum, long count) {
    for (long i = first_index(); i < count; i += index_stride()) {
        long image = i / (rows * columns), within = i % (rows * columns);
        long column = within / rows, row = within % rows;
        give(y + i, x[image * rows * columns + row * columns + column], sum);
    }
}

namespace pool {

// Calls work(index into x) for every pixel of the window of output i, in reading order.
template <typename Work>
__device__ void each_pixel(const window::Shape& s, long i, Work work) {
    int channel = (int)(i % s.channels);
    window::Row row = window::row_of<false>(s, i / s.channels);
    for (int tap = 0; tap < s.kernel_y * s.kernel_x; tap++) {
        int y, x;
        if (window::place<false>(s, row, tap, y, x))
            work(row.image + ((long)y * s.width + x) * s.channels + channel);
    }
}

// Calls work(index into y) for every output whose window covers input i, in the order of taps.
template <typename Work>
__device__ void each_window(const window::Shape& s, long i, Work work) {
    int channel = (int)(i % s.channels);
    window::Row row = window::row_of<true>(s, i / s.channels);
    for (int tap = 0; tap < s.kernel_y * s.kernel_x; tap++) {
        int y, x;
        if (window::place<true>(s, row, tap, y, x))
            work(row.image + ((long)y * s.positions + x) * s.channels + channel);
    }
}

// The largest value of a window, the first among equals; NaN wins.
__device__ inline long winner(const window::Shape& s, const float* x, long i) {
    long best = -1;
    each_pixel(s, i, [&](long from) {
        if (best < 0 || (x[best] == x[best] && !(x[from] <= x[best]))) best = from;
    });
    return best;
}

}  // namespace pool

KERNEL(max_pool, window::Shape s, const float* x, float* y, long count) {
    for (long i = first_index(); i < count; i += index_stride()) y[i] = x[pool::winner(s, x, i)];
}

KERNEL(max_pool_back, window::Shape s, const float* x, const float* g, float* dx, int sum, long count) {
    for (long i = first_index(); i < count; i += index_stride()) {
        float total = 0.0f;
        pool::each_window(s, i, [&](long from) {
            if (pool::winner(s, x, from) == i) total += g[from];
        });
        give(dx + i, total, sum);
    }
}

KERNEL(average_pool, window::Shape s, const float* x, float* y, float share, long count) {
    for (long i = first_index(); i < count; i += index_stride()) {
        float total = 0.0f;
        pool::each_pixel(s, i, [&](long from) { total += x[from]; });
        y[i] = share * total;
    }
}

KERNEL(average_pool_back, window::Shape s, const float* g, float* dx, float share, int sum, long count) {
    for (long i = first_index(); i < count; i += index_stride()) {
        float total = 0.0f;
        pool::each_window(s, i, [&](long from) { total += g[from]; });
        give(dx + i, share * total, sum);
    }
}

// Output o of m is the mean of the inputs from ⌊o n / m⌋ to before ⌈(o + 1) n / m⌉, in both directions.
KERNEL(adaptive_pool, const float* x, float* y, int height, int width, int lines, int positions, int channels,
       long count) {
    for (long i = first_index(); i < count; i += index_stride()) {
        long rest = i / channels;
        int position = (int)(rest % positions), line = (int)(rest / positions % lines);
        long image = rest / positions / lines;
        int top = line * height / lines, bottom = ((line + 1) * height + lines - 1) / lines;
        int left = position * width / positions, right = ((position + 1) * width + positions - 1) / positions;
        float total = 0.0f;
        for (int py = top; py < bottom; py++)
            for (int px = left; px < right; px++)
                total += x[((image * height + py) * width + px) * channels + i % channels];
        y[i] = total * (1.0f / (float)((bottom - top) * (right - left)));
    }
}

KERNEL(adaptive_pool_back, const float* g, float* dx, int height, int width, int lines, int positions, int channels,
       int sum, long count) {
    for (long i = first_index(); i < count; i += index_stride()) {
        long rest = i / channels;
        int px = (int)(rest % width), py = (int)(rest / width % height);
        long image = rest / width / height;
        float total = 0.0f;
        for (int line = 0; line < lines; line++) {
            int top = line * height / lines, bottom = ((line + 1) * height + lines - 1) / lines;
            if (py < top || py >= bottom) continue;
            for (int position = 0; position < positions; position++) {
                int left = position * width / positions, right = ((position + 1) * width + positions - 1) / positions;
                if (px < left || px >= right) continue;
                total += g[((image * lines + line) * positions + position) * channels + i % channels] *
                         (1.0f / (float)((bottom - top) * (right - left)));
            }
        }
        give(dx + i, total, sum);
    }
}

// Every stride-th pixel, with channels of zeros around its own; BACK from there.
KERNEL(pad_shortcut, const float* x, float* y, int height, int width, int channels, int lines, int positions, int outputs,
       int before, int stride, long count) {
    for (long i = first_index(); i < count; i += index_stride()) {
        int channel = (int)(i % outputs) - before;
        long rest = i / outputs;
        int position = (int)(rest % positions), line = (int)(rest / positions % lines);
        long image = rest / positions / lines;
        y[i] = channel < 0 || channel >= channels
                   ? 0.0f
                   : x[((image * height + line * stride) * width + position * stride) * channels + channel];
    }
}

KERNEL(pad_shortcut_back, const float* g, float* dx, int height, int width, int channels, int lines, int positions,
       int outputs, int before, int stride, int sum, long count) {
    for (long i = first_index(); i < count; i += index_stride()) {
        long rest = i / channels;
        int px = (int)(rest % width), py = (int)(rest / width % height);
        long image = rest / width / height;
        bool kept = px % stride == 0 && py % stride == 0;
        long from = ((image * lines + py / stride) * positions + px / stride) * outputs + before + i % channels;
        give(dx + i, kept ? g[from] : 0.0f, sum);
    }
}
