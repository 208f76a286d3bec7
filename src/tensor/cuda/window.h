// Windows that slide over images, for convolution and pooling.
#pragma once
#include "kernel.h"

namespace window {

// Sizes, as in window.rs. Channels are of all groups together.
struct Shape {
    int batch, height, width, channels;
    int lines, positions, outputs;
    int kernel_y, kernel_x, stride_y, stride_x, padding_y, padding_x, dilation_y, dilation_x;
    int groups;
};

// Of one row of patches: where its image begins, and the first tap's place in it.
struct Row {
    long image;
    int y, x;
};

// The place in an image that a tap reads. Forwards a row is an output position and the image is the input; BACK, a row is
// an input pixel, the image is the gradient of the output, and a tap reads a place if its stride leads there.
template <bool BACK>
__device__ inline bool place(const Shape& s, const Row& row, int tap, int& y, int& x) {
    int ky = tap / s.kernel_x, kx = tap % s.kernel_x;
    if (BACK) {
        y = row.y - ky * s.dilation_y;
        x = row.x - kx * s.dilation_x;
        if (y < 0 || x < 0 || y % s.stride_y != 0 || x % s.stride_x != 0) return false;
        y /= s.stride_y;
        x /= s.stride_x;
        return y < s.lines && x < s.positions;
    }
    y = row.y + ky * s.dilation_y;
    x = row.x + kx * s.dilation_x;
    return y >= 0 && x >= 0 && y < s.height && x < s.width;
}

template <bool BACK>
__device__ inline Row row_of(const Shape& s, long m) {
    int across = BACK ? s.width : s.positions, down = BACK ? s.height : s.lines;
    int x = (int)(m % across);
    long rest = m / across;
    int y = (int)(rest % down);
    long b = rest / down;
    if (BACK) return {b * s.lines * s.positions * s.outputs, y + s.padding_y, x + s.padding_x};
    return {b * s.height * s.width * s.channels, y * s.stride_y - s.padding_y, x * s.stride_x - s.padding_x};
}

}  // namespace window
