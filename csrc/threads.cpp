// Threads and per-thread memory of the native core.
#include "kernels.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <thread>
#include <vector>

#if defined(_WIN32)
#include <malloc.h>
#else
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#endif
#if defined(ELMAN_POISON)
#include <sanitizer/asan_interface.h>
#endif

namespace elman {
namespace {

// Denormals are zeros while a task runs: arithmetic on them is a hundred times slower, and a state that fades
// away is full of them.
class FlushDenormals {
public:
#if defined(__x86_64__) || defined(_M_X64)
    FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
    ~FlushDenormals() { _mm_setcsr(before_); }

private:
    unsigned before_;
#elif defined(__aarch64__)
    FlushDenormals() {
        __asm__ volatile("mrs %0, fpcr" : "=r"(before_));
        __asm__ volatile("msr fpcr, %0" : : "r"(before_ | (std::uint64_t(1) << 24)));
    }
    ~FlushDenormals() { __asm__ volatile("msr fpcr, %0" : : "r"(before_)); }

private:
    std::uint64_t before_;
#endif
};

// The tasks of one call. Every thread that comes takes the next one that nobody has, so it does not matter how
// many come: in a nested or an oversubscribed pool it may be the caller alone.
struct Work {
    void (*task)(void *, int);
    void *data;
    int count;
    std::atomic<int> next{0};
    std::atomic<bool> failed{false};

    void run() {
        const FlushDenormals flush;
        for (int i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
            try {
                task(data, i);
            } catch (...) {
                failed = true;  // memory is all that a task can lack
            }
        }
    }
};

#if !defined(_WIN32)

using Region = void (*)(void (*)(void *), void *, unsigned threads, unsigned flags);

std::atomic<bool> forked{false};

// Registered when the library is loaded, since torch may have made its pool before this one was ever asked for. A
// child that loads it only after the fork cannot know, and waits for its parent's pool for ever, as torch does there.
const int watching = pthread_atfork(nullptr, nullptr, [] { forked = true; });

Region find_pool() {
    return watching == 0 ? reinterpret_cast<Region>(dlsym(RTLD_DEFAULT, "GOMP_parallel")) : nullptr;
}

bool on_pool(Work &work) {
    static const Region region = find_pool();
    if (!region || forked) return false;
    region([](void *data) { static_cast<Work *>(data)->run(); }, &work, static_cast<unsigned>(work.count), 0);
    return true;
}

#else

bool on_pool(Work &) { return false; }

#endif

void on_fresh_threads(Work &work) {
    std::vector<std::thread> others;
    others.reserve(work.count - 1);
    try {
        for (int i = 1; i < work.count; ++i) others.emplace_back([&work] { work.run(); });
    } catch (const std::exception &) {
        // The system gives no more threads: those there are do all of it.
    }
    work.run();
    for (std::thread &other : others) other.join();
}

struct Slot {
    void *at = nullptr;
    std::size_t size = 0;

    ~Slot() { release(); }

    void release() {
#if defined(_WIN32)
        _aligned_free(at);
#else
        free(at);
#endif
        at = nullptr;
        size = 0;
    }

    void grow(std::size_t bytes) {
        release();
#if defined(_WIN32)
        at = _aligned_malloc(bytes, 64);
#else
        if (posix_memalign(&at, 64, bytes) != 0) at = nullptr;
#endif
        if (!at) throw std::bad_alloc();
        size = bytes;
#if defined(ELMAN_POISON)
        __builtin_memset(at, 0xff, bytes);
#endif
    }
};

}  // namespace

void parallel(int count, void (*task)(void *data, int index), void *data) {
    Work work{task, data, count};
    if (count <= 1) {
        work.run();
    } else if (!on_pool(work)) {
        on_fresh_threads(work);
    }
    if (work.failed) throw std::bad_alloc();
}

void *arena(int slot, std::size_t bytes) {
    thread_local Slot slots[2];
    Slot &mine = slots[slot];
    if (mine.size < bytes || !mine.at) mine.grow((bytes + 4095) / 4096 * 4096 + 4096);
#if defined(ELMAN_POISON)
    __asan_unpoison_memory_region(mine.at, mine.size);  // the gaps of its last use, see Carve
#endif
    return mine.at;
}

}  // namespace elman
