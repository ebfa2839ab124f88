// Python's view of kernels.h, and nothing else: no mathematics here.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "kernels.h"

namespace nb = nanobind;

NB_MODULE(_native, m) {
    m.doc() = "elman's native core. Use it through elman.native_info and the native engine.";

    m.def(
        "cpu_info",
        [] {
            const elman::CpuInfo info = elman::cpu_info();
            nb::dict d;
            d["compiler"] = info.compiler;
            d["compiled"] = info.compiled;
            d["detected"] = info.detected;
            return d;
        },
        nb::sig("def cpu_info() -> dict[str, str]"),
        "Compiler of this build, instruction sets compiled in everywhere, and those detected now.");
}
