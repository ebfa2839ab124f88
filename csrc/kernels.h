// The contract of elman's native core: what each function reads, writes and owns.
//
// Nothing here knows Python or torch; bind.cpp does the translation. Buffers, when they come, are
// described by shape, alias and owner at their declaration.
#pragma once

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

}  // namespace elman
