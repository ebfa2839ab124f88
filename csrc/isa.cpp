// All kernels for one instruction set. Compiled once for each, with its flags and its ELMAN_ISA and ELMAN_BYTES.
#include "back.h"

namespace elman::ELMAN_ISA {
namespace {

// Pack B[k][n] = rows[n][k], K numbers a row: panels of gemm.h from a matrix that is stored the other way round.
template <class Real>
void pack_columns(std::int64_t K, std::int64_t columns, const Real *const *rows, Real *to, int part, int parts) {
    constexpr int W = Lanes<Real>::count;
    std::int64_t index = 0;
    for (std::int64_t left = (columns + W - 1) / W, at = 0; left > 0; ++index) {
        const std::int64_t width = panel_width(left) * W;
        if (index % parts == part) {
            constexpr std::int64_t step = 16;  // of k: the lines read and written stay in the first-level cache
            for (std::int64_t k0 = 0; k0 < K; k0 += step) {
                const std::int64_t k1 = k0 + step < K ? k0 + step : K;
                for (std::int64_t n = 0; n < width; ++n) {
                    const Real *from = rows[at + n];
                    for (std::int64_t k = k0; k < k1; ++k) to[k * width + n] = from[k];
                }
            }
        }
        to += width * K;
        at += width;
        left -= width / W;
    }
}

// Where torch's gate g stands among the blocks of the input's product and of the state's.
int input_block(Cell cell, int gate) { return cell == Cell::gru ? (gate + 1) % 3 : gate; }

// Row pointers of a weight matrix in the order of blocks; a row of zeros stands where H' is wider than H.
template <class Real>
void block_rows(const Sequence<Real> &s, const Real *weights, std::int64_t width, bool input, const Real *zeros,
                const Real **rows) {
    const std::int64_t Hp = padded<Real>(s.H);
    for (int gate = 0; gate < gate_count(s.cell); ++gate) {
        const Real **to = rows + (input ? input_block(s.cell, gate) : gate) * Hp;
        for (std::int64_t h = 0; h < Hp; ++h) to[h] = h < s.H ? weights + (gate * s.H + h) * width : zeros;
    }
}

template <class Real>
void pack_bias(const Sequence<Real> &s, Real *bias) {
    const std::int64_t Hp = padded<Real>(s.H);
    std::memset(bias, 0, block_count(s.cell) * Hp * sizeof(Real));
    if (!s.b_ih) return;
    for (int gate = 0; gate < gate_count(s.cell); ++gate) {
        const bool apart = s.cell == Cell::gru && gate == 2;  // the candidate's two biases act in different places
        Real *to = bias + input_block(s.cell, gate) * Hp, *beside = apart ? bias + 3 * Hp : to;
        for (std::int64_t h = 0; h < s.H; ++h) to[h] = s.b_ih[gate * s.H + h];
        for (std::int64_t h = 0; h < s.H; ++h) beside[h] += s.b_hh[gate * s.H + h];
    }
}

template <class Real>
void pack(const Sequence<Real> &s, bool backward, int part, int parts, Packed<Real> &p) {
    const std::int64_t rows = gate_count(s.cell) * padded<Real>(s.H);
    const Real **at = static_cast<const Real **>(arena(1, (rows + 2 * kPanel * Lanes<Real>::count) * sizeof(Real *)));
    for (int i = 0; i < 2 * kPanel * Lanes<Real>::count; ++i) at[rows + i] = p.zeros;
    const bool forward = !backward || (!s.gates && block_count(s.cell) > 1);
    block_rows(s, s.w_ih, s.D, true, p.zeros, at);
    if (forward) pack_columns(s.D, rows, at, p.ih, part, parts);
    if (p.back_ih && part == 0) pack_rows(rows, s.D, at, p.back_ih);
    block_rows(s, s.w_hh, s.H, false, p.zeros, at);
    if (forward) pack_columns(s.H, rows, at, p.hh, part, parts);
    if (p.back_hh && part == parts - 1) pack_rows(rows, s.H, at, p.back_hh);
    if (part == 0) pack_bias(s, p.bias);
}

template <Cell kind, class Real>
void forward_kind(const Sequence<Real> &s, const Final<Real> &end, const Packed<Real> &p, const Order &order, int share) {
    constexpr bool has_gates = block_count(kind) > 1;
    if (has_gates && s.gates) {
        forward_share<kind, has_gates, Real>(s, end, p, order, share);
    } else {
        forward_share<kind, false, Real>(s, end, p, order, share);
    }
}

// f<cell>() for a cell known at run time.
template <class Body>
void with_cell(Cell cell, Body body) {
    switch (cell) {
        case Cell::tanh: return body(Index<int(Cell::tanh)>{});
        case Cell::relu: return body(Index<int(Cell::relu)>{});
        case Cell::sigmoid: return body(Index<int(Cell::sigmoid)>{});
        case Cell::lstm: return body(Index<int(Cell::lstm)>{});
        case Cell::gru: return body(Index<int(Cell::gru)>{});
    }
}

template <class Real>
void forward(const Sequence<Real> &s, const Final<Real> &end, const Packed<Real> &p, const Order &order, int share) {
    with_cell(s.cell, [&](auto cell) { forward_kind<Cell(decltype(cell)::value), Real>(s, end, p, order, share); });
}

template <class Real>
void backward(const Sequence<Real> &s, const Gradients<Real> &grad, const Packed<Real> &p, const Order &order, int share,
              Sums<Real> &sums) {
    with_cell(s.cell, [&](auto cell) { backward_share<Cell(decltype(cell)::value), Real>(s, grad, p, order, share, sums); });
}

template <class Real>
void step(Cell cell, std::int64_t B, std::int64_t D, std::int64_t H, const Packed<Real> &p, const Real *x, Real *h,
          Real *c, Real *blocks) {
    with_cell(cell, [&](auto known) {
        constexpr Cell kind = Cell(decltype(known)::value);
        constexpr int G = gate_count(kind), state_block = kind == Cell::gru ? 1 : 0;
        const std::int64_t Hp = padded<Real>(H), width = block_count(kind) * Hp;
        for (std::int64_t row = 0; row < B; row += kFrameRows) {
            const std::int64_t n = B - row < kFrameRows ? B - row : kFrameRows;
            const Real *x_rows[kFrameRows], *h_rows[kFrameRows];
            Real *to[kFrameRows];
            for (std::int64_t i = 0; i < n; ++i) {
                x_rows[i] = x + (row + i) * D;
                h_rows[i] = h + (row + i) * Hp;
                to[i] = blocks + i * width;
                std::memcpy(to[i] + G * Hp, p.bias + G * Hp, (width - G * Hp) * sizeof(Real));
            }
            rows_product<Real>(n, D, {x_rows, 0}, p.ih, p.bias, {to, 0}, G * Hp);
            rows_product<Real>(n, H, {h_rows, 0}, p.hh, nullptr, {to, state_block * Hp}, G * Hp);
            for (std::int64_t i = 0; i < n; ++i) {
                Real *h_row = h + (row + i) * Hp, *c_row = kind == Cell::lstm ? c + (row + i) * Hp : nullptr;
                forward_row<kind, false, Real>(Hp, Hp, to[i], h_row, c_row, c_row, h_row);
            }
        }
    });
}

template <class Real>
double multiply_adds(std::int64_t rounds) {
    constexpr int chains = 12;  // more than latency times units of any processor so far, fewer than the registers
    const volatile Real factor = Real(0.999), term = Real(1e-3);
    const Vec<Real> b = splat<Real>(factor), c = splat<Real>(term);
    Vec<Real> acc[chains];
    unroll<chains>([&](auto i) ELMAN_LAMBDA { acc[i] = splat(Real(i)); });
    for (std::int64_t k = 0; k < rounds; ++k) {
        unroll<chains>([&](auto i) ELMAN_LAMBDA { acc[i] = acc[i] * b + c; });
    }
    Vec<Real> sum{};
    unroll<chains>([&](auto i) ELMAN_LAMBDA { sum += acc[i]; });
    volatile Real sink = sum[0];
    (void)sink;
    return 2.0 * chains * Lanes<Real>::count * static_cast<double>(rounds);
}

template <class Real>
Real read(const Real *from, std::int64_t count) {
    constexpr int streams = 8, W = Lanes<Real>::count;
    Vec<Real> acc[streams];
    unroll<streams>([&](auto i) ELMAN_LAMBDA { acc[i] = Vec<Real>{}; });
    for (std::int64_t at = 0; at + streams * W <= count; at += streams * W) {
        unroll<streams>([&](auto i) ELMAN_LAMBDA { acc[i] += load(from + at + i * W); });
    }
    Vec<Real> sum{};
    unroll<streams>([&](auto i) ELMAN_LAMBDA { sum += acc[i]; });
    return sum[0];
}

template <class Real>
constexpr Parts<Real> parts = {pack<Real>, forward<Real>, backward<Real>, step<Real>, multiply_adds<Real>, read<Real>};

#define ELMAN_TEXT(name) #name
#define ELMAN_NAME(name) ELMAN_TEXT(name)

}  // namespace

template <class Real>
const Kernels<Real> &table() {
    static const Kernels<Real> kernels = {ELMAN_NAME(ELMAN_ISA), Lanes<Real>::count, &parts<Real>};
    return kernels;
}

template const Kernels<float> &table<float>();
template const Kernels<double> &table<double>();

}  // namespace elman::ELMAN_ISA
