// Vectors of Real, as wide as ELMAN_BYTES, in namespace ELMAN_ISA: this header is compiled once for every
// instruction set. It uses no templates of the standard library: the linker would keep one copy of those for all
// instruction sets, perhaps the one that this processor cannot run.
#pragma once

#include <cstdint>
#include <cstring>

#if !defined(__GNUC__)
#error "elman's kernels need GCC or Clang (on Windows: clang-cl)"
#endif

#define ELMAN_INLINE inline __attribute__((always_inline))
#define ELMAN_LAMBDA __attribute__((always_inline))

namespace elman::ELMAN_ISA {

template <class Real>
struct Lanes;

template <>
struct Lanes<float> {
    using Bits = std::int32_t;
    typedef float Vec __attribute__((vector_size(ELMAN_BYTES)));
    typedef std::int32_t Ints __attribute__((vector_size(ELMAN_BYTES)));
    static constexpr int count = ELMAN_BYTES / 4;
};

template <>
struct Lanes<double> {
    using Bits = std::int64_t;
    typedef double Vec __attribute__((vector_size(ELMAN_BYTES)));
    typedef std::int64_t Ints __attribute__((vector_size(ELMAN_BYTES)));
    static constexpr int count = ELMAN_BYTES / 8;
};

template <class Real>
using Vec = typename Lanes<Real>::Vec;

template <class Real>
ELMAN_INLINE Vec<Real> splat(Real value) {
    return value - Vec<Real>{};
}

template <class Real>
ELMAN_INLINE Vec<Real> load(const Real *from) {
    Vec<Real> v;
    std::memcpy(&v, from, sizeof v);
    return v;
}

template <class Real>
ELMAN_INLINE void store(Real *to, Vec<Real> v) {
    std::memcpy(to, &v, sizeof v);
}

// Has a value stay in a register. Compilers put a load that several instructions share into each of them as an operand
// in memory, which is three loads for one where loads are what bounds.
template <class Real>
ELMAN_INLINE void pin(Vec<Real> &v) {
#if ELMAN_BYTES == 64 && defined(__AVX512F__)
    __asm__("" : "+v"(v));
#elif ELMAN_BYTES <= 32 && defined(__SSE2__)
    __asm__("" : "+x"(v));
#elif ELMAN_BYTES == 16 && defined(__aarch64__)
    __asm__("" : "+w"(v));
#else
    (void)v;
#endif
}

// The first `count` numbers, zeros behind them; reads no further.
template <class Real>
ELMAN_INLINE Vec<Real> load_part(const Real *from, std::int64_t count) {
    Real wide[Lanes<Real>::count] = {};
    for (std::int64_t i = 0; i < count; ++i) wide[i] = from[i];
    return load(wide);
}

template <class Real>
ELMAN_INLINE void store_part(Real *to, Vec<Real> v, std::int64_t count) {
    Real wide[Lanes<Real>::count];
    store(wide, v);
    for (std::int64_t i = 0; i < count; ++i) to[i] = wide[i];
}

// Where a loop over a row of H numbers stands: whole vectors, and at the end perhaps a part of one.
struct Whole {
    template <class Real>
    static ELMAN_INLINE Vec<Real> get(const Real *from) {
        return load(from);
    }
    template <class Real>
    static ELMAN_INLINE void put(Real *to, Vec<Real> v) {
        store(to, v);
    }
};

struct Part {
    std::int64_t count;
    template <class Real>
    ELMAN_INLINE Vec<Real> get(const Real *from) const {
        return load_part(from, count);
    }
    template <class Real>
    ELMAN_INLINE void put(Real *to, Vec<Real> v) const {
        store_part(to, v, count);
    }
};

// body(j, Whole or Part) for j = 0, lanes, ... < size.
template <class Real, class Body>
ELMAN_INLINE void each_vector(std::int64_t size, Body body) {
    constexpr int W = Lanes<Real>::count;
    std::int64_t j = 0;
    for (; j + W <= size; j += W) body(j, Whole{});
    if (j < size) body(j, Part{size - j});
}

// f(0), f(1), ..., f(N-1) with indices known to the compiler. GCC keeps an array of accumulators in registers
// only when every index is a constant early on; a loop, even a pragma-unrolled one, is too late.
template <int I>
struct Index {
    static constexpr int value = I;
    constexpr operator int() const { return I; }
};

template <int N, int I = 0, class Body>
ELMAN_INLINE void unroll(Body &&body) {
    if constexpr (I < N) {
        body(Index<I>{});
        unroll<N, I + 1>(body);
    }
}

}  // namespace elman::ELMAN_ISA
