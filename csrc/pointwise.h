// What a cell does between its products, forward and backward, one row of H units at a time.
//
// A row of blocks is H' = padded(H) numbers a block. On entry to forward it holds pre-activations, on
// return the gates, from which backward makes the gradients of the pre-activations:
//
//     Elman   [a]          h = f(a)                                 (a is not kept: backward reads h)
//     LSTM    [i f g o]    c = f c' + i g, h = o tanh(c)
//     GRU     [n r z q]    q = W_hn h' + b_hn;  n = tanh(a_n + r q), h = n + z (h' - n)
//
// In a GRU's order the blocks that the input reaches (n r z) and those that the state reaches (r z q) are
// neighbours, so each product writes one stretch.
#pragma once

#include "kernels.h"
#include "vmath.h"

namespace elman::ELMAN_ISA {

template <Cell kind, class Real>
ELMAN_INLINE Vec<Real> activate(Vec<Real> a) {
    if constexpr (kind == Cell::tanh) return tanh<Real>(a);
    if constexpr (kind == Cell::sigmoid) return sigmoid<Real>(a);
    return a < Vec<Real>{} ? Vec<Real>{} : a;  // NaN stays
}

// A gradient through the activation, from its value. ReLU chooses, as torch does: zero times infinity would be NaN.
template <Cell kind, class Real>
ELMAN_INLINE Vec<Real> through(Vec<Real> grad, Vec<Real> h) {
    const Vec<Real> one = splat(Real(1));
    if constexpr (kind == Cell::tanh) return grad * (one - h * h);
    if constexpr (kind == Cell::sigmoid) return grad * (h * (one - h));
    return h <= Vec<Real>{} ? Vec<Real>{} : grad;  // NaN lets it through
}

// blocks: see above. h_before (H numbers), c_before and c (H' numbers; LSTM), h (H numbers): the next state.
template <Cell kind, bool Keep, class Real>
ELMAN_INLINE void forward_row(std::int64_t H, std::int64_t Hp, Real *blocks, const Real *h_before,
                              const Real *c_before, Real *c, Real *h) {
    each_vector<Real>(H, [&](std::int64_t j, auto part) ELMAN_LAMBDA {
        Real *at = blocks + j;
        if constexpr (kind == Cell::lstm) {
            const Vec<Real> i = sigmoid<Real>(load(at)), f = sigmoid<Real>(load(at + Hp));
            const Vec<Real> g = tanh<Real>(load(at + 2 * Hp)), o = sigmoid<Real>(load(at + 3 * Hp));
            const Vec<Real> next = f * load(c_before + j) + i * g;
            store(c + j, next);
            part.put(h + j, o * tanh<Real>(next));
            if constexpr (Keep) {
                store(at, i);
                store(at + Hp, f);
                store(at + 2 * Hp, g);
                store(at + 3 * Hp, o);
            }
        } else if constexpr (kind == Cell::gru) {
            const Vec<Real> r = sigmoid<Real>(load(at + Hp)), z = sigmoid<Real>(load(at + 2 * Hp));
            const Vec<Real> n = tanh<Real>(load(at) + r * load(at + 3 * Hp));
            part.put(h + j, n + z * (part.get(h_before + j) - n));
            if constexpr (Keep) {
                store(at, n);
                store(at + Hp, r);
                store(at + 2 * Hp, z);
            }
        } else {
            part.put(h + j, activate<kind, Real>(load(at)));
        }
    });
}

// What backward_row reads, one row.
template <class Real>
struct Kept {
    const Real *blocks;            // gates, as forward_row left them (LSTM, GRU)
    const Real *h, *h_before;      // H numbers each
    const Real *c, *c_before;      // H' numbers each (LSTM)
    const Real *dy;                // H numbers, or null
};

// dh, dc (H'): in, the gradient of this step's state from later steps; out, what goes straight to the state
// before (the rest comes through the recurrent product). d: gradients of the pre-activations, blocks as above.
template <Cell kind, class Real>
ELMAN_INLINE void backward_row(std::int64_t H, std::int64_t Hp, const Kept<Real> &kept, Real *dh, Real *dc, Real *d) {
    const Vec<Real> one = splat(Real(1));
    each_vector<Real>(H, [&](std::int64_t j, auto part) ELMAN_LAMBDA {
        Vec<Real> grad = load(dh + j);
        if (kept.dy) grad += part.get(kept.dy + j);
        if constexpr (kind == Cell::lstm) {
            const Real *at = kept.blocks + j;
            const Vec<Real> i = load(at), f = load(at + Hp), g = load(at + 2 * Hp), o = load(at + 3 * Hp);
            const Vec<Real> tc = tanh<Real>(load(kept.c + j));
            const Vec<Real> dcell = load(dc + j) + grad * o * (one - tc * tc);
            store(d + j, dcell * g * i * (one - i));
            store(d + Hp + j, dcell * load(kept.c_before + j) * f * (one - f));
            store(d + 2 * Hp + j, dcell * i * (one - g * g));
            store(d + 3 * Hp + j, grad * tc * o * (one - o));
            store(dc + j, dcell * f);
            store(dh + j, Vec<Real>{});
        } else if constexpr (kind == Cell::gru) {
            const Real *at = kept.blocks + j;
            const Vec<Real> n = load(at), r = load(at + Hp), z = load(at + 2 * Hp), q = load(at + 3 * Hp);
            const Vec<Real> dn = grad * (one - z) * (one - n * n);
            store(d + j, dn);
            store(d + Hp + j, dn * q * r * (one - r));
            store(d + 2 * Hp + j, grad * (part.get(kept.h_before + j) - n) * z * (one - z));
            store(d + 3 * Hp + j, dn * r);
            store(dh + j, grad * z);
        } else {
            store(d + j, through<kind, Real>(grad, part.get(kept.h + j)));
            store(dh + j, Vec<Real>{});
        }
    });
}

}  // namespace elman::ELMAN_ISA
