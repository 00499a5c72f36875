// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "config.hpp"
#include "value.hpp"

/// Packs: N numbers that are worked on at once, as a value type of the functions in value.hpp.
///
/// They stand on the vector extensions that GCC, clang and the host pass of nvcc share; nothing else in the library names
/// those. A pack lives on the host: code that is also compiled for a device keeps packs out of its device pass.
/// Everything is always inlined, so a wide pack is never an argument of a real call.
namespace zermelo::inline v1 {

namespace detail {

template <int Bytes>
struct bits_of_lane;
template <>
struct bits_of_lane<4> {
  using signed_type = std::int32_t;
  using unsigned_type = std::uint32_t;
};
template <>
struct bits_of_lane<8> {
  using signed_type = std::int64_t;
  using unsigned_type = std::uint64_t;
};

}  // namespace detail

/// A bool a lane, for lanes of `Bytes` bytes. Masks combine with &, |, ^ and ! (also spelled && and ||, without their
/// short cut).
template <int Bytes, int N>
struct pack_mask {
  using lane = typename detail::bits_of_lane<Bytes>::signed_type;
  typedef lane native __attribute__((vector_size(N * Bytes)));

  native lanes;  ///< all bits set, or none

  pack_mask() = default;
  ZERMELO_INLINE explicit pack_mask(native m) : lanes(m) {}
  ZERMELO_INLINE explicit pack_mask(bool b) : lanes(native{} - lane(b)) {}
  ZERMELO_INLINE bool operator[](int i) const { return lanes[i] != 0; }

  ZERMELO_INLINE friend pack_mask operator&(pack_mask a, pack_mask b) { return pack_mask(native(a.lanes & b.lanes)); }
  ZERMELO_INLINE friend pack_mask operator|(pack_mask a, pack_mask b) { return pack_mask(native(a.lanes | b.lanes)); }
  ZERMELO_INLINE friend pack_mask operator^(pack_mask a, pack_mask b) { return pack_mask(native(a.lanes ^ b.lanes)); }
  ZERMELO_INLINE friend pack_mask operator&&(pack_mask a, pack_mask b) { return a & b; }
  ZERMELO_INLINE friend pack_mask operator||(pack_mask a, pack_mask b) { return a | b; }
  ZERMELO_INLINE friend pack_mask operator!(pack_mask a) { return pack_mask(native(~a.lanes)); }

  ZERMELO_INLINE friend bool any(pack_mask m) {
#if !defined(__CUDACC__)  // by halves, and not through memory
    if constexpr (N * Bytes > 16) return any(m.half(std::make_integer_sequence<int, N / 2>{}));
#endif
    constexpr int words = N * Bytes / 8;
    if constexpr (words == 0) {
      return m.lanes[0] != 0;
    } else {
      std::uint64_t word[words], seen = 0;
      std::memcpy(word, &m.lanes, sizeof word);
      for (int i = 0; i < words; ++i) seen |= word[i];
      return seen != 0;
    }
  }
  ZERMELO_INLINE friend bool all(pack_mask m) { return !any(!m); }

 private:
#if !defined(__CUDACC__)
  /// Either half, where one is set.
  template <int... Lane>
  ZERMELO_INLINE pack_mask<Bytes, N / 2> half(std::integer_sequence<int, Lane...>) const {
    return pack_mask<Bytes, N / 2>(__builtin_shufflevector(lanes, lanes, Lane...) |
                                   __builtin_shufflevector(lanes, lanes, (N / 2 + Lane)...));
  }
#endif
};

/// N numbers of type T: a floating-point or an integer type of 4 or 8 bytes. N is a power of two.
template <class T, int N>
struct pack {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), "lanes have 4 or 8 bytes");
  static_assert(N >= 1 && (N & (N - 1)) == 0, "the number of lanes is a power of two");

  using value_type = T;
  using mask = pack_mask<sizeof(T), N>;
  typedef T native __attribute__((vector_size(N * sizeof(T))));
  static constexpr int size = N;

  /// Lanes somewhere in an array. An assignment through this, unlike memcpy, keeps GCC from laying out packs in memory.
  typedef T in_memory __attribute__((vector_size(N * sizeof(T)), aligned(sizeof(T)), may_alias));

  native lanes;

  pack() = default;
  ZERMELO_INLINE explicit pack(native x) : lanes(x) {}
  /// The same number in every lane. Integers convert silently, so that `1 - x` reads as it does for a scalar.
  template <class U>
    requires std::is_arithmetic_v<U>
  ZERMELO_INLINE explicit(!std::is_same_v<U, T> && !std::is_integral_v<U>) pack(U x)
      : pack(static_cast<T>(x), std::make_integer_sequence<int, N>{}) {}

  // Memory. Pointers need no alignment beyond T's.

  ZERMELO_INLINE static pack load(const T* from) { return pack(native(*reinterpret_cast<const in_memory*>(from))); }
  /// The first `count` numbers, 0 ≤ count ≤ N, and `fill` in the lanes behind them: for the tail of an array.
  ZERMELO_INLINE static pack load(const T* from, std::int64_t count, T fill) {
    T lane[N];
    for (int i = 0; i < N; ++i) lane[i] = i < count ? from[i] : fill;
    return load(lane);
  }
  /// base[index[0]], base[index[1]], …
  template <class Index>
  ZERMELO_INLINE static pack gather(const T* base, const Index* index) {
    return gather(base, index, std::make_integer_sequence<int, N>{});
  }
  ZERMELO_INLINE void store(T* to) const { *reinterpret_cast<in_memory*>(to) = lanes; }
  /// The first `count` lanes.
  ZERMELO_INLINE void store(T* to, std::int64_t count) const {
    T lane[N];
    store(lane);
    for (int i = 0; i < N; ++i)
      if (i < count) to[i] = lane[i];
  }
  ZERMELO_INLINE T operator[](int i) const { return lanes[i]; }

  // Arithmetic. Of integers it wraps around.

  ZERMELO_INLINE friend pack operator+(pack a, pack b) { return pack(native(a.lanes + b.lanes)); }
  ZERMELO_INLINE friend pack operator-(pack a, pack b) { return pack(native(a.lanes - b.lanes)); }
  ZERMELO_INLINE friend pack operator*(pack a, pack b) { return pack(native(a.lanes * b.lanes)); }
  ZERMELO_INLINE friend pack operator/(pack a, pack b) { return pack(native(a.lanes / b.lanes)); }
  ZERMELO_INLINE friend pack operator-(pack a) { return pack(native(-a.lanes)); }
  ZERMELO_INLINE friend pack operator+(pack a) { return a; }
  ZERMELO_INLINE pack& operator+=(pack b) { return *this = *this + b; }
  ZERMELO_INLINE pack& operator-=(pack b) { return *this = *this - b; }
  ZERMELO_INLINE pack& operator*=(pack b) { return *this = *this * b; }
  ZERMELO_INLINE pack& operator/=(pack b) { return *this = *this / b; }
  /// a·b + c in one expression, which compilers turn into one instruction where there is one.
  ZERMELO_INLINE friend pack multiply_add(pack a, pack b, pack c) { return pack(native(a.lanes * b.lanes + c.lanes)); }

  // Bits, of integers.

  ZERMELO_INLINE friend pack operator&(pack a, pack b)
    requires std::is_integral_v<T>
  {
    return pack(native(a.lanes & b.lanes));
  }
  ZERMELO_INLINE friend pack operator|(pack a, pack b)
    requires std::is_integral_v<T>
  {
    return pack(native(a.lanes | b.lanes));
  }
  ZERMELO_INLINE friend pack operator^(pack a, pack b)
    requires std::is_integral_v<T>
  {
    return pack(native(a.lanes ^ b.lanes));
  }
  ZERMELO_INLINE friend pack operator<<(pack a, int n)
    requires std::is_integral_v<T>
  {
    return pack(native(a.lanes << static_cast<T>(n)));
  }
  ZERMELO_INLINE friend pack operator>>(pack a, int n)
    requires std::is_integral_v<T>
  {
    return pack(native(a.lanes >> static_cast<T>(n)));
  }

  // Comparisons, a mask each.

  ZERMELO_INLINE friend mask operator<(pack a, pack b) { return mask(cast_mask(a.lanes < b.lanes)); }
  ZERMELO_INLINE friend mask operator>(pack a, pack b) { return mask(cast_mask(a.lanes > b.lanes)); }
  ZERMELO_INLINE friend mask operator<=(pack a, pack b) { return mask(cast_mask(a.lanes <= b.lanes)); }
  ZERMELO_INLINE friend mask operator>=(pack a, pack b) { return mask(cast_mask(a.lanes >= b.lanes)); }
  ZERMELO_INLINE friend mask operator==(pack a, pack b) { return mask(cast_mask(a.lanes == b.lanes)); }
  ZERMELO_INLINE friend mask operator!=(pack a, pack b) { return mask(cast_mask(a.lanes != b.lanes)); }

  /// m ? a : b, lane by lane.
  ZERMELO_INLINE friend pack select(mask m, pack a, pack b) { return pack(native(m.lanes ? a.lanes : b.lanes)); }

 private:
  template <int... Lane>
  ZERMELO_INLINE pack(T x, std::integer_sequence<int, Lane...>) : lanes{((void)Lane, x)...} {}
  template <class Index, int... Lane>
  ZERMELO_INLINE static pack gather(const T* base, const Index* index, std::integer_sequence<int, Lane...>) {
    return pack(native{base[index[Lane]]...});
  }
  template <class M>
  ZERMELO_INLINE static typename mask::native cast_mask(M m) {
    return reinterpret_cast<typename mask::native>(m);
  }
};

/// As many lanes as the instruction set that this is compiled for has in one register.
template <class T>
using native_pack = pack<T, ZERMELO_VECTOR_BYTES / static_cast<int>(sizeof(T))>;

template <class T, int N>
  requires std::is_floating_point_v<T>
struct value_traits<pack<T, N>> {
  static constexpr bool has_bits = true;
  using scalar = T;
  using mask = typename pack<T, N>::mask;
  using bits = pack<typename detail::bits_of_lane<sizeof(T)>::unsigned_type, N>;
  ZERMELO_INLINE static bits to_bits(pack<T, N> x) { return bits(reinterpret_cast<typename bits::native>(x.lanes)); }
  ZERMELO_INLINE static pack<T, N> from_bits(bits b) {
    return pack<T, N>(reinterpret_cast<typename pack<T, N>::native>(b.lanes));
  }
  ZERMELO_INLINE static pack<T, N> settle(pack<T, N> x) {
    ZERMELO_DETAIL_SETTLE(x.lanes);
    return x;
  }
  /// As signed numbers, for which every instruction set has a comparison.
  ZERMELO_INLINE static mask exceeds(bits a, bits b) {
    using native = typename mask::native;
    return mask(native(reinterpret_cast<native>(a.lanes) > reinterpret_cast<native>(b.lanes)));
  }
};

namespace detail {

/// Some lanes of a and then of b, by their numbers.
template <class T, int N, int... Lane>
ZERMELO_INLINE auto pick_lanes(pack<T, N> a, pack<T, N> b, std::integer_sequence<int, Lane...>) {
#if defined(__CUDACC__)  // its front end does not know the builtin
  const auto one = [&](int i) { return i < N ? a.lanes[i] : b.lanes[i - N]; };
  pack<T, sizeof...(Lane)> picked;
  int to = 0;
  ((picked.lanes[to++] = one(Lane)), ...);
  return picked;
#else  // and not through memory, where GCC would keep what is halved in the end
  return pack<T, sizeof...(Lane)>(__builtin_shufflevector(a.lanes, b.lanes, Lane...));
#endif
}

template <int From, int... Lane>
ZERMELO_FN auto lanes_from(std::integer_sequence<int, Lane...>) {
  return std::integer_sequence<int, (From + Lane)...>();
}

}  // namespace detail

/// The lower half of the lanes, and the upper half.
template <class T, int N>
ZERMELO_INLINE pack<T, N / 2> low_half(pack<T, N> x) {
  return detail::pick_lanes(x, x, std::make_integer_sequence<int, N / 2>{});
}
template <class T, int N>
ZERMELO_INLINE pack<T, N / 2> high_half(pack<T, N> x) {
  return detail::pick_lanes(x, x, detail::lanes_from<N / 2>(std::make_integer_sequence<int, N / 2>{}));
}

/// The lanes of a, then those of b.
template <class T, int N>
ZERMELO_INLINE pack<T, 2 * N> join(pack<T, N> a, pack<T, N> b) {
  return detail::pick_lanes(a, b, std::make_integer_sequence<int, 2 * N>{});
}

/// Every lane converted to another type: `convert<double>(low_half(x))`. Floating-point numbers become integers by
/// truncation.
template <class To, class From, int N>
ZERMELO_INLINE pack<To, N> convert(pack<From, N> x) {
  return pack<To, N>(__builtin_convertvector(x.lanes, typename pack<To, N>::native));
}

/// The sum of the lanes: lane i and lane i + N/2 first, and so on with half as many.
template <class T, int N>
ZERMELO_INLINE T reduce_add(pack<T, N> x) {
  if constexpr (N == 1)
    return x.lanes[0];
  else if constexpr (N == 2)
    return x.lanes[0] + x.lanes[1];
  else
    return reduce_add(low_half(x) + high_half(x));
}

/// The largest and the smallest lane. A NaN in some lane may or may not come out.
template <class T, int N>
ZERMELO_INLINE T reduce_max(pack<T, N> x) {
  if constexpr (N == 1)
    return x.lanes[0];
  else if constexpr (N == 2)
    return x.lanes[0] > x.lanes[1] ? x.lanes[0] : x.lanes[1];
  else
    return reduce_max((max)(low_half(x), high_half(x)));
}
template <class T, int N>
ZERMELO_INLINE T reduce_min(pack<T, N> x) {
  if constexpr (N == 1)
    return x.lanes[0];
  else if constexpr (N == 2)
    return x.lanes[0] < x.lanes[1] ? x.lanes[0] : x.lanes[1];
  else
    return reduce_min((min)(low_half(x), high_half(x)));
}

}  // namespace zermelo::inline v1
