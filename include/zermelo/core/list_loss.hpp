// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "config.hpp"
#include "detail/segments.hpp"
#include "error.hpp"
#include "execution/default_policy.hpp"
#include "execution/policy.hpp"
#include "lanes.hpp"
#include "loss_options.hpp"
#include "options.hpp"
#include "primitives/arguments.hpp"
#include "primitives/map_reduce.hpp"
#include "primitives/segment_reduce.hpp"
#include "tensor.hpp"
#include "value.hpp"

/// The driver of losses over lists: several responses to a prompt, each with a label. Lists are rows of a matrix, or ragged.
namespace zermelo::inline v1 {

/// Sums over the lists. They merge: any split into batches gives the same sums.
struct list_sums {
  double loss = 0;         ///< Σ weight·loss
  double weight = 0;       ///< Σ weight; the number of lists without weights
  std::int64_t lists = 0;  ///< lists of which an item counts

  /// Σ weight·loss / lists: weights do not enter the denominator. Errors: domain_error if there are no lists.
  ZERMELO_INLINE double mean_over_lists() const { return detail::mean_over(loss, static_cast<double>(lists), "lists"); }
  /// Σ weight·loss / Σ weight.
  ZERMELO_INLINE double mean_over_weight() const { return detail::mean_over(loss, weight, "lists"); }

  ZERMELO_INLINE friend list_sums merge(const list_sums& a, const list_sums& b) {
    return {a.loss + b.loss, a.weight + b.weight, a.lists + b.lists};
  }
};

/// One list, as kernels see it: the kernel writes all slopes, ∂ℓ/∂ratio, and returns ℓ. With packs, every lane is a list.
template <class V>
struct list_terms {
  std::int64_t size;
  const V* ratio;   ///< log-ratios
  const V* label;   ///< in descending order, ties by position, if the kernel says `static constexpr bool sorted = true`
  const V* length;  ///< 1 where no lengths are given
  const V* picked;  ///< 1 for the item picked, else 0
  V* slope;
  V* scratch;  ///< `size` values for the kernel's own use
};

/// An option: lists are ragged; list i has the items [offsets[i], offsets[i + 1]) of tensors of rank 1.
template <class N>
struct segmented_by {
  N& offsets;
  ZERMELO_INLINE explicit segmented_by(N& n) : offsets(n) {}
};

/// An option: lengths of all items, positive, for kernels that ask for them.
template <class X>
struct item_lengths {
  X& lengths;
  ZERMELO_INLINE explicit item_lengths(X& x) : lengths(x) {}
};

/// An option: the position in its list of one item of each list; else the first item of the largest label.
template <class N>
struct picking {
  N& positions;
  ZERMELO_INLINE explicit picking(N& n) : positions(n) {}
};

namespace detail {

template <class Kernel>
inline constexpr bool sorts_labels = requires { requires Kernel::sorted; };

}  // namespace detail

namespace detail::inline ZERMELO_ISA {

/// The element at position k of the row-major order.
template <class View>
ZERMELO_INLINE auto& item(const column<View>& c, std::int64_t k) {
  return c.contiguous ? c.view.data[k] : c.view.element(k);
}

/// Lists up to here are sorted by insertion, which allocates nothing.
inline constexpr std::ptrdiff_t short_list = 48;

/// The column that is given, or none.
template <class C>
ZERMELO_INLINE C only(const std::tuple<C>& t) {
  return std::get<0>(t);
}
ZERMELO_INLINE no_column only(const std::tuple<>&) { return {}; }

template <class C>
inline constexpr bool is_column = !std::is_same_v<std::remove_const_t<C>, no_column>;

/// Everything that a list is made of.
template <class Ratio, class Reference, class Label, class Length, class Picked, class Weight, class Mask,
          class Offsets, class Losses, class Gradient>
struct list_columns {
  Ratio policy;
  Reference reference;
  Label labels;
  Length lengths;
  Picked picked;
  Weight weights;
  Mask mask;
  Offsets offsets;
  Losses losses;
  Gradient gradient;

  ZERMELO_INLINE bool counts(std::int64_t k) const {
    if constexpr (is_column<Mask>)
      return is_counted(mask, k);
    else
      return true;
  }

  /// The items of list i that count, the ones with larger labels first if so wanted; appended.
  template <bool Sorted>
  void append(std::int64_t i, std::vector<std::int64_t>& at) const {
    const std::size_t first = at.size();
    const std::int64_t from = offsets(i), to = offsets(i + 1);
    if constexpr (is_column<Mask>) {
      for (std::int64_t k = from; k < to; ++k)
        if (counts(k)) at.push_back(k);
    } else {
      at.resize(first + static_cast<std::size_t>(to - from));
      for (std::int64_t k = from; k < to; ++k) at[first + static_cast<std::size_t>(k - from)] = k;
    }
    if constexpr (Sorted) {
      const auto begin = at.begin() + static_cast<std::ptrdiff_t>(first), end = at.end();
      if (end - begin > short_list) {
        std::stable_sort(begin, end,
                         [this](std::int64_t a, std::int64_t b) { return item(labels, a) > item(labels, b); });
        return;
      }
      for (auto here = begin; here != end; ++here) {
        const std::int64_t k = *here;
        auto place = here;
        for (; place != begin && item(labels, *(place - 1)) < item(labels, k); --place) *place = *(place - 1);
        *place = k;
      }
    }
  }

  /// The item that is picked from list i, of which `at` has `size` items.
  std::int64_t pick(std::int64_t i, const std::int64_t* at, std::int64_t size) const {
    if constexpr (is_column<Picked>) {
      return offsets(i) + static_cast<std::int64_t>(picked.view.element(i));
    } else {
      std::int64_t best = at[0];
      for (std::int64_t k = 1; k < size; ++k)
        if (item(labels, at[k]) > item(labels, best) || (item(labels, at[k]) == item(labels, best) && at[k] < best))
          best = at[k];
      return best;
    }
  }

  /// Says what is wrong with list i.
  template <class T, class Kernel>
  [[noreturn]] void refuse(const Kernel& kernel, std::int64_t i) const {
    for (std::int64_t k = offsets(i); k < offsets(i + 1); ++k) {
      if (!counts(k)) continue;
      const auto check = [&]<class C>(const C& c) {
        if constexpr (is_column<C>)
          if (is_nan(static_cast<double>(c.view.element(k)))) throw domain_error(c.name, k, "is not a number");
      };
      const auto bounded = [&]<class C>(const C& c) {
        if constexpr (is_column<C>)
          if (is_plus_infinity(static_cast<double>(c.view.element(k))))
            throw domain_error(c.name, k, "a log-probability is +∞");
      };
      check(policy), check(reference), check(labels), check(lengths);
      bounded(policy), bounded(reference);
      if (!is_finite(static_cast<double>(labels.view.element(k))))
        throw domain_error(labels.name, k, "is infinite, expected a finite number");
      if constexpr (is_column<Reference>)
        if (is_nan(static_cast<double>(policy.view.element(k)) - static_cast<double>(reference.view.element(k))))
          throw domain_error(policy.name, k, "the log-ratio is a difference of equal infinities, which is undefined");
      if constexpr (is_column<Length>) {
        const double n = static_cast<double>(lengths.view.element(k));
        if (!(n > 0 && is_finite(n))) throw domain_error(lengths.name, k, text(n) + ", expected a positive length");
      }
    }
    if constexpr (is_column<Weight>) {
      const double w = static_cast<double>(weights.view.element(i));
      if (!(w >= 0 && is_finite(w)))
        throw domain_error(weights.name, i, text(w) + ", expected a finite number, zero or more");
    }
    if constexpr (is_column<Picked>) {
      const std::int64_t k = offsets(i) + static_cast<std::int64_t>(picked.view.element(i));
      if (k < offsets(i) || k >= offsets(i + 1) || !counts(k))
        throw domain_error(picked.name, i, "is no item of its list that counts");
    }
    if constexpr (requires { kernel.refusal(i); }) throw kernel.refusal(i);
    throw domain_error(policy.name, offsets(i), "the loss of this list is a difference of equal infinities");
  }
};

template <class... C>
ZERMELO_INLINE list_columns<C...> columns_of_lists(const C&... c) {
  return {c...};
}

/// Lists [first, first + lanes) of equally many items, `at` their items, list after list. Their losses in `value`; false if
/// there is something wrong with one of them.
template <class V, class Kernel, class Columns>
ZERMELO_INLINE bool group_of_lists(const Kernel& kernel, const Columns& c, std::int64_t first, std::int64_t size,
                                   const std::int64_t* at, V* room, scalar_t<V>* value) {
  using T = scalar_t<V>;
  constexpr std::int64_t width = lanes<V>;
  V *ratio = room, *label = room + size, *length = room + 2 * size, *picked = room + 3 * size, *slope = room + 4 * size;
  mask_t<V> bad = is_nan(V(0));
  T lane[width];
  const auto read = [&](const auto& column, std::int64_t k) ZERMELO_LAMBDA_INLINE {
    for (std::int64_t j = 0; j < width; ++j) lane[j] = static_cast<T>(item(column, at[j * size + k]));
    return load<V>(lane);
  };
  for (std::int64_t k = 0; k < size; ++k) {
    const V p = read(c.policy, k);
    bad = bad || is_plus_infinity(p);
    if constexpr (is_column<decltype(c.reference)>) {
      const V r = read(c.reference, k);
      bad = bad || is_plus_infinity(r);
      ratio[k] = p - r;
    } else {
      ratio[k] = p;
    }
    label[k] = read(c.labels, k);
    bad = bad || is_nan(ratio[k]) || !is_finite(label[k]);
    if constexpr (is_column<decltype(c.lengths)>) {
      length[k] = read(c.lengths, k);
      bad = bad || !(length[k] > V(0)) || !is_finite(length[k]);
    } else {
      length[k] = V(1);
    }
  }
  if (any(bad)) return false;
  std::int64_t picks[width];
  for (std::int64_t j = 0; j < width; ++j) picks[j] = c.pick(first + j, at + j * size, size);
  bool found[width] = {};
  for (std::int64_t k = 0; k < size; ++k) {
    for (std::int64_t j = 0; j < width; ++j) {
      const bool here = at[j * size + k] == picks[j];
      found[j] = found[j] || here;
      lane[j] = here ? T(1) : T(0);
    }
    picked[k] = load<V>(lane);
  }
  for (const bool f : found)
    if (!f) return false;
  const list_terms<V> list{size, ratio, label, length, picked, slope, room + 5 * size};
  if constexpr (requires { kernel.refuses(list); })
    if (any(kernel.refuses(list))) return false;
  V loss = kernel(list);
  V weight = V(1);
  if constexpr (is_column<decltype(c.weights)>) {
    for (std::int64_t j = 0; j < width; ++j) lane[j] = static_cast<T>(c.weights.view.element(first + j));
    weight = load<V>(lane);
    bad = bad || !(weight >= V(0)) || !is_finite(weight);
    loss = weighted(weight, loss);
  }
  bad = bad || is_nan(loss);
  if (any(bad)) return false;
  store(value, loss);
  if constexpr (is_column<decltype(c.losses)>)
    for (std::int64_t j = 0; j < width; ++j)
      c.losses.view.element(first + j) = static_cast<typename decltype(c.losses.view)::value_type>(value[j]);
  if constexpr (is_column<decltype(c.gradient)>)
    for (std::int64_t k = 0; k < size; ++k) {
      store(lane, is_column<decltype(c.weights)> ? weighted(weight, slope[k]) : slope[k]);
      for (std::int64_t j = 0; j < width; ++j)
        item(c.gradient, at[j * size + k]) = static_cast<typename decltype(c.gradient.view)::value_type>(lane[j]);
    }
  return true;
}

/// Lists that fit beside each other without allocating.
inline constexpr std::int64_t list_room = 6 * 32;

template <class V, class Kernel, class Columns>
list_sums lists_of_tile(const Kernel& kernel, const Columns& c, std::int64_t begin, std::int64_t end) {
  using T = scalar_t<V>;
  constexpr std::int64_t width = lanes<V>;
  list_sums sums;
  std::vector<std::int64_t> at;
  V near_room[list_room];
  std::vector<V> far_room;
  const auto room_for = [&](std::int64_t size) {
    if (6 * size <= list_room) return near_room;
    if (static_cast<std::int64_t>(far_room.size()) < 6 * size) far_room.resize(static_cast<std::size_t>(6 * size));
    return far_room.data();
  };
  const auto add = [&](std::int64_t i, T value) {
    sums.loss += static_cast<double>(value);
    ++sums.lists;
    if constexpr (is_column<decltype(c.weights)>)
      sums.weight += static_cast<double>(c.weights.view.element(i));
    else
      sums.weight += 1;
  };
  std::int64_t i = begin;
  while (i < end) {
    at.clear();
    std::int64_t size = -1, together = 0;
    for (; together < width && i + together < end; ++together) {
      const std::size_t before = at.size();
      c.template append<sorts_labels<Kernel>>(i + together, at);
      const std::int64_t items = static_cast<std::int64_t>(at.size() - before);
      if (size < 0) size = items;
      if (items != size) break;
    }
    if constexpr (is_column<decltype(c.gradient)>)
      if constexpr (is_column<decltype(c.mask)>)
        for (std::int64_t k = c.offsets(i); k < c.offsets((std::min)(end, i + width)); ++k)
          if (!c.counts(k)) c.gradient.view.element(k) = 0;
    if (size == 0) {  // nothing counts: no list
      if constexpr (is_column<decltype(c.losses)>) c.losses.view.element(i) = 0;
      ++i;
      continue;
    }
    if (together == width) {
      T value[width];
      if (!group_of_lists<V>(kernel, c, i, size, at.data(), room_for(size), value)) {
        for (std::int64_t j = 0; j < width; ++j) {
          T one;
          std::vector<T> scalars(static_cast<std::size_t>(6 * size));
          if (!group_of_lists<T>(kernel, c, i + j, size, at.data() + j * size, scalars.data(), &one))
            c.template refuse<T>(kernel, i + j);
        }
        c.template refuse<T>(kernel, i);
      }
      for (std::int64_t j = 0; j < width; ++j) add(i + j, value[j]);
      i += width;
    } else {  // one by one
      T one;
      std::vector<T> scalars;
      T near_scalars[list_room];
      T* room = near_scalars;
      if (6 * size > list_room) {
        scalars.resize(static_cast<std::size_t>(6 * size));
        room = scalars.data();
      }
      if (!group_of_lists<T>(kernel, c, i, size, at.data(), room, &one)) c.template refuse<T>(kernel, i);
      add(i, one);
      ++i;
    }
  }
  return sums;
}

/// Tiles of lists: their number depends on the lists alone.
inline constexpr std::int64_t list_tile = 64, list_tiles = 256;

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// A loss over lists of responses, its gradient and its sums.
///
///   aₖ = log_probs[i, k] − reference[i, k],   losses[i] = wᵢ·ℓ(a, labels[i]),   gradient[i, k] = wᵢ·∂ℓ/∂aₖ
///
/// kernel     kernel(list_terms) → ℓ, writing all slopes; see alignment/list_losses.hpp
/// log_probs  [B, K]  under the policy, in nats; or [N] with segmented_by(offsets)
/// reference, labels  of the same shape; no_reference is possible
/// losses     [B], gradient of the shape of log_probs: written; `discard` what is not wanted
/// options    segmented_by(offsets), weighted_by(w) of lists [B], counted_where(mask) of items, item_lengths(n),
///            picking(positions) [B], in any order. Items that do not count are in no list, no pair and no rank; a list
///            without any has loss 0 and is not counted
/// Errors: shape_error and domain_error naming tensor and position: NaN, +∞, a difference of equal infinities, labels or
///         weights that are not finite, lengths that are not positive; what the kernel refuses; its parameters.
/// Cost: K or K² steps a list, by the kernel; lists of equal length side by side in vector units. Host policies only.
///       Allocates a few buffers a tile of lists.
template <host_policy P, class Kernel, tensor X, class R, tensor Y, class L, class G, class... Options>
list_sums list_loss(P&& policy, const Kernel& kernel, const X& log_probs, const R& reference, const Y& labels,
                    L&& losses, G&& gradient, const Options&... options) {
  kernel.require_valid();
  using known = detail::options_known<segmented_by, weighted_by, counted_where, item_lengths, picking>;
  static_assert(known::include<Options...>,
                "zermelo: options of list_loss are segmented_by, weighted_by, counted_where, item_lengths and picking");
  static_assert(known::once<Options...>, "zermelo: an option of list_loss is given twice");
  constexpr bool segmented = detail::times_given<segmented_by, Options...> > 0;
  const auto from = detail::column_of(log_probs, "log_probs");
  static_assert(segmented || decltype(from.view)::rank == 2,
                "zermelo: lists are rows of a matrix [B, K], or segmented_by(offsets)");
  const auto before = [&] {
    if constexpr (std::is_same_v<std::remove_const_t<R>, no_reference_t>)
      return detail::no_column{};
    else
      return detail::column_of(reference, "reference");
  }();
  const auto of_labels = detail::column_of(labels, "labels");
  const auto lengths = detail::only(detail::given<item_lengths>(
      [](const auto& o) { return std::tuple(detail::column_of(o.lengths, "lengths")); }, options...));
  const auto picked = detail::only(detail::given<picking>(
      [](const auto& o) { return std::tuple(detail::column_of(o.positions, "picked")); }, options...));
  const auto weights = detail::only(detail::given<weighted_by>(
      [](const auto& o) { return std::tuple(detail::column_of(o.weights, "weights")); }, options...));
  const auto mask = detail::only(detail::given<counted_where>(
      [](const auto& o) { return std::tuple(detail::column_of(o.tensor, "mask")); }, options...));
  const auto to_losses = detail::column_of(losses, "losses");
  const auto to_gradient = detail::column_of(gradient, "gradient");
  const std::int64_t n = from.view.size();
  const auto offsets = [&] {
    if constexpr (segmented) {
      const auto& begins =
          std::get<0>(detail::given<segmented_by>([](const auto& o) { return std::tie(o.offsets); }, options...));
      const auto o = detail::offsets_of(begins, n);
      detail::check_offsets(o, n);
      return o;
    } else {
      return detail::equal_offsets{from.view.shape[0], from.view.shape[1]};
    }
  }();
  const std::int64_t lists = offsets.segments();
  const auto as_items = [&]<class C>(const C& c) {
    if constexpr (detail::is_column<C>) {
      if constexpr (!segmented && decltype(c.view)::rank == 2) {
        if (c.view.shape[0] != from.view.shape[0] || c.view.shape[1] != from.view.shape[1])
          throw shape_error(c.name, std::to_string(c.view.shape[0]) + " × " + std::to_string(c.view.shape[1]) +
                                        ", expected the shape of log_probs, " + std::to_string(from.view.shape[0]) +
                                        " × " + std::to_string(from.view.shape[1]));
      }
      detail::require_same_elements(c, from);
    }
  };
  as_items(before), as_items(of_labels), as_items(lengths), as_items(mask), as_items(to_gradient);
  detail::require_segments(picked, lists, "lists");
  detail::require_segments(weights, lists, "lists");
  detail::require_segments(to_losses, lists, "lists");
  const auto columns = detail::columns_of_lists(from, before, of_labels, lengths, picked, weights, mask, offsets,
                                                to_losses, to_gradient);
  using T = typename detail::compute_in<decltype(from), decltype(before), decltype(of_labels), decltype(to_losses),
                                        decltype(to_gradient)>::type;
  using V = value_of<P, T>;
  const std::int64_t length = (std::max)(detail::list_tile, (lists + detail::list_tiles - 1) / detail::list_tiles);
  const std::int64_t tiles = (lists + length - 1) / length;
  list_sums parts[detail::list_tiles];
  for_each_tile(policy, tiles, [&](std::int64_t t) {
    parts[static_cast<std::size_t>(t)] =
        detail::lists_of_tile<V>(kernel, columns, t * length, (std::min)(lists, (t + 1) * length));
  });
  list_sums all;
  for (std::int64_t t = 0; t < tiles; ++t) all = merge(all, parts[t]);
  return all;
}

template <class Kernel, tensor X, class R, tensor Y, class L, class G, class... Options>
  requires(!execution<Kernel>)
list_sums list_loss(const Kernel& kernel, const X& log_probs, const R& reference, const Y& labels, L&& losses,
                    G&& gradient, const Options&... options) {
  return list_loss(detail::default_policy<X, R, Y, L, G>(), kernel, log_probs, reference, labels, losses, gradient,
                   options...);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1
