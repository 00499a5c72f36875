// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <type_traits>

#include "config.hpp"

// -ffast-math lets a compiler reassociate sums that were written to cancel exactly, which ruins logarithms in their first
// digit. Where it is on, this keeps it away from a number in a register.
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__)
#define ZERMELO_DETAIL_RELAXED 1
#else
#define ZERMELO_DETAIL_RELAXED 0
#endif
#if ZERMELO_DETAIL_RELAXED && !defined(__CUDA_ARCH__)
#if defined(__x86_64__) || defined(__i386__)
#define ZERMELO_DETAIL_SETTLE(x) __asm__("" : "+x"(x))
#elif defined(__aarch64__)
#define ZERMELO_DETAIL_SETTLE(x) __asm__("" : "+w"(x))
#else
#define ZERMELO_DETAIL_SETTLE(x) __asm__("" : "+m"(x))
#endif
#else
#define ZERMELO_DETAIL_SETTLE(x) static_cast<void>(0)
#endif

/// The functions that mathematics in this library is written with.
///
/// A kernel is a template over a value type V: `float` or `double` (here), a pack of vector lanes (simd.hpp) or a dual
/// number (dual.hpp). It uses arithmetic, comparisons, which give a `mask_t<V>`, `select` and the functions below;
/// masks combine with &, | and !. Nothing here branches, allocates, calls the C library or sets errno, and every
/// function runs on a device.
///
/// Each transcendental function has one source for all value types: it reads and writes the bits of its argument
/// through `value_traits<V>`, and evaluates minimax polynomials of our own. Errors in units of the last place are
/// published in docs/precision.md. Tails are exact: subnormal results are rounded once, ±∞ gives the limit.
/// A NaN comes out where a NaN went in, and else only where the function is undefined.
///
/// Under -ffast-math `is_nan`, `is_finite`, `select` and `weighted` hold, since they test bits, and a NaN still comes out
/// where one went in; the accuracy of the tails (subnormal numbers, ±∞) is then the compiler's.
namespace zermelo::inline v1 {

/// What a value type tells the functions below: its scalar, its masks and its bits.
template <class V>
struct value_traits {
  static constexpr bool has_bits = false;
};

template <>
struct value_traits<float> {
  static constexpr bool has_bits = true;
  using scalar = float;
  using mask = bool;
  using bits = std::uint32_t;
  ZERMELO_FN static bits to_bits(float x) { return __builtin_bit_cast(bits, x); }
  ZERMELO_FN static float from_bits(bits b) { return __builtin_bit_cast(float, b); }
  /// x itself, computed before anything that it is used in.
  ZERMELO_FN static float settle(float x) {
    ZERMELO_DETAIL_SETTLE(x);
    return x;
  }
  /// a > b, for words whose highest bit is clear.
  ZERMELO_FN static mask exceeds(bits a, bits b) { return a > b; }
};

template <>
struct value_traits<double> {
  static constexpr bool has_bits = true;
  using scalar = double;
  using mask = bool;
  using bits = std::uint64_t;
  ZERMELO_FN static bits to_bits(double x) { return __builtin_bit_cast(bits, x); }
  ZERMELO_FN static double from_bits(bits b) { return __builtin_bit_cast(double, b); }
  /// x itself, computed before anything that it is used in.
  ZERMELO_FN static double settle(double x) {
    ZERMELO_DETAIL_SETTLE(x);
    return x;
  }
  /// a > b, for words whose highest bit is clear.
  ZERMELO_FN static mask exceeds(bits a, bits b) { return a > b; }
};

/// What comparisons of V give: bool, or a bool a lane.
template <class V>
using mask_t = typename value_traits<V>::mask;

/// The floating-point type under V.
template <class V>
using scalar_t = typename value_traits<V>::scalar;

/// A value type whose bits can be read: float, double and packs of them; not a dual number.
template <class V>
concept real_value = value_traits<V>::has_bits;

/// A function's value and its derivative.
template <class V>
struct value_slope {
  V value, slope;
};

/// A function's value and its first two derivatives.
template <class V>
struct value_slope_curvature {
  V value, slope, curvature;
};

// Masks and selection ------------------------------------------------------------------------------------------------

/// mask ? a : b, lane by lane; what is not selected may be anything, NaN too.
template <class V>
  requires std::is_arithmetic_v<V>
ZERMELO_FN V select(bool mask, V a, V b) {
  return mask ? a : b;
}

ZERMELO_FN bool any(bool mask) { return mask; }
ZERMELO_FN bool all(bool mask) { return mask; }

namespace detail {

/// The layout of an IEEE number.
template <class T>
struct layout;

template <>
struct layout<float> {
  using word = std::uint32_t;
  static constexpr int fraction_bits = 23;
  static constexpr word bias = 127;
  static constexpr word sign = 0x80000000u;
  static constexpr word fraction = 0x007fffffu;
  static constexpr word infinity = 0x7f800000u;
};

template <>
struct layout<double> {
  using word = std::uint64_t;
  static constexpr int fraction_bits = 52;
  static constexpr word bias = 1023;
  static constexpr word sign = 0x8000000000000000u;
  static constexpr word fraction = 0x000fffffffffffffu;
  static constexpr word infinity = 0x7ff0000000000000u;
};

}  // namespace detail

/// Whether x is NaN, by its bits: right under -ffast-math too, as long as x was not compared before: a compiler that knows
/// x == 0 then takes x for 0.
template <real_value V>
ZERMELO_FN mask_t<V> is_nan(V x) {
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
  using traits = value_traits<V>;
  using form = detail::layout<scalar_t<V>>;
  using bits = typename traits::bits;
  return traits::exceeds(traits::to_bits(traits::settle(x)) & bits(~form::sign), bits(form::infinity));
#else
  return x != x;
#endif
}

/// Whether x is neither infinite nor NaN, by its bits: right under -ffast-math too.
template <real_value V>
ZERMELO_FN mask_t<V> is_finite(V x) {
  using traits = value_traits<V>;
  using form = detail::layout<scalar_t<V>>;
  using bits = typename traits::bits;
  return traits::exceeds(bits(form::infinity), traits::to_bits(traits::settle(x)) & bits(~form::sign));
}

namespace detail {

/// Whether x is +∞, by its bits: right under -ffast-math too, where a comparison with infinity is folded to "never". Of a
/// dual number, whether its value is.
template <class V>
ZERMELO_FN mask_t<V> is_plus_infinity(V x) {
  return !is_finite(x) && x > V(0);
}

}  // namespace detail

// Arithmetic ---------------------------------------------------------------------------------------------------------

/// The larger of a and b; b where either is NaN. Write the constant first and the data second: `max(V(0), x)` keeps a NaN.
template <real_value V>
ZERMELO_FN V(max)(V a, V b) {
  return select(a > b, a, b);
}

/// The smaller of a and b; b where either is NaN. Write the constant first and the data second.
template <real_value V>
ZERMELO_FN V(min)(V a, V b) {
  return select(a < b, a, b);
}

template <real_value V>
ZERMELO_FN V abs(V x) {
  using traits = value_traits<V>;
  using bits = typename traits::bits;
  return traits::from_bits(traits::to_bits(x) & bits(~detail::layout<scalar_t<V>>::sign));
}

/// a·b + c, by one instruction where the target has it (and then rounded once).
template <class V>
  requires std::is_floating_point_v<V>
ZERMELO_FN V multiply_add(V a, V b, V c) {
  return a * b + c;
}

namespace detail {

/// Arithmetic propagates a NaN by itself, unless the compiler was told that there are none.
template <class V>
ZERMELO_FN V keep_nan(V x, V result) {
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
  using traits = value_traits<V>;
  return traits::from_bits(select(is_nan(x), traits::to_bits(x), traits::to_bits(result)));
#else
  (void)x;
  return result;
#endif
}

}  // namespace detail

/// w·x, where a zero weight times an infinite term is zero. A NaN stays NaN: a weight is not a mask.
template <real_value V>
ZERMELO_FN V weighted(V w, V x) {
  return detail::keep_nan(x, select((w == V(0)) & !is_nan(x), V(0), w * x));
}

namespace detail {

template <class V, class T>
ZERMELO_FN V polynomial_of_pairs(V, V, T c) {
  return V(c);
}
template <class V, class T>
ZERMELO_FN V polynomial_of_pairs(V x, V, T c, T d) {
  return multiply_add(V(d), x, V(c));
}
template <class V, class T, class... Rest>
ZERMELO_FN V polynomial_of_pairs(V x, V square, T c, T d, Rest... rest) {
  return multiply_add(polynomial_of_pairs(x, square, rest...), square, multiply_add(V(d), x, V(c)));
}

/// c₀ + c₁x + c₂x² + … by Horner's rule in x² over the pairs c₀ + c₁x, c₂ + c₃x, …: half as long a chain as Horner's rule
/// in x, and pairs of alternating sign cancel before they are added up.
template <class V, class... T>
ZERMELO_FN V polynomial(V x, T... coefficients) {
  return polynomial_of_pairs(x, x * x, coefficients...);
}

/// The polynomials and constants of one precision. Minimax fits with the leading coefficients rounded first; the error
/// stated is the largest relative error of the function named, before rounding of the arithmetic.
template <class T>
struct approximation;

template <>
struct approximation<float> {
  static constexpr float log2_e = 1.44269504f;
  static constexpr float ln2_high = 0.693145751953125f;  ///< 15 bits: its product with an exponent is exact
  static constexpr float ln2_low = 1.42860677e-6f;
  static constexpr float smallest = -104.0f;  ///< e^x rounds to 0 from here down
  static constexpr float largest = 89.0f;     ///< e^x overflows from here up
  static constexpr float minus_one = -18.0f;  ///< e^x − 1 rounds to −1 from here down
  static constexpr int offset = 64;           ///< added to the exponent while it may be subnormal

  /// (eʳ − 1 − r)/r² on |r| ≤ ½ ln 2; degree 6 in all, error of eʳ − 1: 2^−24.7.
  template <class V>
  ZERMELO_FN static V exp_tail(V r) {
    return polynomial(r, 0.49999997f, 0.166666716f, 0.0416679829f, 0.00835427642f, 0.00138178584f);
  }
  /// (log(1+t) − t)/t² on [0, 1]; degree 10 in all, error of log(1+t): 2^−25.9.
  template <class V>
  ZERMELO_FN static V log1p_tail(V t) {
    return polynomial(t, -0.499999315f, 0.333304644f, -0.24958019f, 0.196921065f, -0.153448969f, 0.106611639f,
                      -0.0574576631f, 0.020086512f, -0.00329053681f);
  }
  /// (2 atanh(s)/s − 2)/z, z = s², for 1+f = (1+s)/(1−s) in [√½, √2]; error of log(1+f): 2^−35.
  template <class V>
  ZERMELO_FN static V log_tail(V z) {
    return polynomial(z, 0.666666627f, 0.400009722f, 0.284987926f, 0.242787525f);
  }
};

template <>
struct approximation<double> {
  static constexpr double log2_e = 1.4426950408889634;
  static constexpr double ln2_high = 6.93147180369123816490e-01;  ///< 32 bits: its product with an exponent is exact
  static constexpr double ln2_low = 1.90821492927058770002e-10;
  static constexpr double smallest = -746.0;
  static constexpr double largest = 710.0;
  static constexpr double minus_one = -40.0;
  static constexpr int offset = 100;

  /// Degree 11 in all, error of eʳ − 1: 2^−53.8.
  template <class V>
  ZERMELO_FN static V exp_tail(V r) {
    return polynomial(r, 0.50000000000000056, 0.16666666666666674, 0.041666666666579484, 0.008333333333345936,
                      0.0013888888928583075, 0.00019841269727421658, 2.4801509852424567e-5, 2.7557474708470552e-6,
                      2.7624125537417664e-7, 2.5013223948070335e-8);
  }
  /// Degree 20 in all, error of log(1+t): 2^−53.8.
  template <class V>
  ZERMELO_FN static V log1p_tail(V t) {
    return polynomial(t, -0.49999999999997002, 0.33333333332838294, -0.24999999971099357, 0.19999999135216975,
                      -0.16666651023049422, 0.14285526318611003, -0.12498406334081776, 0.11101171396553798,
                      -0.09953001169865805, 0.089185747365834497, -0.078344723835610669, 0.065348987981010881,
                      -0.049591223818239029, 0.032606823451110385, -0.017632641200050148, 0.0073972519747093745,
                      -0.0022309829853614307, 0.00042696399817909091, -3.8739222904768607e-5);
  }
  /// Error of log(1+f): 2^−59.
  template <class V>
  ZERMELO_FN static V log_tail(V z) {
    return polynomial(z, 0.66666666666667351, 0.39999999999409325, 0.2857142874369748, 0.22222198427433426,
                      0.18183572454006122, 0.15313829200852078, 0.14798292355313131);
  }
};

template <class V>
using approximation_of = approximation<scalar_t<V>>;

/// 2^n for an exponent of a normal number, by its bits.
template <class V>
ZERMELO_FN V power_of_two(int n) {
  using form = layout<scalar_t<V>>;
  using word = typename form::word;
  const word biased = static_cast<word>(static_cast<word>(n) + form::bias);
  return V(value_traits<scalar_t<V>>::from_bits(static_cast<word>(biased << form::fraction_bits)));
}

/// An infinity or a NaN that no compiler reasons about.
template <class V>
ZERMELO_FN V infinity() {
  using scalar = scalar_t<V>;
  return V(value_traits<scalar>::from_bits(layout<scalar>::infinity));
}
template <class V>
ZERMELO_FN V not_a_number() {
  using scalar = scalar_t<V>;
  return V(value_traits<scalar>::from_bits(layout<scalar>::infinity | (layout<scalar>::infinity >> 1)));
}

/// eˣ = (1 + less_one)·2ᵏ with |less_one| < ½; scale = 2^(k + offset), where the offset keeps it a normal number.
template <class V>
struct exponential {
  V less_one, scale;
  /// eˣ·2^offset. The product with a power of two is exact: there is one rounding, fused or not.
  ZERMELO_FN V grown() const { return multiply_add(less_one, scale, scale); }
};

/// The number whose addition rounds to an integer, which then stands, with the bias of an exponent and `offset` added,
/// in the lowest bits.
template <class T>
ZERMELO_FN constexpr T rounder(int offset) {
  using form = layout<T>;
  return static_cast<T>(typename form::word{3} << (form::fraction_bits - 1)) + static_cast<T>(form::bias) +
         static_cast<T>(offset);
}

/// `magic` is rounder(offset), chosen so that k + offset is an exponent of normal numbers.
template <real_value V>
ZERMELO_FN exponential<V> reduce(V x, V magic) {
  using traits = value_traits<V>;
  using scalar = scalar_t<V>;
  using form = layout<scalar>;
  using bits = typename traits::bits;
  using constants = approximation_of<V>;
  const V shifted = multiply_add(x, V(constants::log2_e), magic);
  const bits rounded = traits::to_bits(shifted);
#if ZERMELO_DETAIL_RELAXED
  // The detour over the bits keeps -ffast-math from cancelling the rounding.
  constexpr auto unit = static_cast<typename form::word>((form::bias + form::fraction_bits)) << form::fraction_bits;
  const V k = traits::settle(traits::from_bits((rounded & bits(form::fraction)) | bits(unit)) - magic);
#else
  const V k = shifted - magic;
#endif
  const V close = traits::settle(multiply_add(k, V(-constants::ln2_high), x));
  const V r = multiply_add(k, V(-constants::ln2_low), close);
  // The scale is a factor, not a sum of bits: what garbage a NaN leaves in it cannot hide the NaN.
  return {multiply_add(r * r, constants::exp_tail(r), r), traits::from_bits(rounded << form::fraction_bits)};
}

/// 0 where x is so low that eˣ is, and that the reduction has lost its way. Selected behind and not clamped before, since
/// a compiler that turns clamps into branches fuses products in one branch and not in the other.
template <real_value V>
ZERMELO_FN V vanish(V x, V power) {
  return select(x < V(approximation_of<V>::smallest), V(0), power);
}

/// eˣ for x ≤ 0 or NaN.
template <real_value V>
ZERMELO_FN V exp_nonpositive(V x) {
  using constants = approximation_of<V>;
  const auto e = reduce(x, V(rounder<scalar_t<V>>(constants::offset)));
  return vanish(x, e.grown() * power_of_two<V>(-constants::offset));
}

/// log(1 + t) for 0 ≤ t ≤ 1 or NaN.
template <real_value V>
ZERMELO_FN V log1p_unit(V t) {
  return multiply_add(t * t, approximation_of<V>::log1p_tail(t), t);
}

/// −|x|.
template <real_value V>
ZERMELO_FN V negative_abs(V x) {
  using traits = value_traits<V>;
  return traits::from_bits(traits::to_bits(x) | typename traits::bits(layout<scalar_t<V>>::sign));
}

/// x = 2ᵏ·(1 + fraction) with 1 + fraction in [√½, √2).
template <class V>
struct logarithm {
  V fraction;
  V exponent;                             ///< k
  typename value_traits<V>::bits biased;  ///< k + bias
};

/// For normal x > 0; of other numbers nonsense that no select lets through. `bias` is subtracted from the exponent.
template <real_value V>
ZERMELO_FN logarithm<V> split(V x, V bias) {
  using traits = value_traits<V>;
  using scalar = scalar_t<V>;
  using form = layout<scalar>;
  using bits = typename traits::bits;
  using word = typename form::word;
  const word one = form::bias << form::fraction_bits;
  const word root_half = value_traits<scalar>::to_bits(static_cast<scalar>(0.70710678118654752));
  const word unit = static_cast<word>(form::bias + form::fraction_bits) << form::fraction_bits;
  const bits shifted = traits::to_bits(x) + bits(one - root_half);
  const bits biased = shifted >> form::fraction_bits;
  const V integer = traits::from_bits(biased | bits(unit)) - power_of_two<V>(form::fraction_bits);
  return {traits::from_bits((shifted & bits(form::fraction)) + bits(root_half)) - V(1), traits::settle(integer - bias),
          biased};
}

/// 2^−k of a split number, |k| < bias.
template <real_value V>
ZERMELO_FN V inverse_power(typename value_traits<V>::bits biased) {
  using traits = value_traits<V>;
  using form = layout<scalar_t<V>>;
  return traits::from_bits((typename traits::bits(2 * form::bias) - biased) << form::fraction_bits);
}

/// a·b rounded by itself. The sum keeps a compiler from fusing the product into another one, now this and now that way:
/// scalars and packs shall agree to the last bit.
template <real_value V>
ZERMELO_FN V product(V a, V b) {
  return value_traits<V>::settle(multiply_add(a, b, V(0)));
}

/// k ln 2 + log(1 + f), from log(1 + f) = f − f²/2 + s·(f²/2 + z·tail(z)), s = f/(2 + f), z = s².
template <real_value V>
ZERMELO_FN V log_sum(V k, V f) {
  using constants = approximation_of<V>;
  const V s = f / (V(2) + f);
  const V z = s * s;
  const V half_square = product(V(scalar_t<V>(0.5)) * f, f);
  const V low = product(k, V(constants::ln2_low));
  const V rest = multiply_add(s, multiply_add(z, constants::log_tail(z), half_square), low);
  return multiply_add(k, V(constants::ln2_high), f - (half_square - rest));
}

}  // namespace detail

// Exponentials and logarithms ----------------------------------------------------------------------------------------

/// eˣ.
template <real_value V>
ZERMELO_FN V exp(V x) {
  using scalar = scalar_t<V>;
  using constants = detail::approximation<scalar>;
  const mask_t<V> low = x < V(0);
  const auto e = detail::reduce(
      x, select(low, V(detail::rounder<scalar>(constants::offset)), V(detail::rounder<scalar>(-constants::offset))));
  const V unscale =
      select(low, detail::power_of_two<V>(-constants::offset), detail::power_of_two<V>(constants::offset));
  const V power = detail::vanish(x, e.grown() * unscale);
  return detail::keep_nan(x, select(x > V(constants::largest), detail::infinity<V>(), power));
}

/// eˣ − 1, without cancellation near 0.
template <real_value V>
ZERMELO_FN V expm1(V x) {
  using scalar = scalar_t<V>;
  using constants = detail::approximation<scalar>;
  const mask_t<V> huge = x > V(constants::largest - 1);  // 2ᵏ itself may overflow: halve it on the way
  const auto e = detail::reduce(x, select(huge, V(detail::rounder<scalar>(-1)), V(detail::rounder<scalar>(0))));
  const V inside =
      multiply_add(e.scale, e.less_one, value_traits<V>::settle(e.scale - V(1))) * select(huge, V(2), V(1));
  return detail::keep_nan(
      x, select(x > V(constants::largest), detail::infinity<V>(), select(x < V(constants::minus_one), V(-1), inside)));
}

/// log x; −∞ at 0, NaN below.
template <real_value V>
ZERMELO_FN V log(V x) {
  const V given = value_traits<V>::settle(x);  // where x == 0, -ffast-math may put 0 for x
  using form = detail::layout<scalar_t<V>>;
  const mask_t<V> subnormal = x < detail::power_of_two<V>(1 - static_cast<int>(form::bias));
  const auto p = detail::split(
      select(subnormal, x * detail::power_of_two<V>(form::fraction_bits), x),
      select(subnormal, V(static_cast<int>(form::bias) + form::fraction_bits), V(static_cast<int>(form::bias))));
  const V inside = select(x < detail::infinity<V>(), detail::log_sum(p.exponent, p.fraction), x);
  const V edge = select(x == V(0), -detail::infinity<V>(), detail::not_a_number<V>());
  return detail::keep_nan(given, select(x > V(0), inside, edge));
}

/// log(1 + x), without cancellation near 0; −∞ at −1, NaN below.
template <real_value V>
ZERMELO_FN V log1p(V x) {
  const V given = value_traits<V>::settle(x);
  using form = detail::layout<scalar_t<V>>;
  const auto p = detail::split(V(1) + x, V(static_cast<int>(form::bias)));
  // 1 + x = 2ᵏ(1 + f): f = x·2⁻ᵏ + (2⁻ᵏ − 1) is rounded once, and is x itself where k = 0.
  const V scale = detail::inverse_power<V>(p.biased);
  const V f = select(x < detail::power_of_two<V>(form::fraction_bits + 2),
                     multiply_add(x, scale, value_traits<V>::settle(scale - V(1))), p.fraction);
  const V inside = select(x < detail::infinity<V>(), detail::log_sum(p.exponent, f), x);
  const V edge = select(x == V(-1), -detail::infinity<V>(), detail::not_a_number<V>());
  return detail::keep_nan(given, select(x > V(-1), inside, edge));
}

/// log(1 − eˣ) for x ≤ 0, accurate where 1 − eˣ cancels and where eˣ vanishes; −∞ at 0, NaN above.
/// Source: Mächler 2012, "Accurately computing log(1 − exp(−|a|))".
template <real_value V>
ZERMELO_FN V log1mexp(V x) {
  const V given = value_traits<V>::settle(x);  // where x == 0, -ffast-math may put 0 for x
  using scalar = scalar_t<V>;
  using form = detail::layout<scalar>;
  using constants = detail::approximation<scalar>;
  const auto e = detail::reduce(x, V(detail::rounder<scalar>(constants::offset)));
  const V unscale = detail::power_of_two<V>(-constants::offset);
  const V power = e.scale * unscale;
  const V vanishing = multiply_add(-power, e.less_one, value_traits<V>::settle(V(1) - power));  // 1 − eˣ for x near 0
  const V small = detail::vanish(x, e.grown() * unscale);                                       // eˣ for x far below
  const mask_t<V> near = x > V(-constants::ln2_high);
  const V u = select(near, vanishing, V(1) - small);
  const mask_t<V> subnormal = u < detail::power_of_two<V>(1 - static_cast<int>(form::bias));
  const auto p = detail::split(
      select(subnormal, u * detail::power_of_two<V>(form::fraction_bits), u),
      select(subnormal, V(static_cast<int>(form::bias) + form::fraction_bits), V(static_cast<int>(form::bias))));
  const V scale = detail::inverse_power<V>(p.biased);
  const V f = select(near, p.fraction, multiply_add(-small, scale, value_traits<V>::settle(scale - V(1))));
  const V edge = select(x == V(0), -detail::infinity<V>(), detail::not_a_number<V>());
  return detail::keep_nan(given, select(x < V(0), detail::log_sum(p.exponent, f), edge));
}

// The logistic family ------------------------------------------------------------------------------------------------

/// log(1 + eˣ), 1/(1 + e⁻ˣ) and 1/(1 + eˣ).
template <class V>
struct logistic_terms {
  V softplus, sigmoid, complement;
};

/// softplus(x) with its slope σ(x), and 1 − σ(x) = σ(−x) in its own exact form, from one exponential and one division.
template <real_value V>
ZERMELO_FN logistic_terms<V> softplus_sigmoid(V x) {
  const V t = detail::exp_nonpositive(detail::negative_abs(x));
  const V large = V(1) / (V(1) + t);
  const V small = t * large;
  const mask_t<V> negative = x < V(0);
  return {detail::keep_nan(x, (max)(V(0), x) + detail::log1p_unit(t)),
          detail::keep_nan(x, select(negative, small, large)), detail::keep_nan(x, select(negative, large, small))};
}

/// The cross-entropy of σ(x) for weights p of success and q of failure, which need not add up to one, and its slope:
///
///   p·softplus(−x) + q·softplus(x),     q·σ(x) − p·σ(−x)
///
/// A zero weight silences an infinite term. One exponential, one logarithm and one division.
template <real_value V>
ZERMELO_FN value_slope<V> logistic_cross_entropy(V x, V p, V q) {
  const V t = detail::exp_nonpositive(detail::negative_abs(x));
  const V large = V(1) / (V(1) + t);
  const mask_t<V> negative = x < V(0);
  // (p + q)·log(1 + t) + pull·x,  (pull + push·t)/(1 + t)
  const V pull = select(negative, -p, q), push = select(negative, q, -p);
  const V straight = select(pull == V(0), V(0), pull * x);
  return {detail::keep_nan(x, multiply_add(p + q, detail::log1p_unit(t), straight)),
          detail::keep_nan(x, multiply_add(push, t, pull) * large)};
}

/// log(1 + eˣ).
template <real_value V>
ZERMELO_FN V softplus(V x) {
  return detail::keep_nan(x, (max)(V(0), x) + detail::log1p_unit(detail::exp_nonpositive(detail::negative_abs(x))));
}

/// The logistic function σ(x) = 1/(1 + e⁻ˣ).
template <real_value V>
ZERMELO_FN V sigmoid(V x) {
  const V t = detail::exp_nonpositive(detail::negative_abs(x));
  return detail::keep_nan(x, select(x < V(0), t, V(1)) / (V(1) + t));
}

/// log σ(x) = −softplus(−x).
template <real_value V>
ZERMELO_FN V log_sigmoid(V x) {
  return -softplus(-x);
}

/// The hyperbolic tangent, from expm1(−2|x|).
template <real_value V>
ZERMELO_FN V tanh(V x) {
  using traits = value_traits<V>;
  using bits = typename traits::bits;
  using form = detail::layout<scalar_t<V>>;
  const V t = expm1(V(2) * detail::negative_abs(x));
  const V magnitude = (-t) / (V(2) + t);
  return detail::keep_nan(
      x, traits::from_bits((traits::to_bits(magnitude) & bits(~form::sign)) | (traits::to_bits(x) & bits(form::sign))));
}

}  // namespace zermelo::inline v1
