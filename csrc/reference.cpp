// What all other kernels must give: plain loops over one row after the other, no workspace, no vectors.
// In float they differ from the others by rounding; the exponential is the standard library's.
#include "share.h"

#include <cmath>
#include <cstring>
#include <vector>

namespace elman {
namespace {

template <class Real>
Real logistic(Real x) {
    return 1 / (1 + std::exp(-x));
}

// One row: where its numbers stand at each of its own steps.
template <class Real>
struct Row {
    const Sequence<Real> &s;
    std::int64_t b, length;
    std::vector<std::int64_t> number;  // of its steps, among all real steps

    std::int64_t time(std::int64_t t) const { return s.reverse ? length - 1 - t : t; }
    const Real *x(std::int64_t t) const { return s.x + time(t) * s.x_t + b * s.x_b; }
    Real *y(std::int64_t t) const { return s.y + (time(t) * s.B + b) * s.H; }
    const Real *before(std::int64_t t) const { return t ? y(t - 1) : s.h0 + b * s.H; }
};

template <class Real>
std::int64_t length_of(const Sequence<Real> &s, std::int64_t b) {
    return s.lengths ? s.lengths[b] : s.T;
}

// Real steps are numbered step by step, the longest row first and equal ones as they came.
template <class Real>
Row<Real> row_of(const Sequence<Real> &s, std::int64_t b) {
    Row<Real> row{s, b, length_of(s, b), {}};
    std::int64_t place = 0, before = 0;
    for (std::int64_t other = 0; other < s.B; ++other) {
        const std::int64_t n = length_of(s, other);
        if (n > row.length || (n == row.length && other < b)) ++place;
    }
    for (std::int64_t t = 0; t < row.length; ++t) {
        row.number.push_back(before + place);
        for (std::int64_t other = 0; other < s.B; ++other) before += length_of(s, other) > t;
    }
    return row;
}

template <class Real>
Real product(std::int64_t size, const Real *a, const Real *b) {
    Real sum = 0;
    for (std::int64_t i = 0; i < size; ++i) sum += a[i] * b[i];
    return sum;
}

// Pre-activations of gate g, unit j: what the input gives and what the state gives.
template <class Real>
struct Both {
    Real in, own;
};

template <class Real>
Both<Real> pre_activation(const Sequence<Real> &s, const Real *x, const Real *h, int g, std::int64_t j) {
    const std::int64_t k = g * s.H + j;
    const Real in = product(s.D, x, s.w_ih + k * s.D) + (s.b_ih ? s.b_ih[k] : 0);
    return {in, product(s.H, h, s.w_hh + k * s.H) + (s.b_hh ? s.b_hh[k] : 0)};
}

template <class Real>
Real activate(Cell cell, Real a) {
    if (cell == Cell::relu) return a < 0 ? 0 : a;  // not max(0, a): NaN stays
    return cell == Cell::tanh ? std::tanh(a) : logistic(a);
}

// The gates of one unit after their nonlinearities: LSTM i f g o; GRU n r z q.
template <class Real>
void unit_gates(const Sequence<Real> &s, const Real *x, const Real *h, std::int64_t j, Real *gate) {
    Both<Real> a[4];
    for (int g = 0; g < gate_count(s.cell); ++g) a[g] = pre_activation(s, x, h, g, j);
    if (s.cell == Cell::lstm) {
        for (int g = 0; g < 4; ++g) gate[g] = g == 2 ? std::tanh(a[g].in + a[g].own) : logistic(a[g].in + a[g].own);
    } else if (s.cell == Cell::gru) {
        gate[1] = logistic(a[0].in + a[0].own);
        gate[2] = logistic(a[1].in + a[1].own);
        gate[3] = a[2].own;
        gate[0] = std::tanh(a[2].in + gate[1] * gate[3]);
    } else {
        gate[0] = activate(s.cell, a[0].in + a[0].own);
    }
}

template <class Real>
void forward_row(const Row<Real> &row, const Final<Real> &end) {
    const Sequence<Real> &s = row.s;
    const int blocks = block_count(s.cell);
    std::vector<Real> c(s.H);
    if (s.cell == Cell::lstm) std::memcpy(c.data(), s.c0 + row.b * s.H, s.H * sizeof(Real));
    for (std::int64_t t = 0; t < row.length; ++t) {
        for (std::int64_t j = 0; j < s.H; ++j) {
            Real gate[4], &h = row.y(t)[j];
            unit_gates(s, row.x(t), row.before(t), j, gate);
            if (s.cell == Cell::lstm) {
                c[j] = gate[1] * c[j] + gate[0] * gate[2];
                h = gate[3] * std::tanh(c[j]);
            } else if (s.cell == Cell::gru) {
                h = gate[0] + gate[2] * (row.before(t)[j] - gate[0]);
            } else {
                h = gate[0];
            }
            for (int g = 0; s.gates && g < blocks; ++g) s.gates[(row.number[t] * blocks + g) * s.H + j] = gate[g];
            if (s.cell == Cell::lstm && s.cells) s.cells[row.number[t] * s.H + j] = c[j];
        }
    }
    const Real *last = row.before(row.length);
    for (std::int64_t j = 0; j < s.H; ++j) end.h[row.b * s.H + j] = last[j];
    if (s.cell == Cell::lstm) std::memcpy(end.c + row.b * s.H, c.data(), s.H * sizeof(Real));
    for (std::int64_t t = row.length; t < s.T; ++t) std::memset(s.y + (t * s.B + row.b) * s.H, 0, s.H * sizeof(Real));
}

// Gradients of one unit's pre-activations: through the input's product and through the state's, in torch's order.
template <class Real>
struct UnitGradient {
    Real in[4], own[4], direct;  // direct: what goes straight to the state before
};

template <class Real>
UnitGradient<Real> unit_gradient(const Row<Real> &row, std::int64_t t, std::int64_t j, Real grad, Real &dc) {
    const Sequence<Real> &s = row.s;
    Real gate[4];
    unit_gates(s, row.x(t), row.before(t), j, gate);
    UnitGradient<Real> d{};
    if (s.cell == Cell::lstm) {
        const Real before = t ? s.cells[row.number[t - 1] * s.H + j] : s.c0[row.b * s.H + j];
        const Real tc = std::tanh(s.cells[row.number[t] * s.H + j]);
        const Real dcell = dc + grad * gate[3] * (1 - tc * tc);
        d.in[0] = dcell * gate[2] * gate[0] * (1 - gate[0]);
        d.in[1] = dcell * before * gate[1] * (1 - gate[1]);
        d.in[2] = dcell * gate[0] * (1 - gate[2] * gate[2]);
        d.in[3] = grad * tc * gate[3] * (1 - gate[3]);
        dc = dcell * gate[1];
        for (int g = 0; g < 4; ++g) d.own[g] = d.in[g];
    } else if (s.cell == Cell::gru) {
        const Real n = gate[0], r = gate[1], z = gate[2], q = gate[3];
        const Real dn = grad * (1 - z) * (1 - n * n);
        d.in[0] = d.own[0] = dn * q * r * (1 - r);
        d.in[1] = d.own[1] = grad * (row.before(t)[j] - n) * z * (1 - z);
        d.in[2] = dn;
        d.own[2] = dn * r;
        d.direct = grad * z;
    } else {
        const Real h = row.y(t)[j];
        const Real through = s.cell == Cell::tanh ? grad * (1 - h * h) : grad * (h * (1 - h));
        d.in[0] = d.own[0] = s.cell != Cell::relu ? through : h <= 0 ? 0 : grad;
    }
    return d;
}

template <class Real>
void backward_row(const Row<Real> &row, const Gradients<Real> &grad) {
    const Sequence<Real> &s = row.s;
    const std::int64_t D = s.D, H = s.H;
    std::vector<Real> dh(H), dc(H), before(H), dx(D);
    for (std::int64_t j = 0; j < H; ++j) {
        dh[j] = grad.dh ? grad.dh[row.b * H + j] : 0;
        dc[j] = s.cell == Cell::lstm && grad.dc ? grad.dc[row.b * H + j] : 0;
    }
    for (std::int64_t t = row.length - 1; t >= 0; --t) {
        std::fill(before.begin(), before.end(), Real(0));
        std::fill(dx.begin(), dx.end(), Real(0));
        for (std::int64_t j = 0; j < H; ++j) {
            const Real *dy = grad.dy ? grad.dy + row.time(t) * grad.dy_t + row.b * grad.dy_b : nullptr;
            const UnitGradient<Real> d = unit_gradient(row, t, j, dh[j] + (dy ? dy[j] : 0), dc[j]);
            before[j] += d.direct;
            for (int g = 0; g < gate_count(s.cell); ++g) {
                const std::int64_t k = g * H + j;
                for (std::int64_t i = 0; i < D; ++i) dx[i] += d.in[g] * s.w_ih[k * D + i];
                for (std::int64_t i = 0; i < H; ++i) before[i] += d.own[g] * s.w_hh[k * H + i];
                for (std::int64_t i = 0; grad.dw_ih && i < D; ++i) grad.dw_ih[k * D + i] += d.in[g] * row.x(t)[i];
                for (std::int64_t i = 0; grad.dw_hh && i < H; ++i) grad.dw_hh[k * H + i] += d.own[g] * row.before(t)[i];
                if (grad.db_ih) grad.db_ih[k] += d.in[g];
                if (grad.db_hh) grad.db_hh[k] += d.own[g];
            }
        }
        dh = before;
        if (grad.dx) std::memcpy(grad.dx + (row.time(t) * s.B + row.b) * D, dx.data(), D * sizeof(Real));
    }
    for (std::int64_t j = 0; j < H; ++j) {
        if (grad.dh0) grad.dh0[row.b * H + j] = dh[j];
        if (grad.dc0 && s.cell == Cell::lstm) grad.dc0[row.b * H + j] = dc[j];
    }
}

template <class Real>
void zero(Real *at, std::int64_t count) {
    if (at) std::memset(at, 0, count * sizeof(Real));
}

}  // namespace

template <class Real>
void reference_forward(const Sequence<Real> &s, const Final<Real> &end) {
    for (std::int64_t b = 0; b < s.B; ++b) forward_row(row_of(s, b), end);
}

template <class Real>
void reference_backward(const Sequence<Real> &s, const Gradients<Real> &grad) {
    const std::int64_t rows = gate_count(s.cell) * s.H;
    zero(grad.dx, s.T * s.B * s.D);
    zero(grad.dw_ih, rows * s.D);
    zero(grad.dw_hh, rows * s.H);
    zero(grad.db_ih, rows);
    zero(grad.db_hh, rows);
    for (std::int64_t b = 0; b < s.B; ++b) backward_row(row_of(s, b), grad);
}

template void reference_forward<float>(const Sequence<float> &, const Final<float> &);
template void reference_forward<double>(const Sequence<double> &, const Final<double> &);
template void reference_backward<float>(const Sequence<float> &, const Gradients<float> &);
template void reference_backward<double>(const Sequence<double> &, const Gradients<double> &);

}  // namespace elman
