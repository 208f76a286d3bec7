// Products of matrices for losses, in double: tiles of 16 by 16, a thread an entry, the inner dimension in order.
#pragma once
#include "kernel.h"

constexpr int TILE = 16;

// A matrix as it lies in memory: (row, inner) is at row * row_stride + inner * inner_stride.
template <typename T>
struct MatrixView {
    const T* values;
    long rows, row_stride, inner_stride;
};

// The row and column of a thread's entry.
__device__ inline long entry_row() { return blockIdx.y * (long)TILE + threadIdx.x / TILE; }
__device__ inline long entry_column() { return blockIdx.x * (long)TILE + threadIdx.x % TILE; }

template <typename T>
__device__ inline void load_tile(double (*tile)[TILE + 1], const MatrixView<T>& matrix, long row, long inner, long to) {
    int fast = threadIdx.x % TILE, slow = threadIdx.x / TILE;
    // Neighbouring threads read what lies side by side.
    bool along = matrix.inner_stride == 1;
    int r = along ? slow : fast, i = along ? fast : slow;
    bool inside = row + r < matrix.rows && inner + i < to;
    long place = (row + r) * matrix.row_stride + (inner + i) * matrix.inner_stride;
    tile[r][i] = inside ? (double)matrix.values[place] : 0.0;
}

// Σ left(entry_row, k) right(entry_column, k) over k from `from` to `to`; all 256 threads of a block must call it, also those
// whose entry is outside.
template <typename A, typename B>
__device__ inline double product_entry(const MatrixView<A>& left, const MatrixView<B>& right, long from, long to) {
    __shared__ double left_tile[TILE][TILE + 1], right_tile[TILE][TILE + 1];
    int row = threadIdx.x / TILE, column = threadIdx.x % TILE;
    double sum = 0.0;
    for (long k = from; k < to; k += TILE) {
        load_tile(left_tile, left, blockIdx.y * (long)TILE, k, to);
        load_tile(right_tile, right, blockIdx.x * (long)TILE, k, to);
        __syncthreads();
        for (int i = 0; i < TILE; i++) sum += left_tile[row][i] * right_tile[column][i];
        __syncthreads();
    }
    return sum;
}
