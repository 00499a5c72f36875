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
struct name_key {
  std::uint64_t word[4];
};

inline constexpr std::size_t key_bytes = sizeof(name_key);

// 32 bytes of ones, then 32 of zeros: read from (32 − length) on, it is the mask of a name.
struct name_mask {
  unsigned char byte[2 * key_bytes];
  constexpr name_mask() : byte{} {
    for (std::size_t k = 0; k < key_bytes; ++k) byte[k] = 0xff;
  }
};
inline constexpr name_mask key_mask{};

/// `room` bytes may be read from `name` on, which is at least `length`.
ZERMELO_INLINE name_key key_of(const char* name, std::size_t length, std::size_t room) {
  name_key key;
  const std::size_t kept = (std::min)(length, key_bytes);
  if (room >= key_bytes) [[likely]] {
    name_key mask;
    std::memcpy(&key, name, key_bytes);
    std::memcpy(&mask, key_mask.byte + (key_bytes - kept), key_bytes);
    for (int k = 0; k < 4; ++k) key.word[k] &= mask.word[k];
  } else {
    key = {};
    if (kept != 0) std::memcpy(&key, name, kept);
  }
  return key;
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

  ZERMELO_INLINE std::int32_t find(const char* name, std::size_t length, std::size_t room) const {
    const name_key key = key_of(name, length, room);
    const std::uint64_t hash = hash_of(key, name, length);
    for (std::size_t at = hash >> shift_;; at = (at + 1) & (slots_.size() - 1)) {
      const slot s = slots_[at];
      if (s.id < 0) return absent;
      if (s.tag == static_cast<std::uint32_t>(hash) && same(s.id, key, name, length)) return s.id;
    }
  }
  std::int32_t find(std::string_view name) const { return find(name.data(), name.size(), name.size()); }

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
    const name_key key = key_of(name.data(), name.size(), name.size());
    const std::uint64_t hash = hash_of(key, name.data(), name.size());
    entries_.push_back({key, name.size(), hash});
    // A quarter full while the slots fit the first cache level, half full beyond.
    const std::size_t wanted = names_.size() * (names_.size() <= 1024 ? 4 : 2);
    if (wanted > slots_.size())
      rehash(64 - shift_ + 1);
    else
      place(hash, id);
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
    std::uint64_t hash;
  };

  ZERMELO_INLINE static std::uint64_t hash_of(const name_key& key, const char* name, std::size_t length) {
    std::uint64_t h = static_cast<std::uint64_t>(length) * 0x9e3779b97f4a7c15u + key.word[0] * 0xa0761d6478bd642fu +
                      key.word[1] * 0xe7037ed1a0b428dbu + key.word[2] * 0x8ebc6af09c88c6e3u +
                      key.word[3] * 0x589965cc75374cc3u;
    if (length > key_bytes) [[unlikely]]
      h = hash_tail(h, name + key_bytes, length - key_bytes);
    h ^= h >> 32;
    return h * 0xd6e8feb86659fd93u;
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

  ZERMELO_INLINE bool same(std::int32_t id, const name_key& key, const char* name, std::size_t length) const {
    const entry& e = entries_[static_cast<std::size_t>(id)];
    std::uint64_t differs = e.length ^ static_cast<std::uint64_t>(length);
    for (int k = 0; k < 4; ++k) differs |= e.key.word[k] ^ key.word[k];
    if (differs != 0) return false;
    if (length <= key_bytes) [[likely]]
      return true;
    return std::memcmp(names_[static_cast<std::size_t>(id)].data() + key_bytes, name + key_bytes, length - key_bytes) ==
           0;
  }

  void place(std::uint64_t hash, std::int32_t id) {
    std::size_t at = hash >> shift_;
    while (slots_[at].id >= 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = {static_cast<std::uint32_t>(hash), id};
  }

  void rehash(int bits) {
    shift_ = 64 - bits;
    slots_.assign(std::size_t{1} << bits, slot{});
    for (std::size_t id = 0; id < entries_.size(); ++id) place(entries_[id].hash, static_cast<std::int32_t>(id));
  }

  std::vector<slot> slots_;
  std::vector<entry> entries_;
  std::vector<std::string> names_;
  int shift_ = 58;
  std::int32_t limit_;
};

}  // namespace zermelo::inline v1::io::detail::inline ZERMELO_ISA
