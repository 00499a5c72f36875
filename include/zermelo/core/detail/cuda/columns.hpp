// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../../config.hpp"
#include "../../primitives/arguments.hpp"
#include "../../primitives/monoids.hpp"
#include "../../tensor.hpp"
#include "../../value.hpp"

/// What the kernels of a device are made of, as functions of one thread. They are plain code: the tests run them on the
/// host, thread after thread, to check indices, tails, masks and merges where there is no device.
namespace zermelo::inline v1::detail {

/// Threads of a block, everywhere. A constant, so that trees of merges depend on the problem alone.
inline constexpr int block_threads = 256;
inline constexpr int warp_threads = 32;

/// The largest access of a thread.
inline constexpr int access_bytes = 16;

template <class T>
struct alignas(access_bytes) chunk {
  static constexpr int width = access_bytes / static_cast<int>(sizeof(T));
  T lane[width];
};

/// A tensor as a sequence that chunks are read from and written to. `wide`: a chunk is one aligned access.
template <class View>
struct device_column {
  View view;
  bool contiguous;
  bool wide;

  ZERMELO_FN auto& at(std::int64_t k) const { return contiguous ? view.data[k] : view.element(k); }
};

template <class T, class View>
ZERMELO_INLINE device_column<View> device_column_of(const View& view) {
  const bool contiguous = view.contiguous();
  return {view, contiguous,
          contiguous && std::is_same_v<T, typename View::value_type> &&
              reinterpret_cast<std::uintptr_t>(view.data) % access_bytes == 0};
}

template <class T, class View>
ZERMELO_FN chunk<T> read_chunk(const device_column<View>& c, std::int64_t first) {
  if constexpr (std::is_same_v<T, typename View::value_type>) {
    if (c.wide) return *reinterpret_cast<const chunk<T>*>(c.view.data + first);
  }
  chunk<T> x;
  for (int j = 0; j < chunk<T>::width; ++j) x.lane[j] = static_cast<T>(c.at(first + j));
  return x;
}

template <class T, class View>
ZERMELO_FN void write_chunk(const device_column<View>& c, std::int64_t first, const chunk<T>& x) {
  if constexpr (std::is_same_v<T, typename View::value_type>) {
    if (c.wide) {
      *reinterpret_cast<chunk<T>*>(c.view.data + first) = x;
      return;
    }
  }
  for (int j = 0; j < chunk<T>::width; ++j) c.at(first + j) = static_cast<typename View::value_type>(x.lane[j]);
}
template <class T>
ZERMELO_FN void write_chunk(const no_column&, std::int64_t, const chunk<T>&) {}

template <class View, class T>
ZERMELO_FN void write_one(const device_column<View>& c, std::int64_t k, T x) {
  c.at(k) = static_cast<typename View::value_type>(x);
}
template <class T>
ZERMELO_FN void write_one(const no_column&, std::int64_t, T) {}

struct in_double_parts {
  template <class V>
  ZERMELO_FN double operator()(V x, V) const {
    return static_cast<double>(x);
  }
};

/// The monoids of a lane as those that results are merged in.
template <class... S, std::size_t... K>
ZERMELO_FN auto widened(const bundle<S...>& s, std::index_sequence<K...>) {
  return bundle<decltype(zip_monoids(get<K>(s), get<K>(s), in_double_parts{}))...>(
      zip_monoids(get<K>(s), get<K>(s), in_double_parts{})...);
}

/// One round of a tree of merges over `count` parts, for distances 1, 2, 4, … below count: a thread that is a multiple of
/// twice the distance merges the part at that distance into its own. Neighbours stay in order.
template <class Merge>
ZERMELO_FN void merge_round(int thread, int distance, int count, const Merge& merge_parts) {
  if (thread % (2 * distance) == 0 && thread + distance < count) merge_parts(thread, thread + distance);
}

/// The stretch of `count` parts that is a thread's, when the threads of one block share them in order.
struct stretch {
  std::int64_t begin, end;
};
ZERMELO_FN stretch stretch_of(std::int64_t count, int thread) {
  const std::int64_t each = (count + block_threads - 1) / block_threads;
  const std::int64_t begin = thread * each < count ? thread * each : count;
  return {begin, begin + each < count ? begin + each : count};
}

/// The merge of a thread's stretch.
template <class Part>
ZERMELO_FN Part merged_stretch(const Part* parts, std::int64_t count, int thread) {
  const stretch own = stretch_of(count, thread);
  Part all = Part::identity();
  for (std::int64_t p = own.begin; p < own.end; ++p) merge_parts(all, parts[p]);
  return all;
}

/// Puts in the place of every part of a thread's stretch what was merged before it, `before` being that of the first.
template <class Part>
ZERMELO_FN void spread_stretch(Part* parts, std::int64_t count, int thread, Part before) {
  const stretch own = stretch_of(count, thread);
  for (std::int64_t p = own.begin; p < own.end; ++p) {
    const Part here = parts[p];
    parts[p] = before;
    merge_parts(before, here);
  }
}

}  // namespace zermelo::inline v1::detail
