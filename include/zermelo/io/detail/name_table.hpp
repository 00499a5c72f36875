// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../../core/error.hpp"

namespace zermelo::inline v1::io::detail::inline ZERMELO_ISA {

/// The first 32 bytes of a name, padded with zeros. Together with the length it is the whole of a short name.
struct alignas(32) name_key {
  std::uint64_t word[4];
};

inline constexpr std::size_t key_bytes = sizeof(name_key);

/// 32 bytes of ones, then 32 of zeros: read from (32 − length) on, it is the mask of a name.
struct alignas(64) name_mask {
  unsigned char byte[2 * key_bytes];
  constexpr name_mask() : byte{} {
    for (std::size_t k = 0; k < key_bytes; ++k) byte[k] = 0xff;
  }
};
inline constexpr name_mask key_mask{};

/// One word of a name's key. `room` ≥ 32 bytes can be read from `name` on.
ZERMELO_INLINE std::uint64_t key_word(const char* name, const unsigned char* mask, std::size_t at) {
  std::uint64_t word, kept;
  std::memcpy(&word, name + at, sizeof word);
  std::memcpy(&kept, mask + at, sizeof kept);
  word &= kept;
  asm("" : "+r"(word));  // or the compiler gathers the four words into a vector and takes them apart again
  return word;
}

/// Names numbered in order of insertion: open addressing over 8-byte slots, exact comparison, no allocation on a hit.
class name_table {
 public:
  static constexpr std::int32_t absent = -1;

  /// An insertion beyond `limit` names is a domain_error.
  explicit name_table(std::int32_t limit = (std::numeric_limits<std::int32_t>::max)()) : limit_(limit) { rehash(6); }

  std::int32_t size() const { return static_cast<std::int32_t>(names_.size()); }
  const std::vector<std::string>& names() const { return names_; }
  std::vector<std::string> take() { return std::move(names_); }

  /// The name's number, or `absent`. `room` bytes can be read from `name` on, which is at least `length`.
  ZERMELO_INLINE std::int32_t find(const char* name, std::size_t length, std::size_t room) const {
    if (length <= key_bytes && room >= key_bytes) [[likely]] {
      const unsigned char* mask = key_mask.byte + (key_bytes - length);
      const name_key key{
          {key_word(name, mask, 0), key_word(name, mask, 8), key_word(name, mask, 16), key_word(name, mask, 24)}};
      const slot s = slots_[hash_of(key, length) >> shift_];
      if (s.id >= 0 && entries_[static_cast<std::size_t>(s.id)].is(key, length)) [[likely]]
        return s.id;
    }
    return find(std::string_view(name, length));
  }
  std::int32_t find(std::string_view name) const {
    const name_key key = key_of(name);
    const std::uint64_t hash = hash_of(key, name);
    for (std::size_t at = hash >> shift_;; at = (at + 1) & (slots_.size() - 1)) {
      const slot s = slots_[at];
      if (s.id < 0) return absent;
      const auto id = static_cast<std::size_t>(s.id);
      if (s.tag == static_cast<std::uint32_t>(hash) && entries_[id].is(key, name.size()) &&
          (name.size() <= key_bytes || names_[id] == name))
        return s.id;
    }
  }

  /// The name's number; a new one if it is new.
  std::int32_t intern(std::string_view name) {
    const std::int32_t known = find(name);
    if (known >= 0) return known;
    if (size() >= limit_)
      throw domain_error(
          "items", limit_,
          "more than " + std::to_string(limit_) + " different names; expected numbers that fit an int32");
    const std::int32_t id = size();
    names_.emplace_back(name);
    entries_.push_back({key_of(name), name.size()});
    // Few names get many slots: the first look then finds nearly all of them, in the first cache level.
    const std::size_t per_name = names_.size() <= 256 ? 8 : names_.size() <= 1024 ? 4 : 2;
    if (names_.size() * per_name > slots_.size())
      rehash(64 - shift_ + 1);
    else
      place(id);
    return id;
  }

 private:
  struct slot {
    std::uint32_t tag = 0;
    std::int32_t id = absent;
  };
  struct entry {
    name_key key;
    std::uint64_t length;
    ZERMELO_INLINE bool is(const name_key& other, std::size_t other_length) const {
      return ((key.word[0] ^ other.word[0]) | (key.word[1] ^ other.word[1]) | (key.word[2] ^ other.word[2]) |
              (key.word[3] ^ other.word[3]) | (length ^ other_length)) == 0;
    }
  };

  static name_key key_of(std::string_view name) {
    name_key key{};
    if (!name.empty()) std::memcpy(&key, name.data(), (std::min)(name.size(), key_bytes));
    return key;
  }

  /// Of a name of at most 32 bytes.
  ZERMELO_INLINE static std::uint64_t hash_of(const name_key& key, std::size_t length) {
    return finish(key.word[0] * 0xa0761d6478bd642fu + key.word[1] * 0xe7037ed1a0b428dbu +
                  key.word[2] * 0x8ebc6af09c88c6e3u + key.word[3] * 0x589965cc75374cc3u + length);
  }
  ZERMELO_INLINE static std::uint64_t finish(std::uint64_t h) { return (h ^ h >> 32) * 0xd6e8feb86659fd93u; }

  static std::uint64_t hash_of(const name_key& key, std::string_view name) {
    const std::uint64_t h = hash_of(key, name.size());
    return name.size() <= key_bytes ? h : finish(hash_tail(h, name.data() + key_bytes, name.size() - key_bytes));
  }

  static std::uint64_t hash_tail(std::uint64_t h, const char* tail, std::size_t length) {
    while (length > 0) {
      const std::size_t step = (std::min)(length, sizeof(std::uint64_t));
      std::uint64_t word = 0;
      std::memcpy(&word, tail, step);
      h = (h ^ (h >> 29) ^ word) * 0xa0761d6478bd642fu;
      tail += step;
      length -= step;
    }
    return h;
  }

  void place(std::int32_t id) {
    const auto k = static_cast<std::size_t>(id);
    const std::uint64_t hash = hash_of(entries_[k].key, names_[k]);
    std::size_t at = hash >> shift_;
    while (slots_[at].id >= 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {static_cast<std::uint32_t>(hash), id};
  }

  void rehash(int bits) {
    shift_ = 64 - bits;
    slots_.assign(std::size_t{1} << bits, slot{});
    for (std::int32_t id = 0; id < size(); ++id) place(id);
  }

  std::vector<slot> slots_;
  std::vector<entry> entries_;
  std::vector<std::string> names_;
  int shift_ = 58;
  std::int32_t limit_;
};

}  // namespace zermelo::inline v1::io::detail::inline ZERMELO_ISA
