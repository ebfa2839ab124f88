// Recurrences that are linear in their state: see scan_forward and scan_backward in kernels.h.
#include "share.h"

#include <algorithm>

namespace elman {
namespace {

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

template <class Real>
void scan_forward(std::int64_t T, std::int64_t N, const Real *a, const Real *b, const Real *start, Real *h, int threads) {
    strips(N, threads, [&](std::int64_t first, std::int64_t last) {
        const Real *before = start;
        for (std::int64_t t = 0; t < T; ++t) {
            const Real *at = a + t * N, *bt = b + t * N;
            Real *ht = h + t * N;
            for (std::int64_t n = first; n < last; ++n) ht[n] = at[n] * before[n] + bt[n];
            before = ht;
        }
    });
}

template <class Real>
void scan_backward(std::int64_t T, std::int64_t N, const Real *a, const Real *start, const Real *h, const Real *g, Real *da,
                   Real *db, Real *dstart, int threads) {
    strips(N, threads, [&](std::int64_t first, std::int64_t last) {
        for (std::int64_t t = T - 1; t >= 0; --t) {
            const Real *before = t ? h + (t - 1) * N : start;
            const Real *following = t + 1 < T ? a + (t + 1) * N : nullptr;
            const Real *gt = g + t * N, *behind = db + (t + 1) * N;
            Real *dt = db + t * N, *at = da + t * N;
            for (std::int64_t n = first; n < last; ++n) {
                const Real d = following ? gt[n] + following[n] * behind[n] : gt[n];
                dt[n] = d;
                at[n] = d * before[n];
            }
        }
        for (std::int64_t n = first; n < last; ++n) dstart[n] = a[n] * db[n];
    });
}

template void scan_forward(std::int64_t, std::int64_t, const float *, const float *, const float *, float *, int);
template void scan_forward(std::int64_t, std::int64_t, const double *, const double *, const double *, double *, int);
template void scan_backward(std::int64_t, std::int64_t, const float *, const float *, const float *, const float *, float *,
                            float *, float *, int);
template void scan_backward(std::int64_t, std::int64_t, const double *, const double *, const double *, const double *,
                            double *, double *, double *, int);

}  // namespace elman
