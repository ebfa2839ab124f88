// tanh and the logistic function of whole vectors, for float and double alike.
//
// Both go through e^r - 1 on |r| <= ln(2)/2 by its Taylor series, scaled with 2^n:
//
//     tanh(x)    = m / (m + 2),      m = e^{2x} - 1 = 2^n (e^r - 1) + (2^n - 1)
//     sigmoid(x) = 1 / (1 + e^{-x})
//
// m keeps its relative accuracy near zero, so tanh does; |tanh| <= 1 always. Absolute error below 2e-7 in
// float (tests/native). NaN stays NaN; infinities give the limits.
#pragma once

#include "simd.h"

namespace elman::ELMAN_ISA {

template <class Real>
struct Constants;

template <>
struct Constants<float> {
    static constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it leaves round(v) in the low bits
    static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
    static constexpr float log2e = 1.44269504088896341f;
    static constexpr float tanh_limit = 9.02f, exp_limit = 87.0f;
    static constexpr int terms = 7, mantissa = 23;
    static constexpr std::int32_t one = 127;
};

template <>
struct Constants<double> {
    static constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52
    static constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
    static constexpr double log2e = 1.44269504088896340736;
    static constexpr double tanh_limit = 19.1, exp_limit = 708.0;
    static constexpr int terms = 13, mantissa = 52;
    static constexpr std::int64_t one = 1023;
};

constexpr double reciprocal_factorial(int n) { return n <= 1 ? 1.0 : reciprocal_factorial(n - 1) / n; }

template <class Real>
ELMAN_INLINE Vec<Real> clamp(Vec<Real> x, Real limit) {
    const Vec<Real> high = splat(limit), low = splat(-limit);
    x = x > high ? high : x;  // a comparison with NaN is false, so NaN stays
    return x < low ? low : x;
}

// e^x - 1 = scale * grown + (scale - 1), with scale = 2^n; |x| <= exp_limit.
template <class Real>
ELMAN_INLINE void split_exp(Vec<Real> x, Vec<Real> &scale, Vec<Real> &grown) {
    using C = Constants<Real>;
    using Ints = typename Lanes<Real>::Ints;
    const Vec<Real> shifted = x * splat(C::log2e) + splat(C::magic);
    const Vec<Real> n = shifted - splat(C::magic);
    const Vec<Real> r = (x - n * splat(C::ln2_high)) - n * splat(C::ln2_low);
    Vec<Real> sum = splat(static_cast<Real>(reciprocal_factorial(C::terms)));
    unroll<C::terms - 1>([&](auto i) ELMAN_LAMBDA {
        sum = sum * r + splat(static_cast<Real>(reciprocal_factorial(C::terms - 1 - i)));
    });
    grown = sum * r;
    Ints bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << C::mantissa) + (C::one << C::mantissa);
    std::memcpy(&scale, &bits, sizeof scale);
}

template <class Real>
ELMAN_INLINE Vec<Real> tanh(Vec<Real> x) {
    Vec<Real> scale, grown;
    x = clamp<Real>(x, Constants<Real>::tanh_limit);
    split_exp<Real>(x + x, scale, grown);
    const Vec<Real> m = scale * grown + (scale - splat(Real(1)));
    return m / (m + splat(Real(2)));
}

template <class Real>
ELMAN_INLINE Vec<Real> sigmoid(Vec<Real> x) {
    Vec<Real> scale, grown;
    split_exp<Real>(clamp<Real>(-x, Constants<Real>::exp_limit), scale, grown);
    return splat(Real(1)) / (splat(Real(1)) + (scale * grown + scale));
}

}  // namespace elman::ELMAN_ISA
