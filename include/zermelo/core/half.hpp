// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "config.hpp"
#include "lanes.hpp"
#include "simd.hpp"
#include "value.hpp"

/// Numbers of 16 bits, as types of memory: they are read, converted to float, and written, never computed with.
///
/// Their bits are those of every other library's type of the format (CUDA's __nv_bfloat16 and __half, ATen's, Eigen's,
/// std::bfloat16_t): a pointer to those becomes a tensor by
///
///     const auto logits = zermelo::matrix_view(reinterpret_cast<const zermelo::bfloat16*>(pointer), rows, columns);
namespace zermelo::inline v1 {

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
  /// Bits of a half at the place where a float has them, times 2¹¹²: subnormal numbers too.
  ZERMELO_FN static float widened(std::uint16_t h) {
    const std::uint32_t magnitude = (h & 0x7fffU) << 13;
    const float scaled = __builtin_bit_cast(float, magnitude) * 0x1p112F;
    const std::uint32_t b =
        magnitude >= 0x0f800000U ? magnitude | 0x7f800000U : __builtin_bit_cast(std::uint32_t, scaled);
    return __builtin_bit_cast(float, b | static_cast<std::uint32_t>(h & 0x8000U) << 16);
  }
  ZERMELO_FN static std::uint16_t rounded(float x) {
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

/// lanes<V> numbers of whatever type lie in memory, as V.
template <class V, class M>
ZERMELO_INLINE V load_as(const M* from) {
  using T = scalar_t<V>;
  constexpr int width = static_cast<int>(lanes<V>);
  if constexpr (std::is_same_v<M, T>) {
    return load<V>(from);
  } else if constexpr (width == 1) {
    return V(static_cast<T>(*from));
  } else if constexpr (is_half<M> && std::is_same_v<T, float>) {
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

/// The lanes of x, rounded to whatever type the memory holds.
template <class V, class M>
ZERMELO_INLINE void store_as(M* to, V x) {
  using T = scalar_t<V>;
  constexpr int width = static_cast<int>(lanes<V>);
  if constexpr (std::is_same_v<M, T>) {
    store(to, x);
  } else if constexpr (width == 1) {
    *to = static_cast<M>(x);
  } else if constexpr (std::is_same_v<M, bfloat16> && std::is_same_v<T, float>) {
    typedef std::uint16_t narrow __attribute__((vector_size(width * sizeof(std::uint16_t))));
    using words = pack<std::uint32_t, width>;
    const words b = value_traits<V>::to_bits(x);
    const words rounded = b + words(0x7fffU) + ((b >> 16) & words(1U));
    const words kept = select(is_nan(x), b | words(0x400000U), rounded) >> 16;
    const narrow h = __builtin_convertvector(kept.lanes, narrow);
    std::memcpy(to, &h, sizeof h);
  } else {
    T lane[width];
    store(lane, x);
    for (int i = 0; i < width; ++i) to[i] = static_cast<M>(lane[i]);
  }
}

}  // namespace detail::inline ZERMELO_ISA
}  // namespace zermelo::inline v1
