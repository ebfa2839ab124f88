// Recurrences that are linear in their state: see scan_forward and scan_backward in kernels.h.
#include "share.h"

#include <algorithm>

namespace elman {
namespace {

template <class Real>
Real conjugate(Real a) {
    return a;
}

template <class Real>
Pair<Real> conjugate(Pair<Real> a) {
    return {a.re, -a.im};
}

template <class Real>
Pair<Real> operator+(Pair<Real> a, Pair<Real> b) {
    return {a.re + b.re, a.im + b.im};
}

// Not std::complex, whose product looks for infinities that became NaN.
template <class Real>
Pair<Real> operator*(Pair<Real> a, Pair<Real> b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

// Numbers of a row that stay in the nearest cache from one step to the next.
constexpr std::int64_t kStrip = 1024;

// body(first, last) for strips of the N numbers of a row, dealt to threads.
template <class Body>
void strips(std::int64_t N, int threads, Body body) {
    const std::int64_t count = (N + kStrip - 1) / kStrip;
    const int shares = static_cast<int>(std::max<std::int64_t>(1, std::min<std::int64_t>(threads, count)));
    parallel_for(shares, [&](int share) {
        for (std::int64_t k = share; k < count; k += shares) body(k * kStrip, std::min(N, (k + 1) * kStrip));
    });
}

}  // namespace

template <class Number>
void scan_forward(std::int64_t T, std::int64_t N, const Number *a, const Number *b, const Number *start, Number *h, int threads) {
    strips(N, threads, [&](std::int64_t first, std::int64_t last) {
        const Number *before = start;
        for (std::int64_t t = 0; t < T; ++t) {
            const Number *at = a + t * N, *bt = b + t * N;
            Number *ht = h + t * N;
            for (std::int64_t n = first; n < last; ++n) ht[n] = at[n] * before[n] + bt[n];
            before = ht;
        }
    });
}

template <class Number>
void scan_backward(std::int64_t T, std::int64_t N, const Number *a, const Number *start, const Number *h, const Number *g, Number *da,
                   Number *db, Number *dstart, int threads) {
    strips(N, threads, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t t = T - 1; t >= 0; --t) {
            const Number *before = t ? h + (t - 1) * N : start;
            const Number *following = t + 1 < T ? a + (t + 1) * N : nullptr;
            const Number *gt = g + t * N, *behind = db + (t + 1) * N;
            Number *dt = db + t * N, *at = da + t * N;
            for (std::int64_t n = first; n < last; ++n) {
                const Number d = following ? gt[n] + conjugate(following[n]) * behind[n] : gt[n];
                dt[n] = d;
                at[n] = d * conjugate(before[n]);
            }
        }
        for (std::int64_t n = first; n < last; ++n) dstart[n] = conjugate(a[n]) * db[n];
    });
}

#define ELMAN_SCAN(Number)                                                                                            \
    template void scan_forward(std::int64_t, std::int64_t, const Number *, const Number *, const Number *, Number *, int); \
    template void scan_backward(std::int64_t, std::int64_t, const Number *, const Number *, const Number *, const Number *, \
                                Number *, Number *, Number *, int);
ELMAN_SCAN(float)
ELMAN_SCAN(double)
ELMAN_SCAN(Pair<float>)
ELMAN_SCAN(Pair<double>)
#undef ELMAN_SCAN

}  // namespace elman
