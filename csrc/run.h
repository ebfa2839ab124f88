// One thread's share of a sequence, forward and backward.
//
// Forward goes through time in chunks: the input product of all steps of a chunk at once, into the rows of blocks,
// then step by step the recurrent product onto the same rows and the cell's own arithmetic, while all of it is in
// the cache. Backward goes the other way with the transposed weights; the gradients of a chunk's pre-activations
// make dx and, summed over time, dW, before they leave the cache, so they are never stored for the whole run.
#pragma once

#include "gemm.h"
#include "pointwise.h"
#include "share.h"

namespace elman::ELMAN_ISA {

constexpr std::int64_t kChunkBytes = 192 * 1024;  // of the second-level cache, for one chunk's rows of blocks
constexpr std::int64_t kSumsSteps = 128;          // least rows of a chunk in backward: dW is read and written in each

template <class Real>
constexpr std::int64_t padded(std::int64_t H) {
    constexpr std::int64_t unit = Lanes<Real>::count < 4 ? 4 : Lanes<Real>::count;
    return (H + unit - 1) / unit * unit;
}

template <class Real>
constexpr std::int64_t lane_multiple(std::int64_t n) {
    constexpr std::int64_t W = Lanes<Real>::count;
    return (n + W - 1) / W * W;
}

// Sizes and places that both directions of a share need.
template <Cell kind, class Real>
struct View {
    static constexpr int G = gate_count(kind), blocks = block_count(kind);
    static constexpr int state_block = kind == Cell::gru ? 1 : 0;  // the first block that the state reaches
    const Sequence<Real> &s;
    const Order &order;
    std::int64_t first, count, Hp, width;

    View(const Sequence<Real> &s, const Order &order, int share)
        : s(s), order(order), first(order.begin[share]), count(order.begin[share + 1] - order.begin[share]),
          Hp(padded<Real>(s.H)), width(blocks * Hp) {}

    std::int64_t row(std::int64_t i) const { return order.row[first + i]; }
    std::int64_t length(std::int64_t i) const { return order.length[first + i]; }
    std::int64_t number(std::int64_t t, std::int64_t i) const { return order.offset[t] + order.place[first + i]; }
    std::int64_t time(std::int64_t t, std::int64_t i) const { return s.reverse ? length(i) - 1 - t : t; }
    const Real *x(std::int64_t t, std::int64_t i) const { return s.x + time(t, i) * s.x_t + row(i) * s.x_b; }
    Real *y(std::int64_t t, std::int64_t i) const { return s.y + (time(t, i) * s.B + row(i)) * s.H; }
    const Real *h_before(std::int64_t t, std::int64_t i) const { return t ? y(t - 1, i) : s.h0 + row(i) * s.H; }
    // Rows that still run at step t, given how many ran at the step before.
    std::int64_t running(std::int64_t t, std::int64_t most) const {
        while (most > 0 && length(most - 1) <= t) --most;
        return most;
    }
    std::int64_t chunk_rows(std::int64_t least) const {
        std::int64_t rows = kChunkBytes / (width * static_cast<std::int64_t>(sizeof(Real)));
        if (rows < least) rows = least;
        return rows < count ? count : rows;
    }
};

template <class Real>
void copy_row(Real *to, const Real *from, std::int64_t size, std::int64_t room) {
    for (std::int64_t j = 0; j < size; ++j) to[j] = from ? from[j] : Real(0);
    for (std::int64_t j = size; j < room; ++j) to[j] = 0;
}

// The products and bias of `tokens` rows of blocks whose x stands in x_rows: all but what the state gives.
template <class Real, class V>
void input_blocks(const V &v, const Packed<Real> &p, std::int64_t tokens, const Real *const *x_rows, Real *const *rows) {
    rows_product<Real>(tokens, v.s.D, {x_rows, 0}, p.ih, p.bias, {rows, 0}, V::G * v.Hp);
    for (std::int64_t at = V::G * v.Hp; at < v.width; at += v.Hp) {
        for (std::int64_t i = 0; i < tokens; ++i) std::memcpy(rows[i] + at, p.bias + at, v.Hp * sizeof(Real));
    }
}

template <Cell kind, bool Keep, class Real>
void forward_share(const Sequence<Real> &s, const Final<Real> &end, const Packed<Real> &p, const Order &order, int share) {
    using V = View<kind, Real>;
    const V v(s, order, share);
    const std::int64_t most = v.chunk_rows(1), Hp = v.Hp;
    const Real **x_rows = nullptr, **h_rows = nullptr;
    Real **rows = nullptr, *scratch = nullptr, *c = nullptr;
    for (Carve carve{nullptr};;) {
        x_rows = carve.take<const Real *>(most);
        h_rows = carve.take<const Real *>(v.count);
        rows = carve.take<Real *>(most);
        scratch = carve.take<Real>(Keep ? 0 : most * v.width);
        c = carve.take<Real>(kind == Cell::lstm ? v.count * Hp : 0);
        if (carve.base) break;
        carve = {static_cast<char *>(arena(1, carve.used))};
    }
    if constexpr (kind == Cell::lstm) {
        for (std::int64_t i = 0; i < v.count; ++i) copy_row(c + i * Hp, s.c0 + v.row(i) * s.H, s.H, Hp);
    }
    std::int64_t active = v.running(0, v.count);
    for (std::int64_t t = 0, stop = 0; active > 0; t = stop) {
        std::int64_t tokens = 0;
        for (std::int64_t n = active; n > 0 && tokens + n <= most; n = v.running(++stop, n)) {
            for (std::int64_t i = 0; i < n; ++i, ++tokens) {
                x_rows[tokens] = v.x(stop, i);
                rows[tokens] = Keep ? s.gates + v.number(stop, i) * v.width : scratch + tokens * v.width;
            }
        }
        input_blocks<Real>(v, p, tokens, x_rows, rows);
        Real *const *now = rows;
        for (; t < stop; ++t, now += active, active = v.running(t, active)) {
            for (std::int64_t i = 0; i < active; ++i) h_rows[i] = v.h_before(t, i);
            rows_product<Real>(active, s.H, {h_rows, 0}, p.hh, nullptr, {now, V::state_block * Hp}, V::G * Hp);
            for (std::int64_t i = 0; i < active; ++i) {
                const Real *before = c + i * Hp;
                Real *next = c + i * Hp;
                if (kind == Cell::lstm && s.cells) {
                    next = s.cells + v.number(t, i) * Hp;
                    if (t) before = s.cells + v.number(t - 1, i) * Hp;
                }
                forward_row<kind, Keep, Real>(s.H, Hp, now[i], h_rows[i], before, next, v.y(t, i));
            }
        }
    }
    for (std::int64_t i = 0; i < v.count; ++i) {
        const std::int64_t row = v.row(i), length = v.length(i);
        copy_row(end.h + row * s.H, v.h_before(length, i), s.H, s.H);
        if constexpr (kind == Cell::lstm) {
            const Real *last = s.cells && length ? s.cells + v.number(length - 1, i) * Hp : c + i * Hp;
            copy_row(end.c + row * s.H, last, s.H, s.H);
        }
        for (std::int64_t t = length; t < s.T; ++t) std::memset(s.y + (t * s.B + row) * s.H, 0, s.H * sizeof(Real));
    }
}

}  // namespace elman::ELMAN_ISA
