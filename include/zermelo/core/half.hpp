// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "config.hpp"
#include "lanes.hpp"
#include "simd.hpp"
#include "value.hpp"

// Processors with F16C convert binary16 themselves; GCC and clang share the builtins, which nvcc's front end types otherwise.
// AVX2 is asked for too: objects compiled for AVX share a tag whether or not they may use F16C, and no processor with AVX2
// lacks it.
#if defined(__F16C__) && defined(__AVX2__) && !defined(__CUDACC__)
#define ZERMELO_DETAIL_F16C 1
#else
#define ZERMELO_DETAIL_F16C 0
#endif

/// Numbers of 16 bits, as types of memory: they are read, converted to float, and written, never computed with.
///
/// Their bits are those of every other library's type of the format (CUDA's __nv_bfloat16 and __half, ATen's, Eigen's,
/// std::bfloat16_t): a pointer to those becomes a tensor by
///
///     const auto logits = zermelo::matrix_view(reinterpret_cast<const zermelo::bfloat16*>(pointer), rows, columns);
namespace zermelo::inline v1 {

#if ZERMELO_DETAIL_F16C
namespace detail {
typedef short eight_halves __attribute__((vector_size(16)));
typedef short sixteen_halves __attribute__((vector_size(32)));
inline constexpr int to_nearest_even = 0, current_direction = 4;  ///< the first whatever mode the processor is in
inline constexpr std::uint16_t every_lane = 0xffff;
}  // namespace detail
#endif

/// The upper half of a float: 8 bits of exponent, 7 of fraction.
struct bfloat16 {
  using stored_number = float;  ///< what it is read as

  std::uint16_t bits;

  bfloat16() = default;
  /// Rounded to the nearest, ties to even; doubles are rounded to floats first.
  template <class T>
    requires std::is_arithmetic_v<T>
  ZERMELO_FN explicit bfloat16(T x) : bits(rounded(static_cast<float>(x))) {}
  /// Exact.
  template <class T>
    requires std::is_arithmetic_v<T>
  ZERMELO_FN explicit operator T() const {
    return static_cast<T>(__builtin_bit_cast(float, static_cast<std::uint32_t>(bits) << 16));
  }
  ZERMELO_FN static bfloat16 from_bits(std::uint16_t b) {
    bfloat16 x;
    x.bits = b;
    return x;
  }

 private:
  ZERMELO_FN static std::uint16_t rounded(float x) {
    const auto b = __builtin_bit_cast(std::uint32_t, x);
    if ((b & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((b >> 16) | 0x40U);  // NaN stays NaN
    return static_cast<std::uint16_t>((b + 0x7fffU + ((b >> 16) & 1U)) >> 16);
  }
};

/// IEEE's binary16: 5 bits of exponent, 10 of fraction.
struct float16 {
  using stored_number = float;  ///< what it is read as

  std::uint16_t bits;

  float16() = default;
  /// Rounded to the nearest, ties to even; doubles are rounded to floats first. From 65520 up it is +∞.
  template <class T>
    requires std::is_arithmetic_v<T>
  ZERMELO_FN explicit float16(T x) : bits(rounded(static_cast<float>(x))) {}
  /// Exact.
  template <class T>
    requires std::is_arithmetic_v<T>
  ZERMELO_FN explicit operator T() const {
    return static_cast<T>(widened(bits));
  }
  ZERMELO_FN static float16 from_bits(std::uint16_t b) {
    float16 x;
    x.bits = b;
    return x;
  }

 private:
  ZERMELO_FN static float widened(std::uint16_t h) {
#if ZERMELO_DETAIL_F16C
    typedef int words __attribute__((vector_size(16)));
    return __builtin_ia32_vcvtph2ps(reinterpret_cast<detail::eight_halves>(words{h}))[0];
#else
    // Bits of a half at the place where a float has them, times 2¹¹²: subnormal numbers too.
    const std::uint32_t magnitude = (h & 0x7fffU) << 13;
    const float scaled = __builtin_bit_cast(float, magnitude) * 0x1p112F;
    const std::uint32_t b =
        magnitude >= 0x0f800000U ? magnitude | 0x7f800000U : __builtin_bit_cast(std::uint32_t, scaled);
    return __builtin_bit_cast(float, b | static_cast<std::uint32_t>(h & 0x8000U) << 16);
#endif
  }
  ZERMELO_FN static std::uint16_t rounded(float x) {
#if ZERMELO_DETAIL_F16C
    typedef float four __attribute__((vector_size(16)));
    return static_cast<std::uint16_t>(__builtin_ia32_vcvtps2ph(four{x}, detail::to_nearest_even)[0]);
#else
    const auto b = __builtin_bit_cast(std::uint32_t, x);
    const std::uint32_t sign = (b >> 16) & 0x8000U, magnitude = b & 0x7fffffffU;
    std::uint32_t h;
    if (magnitude > 0x7f800000U)
      h = 0x7e00U;
    else if (magnitude >= 0x47800000U)  // 65536
      h = 0x7c00U;
    else if (magnitude < 0x38800000U)  // 2⁻¹⁴: the sum rounds where a subnormal half ends
      h = __builtin_bit_cast(std::uint32_t, __builtin_bit_cast(float, magnitude) + 0.5F) - 0x3f000000U;
    else
      h = (magnitude - 0x38000000U + 0xfffU + ((magnitude >> 13) & 1U)) >> 13;
    return static_cast<std::uint16_t>(sign | h);
#endif
  }
};

namespace detail::inline ZERMELO_ISA {

/// What a tensor's elements are computed in, before other tensors have their say.
template <class M>
struct computed_as {
  using type = M;
};
template <class M>
  requires requires { typename M::stored_number; }
struct computed_as<M> {
  using type = typename M::stored_number;
};

template <class M>
inline constexpr bool is_half = std::is_same_v<M, bfloat16> || std::is_same_v<M, float16>;

#if ZERMELO_DETAIL_F16C

/// Whether there is an instruction for as many lanes.
template <class V>
inline constexpr bool converted_at_once =
    std::is_same_v<scalar_t<V>, float> &&
    (lanes<V> == 4 || lanes<V> == 8 || (lanes<V> == 16 && sizeof(V) <= ZERMELO_VECTOR_BYTES));

template <class V>
ZERMELO_INLINE V widen_halves(const float16* from) {
  if constexpr (lanes<V> == 4) {
    typedef long long words __attribute__((vector_size(16)));
    words h = {};
    std::memcpy(&h, from, 8);
    return V(__builtin_ia32_vcvtph2ps(reinterpret_cast<eight_halves>(h)));
  } else if constexpr (lanes<V> == 8) {
    eight_halves h;
    std::memcpy(&h, from, sizeof h);
    return V(__builtin_ia32_vcvtph2ps256(h));
  } else {
#if ZERMELO_VECTOR_BYTES == 64
    sixteen_halves h;
    std::memcpy(&h, from, sizeof h);
    return V(__builtin_ia32_vcvtph2ps512_mask(h, V(0).lanes, every_lane, current_direction));
#endif
  }
}

template <class V>
ZERMELO_INLINE void narrow_to_halves(float16* to, V x) {
  if constexpr (lanes<V> == 4) {
    const eight_halves h = __builtin_ia32_vcvtps2ph(x.lanes, to_nearest_even);
    std::memcpy(to, &h, 8);
  } else if constexpr (lanes<V> == 8) {
    const eight_halves h = __builtin_ia32_vcvtps2ph256(x.lanes, to_nearest_even);
    std::memcpy(to, &h, sizeof h);
  } else {
#if ZERMELO_VECTOR_BYTES == 64
    const sixteen_halves h = __builtin_ia32_vcvtps2ph512_mask(x.lanes, to_nearest_even, sixteen_halves{}, every_lane);
    std::memcpy(to, &h, sizeof h);
#endif
  }
}

#endif

/// lanes<V> numbers of whatever type lie in memory, as V.
template <class V, class M>
ZERMELO_INLINE V load_as(const M* from) {
  using T = scalar_t<V>;
  constexpr int width = static_cast<int>(lanes<V>);
  if constexpr (std::is_same_v<M, T>) {
    return load<V>(from);
  } else if constexpr (width == 1) {
    return V(static_cast<T>(*from));
  } else if constexpr (is_half<M> && std::is_same_v<T, double>) {
    return convert<double>(load_as<pack<float, width>>(from));
  } else if constexpr (is_half<M> && std::is_same_v<T, float>) {
#if ZERMELO_DETAIL_F16C
    if constexpr (std::is_same_v<M, float16> && converted_at_once<V>) return widen_halves<V>(from);
#endif
    typedef std::uint16_t narrow __attribute__((vector_size(width * sizeof(std::uint16_t))));
    using words = pack<std::uint32_t, width>;
    narrow h;
    std::memcpy(&h, from, sizeof h);
    const words w(__builtin_convertvector(h, typename words::native));
    if constexpr (std::is_same_v<M, bfloat16>) {
      return value_traits<V>::from_bits(w << 16);
    } else {
      const words magnitude = (w & words(0x7fffU)) << 13;
      const words scaled = value_traits<V>::to_bits(value_traits<V>::from_bits(magnitude) * V(0x1p112F));
      const auto special = value_traits<V>::exceeds(magnitude, words(0x0f7fffffU));
      return value_traits<V>::from_bits(select(special, magnitude | words(0x7f800000U), scaled) |
                                        ((w & words(0x8000U)) << 16));
    }
  } else {
    T lane[width];
    for (int i = 0; i < width; ++i) lane[i] = static_cast<T>(from[i]);
    return load<V>(lane);
  }
}

/// Bits of which the upper half is the nearest bfloat16 of a number; of a NaN anything.
template <class V>
ZERMELO_INLINE auto rounded_to_upper_half(V x) {
  using words = typename value_traits<V>::bits;
  const words b = value_traits<V>::to_bits(x);
  return b + words(0x7fffU) + ((b >> 16) & words(1U));
}

/// The lanes of x, rounded to whatever type the memory holds.
template <class V, class M>
ZERMELO_INLINE void store_as(M* to, V x) {
  using T = scalar_t<V>;
  constexpr int width = static_cast<int>(lanes<V>);
  if constexpr (std::is_same_v<M, T>) {
    store(to, x);
  } else if constexpr (width == 1) {
    *to = static_cast<M>(x);
  } else if constexpr (is_half<M> && std::is_same_v<T, double>) {
    store_as(to, convert<float>(x));
  } else if constexpr (std::is_same_v<M, bfloat16> && std::is_same_v<T, float>) {
    typedef std::uint16_t narrow __attribute__((vector_size(width * sizeof(std::uint16_t))));
    using words = pack<std::uint32_t, width>;
    const words quiet = value_traits<V>::to_bits(x) | words(0x400000U);
    const words kept = select(is_nan(x), quiet, rounded_to_upper_half(x)) >> 16;
    const narrow h = __builtin_convertvector(kept.lanes, narrow);
    std::memcpy(to, &h, sizeof h);
  } else {
#if ZERMELO_DETAIL_F16C
    if constexpr (std::is_same_v<M, float16> && converted_at_once<V>) return narrow_to_halves(to, x);
#endif
    T lane[width];
    store(lane, x);
    for (int i = 0; i < width; ++i) to[i] = static_cast<M>(lane[i]);
  }
}

/// 2 lanes<V> numbers: of bfloat16 those of even places and those of odd ones, which takes half the work.
template <class V, class M>
ZERMELO_INLINE void load_two(const M* from, V& a, V& b) {
  constexpr int width = static_cast<int>(lanes<V>);
  if constexpr (std::is_same_v<M, bfloat16> && std::is_same_v<scalar_t<V>, float> && width > 1) {
    using words = pack<std::uint32_t, width>;
    words both;
    std::memcpy(&both.lanes, from, sizeof both.lanes);
    a = value_traits<V>::from_bits(both << 16);
    b = value_traits<V>::from_bits(both & words(0xffff0000U));
  } else {
    a = load_as<V>(from);
    b = load_as<V>(from + width);
  }
}

/// The inverse of load_two, rounded; a NaN may come out as another number.
template <class V, class M>
ZERMELO_INLINE void store_two(M* to, V a, V b) {
  constexpr int width = static_cast<int>(lanes<V>);
  if constexpr (std::is_same_v<M, bfloat16> && std::is_same_v<scalar_t<V>, float> && width > 1) {
    using words = pack<std::uint32_t, width>;
    const words both = rounded_to_upper_half(a) >> 16 | (rounded_to_upper_half(b) & words(0xffff0000U));
    std::memcpy(to, &both.lanes, sizeof both.lanes);
  } else {
    store_as(to, a);
    store_as(to + width, b);
  }
}

}  // namespace detail::inline ZERMELO_ISA
}  // namespace zermelo::inline v1
