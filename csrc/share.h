// How one run is divided: which rows each thread takes, in what order, and the buffers they have in common.
#pragma once

#include "kernels.h"

#if defined(ELMAN_POISON)
#include <sanitizer/asan_interface.h>
#endif

namespace elman {

// Rows sorted by length, the longest first, and dealt out; so the rows that still run at a step are the first
// ones of every share, and what a share costs follows its real steps. A step t of the row at place j has the
// number offset[t] + j, whatever the threads.
struct Order {
    int shares;
    std::int64_t tokens;         // real steps of all rows
    const std::int64_t *offset;  // (T,)
    const std::int64_t *begin;   // (shares + 1,): share s owns entries begin[s] .. begin[s+1] of what follows
    const std::int64_t *row, *place, *length;
};

// Weights as the products read them, see gemm.h, with zeros where H' or a panel is wider than the weights.
template <class Real>
struct Packed {
    Real *ih, *hh;            // B[d][block], B[h][block]
    Real *back_ih, *back_hh;  // B[block][d], B[block][h]; for backward only
    Real *bias;               // block_count * H'
    Real *zeros;              // as long as any row
};

// One share's sums over time, H' rows a block; the caller adds the shares up.
template <class Real>
struct Sums {
    Real *ih, *hh;  // (G * H', lane multiple of D), (G * H', H')
    Real *bias;     // (block_count * H')
};

constexpr std::int64_t kFrameRows = 4;  // rows that a step of one frame works on at once

// Plain loops that say what every instruction set's kernels must give; gates and cells are H wide.
template <class Real>
void reference_forward(const Sequence<Real> &, const Final<Real> &);
template <class Real>
void reference_backward(const Sequence<Real> &, const Gradients<Real> &);

// A callable as the function and pointer that parallel() takes.
template <class Body>
void parallel_for(int count, Body body) {
    parallel(count, [](void *data, int index) { (*static_cast<Body *>(data))(index); }, &body);
}

// Hands out pieces of one arena, each aligned to 64 bytes. With base null it only adds up what is needed. For the
// address sanitizer, to which an arena is one block, a gap that nobody may touch stands behind every piece.
struct Carve {
    char *base;
    std::size_t used = 0;
    // Always inline: kernels of several instruction sets use it, and the linker would keep one copy for all.
    template <class Item>
    __attribute__((always_inline)) Item *take(std::int64_t count) {
        Item *at = base ? reinterpret_cast<Item *>(base + used) : nullptr;
        const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(Item);
        std::size_t room = (bytes + 63) / 64 * 64;
#if defined(ELMAN_POISON)
        room += 64;
        if (at) __asan_poison_memory_region(base + used + bytes, room - bytes);
#endif
        used += room;
        return at;
    }
};

}  // namespace elman
