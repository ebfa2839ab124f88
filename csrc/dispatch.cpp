// Which kernels this build and this processor have, by name.
#include "kernels.h"

#include <string>

// Written by CMake: ELMAN_KERNELS(K) is K(isa, needed) for every instruction set that isa.cpp was compiled for, the
// fastest first; `needed` are words of cpu_info().detected.
#include "kernel_list.h"

namespace elman {

#define ELMAN_DECLARE(isa, needed)                          \
    namespace isa {                                         \
    template <class Real>                                   \
    const Kernels<Real> &table();                           \
    extern template const Kernels<float> &table<float>();   \
    extern template const Kernels<double> &table<double>(); \
    }
ELMAN_KERNELS(ELMAN_DECLARE)

namespace {

template <class Real>
struct Entry {
    const char *name, *needed;
    const Kernels<Real> &(*table)();
};

template <class Real>
constexpr Entry<Real> entries[] = {
#define ELMAN_ENTRY(isa, needed) {#isa, needed, &isa::table<Real>},
    ELMAN_KERNELS(ELMAN_ENTRY)};

bool has_all(const std::string &detected, const std::string &needed) {
    const std::string have = " " + detected + " ";
    for (std::size_t at = 0; at < needed.size();) {
        std::size_t end = needed.find(' ', at);
        if (end == std::string::npos) end = needed.size();
        if (have.find(" " + needed.substr(at, end - at) + " ") == std::string::npos) return false;
        at = end + 1;
    }
    return true;
}

const std::string &detected() {
    static const std::string list = cpu_info().detected;
    return list;
}

}  // namespace

template <class Real>
const Kernels<Real> *kernels(const std::string &name) {
    static const Kernels<Real> reference = {"reference", 1, nullptr};
    for (const Entry<Real> &entry : entries<Real>) {
        if ((name == "auto" || name == entry.name) && has_all(detected(), entry.needed)) return &entry.table();
    }
    return name == "auto" || name == "reference" ? &reference : nullptr;
}

std::string kernel_names() {
    std::string names;
    for (const Entry<float> &entry : entries<float>) {
        if (has_all(detected(), entry.needed)) names += std::string(entry.name) + " ";
    }
    return names + "reference";
}

template const Kernels<float> *kernels<float>(const std::string &);
template const Kernels<double> *kernels<double>(const std::string &);

}  // namespace elman
