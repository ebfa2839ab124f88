// One thread's share of a sequence, backward in time. See run.h for the plan and docs/kernels.md for the equations.
#pragma once

#include "run.h"

namespace elman::ELMAN_ISA {

// What one share holds while it goes back through time.
template <class Real>
struct Scratch {
    std::int64_t most;  // steps of a chunk
    const Real **x_rows, **h_rows, **d_rows;
    Real **out_rows, **state_rows;
    Real *d, *dh, *dc, *c0;           // d: gradients of the pre-activations of a chunk, a row a step
    Real *packed_a, *packed_b;        // of the sums over time
    Real *gates, *spare;              // where the gates are computed again
    Real **gate_rows;

    template <class V>
    Scratch(const V &v, bool again) {
        constexpr bool lstm = V::G == 4;
        const std::int64_t Hp = v.Hp, wide = v.s.D > v.s.H ? v.s.D : v.s.H;
        most = v.chunk_rows(kSumsSteps);
        for (Carve carve{nullptr};;) {
            x_rows = carve.take<const Real *>(most);
            h_rows = carve.take<const Real *>(most);
            d_rows = carve.take<const Real *>(most);
            out_rows = carve.take<Real *>(most);
            state_rows = carve.take<Real *>(v.count);
            d = carve.take<Real>(most * stride(v));
            dh = carve.take<Real>(v.count * Hp);
            dc = carve.take<Real>(lstm ? v.count * Hp : 0);
            c0 = carve.take<Real>(lstm ? v.count * Hp : 0);
            packed_a = carve.take<Real>(kBlock * most);
            packed_b = carve.take<Real>(lane_multiple<Real>(wide) * most);
            gates = carve.take<Real>(again ? most * v.width : 0);
            gate_rows = carve.take<Real *>(again ? most : 0);
            spare = carve.take<Real>(2 * Hp);
            if (carve.base) break;
            carve = {static_cast<char *>(arena(1, carve.used))};
        }
    }

    // Rows a power of two apart would share a few sets of the first-level cache.
    template <class V>
    static std::int64_t stride(const V &v) {
        return v.width + 16;
    }
};

// The steps from `stop` down to `t`, exclusive, that fill a chunk.
struct Chunk {
    std::int64_t t, stop, tokens;
};

template <class Real, class V>
Chunk next_chunk(const V &v, Scratch<Real> &m, std::int64_t t) {
    Chunk chunk{t, t, 0};
    for (std::int64_t n = v.running(t, v.count); chunk.stop >= 0 && chunk.tokens + n <= m.most;) {
        for (std::int64_t i = 0; i < n; ++i, ++chunk.tokens) {
            m.x_rows[chunk.tokens] = v.x(chunk.stop, i);
            m.h_rows[chunk.tokens] = v.h_before(chunk.stop, i);
            m.d_rows[chunk.tokens] = m.d + chunk.tokens * Scratch<Real>::stride(v);
        }
        if (--chunk.stop >= 0) n = v.running(chunk.stop, v.count);
    }
    return chunk;
}

// Compute the gates of a chunk again: all states are known, so the recurrent product takes all steps at once.
template <Cell kind, class Real, class V>
void gates_again(const V &v, const Packed<Real> &p, Scratch<Real> &m, const Chunk &chunk) {
    for (std::int64_t k = 0; k < chunk.tokens; ++k) m.gate_rows[k] = m.gates + k * v.width;
    input_blocks<Real>(v, p, chunk.tokens, m.x_rows, m.gate_rows);
    rows_product<Real>(chunk.tokens, v.s.H, {m.h_rows, 0}, p.hh, nullptr, {m.gate_rows, V::state_block * v.Hp},
                       V::G * v.Hp);
    std::int64_t k = 0;
    for (std::int64_t t = chunk.t; t > chunk.stop; --t) {
        const std::int64_t n = v.running(t, v.count);
        for (std::int64_t i = 0; i < n; ++i, ++k) {
            const Real *before = nullptr;
            if (kind == Cell::lstm) before = t ? v.s.cells + v.number(t - 1, i) * v.Hp : m.c0 + i * v.Hp;
            forward_row<kind, true, Real>(v.s.H, v.Hp, m.gate_rows[k], m.h_rows[k], before, m.spare, m.spare + v.Hp);
        }
    }
}

// Step by step back through a chunk: fills the rows of d, carries dh and dc.
template <Cell kind, class Real, class V>
void back_through(const V &v, const Gradients<Real> &grad, const Packed<Real> &p, Scratch<Real> &m, const Chunk &chunk) {
    const Sequence<Real> &s = v.s;
    const std::int64_t Hp = v.Hp;
    std::int64_t k = 0;
    for (std::int64_t t = chunk.t; t > chunk.stop; --t) {
        const std::int64_t n = v.running(t, v.count), start = k;
        for (std::int64_t i = 0; i < n; ++i, ++k) {
            Kept<Real> kept{};
            kept.h = v.y(t, i);
            kept.h_before = m.h_rows[k];
            if (kind == Cell::lstm || kind == Cell::gru) {
                kept.blocks = s.gates ? s.gates + v.number(t, i) * v.width : m.gate_rows[k];
            }
            if (kind == Cell::lstm) {
                kept.c = s.cells + v.number(t, i) * Hp;
                kept.c_before = t ? s.cells + v.number(t - 1, i) * Hp : m.c0 + i * Hp;
            }
            if (grad.dy) kept.dy = grad.dy + v.time(t, i) * grad.dy_t + v.row(i) * grad.dy_b;
            backward_row<kind, Real>(s.H, Hp, kept, m.dh + i * Hp, m.dc + i * Hp, m.d + k * Scratch<Real>::stride(v));
        }
        rows_product<Real>(n, V::G * Hp, {m.d_rows + start, V::state_block * Hp}, p.back_hh, nullptr,
                           {m.state_rows, 0}, lane_multiple<Real>(s.H));
    }
}

// dx of a chunk, and its part of the sums over time.
template <class Real, class V>
void collect(const V &v, const Gradients<Real> &grad, const Packed<Real> &p, Scratch<Real> &m, const Chunk &chunk,
             Sums<Real> &sums) {
    const Sequence<Real> &s = v.s;
    const std::int64_t rows = V::G * v.Hp, n = chunk.tokens;
    if (grad.dx) {
        std::int64_t k = 0;
        for (std::int64_t t = chunk.t; t > chunk.stop; --t) {
            const std::int64_t active = v.running(t, v.count);
            for (std::int64_t i = 0; i < active; ++i) m.out_rows[k++] = grad.dx + (v.time(t, i) * s.B + v.row(i)) * s.D;
        }
        rows_product<Real>(n, rows, {m.d_rows, 0}, p.back_ih, p.zeros, {m.out_rows, 0}, s.D);
    }
    if (sums.ih) {
        pack_rows<Real>(n, s.D, m.x_rows, m.packed_b);
        sums_product<Real>(rows, s.D, n, {m.d_rows, 0}, m.packed_b, sums.ih, lane_multiple<Real>(s.D), m.packed_a);
    }
    if (sums.hh) {
        pack_rows<Real>(n, s.H, m.h_rows, m.packed_b);
        sums_product<Real>(rows, s.H, n, {m.d_rows, V::state_block * v.Hp}, m.packed_b, sums.hh,
                           lane_multiple<Real>(s.H), m.packed_a);
    }
    if (sums.bias) {
        for (std::int64_t k = 0; k < n; ++k) {
            const Real *d = m.d_rows[k];
            for (std::int64_t j = 0; j < v.width; ++j) sums.bias[j] += d[j];
        }
    }
}

template <Cell kind, class Real>
void backward_share(const Sequence<Real> &s, const Gradients<Real> &grad, const Packed<Real> &p, const Order &order,
                    int share, Sums<Real> &sums) {
    using V = View<kind, Real>;
    const V v(s, order, share);
    if (!v.count) return;
    const bool again = !s.gates && V::blocks > 1;
    const std::int64_t Hp = v.Hp;
    Scratch<Real> m(v, again);
    for (std::int64_t i = 0; i < v.count; ++i) {
        const std::int64_t at = v.row(i) * s.H;
        copy_row(m.dh + i * Hp, grad.dh ? grad.dh + at : nullptr, s.H, Hp);
        m.state_rows[i] = m.dh + i * Hp;
        if constexpr (kind == Cell::lstm) {
            copy_row(m.dc + i * Hp, grad.dc ? grad.dc + at : nullptr, s.H, Hp);
            copy_row(m.c0 + i * Hp, s.c0 + at, s.H, Hp);
        }
    }
    // The room between H and H' of a row of d is never written by backward_row where H' - H is a vector or more.
    std::memset(m.d, 0, m.most * Scratch<Real>::stride(v) * sizeof(Real));
    for (std::int64_t t = v.length(0) - 1; t >= 0;) {
        const Chunk chunk = next_chunk(v, m, t);
        if (again) gates_again<kind>(v, p, m, chunk);
        back_through<kind>(v, grad, p, m, chunk);
        collect(v, grad, p, m, chunk, sums);
        t = chunk.stop;
    }
    for (std::int64_t i = 0; i < v.count; ++i) {
        const std::int64_t row = v.row(i);
        if (grad.dh0) copy_row(grad.dh0 + row * s.H, m.dh + i * Hp, s.H, s.H);
        if constexpr (kind == Cell::lstm) {
            if (grad.dc0) copy_row(grad.dc0 + row * s.H, m.dc + i * Hp, s.H, s.H);
        }
        if (!grad.dx) continue;
        for (std::int64_t t = v.length(i); t < s.T; ++t) {
            std::memset(grad.dx + (t * s.B + row) * s.D, 0, s.D * sizeof(Real));
        }
    }
}

}  // namespace elman::ELMAN_ISA
