// The products of every two rows.
#include "products.h"

// Part blockIdx.z of the products: columns of x from share * blockIdx.z on.
KERNEL(gram_parts, const float* x, long rows, long columns, long share, double* parts) {
    MatrixView<float> matrix = {x, rows, columns, 1};
    long from = share * blockIdx.z, to = min(from + share, columns);
    double sum = product_entry(matrix, matrix, from, to);
    long i = entry_row(), j = entry_column();
    if (i < rows && j < rows) parts[blockIdx.z * rows * rows + i * rows + j] = sum;
}

KERNEL(gram_sum, const double* parts, long count, long how_many, double* gram) {
    for (long i = first_index(); i < count; i += index_stride()) {
        double sum = 0.0;
        for (long part = 0; part < how_many; part++) sum += parts[part * count + i];
        gram[i] = sum;
    }
}

// dG + dGᵀ.
KERNEL(gram_symmetric, const double* dgram, long rows, double* both) {
    for (long index = first_index(); index < rows * rows; index += index_stride()) {
        long i = index / rows, j = index % rows;
        both[index] = dgram[index] + dgram[j * rows + i];
    }
}

// dx += dloss * both x.
KERNEL(gram_backward, const double* both, const float* x, long rows, long columns, const float* dloss, float* dx) {
    MatrixView<double> left = {both, rows, rows, 1};
    MatrixView<float> right = {x, columns, 1, columns};
    double sum = product_entry(left, right, 0, rows);
    long i = entry_row(), j = entry_column();
    if (i < rows && j < columns) dx[i * columns + j] += (float)(dloss[0] * sum);
}
