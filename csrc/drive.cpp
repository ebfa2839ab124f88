// Forward and backward for whole sequences: divides the rows, packs the weights, runs the shares, adds them up.
#include "share.h"

#include <algorithm>
#include <cstring>

namespace elman {
namespace {

constexpr double kWorkOfThread = 4e5;         // multiply-adds that make a second thread worth waking
constexpr std::int64_t kPackAlone = 1 << 15;  // weights that one thread packs sooner than two

// All that a run needs besides the caller's buffers, in one piece of the calling thread's arena.
template <class Real>
class Plan {
public:
    Plan(const Kernels<Real> &kernels, const Sequence<Real> &s, const Gradients<Real> *grad)
        : parts_(*kernels.parts), s_(s), lanes_(kernels.lanes), Hp_(row_width(kernels, s.H)) {
        const int most = static_cast<int>(std::max<std::int64_t>(1, std::min<std::int64_t>(s.threads, s.B)));
        for (Carve carve{nullptr};;) {
            lay_out(carve, most, grad);
            if (carve.base) break;
            carve = {static_cast<char *>(arena(0, carve.used))};
        }
        sort_rows();
        deal(most);
        std::memset(packed_.zeros, 0, wide() * sizeof(Real));
        pack(grad != nullptr);
    }

    void forward(const Final<Real> &end) {
        parallel_for(order_.shares, [&](int i) { parts_.forward(s_, end, packed_, order_, i); });
    }

    void backward(const Gradients<Real> &grad) {
        parallel_for(order_.shares, [&](int i) {
            if (sums_[i].ih) std::memset(sums_[i].ih, 0, rows() * lane_multiple(s_.D) * sizeof(Real));
            if (sums_[i].hh) std::memset(sums_[i].hh, 0, rows() * lane_multiple(s_.H) * sizeof(Real));
            if (sums_[i].bias) std::memset(sums_[i].bias, 0, width() * sizeof(Real));
            parts_.backward(s_, grad, packed_, order_, i, sums_[i]);
        });
        parallel_for(pieces(), [&](int i) { add_up(grad, i, pieces()); });
    }

private:
    std::int64_t lane_multiple(std::int64_t n) const { return (n + lanes_ - 1) / lanes_ * lanes_; }
    std::int64_t rows() const { return gate_count(s_.cell) * Hp_; }
    std::int64_t width() const { return block_count(s_.cell) * Hp_; }
    // How many threads' work a pass over all weights is.
    int pieces() const { return rows() * (s_.D + s_.H) > kPackAlone ? order_.shares : 1; }
    std::int64_t wide() const { return lane_multiple(std::max(s_.D, s_.H)); }

    void lay_out(Carve &carve, int most, const Gradients<Real> *grad) {
        counts_ = carve.take<std::int64_t>(s_.T + 2);
        offset_ = carve.take<std::int64_t>(s_.T + 1);
        sorted_ = carve.take<std::int64_t>(s_.B);
        begin_ = carve.take<std::int64_t>(most + 1);
        row_ = carve.take<std::int64_t>(s_.B);
        place_ = carve.take<std::int64_t>(s_.B);
        length_ = carve.take<std::int64_t>(s_.B);
        const bool ahead = !grad || (!s_.gates && block_count(s_.cell) > 1);
        packed_.ih = carve.take<Real>(ahead ? s_.D * rows() : 0);
        packed_.hh = carve.take<Real>(ahead ? s_.H * rows() : 0);
        packed_.bias = carve.take<Real>(width());
        packed_.zeros = carve.take<Real>(wide());
        packed_.back_ih = packed_.back_hh = nullptr;
        sums_ = carve.take<Sums<Real>>(grad ? most : 0);
        if (!grad) return;
        if (grad->dx) packed_.back_ih = carve.take<Real>(rows() * lane_multiple(s_.D));
        packed_.back_hh = carve.take<Real>(rows() * lane_multiple(s_.H));
        for (int i = 0; i < most; ++i) {
            Real *ih = grad->dw_ih ? carve.take<Real>(rows() * lane_multiple(s_.D)) : nullptr;
            Real *hh = grad->dw_hh ? carve.take<Real>(rows() * lane_multiple(s_.H)) : nullptr;
            Real *bias = grad->db_ih || grad->db_hh ? carve.take<Real>(width()) : nullptr;
            if (carve.base) sums_[i] = {ih, hh, bias};
        }
    }

    std::int64_t length(std::int64_t b) const { return s_.lengths ? s_.lengths[b] : s_.T; }

    // Count the rows of every length; so order and offsets take O(B + T).
    void sort_rows() {
        std::fill(counts_, counts_ + s_.T + 2, 0);
        for (std::int64_t b = 0; b < s_.B; ++b) ++counts_[length(b)];
        std::int64_t running = s_.B, before = 0;
        for (std::int64_t t = 0; t <= s_.T; ++t) {  // counts_[n]: rows of length n; then where the first of them goes
            offset_[t] = before;
            running -= counts_[t];
            counts_[t] = running;
            before += running;
        }
        order_.tokens = offset_[s_.T];
        for (std::int64_t b = 0; b < s_.B; ++b) sorted_[counts_[length(b)]++] = b;
    }

    // There and back, as one deals to a team, so that no share gets the longer row every time.
    void deal(int most) {
        const double work = static_cast<double>(order_.tokens) * rows() * (s_.D + s_.H);
        order_.shares = std::max(1, std::min(most, static_cast<int>(std::min(work / kWorkOfThread, 1e6))));
        std::int64_t at = 0;
        for (int share = 0; share < order_.shares; ++share) {
            begin_[share] = at;
            for (std::int64_t k = 0; k * order_.shares < s_.B; ++k) {
                const std::int64_t place = k * order_.shares + (k % 2 ? order_.shares - 1 - share : share);
                if (place >= s_.B) continue;
                row_[at] = sorted_[place];
                place_[at] = place;
                length_[at++] = length(sorted_[place]);
            }
        }
        begin_[order_.shares] = at;
        order_.offset = offset_;
        order_.begin = begin_;
        order_.row = row_;
        order_.place = place_;
        order_.length = length_;
    }

    void pack(bool backward) {
        parallel_for(pieces(), [&](int i) { parts_.pack(s_, backward, i, pieces(), packed_); });
    }

    // Blocks of H' rows, in our order, to torch's gates of H rows; the shares are added in a fixed order.
    void add_up(const Gradients<Real> &grad, int piece, int pieces) {
        const bool gru = s_.cell == Cell::gru;
        const std::int64_t H = s_.H, ldi = lane_multiple(s_.D), ldh = lane_multiple(H);
        for (std::int64_t k = piece; k < gate_count(s_.cell) * H; k += pieces) {
            const std::int64_t gate = k / H, h = k % H;
            const std::int64_t in = gru ? (gate + 1) % 3 : gate, own = gru ? gate + 1 : gate;
            if (grad.dw_ih) add(&Sums<Real>::ih, (in * Hp_ + h) * ldi, s_.D, grad.dw_ih + k * s_.D);
            if (grad.dw_hh) add(&Sums<Real>::hh, (gate * Hp_ + h) * ldh, H, grad.dw_hh + k * H);
            if (grad.db_ih) add(&Sums<Real>::bias, in * Hp_ + h, 1, grad.db_ih + k);
            if (grad.db_hh) add(&Sums<Real>::bias, own * Hp_ + h, 1, grad.db_hh + k);
        }
    }

    void add(Real *Sums<Real>::*which, std::int64_t at, std::int64_t size, Real *to) const {
        std::memcpy(to, sums_[0].*which + at, size * sizeof(Real));
        for (int i = 1; i < order_.shares; ++i) {
            const Real *from = sums_[i].*which + at;
            for (std::int64_t j = 0; j < size; ++j) to[j] += from[j];
        }
    }

    const Parts<Real> &parts_;
    const Sequence<Real> &s_;
    const std::int64_t lanes_, Hp_;
    std::int64_t *counts_, *offset_, *sorted_, *begin_, *row_, *place_, *length_;
    Order order_;
    Packed<Real> packed_;
    Sums<Real> *sums_;
};

}  // namespace

template <class Real>
void forward(const Kernels<Real> &kernels, const Sequence<Real> &s, const Final<Real> &end) {
    if (!kernels.parts) return reference_forward(s, end);
    Plan<Real>(kernels, s, nullptr).forward(end);
}

template <class Real>
void backward(const Kernels<Real> &kernels, const Sequence<Real> &s, const Gradients<Real> &grad) {
    if (!kernels.parts) return reference_backward(s, grad);
    Plan<Real>(kernels, s, &grad).backward(grad);
}

template void forward<float>(const Kernels<float> &, const Sequence<float> &, const Final<float> &);
template void forward<double>(const Kernels<double> &, const Sequence<double> &, const Final<double> &);
template void backward<float>(const Kernels<float> &, const Sequence<float> &, const Gradients<float> &);
template void backward<double>(const Kernels<double> &, const Sequence<double> &, const Gradients<double> &);

}  // namespace elman
