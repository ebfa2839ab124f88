// Python's view of kernels.h, and nothing else: no mathematics here. Buffers come as addresses (0 is null) and
// sizes that engines/operators.py has checked; only the lengths, which it would have to read, are checked here.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <memory>
#include <stdexcept>

#include "kernels.h"

namespace nb = nanobind;

namespace {

using Address = std::uintptr_t;

template <class Real>
Real *at(Address address) {
    return reinterpret_cast<Real *>(address);
}

template <class Real>
const elman::Kernels<Real> &named(const std::string &name) {
    const elman::Kernels<Real> *found = elman::kernels<Real>(name);
    if (!found) throw std::invalid_argument("no kernels '" + name + "' here; there are: auto " + elman::kernel_names());
    return *found;
}

// One direction of one layer: what forward and backward have in common.
struct Call {
    int cell;
    std::int64_t T, B, D, H;
    Address lengths;
    bool reverse;
    Address x;
    std::int64_t x_t, x_b;
    Address h0, c0, w_ih, w_hh, b_ih, b_hh, y, gates, cells;
    std::int64_t kept;  // rows that gates and cells have
    int threads;

    template <class Real>
    elman::Sequence<Real> as() const {
        // Without rows there are no steps, however many the caller counts: what is as long as T would be the only memory.
        return {static_cast<elman::Cell>(cell), B ? T : 0, B, D, H, at<const std::int64_t>(lengths), reverse,
                at<const Real>(x), x_t, x_b, at<const Real>(h0), at<const Real>(c0), at<const Real>(w_ih),
                at<const Real>(w_hh), at<const Real>(b_ih), at<const Real>(b_hh), at<Real>(y), at<Real>(gates),
                at<Real>(cells), threads};
    }
};

// The lengths may have been written to since gates and cells were made for them.
void check_lengths(const Call &call) {
    const std::int64_t *lengths = at<const std::int64_t>(call.lengths);
    std::int64_t steps = lengths ? 0 : call.T * call.B;
    for (std::int64_t b = 0; lengths && b < call.B; ++b) {
        if (lengths[b] < 0 || lengths[b] > call.T) {
            throw std::invalid_argument("lengths: expected values from 0 to T=" + std::to_string(call.T) + ", got " +
                                        std::to_string(lengths[b]));
        }
        steps += lengths[b];
    }
    if ((call.gates || call.cells) && steps != call.kept) {
        throw std::invalid_argument("lengths: expected the " + std::to_string(call.kept) +
                                    " steps of the forward pass, got " + std::to_string(steps) +
                                    "; leave lengths as they are until the backward pass is done");
    }
}

template <class Real>
void forward(const std::string &kernels, const Call &call, Address hn, Address cn) {
    const elman::Kernels<Real> &chosen = named<Real>(kernels);
    check_lengths(call);
    const nb::gil_scoped_release release;
    elman::forward(chosen, call.as<Real>(), elman::Final<Real>{at<Real>(hn), at<Real>(cn)});
}

struct Back {
    Address dy;
    std::int64_t dy_t, dy_b;
    Address dh, dc, dx, dh0, dc0, dw_ih, dw_hh, db_ih, db_hh;
};

template <class Real>
void backward(const std::string &kernels, const Call &call, const Back &b) {
    const elman::Kernels<Real> &chosen = named<Real>(kernels);
    check_lengths(call);
    const nb::gil_scoped_release release;
    elman::backward(chosen, call.as<Real>(),
                    elman::Gradients<Real>{at<const Real>(b.dy), b.dy_t, b.dy_b, at<const Real>(b.dh),
                                           at<const Real>(b.dc), at<Real>(b.dx), at<Real>(b.dh0), at<Real>(b.dc0),
                                           at<Real>(b.dw_ih), at<Real>(b.dw_hh), at<Real>(b.db_ih), at<Real>(b.db_hh)});
}

template <class Real>
class Frame {
public:
    Frame(const std::string &kernels, const Call &call) : frame_(named<Real>(kernels), call.as<Real>()) {}
    void step(Address x, Address h, Address c, Address out) {
        frame_.step(at<const Real>(x), at<Real>(h), at<Real>(c), at<Real>(out));
    }

private:
    elman::Frame<Real> frame_;
};

template <class Real>
void bind_frame(nb::module_ &m, const char *name) {
    nb::class_<Frame<Real>>(m, name)
        .def(nb::init<const std::string &, const Call &>(), nb::arg("kernels"), nb::arg("call"),
             "Pack the weights that the call names into a copy of its own.")
        .def("step", &Frame<Real>::step, "Addresses of x (B, D), of h and, LSTM only, c (B, H), both overwritten, and of a copy of h or 0.");
}

template <class Number>
void bind_scan(nb::module_ &m, const std::string &type) {
    m.def(("scan_" + type).c_str(), [](std::int64_t T, std::int64_t N, Address a, Address b, Address start, Address h, int threads) {
        elman::scan_forward<Number>(T, N, at<const Number>(a), at<const Number>(b), at<const Number>(start), at<Number>(h), threads);
    });
    m.def(("scan_backward_" + type).c_str(), [](std::int64_t T, std::int64_t N, Address a, Address start, Address h, Address g,
                                                Address da, Address db, Address dstart, int threads) {
        elman::scan_backward<Number>(T, N, at<const Number>(a), at<const Number>(start), at<const Number>(h), at<const Number>(g),
                                   at<Number>(da), at<Number>(db), at<Number>(dstart), threads);
    });
}

}  // namespace

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

    m.def("kernel_names", &elman::kernel_names, "Kernels that can run here, the fastest first, space between.");
    m.def("row_width", [](const std::string &name, bool wide, std::int64_t H) {
        return wide ? elman::row_width(named<double>(name), H) : elman::row_width(named<float>(name), H);
    });

    m.def("arithmetic_rate", [](const std::string &name, int threads) {
        return elman::arithmetic_rate(named<float>(name), threads);
    });
    m.def("read_rate", [](const std::string &name, int threads, std::int64_t bytes) {
        return elman::read_rate(named<float>(name), threads, bytes);
    });

    nb::class_<Call>(m, "Call").def(
        "__init__",
        [](Call *self, int cell, std::int64_t T, std::int64_t B, std::int64_t D, std::int64_t H, Address lengths,
           bool reverse, Address x, std::int64_t x_t, std::int64_t x_b, Address h0, Address c0, Address w_ih,
           Address w_hh, Address b_ih, Address b_hh, Address y, Address gates, Address cells, std::int64_t kept,
           int threads) {
            new (self) Call{cell, T,    B,    D,    H,    lengths, reverse, x,     x_t,   x_b,  h0,
                            c0,   w_ih, w_hh, b_ih, b_hh, y,       gates,   cells, kept,  threads};
        });
    nb::class_<Back>(m, "Back").def(
        "__init__", [](Back *self, Address dy, std::int64_t dy_t, std::int64_t dy_b, Address dh, Address dc, Address dx,
                       Address dh0, Address dc0, Address dw_ih, Address dw_hh, Address db_ih, Address db_hh) {
            new (self) Back{dy, dy_t, dy_b, dh, dc, dx, dh0, dc0, dw_ih, dw_hh, db_ih, db_hh};
        });
    m.def("forward_float", &forward<float>);
    m.def("forward_double", &forward<double>);
    m.def("backward_float", &backward<float>);
    m.def("backward_double", &backward<double>);
    bind_scan<float>(m, "float");
    bind_scan<double>(m, "double");
    bind_scan<elman::Pair<float>>(m, "pair_float");
    bind_scan<elman::Pair<double>>(m, "pair_double");
    bind_frame<float>(m, "FrameFloat");
    bind_frame<double>(m, "FrameDouble");
}
