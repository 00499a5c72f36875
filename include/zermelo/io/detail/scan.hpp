// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../../core/config.hpp"

#if defined(__AVX512BW__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

/// Bytes looked at 64 at a time.
namespace zermelo::inline v1::io::detail::inline ZERMELO_ISA {

inline constexpr std::size_t block_bytes = 64;

/// One bit for each of 64 bytes.
struct block_bits {
  std::uint64_t line_feed, delimiter, carriage_return;
  bool quote, zero, high;  ///< whether any byte is a quotation mark, is 0, is not ASCII
};

#if defined(__AVX512BW__)

ZERMELO_INLINE block_bits classify(const char* text, char delimiter) {
  const __m512i x = _mm512_loadu_si512(text);
  const auto equal = [x](char c) { return static_cast<std::uint64_t>(_mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(c))); };
  return {equal('\n'),
          equal(delimiter),
          equal('\r'),
          equal('"') != 0,
          _mm512_testn_epi8_mask(x, x) != 0,
          _mm512_movepi8_mask(x) != 0};
}

#elif defined(__AVX2__)

ZERMELO_INLINE block_bits classify(const char* text, char delimiter) {
  const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text));
  const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + 32));
  const auto bits = [](__m256i x) { return static_cast<std::uint32_t>(_mm256_movemask_epi8(x)); };
  const auto equal = [&](char c) {
    const __m256i all = _mm256_set1_epi8(c);
    return bits(_mm256_cmpeq_epi8(a, all)) | std::uint64_t{bits(_mm256_cmpeq_epi8(b, all))} << 32;
  };
  const auto any = [&](char c) {
    const __m256i all = _mm256_set1_epi8(c);
    return bits(_mm256_or_si256(_mm256_cmpeq_epi8(a, all), _mm256_cmpeq_epi8(b, all))) != 0;
  };
  return {equal('\n'), equal(delimiter), equal('\r'), any('"'), any('\0'), bits(_mm256_or_si256(a, b)) != 0};
}

#elif defined(__SSE2__)

ZERMELO_INLINE block_bits classify(const char* text, char delimiter) {
  __m128i x[4];
  for (int k = 0; k < 4; ++k) x[k] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + 16 * k));
  const auto bits = [](__m128i v) { return static_cast<std::uint64_t>(_mm_movemask_epi8(v)); };
  const auto equal = [&](char c) {
    const __m128i all = _mm_set1_epi8(c);
    return bits(_mm_cmpeq_epi8(x[0], all)) | bits(_mm_cmpeq_epi8(x[1], all)) << 16 |
           bits(_mm_cmpeq_epi8(x[2], all)) << 32 | bits(_mm_cmpeq_epi8(x[3], all)) << 48;
  };
  const auto any = [&](char c) {
    const __m128i all = _mm_set1_epi8(c);
    return bits(_mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(x[0], all), _mm_cmpeq_epi8(x[1], all)),
                             _mm_or_si128(_mm_cmpeq_epi8(x[2], all), _mm_cmpeq_epi8(x[3], all)))) != 0;
  };
  return {equal('\n'), equal(delimiter), equal('\r'),
          any('"'),    any('\0'),        bits(_mm_or_si128(_mm_or_si128(x[0], x[1]), _mm_or_si128(x[2], x[3]))) != 0};
}

#else

ZERMELO_INLINE block_bits classify(const char* text, char delimiter) {
  block_bits all{};
  for (unsigned k = 0; k < block_bytes; ++k) {
    const char c = text[k];
    all.line_feed |= std::uint64_t{c == '\n'} << k;
    all.delimiter |= std::uint64_t{c == delimiter} << k;
    all.carriage_return |= std::uint64_t{c == '\r'} << k;
    all.quote |= c == '"';
    all.zero |= c == '\0';
    all.high |= (static_cast<unsigned char>(c) & 0x80) != 0;
  }
  return all;
}

#endif

/// Where the delimiters and line feeds of a segment of text are, and what else it contains.
struct segment_index {
  std::vector<std::uint32_t> at;  ///< ascending; the first `count` are meant
  std::size_t count = 0;
  bool quote = false;
  bool high = false;   ///< some byte is not ASCII
  bool other = false;  ///< a zero byte, or a carriage return without a line feed after it
};

inline void index_segment(const char* text, std::size_t length, char delimiter, segment_index& index) {
  if (index.at.size() < length + block_bytes) index.at.resize(length + block_bytes);
  std::uint32_t* out = index.at.data();
  std::uint64_t returned = 0;  // 1 when the byte before this block is a carriage return
  std::uint64_t lone = 0;
  bool quote = false, zero = false, high = false;
  for (std::size_t offset = 0; offset < length; offset += block_bytes) {
    block_bits b;
    if (length - offset >= block_bytes) [[likely]] {
      b = classify(text + offset, delimiter);
    } else {
      char padded[block_bytes];
      std::memset(padded, ' ' == delimiter ? '.' : ' ', block_bytes);
      std::memcpy(padded, text + offset, length - offset);
      b = classify(padded, delimiter);
      // A carriage return that ends the text belongs to a record that is not complete here.
      b.carriage_return &= ~(std::uint64_t{1} << (length - offset - 1));
    }
    quote |= b.quote;
    zero |= b.zero;
    high |= b.high;
    lone |= (b.carriage_return << 1 | returned) & ~b.line_feed;
    returned = b.carriage_return >> 63;
    std::uint64_t bits = b.line_feed | b.delimiter;
    const int count = std::popcount(bits);
    const auto base = static_cast<std::uint32_t>(offset);
    // Eight without asking, the rest rarely: what is written beyond `count` is overwritten or never read.
    for (int k = 0; k < 8; ++k) {
      out[k] = base + static_cast<std::uint32_t>(std::countr_zero(bits));
      bits &= bits - 1;
    }
    if (count > 8) [[unlikely]]
      for (int k = 8; k < count; ++k) {
        out[k] = base + static_cast<std::uint32_t>(std::countr_zero(bits));
        bits &= bits - 1;
      }
    out += count;
  }
  index.count = static_cast<std::size_t>(out - index.at.data());
  index.quote = quote;
  index.high = high;
  index.other = zero || lone != 0;
}

/// The offset of the first byte that is not UTF-8 (RFC 3629: shortest form, no surrogates, at most U+10FFFF) or is
/// zero; `length` when there is none.
inline std::size_t first_bad_byte(const char* text, std::size_t length) {
  constexpr std::uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
  const auto byte = [text](std::size_t k) { return static_cast<unsigned char>(text[k]); };
  std::size_t k = 0;
  while (k < length) {
    if (length - k >= sizeof(std::uint64_t)) {
      std::uint64_t word;
      std::memcpy(&word, text + k, sizeof word);
      if (((word | (word - ones)) & tops) == 0) {  // no byte is 0, none is above 127
        k += sizeof word;
        continue;
      }
    }
    const unsigned lead = byte(k);
    if (lead == 0) return k;
    if (lead < 0x80) {
      ++k;
      continue;
    }
    std::size_t more;
    unsigned low = 0x80, high = 0xbf;  // the range of the byte after the lead
    if (lead >= 0xc2 && lead <= 0xdf) {
      more = 1;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      more = 2;
      if (lead == 0xe0) low = 0xa0;
      if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;
    } else {
      return k;
    }
    for (std::size_t m = 1; m <= more; ++m) {
      if (k + m >= length || byte(k + m) < low || byte(k + m) > high) return k;
      low = 0x80;
      high = 0xbf;
    }
    k += more + 1;
  }
  return length;
}

/// The first byte of a JSON string that is not plain: a quotation mark, a backslash or a control character.
ZERMELO_INLINE const char* plain_end(const char* text, const char* end) {
#if defined(__SSE2__)
  while (end - text >= 16) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
    const __m128i stop =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')), _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'))),
                     _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x));
    const auto bits = static_cast<unsigned>(_mm_movemask_epi8(stop));
    if (bits != 0) return text + std::countr_zero(bits);
    text += 16;
  }
#endif
  while (text < end && *text != '"' && *text != '\\' && static_cast<unsigned char>(*text) >= 0x20) ++text;
  return text;
}

}  // namespace zermelo::inline v1::io::detail::inline ZERMELO_ISA
