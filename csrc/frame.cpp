// One step at a time on packed weights: see Frame in kernels.h.
#include "share.h"

#include <algorithm>
#include <cstring>

namespace elman {

template <class Real>
struct Frame<Real>::Inside {
    const Parts<Real> *parts;  // null: reference
    Sequence<Real> s;
    std::int64_t Hp;
    Packed<Real> packed;
    Real *h, *c, *blocks, *weights;
    std::unique_ptr<char[]> memory;

    std::size_t lay_out(char *base, int lanes) {
        Carve carve{base};
        const std::int64_t rows = gate_count(s.cell) * Hp;
        packed.ih = carve.take<Real>(parts ? s.D * rows : 0);
        packed.hh = carve.take<Real>(parts ? s.H * rows : 0);
        packed.bias = carve.take<Real>(block_count(s.cell) * Hp);
        packed.zeros = carve.take<Real>(std::max(s.D, s.H) + lanes);
        packed.back_ih = packed.back_hh = nullptr;
        h = carve.take<Real>(s.B * Hp);
        c = carve.take<Real>(s.B * Hp);
        blocks = carve.take<Real>(kFrameRows * block_count(s.cell) * Hp);
        weights = carve.take<Real>(parts ? 0 : rows * (s.D + s.H + 2));
        return carve.used;
    }

    // The reference reads weights as they are, so it needs a copy: the caller's may change or go.
    void copy_weights() {
        const std::int64_t n = gate_count(s.cell) * s.H;
        Real *at = weights;
        const auto keep = [&](const Real *&from, std::int64_t size) {
            if (!from) return;
            std::memcpy(at, from, size * sizeof(Real));
            from = at;
            at += size;
        };
        keep(s.w_ih, n * s.D);
        keep(s.w_hh, n * s.H);
        keep(s.b_ih, n);
        keep(s.b_hh, n);
    }

    void copy(Real *to, std::int64_t to_width, const Real *from, std::int64_t from_width) const {
        for (std::int64_t b = 0; b < s.B; ++b) std::memcpy(to + b * to_width, from + b * from_width, s.H * sizeof(Real));
    }

    void step(const Real *x, Real *h_io, Real *c_io) {
        const bool direct = parts && Hp == s.H, has_c = s.cell == Cell::lstm;
        if (!direct) {
            copy(h, Hp, h_io, s.H);
            if (has_c) copy(c, Hp, c_io, s.H);
        }
        if (!parts) {
            s.x = x;
            s.x_t = s.B * s.D;
            s.x_b = s.D;
            s.h0 = h;
            s.c0 = c;
            s.y = h_io;
            return reference_forward(s, Final<Real>{h, c_io});
        }
        parts->step(s.cell, s.B, s.D, s.H, packed, x, direct ? h_io : h, direct ? c_io : c, blocks);
        if (direct) return;
        copy(h_io, s.H, h, Hp);
        if (has_c) copy(c_io, s.H, c, Hp);
    }
};

template <class Real>
Frame<Real>::Frame(const Kernels<Real> &kernels, const Sequence<Real> &s) : inside_(new Inside{}) {
    Inside &in = *inside_;
    in.parts = kernels.parts;
    in.s = s;
    in.s.T = in.s.threads = 1;
    in.s.gates = in.s.cells = nullptr;
    in.s.lengths = nullptr;
    in.s.reverse = false;
    in.Hp = row_width(kernels, s.H);
    const std::size_t bytes = in.lay_out(nullptr, kernels.lanes);
    in.memory.reset(new char[bytes + 64]());
    const auto base = (reinterpret_cast<std::uintptr_t>(in.memory.get()) + 63) / 64 * 64;
    in.lay_out(reinterpret_cast<char *>(base), kernels.lanes);
    if (in.parts) {
        parallel_for(1, [&](int) { in.parts->pack(in.s, false, 0, 1, in.packed); });
    } else {
        in.copy_weights();
    }
}

template <class Real>
Frame<Real>::~Frame() = default;

template <class Real>
void Frame<Real>::step(const Real *x, Real *h, Real *c, Real *out) {
    parallel_for(1, [&](int) { inside_->step(x, h, c); });
    if (out) std::memcpy(out, h, inside_->s.B * inside_->s.H * sizeof(Real));
}

template class Frame<float>;
template class Frame<double>;

}  // namespace elman
