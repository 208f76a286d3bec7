// The product of two tiles in shared memory, added to sums that the threads of a block keep: as they are, or rounded for
// the matrix units of GPUs since Ampere.
#pragma once
#include "kernel.h"

// As in convolution/cuda.rs.
enum Precision { F32, TF32, BF16 };

namespace tiles {

// How deep tiles are: left (DEPTH, M), right (DEPTH, N), both with PAD more columns, so that the threads of a warp read
// from different banks.
constexpr int DEPTH = 16;
constexpr int PAD = 8;

#ifdef PLEACH_EMULATED
// The matrix units' instruction, by the same distribution of numbers over the 32 threads of a warp: D += A B, with A
// (16, K) and B (K, 8). All threads of a block come here together.
template <int K, int EACH>
inline void matrix_unit(float (&d)[4], const float (&a)[2 * EACH * 2], const float (&b)[2 * EACH]) {
    static float as[32][16][K], bs[32][K][8];
    int warp = threadIdx.x / 32, group = threadIdx.x % 32 / 4, within = threadIdx.x % 4;
    for (int half = 0; half < 2; half++)
        for (int e = 0; e < EACH; e++) {
            int k = half * K / 2 + within * EACH + e;
            as[warp][group][k] = a[half * 2 * EACH + e];
            as[warp][group + 8][k] = a[half * 2 * EACH + EACH + e];
            bs[warp][k][group] = b[half * EACH + e];
        }
    __syncthreads();
    for (int i = 0; i < 4; i++) {
        int row = group + i / 2 * 8, column = within * 2 + i % 2;
        for (int k = 0; k < K; k++) d[i] += as[warp][row][k] * bs[warp][k][column];
    }
    __syncthreads();
}
// Rounds away the last bits: 13 of 23 for TF32, 16 for BF16, to the nearest.
template <int BITS>
inline float rounded(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    if ((bits & 0x7f800000u) == 0x7f800000u) return value;
    bits = (bits + (1u << (BITS - 1)) - (BITS == 16 ? 1 - (bits >> BITS & 1) : 0)) & ~((1u << BITS) - 1);
    std::memcpy(&value, &bits, 4);
    return value;
}
#endif

// Sums of a tile M x N over a block of 256 threads. In F32 each thread has TM x TN of them; otherwise each of 8 warps has
// a part of 16 x 8 pieces.
template <int P, int M, int N, int TM, int TN>
struct Sums {
    static constexpr int WARPS_N = M == 64 || N >= 64 ? 2 : 1, WARPS_M = 8 / WARPS_N;
    static constexpr int PIECES_M = M / WARPS_M / 16, PIECES_N = N / WARPS_N / 8;
    static constexpr int COUNT = P == F32 ? TM * TN : PIECES_M * PIECES_N * 4;
    float sum[COUNT];

    __device__ Sums() {
        for (int i = 0; i < COUNT; i++) sum[i] = 0.0f;
    }

    __device__ __forceinline__ void add(const float (&left)[DEPTH][M + PAD], const float (&right)[DEPTH][N + PAD]) {
        if constexpr (P == F32) {
            const int m = threadIdx.x / (N / TN) * TM, n = threadIdx.x % (N / TN) * TN;
#pragma unroll
            for (int k = 0; k < DEPTH; k++) {
                float a[TM], b[TN];
#pragma unroll
                for (int i = 0; i < TM; i += 4) {
                    float4 four = *reinterpret_cast<const float4*>(&left[k][m + i]);
                    a[i] = four.x, a[i + 1] = four.y, a[i + 2] = four.z, a[i + 3] = four.w;
                }
#pragma unroll
                for (int j = 0; j < TN; j++) b[j] = right[k][n + j];
#pragma unroll
                for (int i = 0; i < TM; i++)
#pragma unroll
                    for (int j = 0; j < TN; j++) sum[i * TN + j] += a[i] * b[j];
            }
        } else {
            // Of both operands a thread has EACH numbers next to each other, and as many half the depth further on.
            constexpr int K = P == TF32 ? 8 : 16, EACH = P == TF32 ? 1 : 2;
            const int warp = threadIdx.x / 32, group = threadIdx.x % 32 / 4, within = threadIdx.x % 4;
            const int m = warp / WARPS_N * (M / WARPS_M), n = warp % WARPS_N * (N / WARPS_N);
#pragma unroll
            for (int k0 = 0; k0 < DEPTH; k0 += K) {
                float b[PIECES_N][2 * EACH];
#pragma unroll
                for (int j = 0; j < PIECES_N; j++)
#pragma unroll
                    for (int half = 0; half < 2; half++)
#pragma unroll
                        for (int e = 0; e < EACH; e++)
                            b[j][half * EACH + e] = right[k0 + half * K / 2 + within * EACH + e][n + j * 8 + group];
#pragma unroll
                for (int i = 0; i < PIECES_M; i++) {
                    float a[4 * EACH];
#pragma unroll
                    for (int half = 0; half < 2; half++)
#pragma unroll
                        for (int e = 0; e < EACH; e++) {
                            int k = k0 + half * K / 2 + within * EACH + e;
                            a[half * 2 * EACH + e] = left[k][m + i * 16 + group];
                            a[half * 2 * EACH + EACH + e] = left[k][m + i * 16 + 8 + group];
                        }
#pragma unroll
                    for (int j = 0; j < PIECES_N; j++) piece((i * PIECES_N + j) * 4, a, b[j]);
                }
            }
        }
    }

    // Calls work(row, column, sum) for every sum of this thread.
    template <typename Work>
    __device__ __forceinline__ void each(Work work) const {
        if constexpr (P == F32) {
            const int m = threadIdx.x / (N / TN) * TM, n = threadIdx.x % (N / TN) * TN;
#pragma unroll
            for (int i = 0; i < TM; i++)
#pragma unroll
                for (int j = 0; j < TN; j++) work(m + i, n + j, sum[i * TN + j]);
        } else {
            const int warp = threadIdx.x / 32, group = threadIdx.x % 32 / 4, within = threadIdx.x % 4;
            const int m = warp / WARPS_N * (M / WARPS_M), n = warp % WARPS_N * (N / WARPS_N);
#pragma unroll
            for (int i = 0; i < PIECES_M; i++)
#pragma unroll
                for (int j = 0; j < PIECES_N; j++)
#pragma unroll
                    for (int q = 0; q < 4; q++)
                        work(m + i * 16 + group + q / 2 * 8, n + j * 8 + within * 2 + q % 2,
                             sum[(i * PIECES_N + j) * 4 + q]);
        }
    }

  private:
    template <int A, int B>
    __device__ __forceinline__ void piece(int at, const float (&a)[A], const float (&b)[B]) {
#ifdef PLEACH_EMULATED
        float d[4] = {sum[at], sum[at + 1], sum[at + 2], sum[at + 3]};
        if constexpr (P == TF32)
            matrix_unit<8, 1>(d, a, b);
        else
            matrix_unit<16, 2>(d, a, b);
        for (int q = 0; q < 4; q++) sum[at + q] = d[q];
#elif __CUDA_ARCH__ >= 800
        float* d = sum + at;
        if constexpr (P == TF32) {
            const unsigned* x = reinterpret_cast<const unsigned*>(a);
            const unsigned* y = reinterpret_cast<const unsigned*>(b);
            asm volatile(
                "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                "{%0,%1,%2,%3};"
                : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
        } else {
            unsigned x[4], y[2];
#pragma unroll
            for (int i = 0; i < 4; i++) x[i] = pair(a[2 * i], a[2 * i + 1]);
#pragma unroll
            for (int i = 0; i < 2; i++) y[i] = pair(b[2 * i], b[2 * i + 1]);
            asm volatile(
                "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                "{%0,%1,%2,%3};"
                : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
        }
#else
        __trap();  // The host does not ask older GPUs for it.
#endif
    }

#if !defined(PLEACH_EMULATED) && __CUDA_ARCH__ >= 800
    static __device__ __forceinline__ unsigned pair(float low, float high) {
        unsigned both;
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
        return both;
    }
#endif
};

// What a tile keeps of a number.
template <int P>
__device__ __forceinline__ float kept(float value) {
#ifdef PLEACH_EMULATED
    return P == TF32 ? rounded<13>(value) : P == BF16 ? rounded<16>(value) : value;
#elif __CUDA_ARCH__ >= 800
    if constexpr (P == TF32) {
        unsigned bits;
        asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
        return __uint_as_float(bits);
    }
    return value;
#else
    return value;
#endif
}

}  // namespace tiles
