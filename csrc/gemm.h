// Products of many short rows with packed weights, and the product that sums over time.
//
//     rows:  C[m][n] = init[n] or C[m][n]  +  sum_k A[m][k] B[k][n]      A, C by row pointers, B packed
//     sums:  C[m][n] += sum_k A[k][m] B[k][n]                            both packed, K steps of time
//
// B is packed into panels of up to three vectors: panel p holds K rows of its columns, one after the other, so a
// register tile reads it as one stream: 4 rows x 3 vectors (12 accumulators of AVX2's 16) or 8 x 3 (24 of
// AVX-512's 32). Fewer rows take several accumulators along k, or the latency of the multiply-add would bound them.
#pragma once

#include "simd.h"

namespace elman::ELMAN_ISA {

constexpr int kPanel = 3;                          // vectors
constexpr int kTile = ELMAN_BYTES == 64 ? 8 : 4;  // rows
constexpr int kAhead = 8;                         // steps of k that a tile asks for before it needs them

// Width in vectors of the panel that starts with `left` vectors to go; never 1 where 2 + 2 is possible.
constexpr std::int64_t panel_width(std::int64_t left) { return left == 4 ? 2 : left < kPanel ? left : kPanel; }

constexpr int unroll_of(int rows, int vectors) {
    const int filled = rows * vectors;
    return filled >= 8 ? 1 : filled >= 4 ? 2 : filled >= 2 ? 4 : 8;
}

// A row-pointer list with a shift: row m starts at at[m] + shift.
template <class Real>
struct RowsIn {
    const Real *const *at;
    std::int64_t shift;
};

template <class Real>
struct RowsOut {
    Real *const *at;
    std::int64_t shift;
};

// One register tile. `init` is the bias for these columns, or null: go on from C. `keep` columns are written.
template <class Real, int MR, int NV, bool Partial>
ELMAN_INLINE void tile(std::int64_t K, RowsIn<Real> a, const Real *b, const Real *init, RowsOut<Real> c,
                       std::int64_t keep) {
    constexpr int W = Lanes<Real>::count, U = unroll_of(MR, NV);
    Vec<Real> acc[MR * NV * U];
    const Real *row[MR];
    unroll<MR>([&](auto m) ELMAN_LAMBDA { row[m] = a.at[m] + a.shift; });
    unroll<MR>([&](auto m) ELMAN_LAMBDA {
        unroll<NV>([&](auto v) ELMAN_LAMBDA {
            if constexpr (Partial) {
                const std::int64_t there = keep - v * W < W ? keep - v * W : W;
                acc[m * NV + v] = init ? load(init + v * W)
                                       : load_part(c.at[m] + c.shift + v * W, there < 0 ? 0 : there);
            } else {
                acc[m * NV + v] = load(init ? init + v * W : c.at[m] + c.shift + v * W);
            }
        });
    });
    unroll<MR * NV *(U - 1)>([&](auto i) ELMAN_LAMBDA { acc[MR * NV + i] = Vec<Real>{}; });
    std::int64_t k = 0;
    for (; k + U <= K; k += U, b += U * NV * W) {
        unroll<U>([&](auto u) ELMAN_LAMBDA {
            Vec<Real> column[NV];
            unroll<NV>([&](auto v) ELMAN_LAMBDA {
                column[v] = load(b + (u * NV + v) * W);
                if constexpr (MR > 1) pin<Real>(column[v]);
            });
            // A panel is a stream from the second-level cache, and the processor's own prefetching falls behind two
            // 512-bit units. AVX2's tiles have too few multiply-adds a load to pay for asking.
            if constexpr (U == 1 && ELMAN_BYTES == 64) {
                unroll<NV>([&](auto v) ELMAN_LAMBDA { __builtin_prefetch(b + (v + kAhead * NV) * W); });
            }
            unroll<MR>([&](auto m) ELMAN_LAMBDA {
                const Vec<Real> one = splat(row[m][k + u]);
                unroll<NV>([&](auto v) ELMAN_LAMBDA { acc[(u * MR + m) * NV + v] += one * column[v]; });
            });
        });
    }
    if constexpr (U > 1) {
        for (; k < K; ++k, b += NV * W) {
            unroll<MR>([&](auto m) ELMAN_LAMBDA {
                const Vec<Real> one = splat(row[m][k]);
                unroll<NV>([&](auto v) ELMAN_LAMBDA { acc[m * NV + v] += one * load(b + v * W); });
            });
        }
        unroll<MR * NV>([&](auto i) ELMAN_LAMBDA {
            unroll<U - 1>([&](auto u) ELMAN_LAMBDA { acc[i] += acc[(u + 1) * MR * NV + i]; });
        });
    }
    unroll<MR>([&](auto m) ELMAN_LAMBDA {
        unroll<NV>([&](auto v) ELMAN_LAMBDA {
            Real *to = c.at[m] + c.shift + v * W;
            if constexpr (Partial) {
                if (keep > v * W) store_part(to, acc[m * NV + v], keep - v * W < W ? keep - v * W : W);
            } else {
                store(to, acc[m * NV + v]);
            }
        });
    });
}

// All rows of one panel. The last tiles are made even: 9 rows are 5 and 4, where 8 and 1 would waste the last one.
template <class Real, int NV, bool Partial>
void panel(std::int64_t M, std::int64_t K, RowsIn<Real> a, const Real *b, const Real *init, RowsOut<Real> c,
           std::int64_t keep) {
    while (M > 0) {
        const std::int64_t rows = M >= 2 * kTile || M == kTile ? kTile : M > kTile ? (M + 1) / 2 : M;
        unroll<kTile>([&](auto less) ELMAN_LAMBDA {
            if (rows == less + 1) tile<Real, less + 1, NV, Partial>(K, a, b, init, c, keep);
        });
        M -= rows;
        a.at += rows;
        c.at += rows;
    }
}

template <class Real, int NV>
ELMAN_INLINE void panel(std::int64_t M, std::int64_t K, RowsIn<Real> a, const Real *b, const Real *init,
                        RowsOut<Real> c, std::int64_t keep) {
    if (keep < NV * Lanes<Real>::count) {
        panel<Real, NV, true>(M, K, a, b, init, c, keep);
    } else {
        panel<Real, NV, false>(M, K, a, b, init, c, keep);
    }
}

// `columns` columns of C are written; B's panels cover lane_multiple(columns) of them, and so does init.
template <class Real>
void rows_product(std::int64_t M, std::int64_t K, RowsIn<Real> a, const Real *b, const Real *init, RowsOut<Real> c,
                  std::int64_t columns) {
    constexpr int W = Lanes<Real>::count;
    if (M <= 0) return;
    for (std::int64_t left = (columns + W - 1) / W, at = 0; left > 0;) {
        const std::int64_t width = panel_width(left);
        const Real *bias = init ? init + at : nullptr;
        const RowsOut<Real> out{c.at, c.shift + at};
        if (width == 3) panel<Real, 3>(M, K, a, b, bias, out, columns - at);
        if (width == 2) panel<Real, 2>(M, K, a, b, bias, out, columns - at);
        if (width == 1) panel<Real, 1>(M, K, a, b, bias, out, columns - at);
        b += width * W * K;
        at += width * W;
        left -= width;
    }
}

// Pack B[k][n], n < columns, from rows that are given by pointers; columns are padded with zeros.
template <class Real>
void pack_rows(std::int64_t K, std::int64_t columns, const Real *const *rows, Real *to) {
    constexpr int W = Lanes<Real>::count;
    for (std::int64_t left = (columns + W - 1) / W, at = 0; left > 0;) {
        const std::int64_t width = panel_width(left) * W, there = columns - at < width ? columns - at : width;
        if (there == 3 * W) {
            for (std::int64_t k = 0; k < K; ++k, to += 3 * W) {
                unroll<3>([&](auto v) ELMAN_LAMBDA { store(to + v * W, load(rows[k] + at + v * W)); });
            }
        } else {
            for (std::int64_t k = 0; k < K; ++k, to += width) {
                for (std::int64_t n = 0; n < there; ++n) to[n] = rows[k][at + n];
                for (std::int64_t n = there; n < width; ++n) to[n] = 0;
            }
        }
        at += width;
        left -= width / W;
    }
}

// kTile x NV vectors of C += A^T B; A packed kTile numbers a step, B one panel.
template <class Real, int NV>
void sums_tile(std::int64_t K, const Real *a, const Real *b, Real *c, std::int64_t ldc) {
    constexpr int W = Lanes<Real>::count;
    Vec<Real> acc[kTile * NV];
    unroll<kTile * NV>([&](auto i) ELMAN_LAMBDA { acc[i] = load(c + (i / NV) * ldc + (i % NV) * W); });
    for (std::int64_t k = 0; k < K; ++k, a += kTile, b += NV * W) {
        Vec<Real> column[NV];
        unroll<NV>([&](auto v) ELMAN_LAMBDA { column[v] = load(b + v * W); });
        unroll<kTile>([&](auto m) ELMAN_LAMBDA {
            const Vec<Real> one = splat(a[m]);
            unroll<NV>([&](auto v) ELMAN_LAMBDA { acc[m * NV + v] += one * column[v]; });
        });
    }
    unroll<kTile * NV>([&](auto i) ELMAN_LAMBDA { store(c + (i / NV) * ldc + (i % NV) * W, acc[i]); });
}

// Rows of C that sums_product works on at once: the packed A block of 64 x K stays in the second-level cache.
constexpr std::int64_t kBlock = 64;

// C (M rows of ldc numbers, M a multiple of kTile, ldc that of the padded columns) += A^T B over K steps of time.
// A is given by row pointers (k) and a shift; `packed` has room for kBlock * K numbers.
template <class Real>
void sums_product(std::int64_t M, std::int64_t columns, std::int64_t K, RowsIn<Real> a, const Real *b, Real *c,
                  std::int64_t ldc, Real *packed) {
    constexpr int W = Lanes<Real>::count;
    for (std::int64_t m0 = 0; m0 < M; m0 += kBlock) {
        const std::int64_t rows = M - m0 < kBlock ? M - m0 : kBlock;
        for (std::int64_t m = 0; m < rows; m += kTile) {
            Real *to = packed + m * K;
            for (std::int64_t k = 0; k < K; ++k) std::memcpy(to + k * kTile, a.at[k] + a.shift + m0 + m, kTile * sizeof(Real));
        }
        const Real *panel_b = b;
        for (std::int64_t left = (columns + W - 1) / W, at = 0; left > 0;) {
            const std::int64_t width = panel_width(left);
            for (std::int64_t m = 0; m < rows; m += kTile) {
                Real *corner = c + (m0 + m) * ldc + at;
                const Real *from = packed + m * K;
                if (width == 3) sums_tile<Real, 3>(K, from, panel_b, corner, ldc);
                if (width == 2) sums_tile<Real, 2>(K, from, panel_b, corner, ldc);
                if (width == 1) sums_tile<Real, 1>(K, from, panel_b, corner, ldc);
            }
            panel_b += width * W * K;
            at += width * W;
            left -= width;
        }
    }
}

}  // namespace elman::ELMAN_ISA
