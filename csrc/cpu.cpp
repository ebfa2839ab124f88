// Which instruction sets there are. cpuid is asked directly: __builtin_cpu_supports needs a symbol of the
// compiler's run-time library that not every compiler ships.
#include "kernels.h"

#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#define ELMAN_X86 1
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace elman {
namespace {

void add(std::string &list, bool present, const char *name) {
    if (!present) return;
    if (!list.empty()) list += ' ';
    list += name;
}

std::string compiler_name() {
#if defined(__clang__)
    return std::string("clang ") + __clang_version__;
#elif defined(__GNUC__)
    return std::string("gcc ") + __VERSION__;
#elif defined(_MSC_VER)
    return "msvc " + std::to_string(_MSC_VER);
#else
    return "unknown";
#endif
}

std::string compiled_sets() {
    std::string list;
#if defined(ELMAN_X86)
    add(list, true, "sse2");  // part of x86-64 itself
#endif
#if defined(__AVX__)
    add(list, true, "avx");
#endif
#if defined(__FMA__) || (defined(_MSC_VER) && defined(__AVX2__))
    add(list, true, "fma");
#endif
#if defined(__AVX2__)
    add(list, true, "avx2");
#endif
#if defined(__AVX512F__)
    add(list, true, "avx512f");
#endif
#if defined(__ARM_NEON) || defined(_M_ARM64)
    add(list, true, "neon");
#endif
    return list;
}

#if defined(ELMAN_X86)

struct Registers {
    std::uint32_t a, b, c, d;
};

Registers cpuid(std::uint32_t leaf) {
#if defined(_MSC_VER)
    int r[4];
    __cpuidex(r, static_cast<int>(leaf), 0);
    return {static_cast<std::uint32_t>(r[0]), static_cast<std::uint32_t>(r[1]),
            static_cast<std::uint32_t>(r[2]), static_cast<std::uint32_t>(r[3])};
#else
    Registers r{};
    __cpuid_count(leaf, 0, r.a, r.b, r.c, r.d);
    return r;
#endif
}

// The register sets that the operating system saves when it switches tasks; needs OSXSAVE.
std::uint64_t saved_registers() {
#if defined(_MSC_VER)
    return _xgetbv(0);
#else
    std::uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (static_cast<std::uint64_t>(high) << 32) | low;
#endif
}

std::string detected_sets() {
    const auto bit = [](std::uint64_t word, int n) { return (word >> n & 1) != 0; };
    const Registers one = cpuid(1);
    const Registers seven = cpuid(0).a >= 7 ? cpuid(7) : Registers{};
    const std::uint64_t saved = bit(one.c, 27) ? saved_registers() : 0;
    const bool ymm = (saved & 0x06) == 0x06;  // xmm and ymm
    const bool zmm = (saved & 0xe6) == 0xe6;  // and masks, and both halves of zmm
    std::string list;
    add(list, true, "sse2");
    add(list, ymm && bit(one.c, 28), "avx");
    add(list, ymm && bit(one.c, 12), "fma");
    add(list, ymm && bit(seven.b, 5), "avx2");
    add(list, zmm && bit(seven.b, 16), "avx512f");
    return list;
}

#else

std::string detected_sets() { return compiled_sets(); }  // NEON is part of AArch64 itself

#endif

}  // namespace

CpuInfo cpu_info() { return {compiler_name(), compiled_sets(), detected_sets()}; }

}  // namespace elman
