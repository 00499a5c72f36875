// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../config.hpp"
#include "../error.hpp"
#include "../execution/default_policy.hpp"
#include "../execution/policy.hpp"
#include "../execution/scratch.hpp"
#include "../lanes.hpp"
#include "../tensor.hpp"
#include "../value.hpp"

/// Sorting numbers, by the digits of their bits.
namespace zermelo::inline v1 {

enum class order : std::uint8_t { ascending, descending };

namespace detail {

template <class T>
concept sortable = std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8) && !std::is_same_v<T, long double>;

template <std::size_t Bytes>
struct radix_word;
template <>
struct radix_word<4> {
  using type = std::uint32_t;
};
template <>
struct radix_word<8> {
  using type = std::uint64_t;
};
template <class T>
using radix_word_t = typename radix_word<sizeof(T)>::type;

}  // namespace detail

namespace detail::inline ZERMELO_ISA {

/// An unsigned number that is ordered as x is; −0 and 0 have the same.
template <bool Descending, class T>
ZERMELO_INLINE radix_word_t<T> radix_key(T x) {
  using word = radix_word_t<T>;
  constexpr word sign = word{1} << (8 * sizeof(T) - 1);
  word key = __builtin_bit_cast(word, x);
  if constexpr (std::is_floating_point_v<T>)
    key = (key & sign) != 0 ? word{0} - key : key | sign;
  else if constexpr (std::is_signed_v<T>)
    key ^= sign;
  return Descending ? static_cast<word>(~key) : key;
}

/// Whether the order is undefined for x.
template <class T>
ZERMELO_INLINE bool unordered(T x) {
  if constexpr (std::is_floating_point_v<T>)
    return is_nan(x);
  else
    return false;
}

template <class View>
[[noreturn]] __attribute__((cold, noinline)) void refuse_key(const View& keys, std::int64_t n) {
  for (std::int64_t k = 0; k < n; ++k)
    if (unordered(keys.element(k))) throw domain_error("keys", k, "is not a number");
  throw domain_error("keys", domain_error::whole, "hold a NaN");
}

inline constexpr int radix_bits = 8;
inline constexpr std::int64_t radix_size = std::int64_t{1} << radix_bits;
/// Below so many, comparisons are faster than digits.
inline constexpr std::int64_t radix_worth = 256;
/// The same where equal keys need not keep their order.
inline constexpr std::int64_t sort_worth = 2048;
/// Keys below which one thread sorts alone.
inline constexpr std::int64_t radix_parallel = std::int64_t{1} << 17;

template <class T>
inline constexpr int radix_digits = static_cast<int>(sizeof(T)) * 8 / radix_bits;

ZERMELO_INLINE std::size_t digit_of(std::uint64_t key, int digit) {
  return static_cast<std::size_t>(key >> (digit * radix_bits)) & static_cast<std::size_t>(radix_size - 1);
}

/// A key with where it came from.
template <class T>
struct indexed_key {
  T key;
  std::conditional_t<sizeof(T) == 4, std::uint32_t, std::int64_t> index;
};

template <class T>
ZERMELO_INLINE T key_of(T x) {
  return x;
}
template <class T>
ZERMELO_INLINE T key_of(const indexed_key<T>& x) {
  return x.key;
}

/// Scatters items [begin, end) to where their digit goes.
template <bool Descending, class Item>
void scatter_digit(const Item* from, Item* to, std::int64_t begin, std::int64_t end, int digit, std::int64_t* next) {
  for (std::int64_t k = begin; k < end; ++k) {
    const Item x = from[k];
    to[next[digit_of(radix_key<Descending>(key_of(x)), digit)]++] = x;
  }
}

/// Stable sort by the least significant digit first; both arrays hold n items. Returns the one that holds the result.
template <bool Descending, class P, class Item>
Item* radix_sort(P&& policy, Item* items, Item* spare, std::int64_t n) {
  using T = decltype(key_of(*items));
  constexpr int digits = radix_digits<T>;
  struct counts {
    std::int64_t of[digits][radix_size];
  };
  const std::int64_t parts = n < radix_parallel ? 1 : concurrency(policy);
  const std::int64_t length = (n + parts - 1) / parts;
  const scratch_array<counts> count(policy, parts);
  const auto for_each_part = [&](auto&& f) {
    if (parts == 1)
      f(std::int64_t{0});
    else
      for_each_tile(policy, parts, f);
  };
  for_each_part([&](std::int64_t p) {
    auto& mine = count[p];
    for (auto& row : mine.of) std::fill(row, row + radix_size, 0);
    for (std::int64_t k = p * length; k < (std::min)(n, (p + 1) * length); ++k) {
      const auto key = radix_key<Descending>(key_of(items[k]));
      for (int d = 0; d < digits; ++d) ++mine.of[d][digit_of(key, d)];
    }
  });
  bool moved = false;
  const auto first_key = radix_key<Descending>(key_of(items[0]));
  for (int d = 0; d < digits; ++d) {
    std::int64_t like_first = 0;
    for (std::int64_t p = 0; p < parts; ++p) like_first += count[p].of[d][digit_of(first_key, d)];
    if (like_first == n) continue;  // all share the digit
    if (moved && parts > 1)         // the parts hold other items by now
      for_each_part([&](std::int64_t p) {
        auto& mine = count[p].of[d];
        std::fill(mine, mine + radix_size, 0);
        for (std::int64_t k = p * length; k < (std::min)(n, (p + 1) * length); ++k)
          ++mine[digit_of(radix_key<Descending>(key_of(items[k])), d)];
      });
    std::int64_t begin = 0;
    for (std::int64_t v = 0; v < radix_size; ++v)
      for (std::int64_t p = 0; p < parts; ++p) begin += std::exchange(count[p].of[d][v], begin);
    for_each_part([&](std::int64_t p) {
      scatter_digit<Descending>(items, spare, p * length, (std::min)(n, (p + 1) * length), d, count[p].of[d]);
    });
    std::swap(items, spare);
    moved = true;
  }
  return items;
}

/// Stable, for few items.
template <bool Descending, class Item>
void insertion_sort(Item* items, std::int64_t n) {
  for (std::int64_t k = 1; k < n; ++k) {
    const Item x = items[k];
    const auto key = radix_key<Descending>(key_of(x));
    std::int64_t j = k;
    for (; j > 0 && radix_key<Descending>(key_of(items[j - 1])) > key; --j) items[j] = items[j - 1];
    items[j] = x;
  }
}

template <bool Descending, class P, class Item>
Item* stable_sort_items(P&& policy, Item* items, Item* spare, std::int64_t n) {
  if (n >= radix_worth) return radix_sort<Descending>(policy, items, spare, n);
  constexpr std::int64_t run = 16;
  for (std::int64_t k = 0; k < n; k += run) insertion_sort<Descending>(items + k, (std::min)(run, n - k));
  const auto before = [](const Item& a, const Item& b) {
    return radix_key<Descending>(key_of(a)) < radix_key<Descending>(key_of(b));
  };
  for (std::int64_t width = run; width < n; width *= 2) {
    for (std::int64_t k = 0; k < n; k += 2 * width) {
      const std::int64_t middle = (std::min)(n, k + width), end = (std::min)(n, k + 2 * width);
      std::merge(items + k, items + middle, items + middle, items + end, spare + k, before);
    }
    std::swap(items, spare);
  }
  return items;
}

inline constexpr std::int64_t sort_tile = std::int64_t{1} << 16, sort_tiles = 256;

/// make(k) for k in [0, n), tile by tile; true if it ever was.
template <class P, class F>
bool any_over(P&& policy, std::int64_t n, F&& make) {
  bool found[sort_tiles] = {};
  const std::int64_t length = (std::max)(sort_tile, (n + sort_tiles - 1) / sort_tiles);
  const std::int64_t tiles = (n + length - 1) / length;
  for_each_tile(policy, tiles, [&](std::int64_t t) {
    bool mine = false;
    for (std::int64_t k = t * length; k < (std::min)(n, (t + 1) * length); ++k) mine = mine | make(k);
    found[t] = mine;
  });
  return std::find(found, found + tiles, true) != found + tiles;
}

/// Whether a key is not a number.
template <class P, class View>
bool holds_nan(P&& policy, const View& keys) {
  using T = typename View::value_type;
  const std::int64_t n = keys.size();
  if constexpr (!std::is_floating_point_v<T>) {
    return false;
  } else if (!keys.contiguous()) {
    return any_over(policy, n, [=](std::int64_t k) { return unordered(keys.element(k)); });
  } else {
    using V = value_of<P, T>;
    constexpr std::int64_t block = 8 * lanes<V>;
    const T* const x = keys.data;
    const std::int64_t blocks = n / block;
    const bool bad = any_over(policy, blocks, [=](std::int64_t b) ZERMELO_LAMBDA_INLINE {
      mask_t<V> some = is_nan(load<V>(x + b * block));
      for (std::int64_t j = lanes<V>; j < block; j += lanes<V>) some = some | is_nan(load<V>(x + b * block + j));
      return any(some);
    });
    return bad ||
           any_over(policy, n - blocks * block, [=](std::int64_t k) { return unordered(x[blocks * block + k]); });
  }
}

template <bool Descending, class P, class View>
void sort_view(P&& policy, const View& keys) {
  using T = typename View::value_type;
  const std::int64_t n = keys.size();
  const bool unit = keys.contiguous();
  if (holds_nan(policy, keys)) refuse_key(keys, n);
  if constexpr (std::is_integral_v<T>) {
    if (unit && n < sort_worth) {
      std::sort(keys.data, keys.data + n, [](T a, T b) { return Descending ? b < a : a < b; });
      return;
    }
  } else {
    // Only zeros can tell the order of equal keys.
    if (unit && n < sort_worth && std::find(keys.data, keys.data + n, T(0)) == keys.data + n) {
      std::sort(keys.data, keys.data + n, [](T a, T b) { return Descending ? b < a : a < b; });
      return;
    }
  }
  const scratch_array<T> scratch(policy, unit ? n : 2 * n);
  T* items = keys.data;
  T* const spare = scratch.data();
  if (!unit) {
    items = spare + n;
    for (std::int64_t k = 0; k < n; ++k) items[k] = keys.element(k);
  }
  const T* sorted = stable_sort_items<Descending>(policy, items, spare, n);
  if (unit && sorted == keys.data) return;
  any_over(policy, n, [&](std::int64_t k) {
    keys.element(k) = sorted[k];
    return false;
  });
}

/// The upper half of a key with where it came from: half as much to move.
struct upper_half {
  std::uint32_t key;
  std::uint32_t index;
};
ZERMELO_INLINE std::uint32_t key_of(const upper_half& x) { return x.key; }

/// Positions [begin, end) of an order, which share the upper halves of their keys, by the whole keys.
template <bool Descending, class Keys, class Indices>
void sort_shared(const Keys& keys, const upper_half* sorted, const Indices& indices, std::int64_t begin,
                 std::int64_t end) {
  using item = indexed_key<typename Keys::value_type>;
  constexpr std::int64_t few = 16;
  const auto run = [&](item* items) {
    for (std::int64_t j = begin; j < end; ++j)
      items[j - begin] = {keys.element(sorted[j].index), static_cast<std::int64_t>(sorted[j].index)};
  };
  const auto write = [&](const item* items) {
    for (std::int64_t j = begin; j < end; ++j)
      indices.element(j) = static_cast<typename Indices::value_type>(items[j - begin].index);
  };
  if (end - begin <= few) {
    item items[few];
    run(items);
    insertion_sort<Descending>(items, end - begin);
    write(items);
  } else {
    std::vector<item> items(2 * static_cast<std::size_t>(end - begin));
    run(items.data());
    write(stable_sort_items<Descending>(serial{}, items.data(), items.data() + (end - begin), end - begin));
  }
}

/// argsort of keys of 8 bytes by the 32 bits from the highest in which they differ, and then of those that share these.
/// False, with nothing done, where most do.
template <bool Descending, class P, class Keys, class Indices>
bool argsort_upper_halves(P&& policy, const Keys& keys, const Indices& indices) {
  const std::int64_t n = keys.size();
  const auto word = [&](std::int64_t k) { return radix_key<Descending>(keys.element(k)); };
  std::uint64_t differ[sort_tiles] = {}, any_differ = 0;
  const std::int64_t length = (std::max)(sort_tile, (n + sort_tiles - 1) / sort_tiles);
  const std::int64_t tiles = (n + length - 1) / length;
  const auto over = [&](auto&& f) {
    for_each_tile(policy, tiles, [&](std::int64_t t) { f(t, t * length, (std::min)(n, (t + 1) * length)); });
  };
  over([&](std::int64_t t, std::int64_t begin, std::int64_t end) {
    const std::uint64_t first = word(0);
    std::uint64_t bits = 0;
    for (std::int64_t k = begin; k < end; ++k) bits |= word(k) ^ first;
    differ[t] = bits;
  });
  for (const std::uint64_t bits : differ) any_differ |= bits;
  const int shift = any_differ >> 32 == 0 ? 0 : 32 - __builtin_clzll(any_differ);
  const scratch_array<upper_half> scratch(policy, 2 * n);
  upper_half* const items = scratch.data();
  over([&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k)
      items[k] = {static_cast<std::uint32_t>(word(k) >> shift), static_cast<std::uint32_t>(k)};
  });
  const upper_half* sorted = stable_sort_items<false>(policy, items, items + n, n);
  if (shift > 0) {
    std::int64_t shared[sort_tiles] = {}, all_shared = 0;
    over([&](std::int64_t t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t k = (std::max)(begin, std::int64_t{1}); k < end; ++k)
        shared[t] += sorted[k].key == sorted[k - 1].key;
    });
    for (const std::int64_t s : shared) all_shared += s;
    if (all_shared > n / 2) return false;
  }
  over([&](std::int64_t, std::int64_t begin, std::int64_t end) {
    std::int64_t k = begin;
    while (k > 0 && k < end && sorted[k].key == sorted[k - 1].key) ++k;  // of the tile before
    while (k < end) {
      std::int64_t next = k + 1;
      while (next < n && sorted[next].key == sorted[k].key) ++next;
      for (std::int64_t j = k; j < next; ++j)
        indices.element(j) = static_cast<typename Indices::value_type>(sorted[j].index);
      if (shift > 0 && next - k > 1) sort_shared<Descending>(keys, sorted, indices, k, next);
      k = next;
    }
  });
  return true;
}

template <bool Descending, class P, class Keys, class Indices>
void argsort_view(P&& policy, const Keys& keys, const Indices& indices, std::int64_t wanted) {
  using T = typename Keys::value_type;
  using item = indexed_key<T>;
  const std::int64_t n = keys.size();
  if constexpr (sizeof(T) == 8)
    if (wanted == n && n >= 16 * radix_worth && n <= (std::int64_t{1} << 32)) {
      if (holds_nan(policy, keys)) refuse_key(keys, n);
      if (argsort_upper_halves<Descending>(policy, keys, indices)) return;
    }
  const scratch_array<item> scratch(policy, 2 * n);
  item* const items = scratch.data();
  if (any_over(policy, n, [&](std::int64_t k) {
        const T x = keys.element(k);
        items[k] = {x, static_cast<decltype(item::index)>(k)};
        return unordered(x);
      }))
    refuse_key(keys, n);
  const item* sorted = stable_sort_items<Descending>(policy, items, items + n, n);
  any_over(policy, wanted, [&](std::int64_t k) {
    indices.element(k) = static_cast<typename Indices::value_type>(sorted[k].index);
    return false;
  });
}

/// What keys are compared in: integers too have packs.
template <class P, class T>
struct keys_compared_in {
  using type = T;
};
#if !defined(__CUDA_ARCH__)
template <class P, class T>
  requires(uses_vector_units<P>)
struct keys_compared_in<P, T> {
  using type = native_pack<T>;
};
#endif
template <class P, class T>
using key_pack = typename keys_compared_in<P, T>::type;

/// The room that select_top asks for.
ZERMELO_INLINE std::int64_t top_room(std::int64_t wanted) { return (std::max)(2 * wanted, std::int64_t{64}); }

/// The first `wanted` of the order among elements [begin, end): put into `best`, in order. Returns how many they are, or −1
/// if a key is not a number.
template <class V, bool Descending, bool Unit, class Keys, class Item>
std::int64_t select_top(const Keys& keys, std::int64_t begin, std::int64_t end, std::int64_t wanted, Item* best) {
  const auto before = [](const Item& a, const Item& b) {
    const auto x = radix_key<Descending>(a.key), y = radix_key<Descending>(b.key);
    return x < y || (x == y && a.index < b.index);
  };
  const std::int64_t most = top_room(wanted);
  std::int64_t count = 0;
  const auto keep = [&] {
    if (count <= wanted) return;
    std::nth_element(best, best + wanted - 1, best + count, before);
    count = wanted;
  };
  using T = typename Keys::value_type;
  using word = radix_word_t<T>;
  const auto at = [&](std::int64_t k) { return Unit ? keys.data[k] : keys.element(k); };
  word limit = ~word{0};  // nothing from here on is among the best: an equal key stands behind those that came before
  T last = T(0);
  bool full = false, bad = false;
  constexpr std::int64_t block = 2 * lanes<V>;
  for (std::int64_t from = begin; from < end; from += block) {
    const std::int64_t to = (std::min)(end, from + block);
    if constexpr (lanes<V> > 1) {
      if (Unit && full && to - from == block) {  // mostly there is nothing to see
        const V limits = V(last);
        auto some = limits < limits;
        for (std::int64_t k = from; k < to; k += lanes<V>) {
          const V x = load<V>(keys.data + k);
          some = some | (Descending ? x > limits : x < limits);
          if constexpr (std::is_floating_point_v<T>) some = some | is_nan(x);
        }
        if (!any(some)) continue;
      }
    }
    for (std::int64_t k = from; k < to; ++k) {
      const T x = at(k);
      bad = bad | unordered(x);
      if (full && !(radix_key<Descending>(x) < limit)) continue;
      best[count++] = {x, static_cast<decltype(Item::index)>(k)};
      if (count == most) {
        keep();
        full = true;
        last = best[wanted - 1].key;
        limit = radix_key<Descending>(last);
      }
    }
  }
  keep();
  std::sort(best, best + count, before);
  return bad ? -1 : count;
}

template <bool Descending, class P, class Keys, class Indices>
void top_k_view(P&& policy, const Keys& keys, std::int64_t wanted, const Indices& indices) {
  using T = typename Keys::value_type;
  using item = indexed_key<T>;
  const std::int64_t n = keys.size();
  if (wanted == 0 || wanted > n / 16) {
    if (wanted > 0 || n > 0) argsort_view<Descending>(policy, keys, indices, wanted);
    return;
  }
  const std::int64_t length = (std::max)((n + 63) / 64, (std::max)(4 * sort_tile, 8 * wanted));
  const std::int64_t tiles = (n + length - 1) / length;
  const std::int64_t room = top_room(wanted);
  const scratch_array<item> best(policy, tiles * room);
  std::int64_t count[64] = {};
  using V = key_pack<P, T>;
  const bool unit = keys.contiguous();
  for_each_tile(policy, tiles, [&](std::int64_t t) {
    item* const mine = best.data() + t * room;
    const std::int64_t begin = t * length, end = (std::min)(n, begin + length);
    count[t] = unit ? select_top<V, Descending, true>(keys, begin, end, wanted, mine)
                    : select_top<V, Descending, false>(keys, begin, end, wanted, mine);
  });
  if (std::find(count, count + tiles, -1) != count + tiles) refuse_key(keys, n);
  // Tiles lie in the order of indices, so a stable sort keeps it among equals.
  std::int64_t all = 0;
  for (std::int64_t t = 0; t < tiles; ++t) {
    if (all < t * room) std::copy_n(best.data() + t * room, count[t], best.data() + all);
    all += count[t];
  }
  const scratch_array<item> spare(policy, all);
  const item* sorted = stable_sort_items<Descending>(policy, best.data(), spare.data(), all);
  for (std::int64_t k = 0; k < wanted; ++k)
    indices.element(k) = static_cast<typename Indices::value_type>(sorted[k].index);
}

/// Calls f with the direction as a constant.
template <class F>
void with_direction(order direction, F&& f) {
  if (direction == order::descending)
    f(std::true_type{});
  else
    f(std::false_type{});
}

template <class Keys, class Indices>
void check_sort(const Keys& keys, const Indices& indices, std::int64_t wanted) {
  static_assert(sortable<typename Keys::value_type>, "zermelo: keys are numbers of 4 or 8 bytes");
  static_assert(std::is_integral_v<typename Indices::value_type>, "zermelo: indices are integers");
  static_assert(Keys::where == memory::host && Indices::where == memory::host,
                "zermelo: a host policy needs tensors in host memory");
  if (indices.size() != wanted)
    throw shape_error("indices", std::to_string(indices.size()) + " elements, expected " + std::to_string(wanted));
  constexpr auto most = static_cast<std::uint64_t>((std::numeric_limits<typename Indices::value_type>::max)());
  if (sizeof(typename Keys::value_type) == 4 && keys.size() > (std::int64_t{1} << 32))
    throw shape_error("keys", "are more than the 2³² that keys of 4 bytes are sorted of");
  if (keys.size() > 0 && static_cast<std::uint64_t>(keys.size() - 1) > most)
    throw shape_error("indices", "are of a type too narrow for " + std::to_string(keys.size()) + " keys");
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Sorts the keys.
///
/// keys  [n]  float, double or integers of 4 or 8 bytes; reordered. ±∞ are ordered like others; −0 and 0 are equal and
///       keep their order, as equal keys do in all of these functions. The result is the same under every policy.
/// Errors: domain_error("keys", k) at a NaN; then the keys are as they were.
/// Cost: a pass a digit of 8 bits, without those that all keys share; scratch memory for n keys, allocated by each call unless the
///       policy keeps it (with_scratch). On several threads parts are
///       counted and scattered side by side.
template <host_policy P, tensor K>
void sort(P&& policy, K&& keys, order direction = order::ascending) {
  const auto v = view(keys);
  using view_type = std::remove_const_t<decltype(v)>;
  static_assert(detail::sortable<typename view_type::value_type>, "zermelo: keys are numbers of 4 or 8 bytes");
  static_assert(view_type::where == memory::host, "zermelo: a host policy needs tensors in host memory");
  detail::with_direction(direction, [&](auto descending) { detail::sort_view<descending.value>(policy, v); });
}
template <tensor K>
void sort(K&& keys, order direction = order::ascending) {
  sort(detail::default_policy<K>(), keys, direction);
}

/// The permutation that sorts the keys, stably:  keys[indices[0]] ≤ keys[indices[1]] ≤ …, equal keys by their position.
///
/// keys     [n]  as for sort; left alone
/// indices  [n]  integers, written
/// Errors: shape_error; domain_error("keys", k) at a NaN.
/// Cost: as sort, with keys of twice the size; scratch memory for 2n pairs. At most 2³² keys of 4 bytes.
template <host_policy P, tensor K, tensor N>
void argsort(P&& policy, const K& keys, N&& indices, order direction = order::ascending) {
  const auto v = view(keys);
  const auto to = view(indices);
  detail::check_sort(v, to, v.size());
  detail::with_direction(direction,
                         [&](auto descending) { detail::argsort_view<descending.value>(policy, v, to, v.size()); });
}
template <tensor K, tensor N>
void argsort(const K& keys, N&& indices, order direction = order::ascending) {
  argsort(detail::default_policy<K, N>(), keys, indices, direction);
}

/// The first k of argsort: the positions of the k largest keys, the largest first (of the smallest if ascending).
///
/// keys     [n]  as for sort; left alone
/// indices  [k]  integers, written; equal keys by their position
/// Errors: shape_error; domain_error("k") outside [0, n]; domain_error("keys", i) at a NaN.
/// Cost: one pass for k well below n, beyond n/16 an argsort; scratch memory for O(k) keys of each of at most 64 tiles.
template <host_policy P, tensor K, tensor N>
void top_k(P&& policy, const K& keys, std::int64_t k, N&& indices, order direction = order::descending) {
  const auto v = view(keys);
  const auto to = view(indices);
  if (k < 0 || k > v.size())
    throw domain_error("k", domain_error::whole,
                       std::to_string(k) + ", expected at most the number of keys, " + std::to_string(v.size()));
  detail::check_sort(v, to, k);
  detail::with_direction(direction, [&](auto descending) { detail::top_k_view<descending.value>(policy, v, k, to); });
}
template <tensor K, tensor N>
void top_k(const K& keys, std::int64_t k, N&& indices, order direction = order::descending) {
  top_k(detail::default_policy<K, N>(), keys, k, indices, direction);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1

#if defined(__CUDACC__)
#include "../detail/cuda/sort.hpp"
#endif
