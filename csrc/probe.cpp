// What the processor does at the most: the ceilings that measured times are held against.
#include "share.h"

#include <algorithm>
#include <chrono>

namespace elman {
namespace {

double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The best of a few rounds of work(share), which gives what each share did, all shares at once.
template <class Work>
double best_rate(int threads, Work work) {
    double best = 0;
    for (int round = 0; round < 25; ++round) {
        double done[64] = {};
        const double begin = seconds();
        parallel_for(threads, [&](int share) { done[share] = work(share); });
        double all = 0;
        for (double one : done) all += one;
        best = std::max(best, all / (seconds() - begin) / 1e9);
    }
    return best;
}

int at_most(int threads) { return std::max(1, std::min(threads, 64)); }

}  // namespace

double arithmetic_rate(const Kernels<float> &kernels, int threads) {
    if (!kernels.parts) return 0;
    return best_rate(at_most(threads), [&](int) { return kernels.parts->multiply_adds(1000000); });
}

double read_rate(const Kernels<float> &kernels, int threads, std::int64_t bytes) {
    if (!kernels.parts) return 0;
    const std::int64_t count = std::max<std::int64_t>(bytes / 4, 1024), times = 1 + (16 << 20) / (4 * count);
    float sums[64];
    return best_rate(at_most(threads), [&](int share) {
        float *own = static_cast<float *>(arena(1, count * sizeof(float)));
        std::fill(own, own + count, 1.0f);
        for (std::int64_t i = 0; i < times; ++i) sums[share] = kernels.parts->read(own, count);
        return static_cast<double>(times * count) * 4;
    });
}

}  // namespace elman
