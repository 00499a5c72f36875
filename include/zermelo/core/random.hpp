// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

#if !defined(__CUDA_ARCH__) && defined(__SSE2__)
#include <immintrin.h>
#endif

#include "config.hpp"
#include "execution/policy.hpp"

/// Counter-based random numbers: element i of stream s is a pure function of (seed, s, i), the same on every backend.
///
/// There is no state to seed, share or lock. Give every purpose and every replicate its own stream; whoever needs
/// element i computes it, on any thread or device, in any order.
namespace zermelo::inline v1 {

/// Four words of 32 random bits.
struct random_block {
  std::uint32_t word[4];

  ZERMELO_FN std::uint32_t operator[](int k) const { return word[k]; }
  /// Two words as one: k = 0 or 1.
  ZERMELO_FN std::uint64_t pair(int k) const { return word[2 * k] | static_cast<std::uint64_t>(word[2 * k + 1]) << 32; }
};

/// Philox 4×32 with ten rounds, a bijection of 128-bit counters under a 64-bit key:  block(i) = P_seed(i, stream).
///
/// Passes BigCrush for every key tried by its authors. Cost: twenty 32-bit products a block.
/// Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
struct philox {
  static constexpr std::uint32_t multiplier[2] = {0xD2511F53u, 0xCD9E8D57u};
  static constexpr std::uint32_t weyl[2] = {0x9E3779B9u, 0xBB67AE85u};  ///< what each round adds to the key
  static constexpr int rounds = 10;

  std::uint64_t seed = 0;
  std::uint64_t stream = 0;

  ZERMELO_FN random_block operator()(std::uint64_t i) const {
    constexpr std::uint64_t m0 = 0xD2511F53u, m1 = 0xCD9E8D57u;
    std::uint32_t c0 = static_cast<std::uint32_t>(i), c1 = static_cast<std::uint32_t>(i >> 32);
    std::uint32_t c2 = static_cast<std::uint32_t>(stream), c3 = static_cast<std::uint32_t>(stream >> 32);
    std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < rounds; ++round) {
      const std::uint64_t p0 = m0 * c0, p1 = m1 * c2;
      c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
      c1 = static_cast<std::uint32_t>(p1);
      c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
      c3 = static_cast<std::uint32_t>(p0);
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
  }
};

/// Element i of a stream of 64-bit words: half of block ⌊i/2⌋.
ZERMELO_FN std::uint64_t random_bits(std::uint64_t seed, std::uint64_t stream, std::uint64_t i) {
  return philox{seed, stream}(i / 2).pair(static_cast<int>(i % 2));
}

/// 64 random bits as a number of [0, 1): a multiple of 2⁻⁵³.
ZERMELO_FN double unit_interval(std::uint64_t bits) {
  return static_cast<double>(static_cast<std::int64_t>(bits >> 11)) * 0x1p-53;
}

/// 64 random bits as a number of (0, 1): an odd multiple of 2⁻⁵³, symmetric about ½. For logarithms.
ZERMELO_FN double open_unit_interval(std::uint64_t bits) {
  return (static_cast<double>(static_cast<std::int64_t>(bits >> 12)) + 0.5) * 0x1p-52;
}

/// 32 random bits as a number of [0, 1): a multiple of 2⁻²⁴.
ZERMELO_FN float unit_interval(std::uint32_t bits) {
  return static_cast<float>(static_cast<std::int32_t>(bits >> 8)) * 0x1p-24f;
}

/// 64 random bits as an index of {0, …, n − 1}: ⌊bits · n / 2⁶⁴⌋. No index is more than n/2⁶⁴ too likely, relatively.
ZERMELO_FN std::int64_t index_below(std::uint64_t bits, std::int64_t n) {
  const std::uint64_t size = static_cast<std::uint64_t>(n);
  const std::uint64_t low = (bits & 0xFFFFFFFFu) * (size & 0xFFFFFFFFu);
  const std::uint64_t middle = (bits >> 32) * (size & 0xFFFFFFFFu) + (low >> 32);
  const std::uint64_t other = (bits & 0xFFFFFFFFu) * (size >> 32) + (middle & 0xFFFFFFFFu);
  return static_cast<std::int64_t>((bits >> 32) * (size >> 32) + (middle >> 32) + (other >> 32));
}

/// Element i of a stream of uniform numbers of [0, 1): double with 53 bits, float with 24 (word i mod 4 of block
/// ⌊i/4⌋).
template <class T = double>
ZERMELO_FN T uniform(std::uint64_t seed, std::uint64_t stream, std::uint64_t i) {
  static_assert(std::numeric_limits<T>::digits == 53 || std::numeric_limits<T>::digits == 24,
                "uniform draws float or double");
  if constexpr (std::numeric_limits<T>::digits == 53) {
    return unit_interval(random_bits(seed, stream, i));
  } else {
    return unit_interval(philox{seed, stream}(i / 4)[static_cast<int>(i % 4)]);
  }
}

/// Element i of a stream of uniform numbers of the open interval (0, 1).
ZERMELO_FN double uniform_open(std::uint64_t seed, std::uint64_t stream, std::uint64_t i) {
  return open_unit_interval(random_bits(seed, stream, i));
}

/// The same stream drawn in order: a std::uniform_random_bit_generator whose draw number `position()` is
/// random_bits(seed, stream, position()).
class random_engine {
 public:
  using result_type = std::uint64_t;
  static constexpr result_type(min)() { return 0; }
  static constexpr result_type(max)() { return ~result_type{0}; }

  ZERMELO_FN explicit random_engine(std::uint64_t seed, std::uint64_t stream = 0) : source_{seed, stream} {}

  ZERMELO_FN result_type operator()() {
    const int half = static_cast<int>(position_ % 2);
    if (half == 0 || !filled_) {
      block_ = source_(position_ / 2);
      filled_ = true;
    }
    ++position_;
    return block_.pair(half);
  }
  ZERMELO_FN std::uint64_t position() const { return position_; }
  ZERMELO_FN void set_position(std::uint64_t i) {
    position_ = i;
    filled_ = false;
  }

 private:
  philox source_;
  random_block block_{};
  std::uint64_t position_ = 0;
  bool filled_ = false;
};

namespace detail::inline ZERMELO_ISA {

inline constexpr std::int64_t fill_tile = 8192;

inline void fill_uniform_scalar(philox source, std::uint64_t first, double* out, std::int64_t n) {
  std::int64_t k = 0;
  if (first % 2 == 1 && n > 0) out[k++] = uniform(source.seed, source.stream, first);
  for (; k + 2 <= n; k += 2) {
    const random_block block = source((first + static_cast<std::uint64_t>(k)) / 2);
    out[k] = unit_interval(block.pair(0));
    out[k + 1] = unit_interval(block.pair(1));
  }
  if (k < n) out[k] = uniform(source.seed, source.stream, first + static_cast<std::uint64_t>(k));
}

inline void fill_uniform_scalar(philox source, std::uint64_t first, float* out, std::int64_t n) {
  for (std::int64_t k = 0; k < n; ++k)
    out[k] = uniform<float>(source.seed, source.stream, first + static_cast<std::uint64_t>(k));
}

// Vector lanes belong to the host; on a device the drivers below have no body.
#if !defined(__CUDA_ARCH__)

/// As many 64-bit lanes as the vector unit has. Philox keeps a 32-bit word in the low half of each; what the high
/// halves hold meanwhile is never looked at.
inline constexpr int word_lanes = ZERMELO_VECTOR_BYTES / 8;
typedef std::uint64_t lane_words __attribute__((vector_size(ZERMELO_VECTOR_BYTES)));
typedef std::int64_t lane_integers __attribute__((vector_size(ZERMELO_VECTOR_BYTES)));
typedef double lane_doubles __attribute__((vector_size(ZERMELO_VECTOR_BYTES)));

/// The 64-bit products of the low halves.
ZERMELO_INLINE lane_words product_of_low_halves(lane_words a, lane_words b) {
#if ZERMELO_VECTOR_BYTES == 64
  // The masked form, all lanes on: under the plain one GCC 12 warns of an uninitialised value in its own header.
  return reinterpret_cast<lane_words>(
      _mm512_maskz_mul_epu32(0xFF, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif ZERMELO_VECTOR_BYTES == 32 && defined(__AVX2__)
  return reinterpret_cast<lane_words>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif ZERMELO_VECTOR_BYTES == 16 && defined(__SSE2__)
  return reinterpret_cast<lane_words>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
#endif
}

struct lane_pairs {
  lane_words first, second;
};

/// One Philox block a lane: both 64-bit words of block(i) for the counters i given.
ZERMELO_INLINE lane_pairs philox_lanes(philox source, lane_words i) {
  const lane_words m0 = lane_words{} + 0xD2511F53u, m1 = lane_words{} + 0xCD9E8D57u;
  lane_words c0 = i, c1 = i >> 32;
  lane_words c2 = lane_words{} + source.stream, c3 = lane_words{} + (source.stream >> 32);
  std::uint32_t k0 = static_cast<std::uint32_t>(source.seed), k1 = static_cast<std::uint32_t>(source.seed >> 32);
#if defined(__clang__)
#pragma clang loop unroll(full)
#elif !defined(__CUDACC__)
#pragma GCC unroll 10
#endif
  for (int round = 0; round < philox::rounds; ++round) {
    const lane_words p0 = product_of_low_halves(c0, m0), p1 = product_of_low_halves(c2, m1);
    c0 = (p1 >> 32) ^ c1 ^ static_cast<std::uint64_t>(k0);
    c1 = p1;
    c2 = (p0 >> 32) ^ c3 ^ static_cast<std::uint64_t>(k1);
    c3 = p0;
    k0 += philox::weyl[0];
    k1 += philox::weyl[1];
  }
  return {(c0 & 0xFFFFFFFFu) | (c1 << 32), (c2 & 0xFFFFFFFFu) | (c3 << 32)};
}

/// Both sequences woven into one: first₀ second₀ first₁ second₁ …
ZERMELO_INLINE lane_pairs weave(lane_pairs p) {
#if ZERMELO_VECTOR_BYTES == 64
  return {__builtin_shufflevector(p.first, p.second, 0, 8, 1, 9, 2, 10, 3, 11),
          __builtin_shufflevector(p.first, p.second, 4, 12, 5, 13, 6, 14, 7, 15)};
#elif ZERMELO_VECTOR_BYTES == 32
  return {__builtin_shufflevector(p.first, p.second, 0, 4, 1, 5),
          __builtin_shufflevector(p.first, p.second, 2, 6, 3, 7)};
#else
  return {__builtin_shufflevector(p.first, p.second, 0, 2), __builtin_shufflevector(p.first, p.second, 1, 3)};
#endif
}

/// unit_interval of every lane, bit for bit.
ZERMELO_INLINE lane_doubles unit_interval_lanes(lane_words bits) {
#if defined(__AVX512DQ__)
  return __builtin_convertvector(reinterpret_cast<lane_integers>(bits >> 11), lane_doubles) * 0x1p-53;
#else
  // Both parts become doubles by way of the bits of 2⁵² + part; every step is exact.
  const lane_words offset = lane_words{} + 0x4330000000000000u;
  const lane_doubles high = reinterpret_cast<lane_doubles>((bits >> 32) | offset) - 0x1p52;
  const lane_doubles low = reinterpret_cast<lane_doubles>(((bits >> 11) & 0x1FFFFFu) | offset) - 0x1p52;
  return high * 0x1p-32 + low * 0x1p-53;
#endif
}

ZERMELO_INLINE lane_words counters_from(std::uint64_t i) {
  lane_words c{};
  for (int k = 0; k < word_lanes; ++k) c[k] = i + static_cast<std::uint64_t>(k);
  return c;
}

inline void fill_uniform_lanes(philox source, std::uint64_t first, double* out, std::int64_t n) {
  constexpr std::int64_t step = 2 * word_lanes;
  const std::int64_t head = n > 0 ? static_cast<std::int64_t>(first % 2) : 0;
  fill_uniform_scalar(source, first, out, head);
  std::int64_t k = head;
  lane_words counters = counters_from((first + static_cast<std::uint64_t>(head)) / 2);
  for (; k + step <= n; k += step, counters += static_cast<std::uint64_t>(word_lanes)) {
    const lane_pairs bits = weave(philox_lanes(source, counters));
    const lane_doubles a = unit_interval_lanes(bits.first), b = unit_interval_lanes(bits.second);
    std::memcpy(out + k, &a, sizeof a);
    std::memcpy(out + k + word_lanes, &b, sizeof b);
  }
  fill_uniform_scalar(source, first + static_cast<std::uint64_t>(k), out + k, n - k);
}

inline void fill_uniform_lanes(philox source, std::uint64_t first, float* out, std::int64_t n) {
  typedef std::int32_t half_words __attribute__((vector_size(ZERMELO_VECTOR_BYTES)));
  typedef float lane_floats __attribute__((vector_size(ZERMELO_VECTOR_BYTES)));
  constexpr std::int64_t step = 4 * word_lanes;
  std::int64_t head = static_cast<std::int64_t>((4 - first % 4) % 4);
  if (head > n) head = n;
  fill_uniform_scalar(source, first, out, head);
  std::int64_t k = head;
  lane_words counters = counters_from((first + static_cast<std::uint64_t>(head)) / 4);
  for (; k + step <= n; k += step, counters += static_cast<std::uint64_t>(word_lanes)) {
    lane_pairs bits = weave(philox_lanes(source, counters));
    const lane_words keep = lane_words{} + 0x00FFFFFF00FFFFFFu;  // the upper 24 bits of each 32
    bits.first = (bits.first >> 8) & keep;
    bits.second = (bits.second >> 8) & keep;
    const lane_floats a = __builtin_convertvector(reinterpret_cast<half_words>(bits.first), lane_floats) * 0x1p-24f;
    const lane_floats b = __builtin_convertvector(reinterpret_cast<half_words>(bits.second), lane_floats) * 0x1p-24f;
    std::memcpy(out + k, &a, sizeof a);
    std::memcpy(out + k + 2 * word_lanes, &b, sizeof b);
  }
  fill_uniform_scalar(source, first + static_cast<std::uint64_t>(k), out + k, n - k);
}

#endif

template <class P, class T>
void fill_uniform_tiles(P&& policy, philox source, std::span<T> out, std::uint64_t first) {
#if !defined(__CUDA_ARCH__)
  const std::int64_t n = static_cast<std::int64_t>(out.size());
  for_each_tile(policy, (n + fill_tile - 1) / fill_tile, [&](std::int64_t t) {
    const std::int64_t begin = t * fill_tile, size = n - begin < fill_tile ? n - begin : fill_tile;
    const std::uint64_t start = first + static_cast<std::uint64_t>(begin);
    if constexpr (uses_vector_units<P>) {
      fill_uniform_lanes(source, start, out.data() + begin, size);
    } else {
      fill_uniform_scalar(source, start, out.data() + begin, size);
    }
  });
#endif
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// out[k] = uniform(seed, stream, first + k): a stretch of a stream, the same bits under every policy.
///
/// out  [n]  written
/// Cost: one pass, bound by twenty 32-bit products for two numbers; bench/core/random_bench.cpp compares it with writing.
template <host_policy P>
void fill_uniform(P&& policy, std::uint64_t seed, std::uint64_t stream, std::span<double> out,
                  std::uint64_t first = 0) {
  detail::fill_uniform_tiles(policy, philox{seed, stream}, out, first);
}

/// out[k] = uniform<float>(seed, stream, first + k).
template <host_policy P>
void fill_uniform(P&& policy, std::uint64_t seed, std::uint64_t stream, std::span<float> out, std::uint64_t first = 0) {
  detail::fill_uniform_tiles(policy, philox{seed, stream}, out, first);
}

inline void fill_uniform(std::uint64_t seed, std::uint64_t stream, std::span<double> out, std::uint64_t first = 0) {
  detail::fill_uniform_tiles(simd{}, philox{seed, stream}, out, first);
}

inline void fill_uniform(std::uint64_t seed, std::uint64_t stream, std::span<float> out, std::uint64_t first = 0) {
  detail::fill_uniform_tiles(simd{}, philox{seed, stream}, out, first);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1

#if defined(__CUDACC__)
#include "detail/cuda/random.hpp"
#endif
