// The contract of elman's native core: what each function reads, writes and owns.
//
// Nothing here knows Python or torch; bind.cpp does the translation. All numbers stand in row-major order;
// T steps, B rows, D inputs, H units, G gate blocks of H rows in the weights. A buffer is owned by the caller,
// is not kept after the call, and shares no memory with another buffer of the same call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace elman {

// How this library was built, and what the processor it runs on can do.
// Lists of instruction sets are words separated by one space, in the order
// "sse2 avx fma avx2 avx512f neon"; a list may be empty.
struct CpuInfo {
    std::string compiler;  // name and version
    std::string compiled;  // sets that every function of this build may use: the floor
    std::string detected;  // sets that this processor has and this operating system saves
};

// Asks the processor on every call; takes well under a microsecond natively, some in a virtual machine.
CpuInfo cpu_info();

// The cells, with torch's equations and gate orders: LSTM i f g o; GRU r z n, reset after the product.
enum class Cell : int { tanh, relu, sigmoid, lstm, gru };

// Blocks of H numbers that a step of one row computes: a GRU's recurrent candidate stands beside its gates.
constexpr int gate_count(Cell cell) { return cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1; }
constexpr int block_count(Cell cell) { return cell == Cell::lstm || cell == Cell::gru ? 4 : 1; }

// One direction of one layer over whole sequences. Pointers marked "or null" may be null.
template <class Real>
struct Sequence {
    Cell cell;
    std::int64_t T, B, D, H;
    const std::int64_t *lengths;  // (B,) from 0 to T, any order; or null: all T
    bool reverse;                 // every row is read backwards within its own length
    const Real *x;                // (T, B, D); a row of D numbers is contiguous
    std::int64_t x_t, x_b;        // x's strides, in numbers
    const Real *h0, *c0;          // (B, H); c0 with LSTM only
    const Real *w_ih, *w_hh;      // (G*H, D), (G*H, H)
    const Real *b_ih, *b_hh;      // (G*H,), or both null
    Real *y;                      // (T, B, H): written by forward, zero behind a row's end; read by backward
    Real *gates;                  // block_count * H' numbers a real step, see row_width; or null: not kept
    Real *cells;                  // LSTM: H' numbers a real step; or null: not kept
    int threads;                  // at most this many
};

// What forward gives beyond y: every row's state after its own last step; of an empty row, its initial state.
template <class Real>
struct Final {
    Real *h, *c;  // (B, H); c with LSTM only
};

// What backward reads and writes. Any output may be null: then it is not computed.
template <class Real>
struct Gradients {
    const Real *dy;          // (T, B, H), a row of H numbers contiguous; or null: zeros
    std::int64_t dy_t, dy_b; // its strides, in numbers
    const Real *dh, *dc;     // (B, H), of the final state; or null: zeros
    Real *dx;                // (T, B, D) contiguous, zero behind a row's end
    Real *dh0, *dc0;         // (B, H)
    Real *dw_ih, *dw_hh;     // as the weights
    Real *db_ih, *db_hh;     // as the biases
};

struct Order;
template <class Real>
struct Packed;
template <class Real>
struct Sums;

// The functions that every instruction set brings, for one thread's share of the rows. They allocate nothing
// but arena memory. See run.h.
template <class Real>
struct Parts {
    void (*pack)(const Sequence<Real> &, bool backward, int part, int parts, Packed<Real> &);
    void (*forward)(const Sequence<Real> &, const Final<Real> &, const Packed<Real> &, const Order &, int share);
    void (*backward)(const Sequence<Real> &, const Gradients<Real> &, const Packed<Real> &, const Order &, int share,
                     Sums<Real> &);
    void (*step)(Cell, std::int64_t B, std::int64_t D, std::int64_t H, const Packed<Real> &, const Real *x, Real *h,
                 Real *c, Real *blocks);
    // Multiply-adds in registers, `rounds` times; gives back how many arithmetic operations that were.
    double (*multiply_adds)(std::int64_t rounds);
    // Reads `count` numbers and gives back their sum.
    Real (*read)(const Real *from, std::int64_t count);
};

// One way to compute: an instruction set, or "reference": plain loops that say what the others must give.
template <class Real>
struct Kernels {
    const char *name;
    int lanes;                // numbers that one vector register holds; 1 for reference
    const Parts<Real> *parts; // null for reference
};

// H', the room that H numbers take in buffers of these kernels.
template <class Real>
std::int64_t row_width(const Kernels<Real> &kernels, std::int64_t H) {
    const std::int64_t unit = kernels.lanes == 1 ? 1 : kernels.lanes < 4 ? 4 : kernels.lanes;
    return (H + unit - 1) / unit * unit;
}

// The kernels of that name; null where this build or this processor has none. "auto" is the fastest there is.
template <class Real>
const Kernels<Real> *kernels(const std::string &name);

// Names that kernels() knows here, separated by one space: the fastest first, at the end those that only tests use.
std::string kernel_names();

template <class Real>
void forward(const Kernels<Real> &, const Sequence<Real> &, const Final<Real> &);

// y must hold what forward wrote, and cells too. With gates null they are computed again, some steps at a time.
template <class Real>
void backward(const Kernels<Real> &, const Sequence<Real> &, const Gradients<Real> &);

// One step at a time of B rows, on weights packed once into memory of its own; a step allocates nothing.
template <class Real>
class Frame {
public:
    // Only cell, B, D, H, the weights and the biases of the sequence are read, and only here.
    Frame(const Kernels<Real> &, const Sequence<Real> &);
    ~Frame();
    Frame(const Frame &) = delete;
    Frame &operator=(const Frame &) = delete;
    // x (B, D) in; h and c (B, H; c with LSTM only) in and, overwritten with the next state, out. The output is h,
    // which is also copied to out, at the end; out may be x or null.
    void step(const Real *x, Real *h, Real *c, Real *out);

private:
    struct Inside;
    std::unique_ptr<Inside> inside_;
};

// A complex number.
template <class Real>
struct Pair {
    Real re, im;
};

// h_t = a_t h_{t-1} + b_t for t = 0 ... T - 1, from h_{-1} = start; a, b, h (T, N) and start (N) contiguous, T at least 1.
// Number is Real or Pair<Real>.
template <class Number>
void scan_forward(std::int64_t T, std::int64_t N, const Number *a, const Number *b, const Number *start, Number *h, int threads);

// Of that, from the gradient g of h: db_t = g_t + a_{t+1}' db_{t+1}, da_t = db_t h_{t-1}', dstart = a_0' db_0, with ' for
// the conjugate; shapes as above.
template <class Number>
void scan_backward(std::int64_t T, std::int64_t N, const Number *a, const Number *start, const Number *h, const Number *g, Number *da,
                   Number *db, Number *dstart, int threads);

// What the processor does at the most, in float, on that many threads at once: 10^9 multiplications and additions a
// second in registers; 10^9 bytes a second read from memory of that many bytes a thread. 0 for reference.
double arithmetic_rate(const Kernels<float> &, int threads);
double read_rate(const Kernels<float> &, int threads, std::int64_t bytes);

// Run task(data, 0), ..., task(data, count - 1), each once, on up to count threads, and wait for all.
// On torch's own OpenMP pool where the process has one, so that two pools never compete for the cores;
// on fresh threads otherwise and in a forked child, whose pool did not survive. Callable from any thread.
void parallel(int count, void (*task)(void *data, int index), void *data);

// Memory of the calling thread, aligned to 64 bytes, at least of that size and never zeroed. It grows and is
// used again by the next call on this thread with the same slot. Throws std::bad_alloc.
void *arena(int slot, std::size_t bytes);

}  // namespace elman
