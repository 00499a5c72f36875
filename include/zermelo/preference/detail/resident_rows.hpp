// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "../../core/detail/cuda/array.hpp"
#include "../../core/error.hpp"
#include "../../core/execution/policy.hpp"
#include "../../core/primitives/arguments.hpp"
#include "../../core/primitives/map_reduce.hpp"
#include "../../core/primitives/segment_reduce.hpp"
#include "../../core/tensor.hpp"
#include "../../core/value.hpp"
#include "../fit.hpp"
#include "../priors.hpp"
#include "comparison_rows.hpp"
#include "maximise.hpp"

/// A comparison graph in the memory of a policy, and passes over it that are made of primitives: what fits on a device
/// run on. A pass is one segment_reduce over the entries; a sweep is one more map_reduce over the items. The tests run
/// the same code on the host.
namespace zermelo::inline v1::preference::detail::inline ZERMELO_ISA {

/// data[index[k]], for reading: a tensor.
template <class T, memory Where>
struct gathered_view {
  using element_type = const T;
  using value_type = T;
  static constexpr std::size_t rank = 1;
  static constexpr memory where = Where;

  const T* data = nullptr;
  const std::int32_t* index = nullptr;
  std::int64_t shape[1] = {};
  std::int64_t strides[1] = {};

  ZERMELO_FN std::int64_t size() const { return shape[0]; }
  ZERMELO_FN const T& element(std::int64_t k) const { return data[index[k]]; }
  ZERMELO_FN bool contiguous() const { return false; }
};

/// Numbers on the host, with the members of device_array.
template <class T>
class host_array {
 public:
  host_array() = default;
  template <class P>
  ZERMELO_INLINE host_array(const P&, std::int64_t n) : x_(static_cast<std::size_t>(n)) {}
  template <class P>
  ZERMELO_INLINE host_array(const P&, std::span<const T> x) : x_(x.begin(), x.end()) {}
  ZERMELO_INLINE void set(std::span<const T> x) const { std::copy(x.begin(), x.end(), x_.begin()); }
  ZERMELO_INLINE void get(std::span<T> x) const { std::copy_n(x_.begin(), x.size(), x.begin()); }
  ZERMELO_INLINE T* data() const { return x_.data(); }
  ZERMELO_INLINE std::int64_t size() const { return static_cast<std::int64_t>(x_.size()); }
  ZERMELO_INLINE auto view() const { return vector_view(x_.data(), static_cast<std::int64_t>(x_.size())); }

 private:
  mutable std::vector<T> x_;
};

template <class P, class T>
struct array_of_policy {
  using type = host_array<T>;
  static constexpr memory where = memory::host;
};
#if defined(__CUDACC__)
template <device_policy P, class T>
struct array_of_policy<P, T> {
  using type = zermelo::detail::device_array<T>;
  static constexpr memory where = memory::device;
};
#endif

template <wanted Want, class Link>
struct row_kernel {
  Link link;
  template <class V>
  ZERMELO_FN auto operator()(V own, V other, V wins, V losses) const {
    const row_sums_of<V> t = pair_sums<Want>(link, own - other, wins, losses);
    if constexpr (Want.value)
      return bundle(total(t.won), total(t.lost), total(t.curvature), total(t.value));
    else
      return bundle(total(t.won), total(t.lost), total(t.curvature));
  }
};

template <class Link>
struct curvature_kernel {
  Link link;
  template <class V>
  ZERMELO_FN V operator()(V own, V other, V wins, V losses) const {
    return pair_sums<wanted{}>(link, own - other, wins, losses).curvature;
  }
};

struct weighted_difference {
  template <class V>
  ZERMELO_FN auto operator()(V own, V other, V weight) const {
    return total(weight * (own - other));
  }
};

/// Entries that count, one after another; full rows lose their zeros.
struct packed_entries {
  std::vector<std::int64_t> offsets{0};
  std::vector<std::int32_t> own, opponents;
  std::vector<double> wins, losses;
};
inline packed_entries packed(const comparison_rows& rows) {
  packed_entries to;
  for (std::int64_t i = 0; i < rows.items; ++i) {
    for (std::int64_t e = rows.begin(i); e < rows.end(i); ++e) {
      const double w = rows.wins[static_cast<std::size_t>(e)], l = rows.losses[static_cast<std::size_t>(e)];
      if (w == 0 && l == 0) continue;
      to.own.push_back(static_cast<std::int32_t>(i));
      to.opponents.push_back(static_cast<std::int32_t>(rows.opponent(i, e)));
      to.wins.push_back(w);
      to.losses.push_back(l);
    }
    to.offsets.push_back(static_cast<std::int64_t>(to.own.size()));
  }
  return to;
}

/// The rows of a graph, compressed, in the memory of P, with the item of every entry.
template <class P>
class resident_rows {
 public:
  template <class T>
  using array = typename array_of_policy<P, T>::type;
  static constexpr memory where = array_of_policy<P, double>::where;

  /// Both must outlive this.
  ZERMELO_INLINE resident_rows(const P& policy, const comparison_rows& rows)
      : items(rows.items), policy_(&policy), rows_(&rows) {
    const packed_entries entries = packed(rows);
    entries_ = static_cast<std::int64_t>(entries.own.size());
    offsets_ = array<std::int64_t>(policy, std::span<const std::int64_t>(entries.offsets));
    own_ = array<std::int32_t>(policy, std::span<const std::int32_t>(entries.own));
    opponents_ = array<std::int32_t>(policy, std::span<const std::int32_t>(entries.opponents));
    wins_ = array<double>(policy, std::span<const double>(entries.wins));
    losses_ = array<double>(policy, std::span<const double>(entries.losses));
    curvature_ = array<double>(policy, entries_);
    for (array<double>* x : {&strength, &won, &lost, &bent, &value}) *x = array<double>(policy, items);
  }

  std::int64_t items;
  array<double> strength, won, lost, bent, value;  ///< [items] where passes read and write

  ZERMELO_INLINE const comparison_rows& on_host() const { return *rows_; }
  // What drivers ask of rows: these are compressed, and what they keep of entries stays here.
  ZERMELO_INLINE static constexpr bool full() { return false; }
  ZERMELO_INLINE static constexpr std::int64_t entries() { return 0; }
  ZERMELO_INLINE std::int64_t padded_items() const { return items; }

  /// The sums of all rows at strengths theta [items], into won, lost, bent and value; curvatures of pairs are kept.
  template <wanted Want, class Link>
  ZERMELO_INLINE void reduce(Link link, const array<double>& theta) const {
    const auto a = gathered(theta, own_), b = gathered(theta, opponents_);
    const auto w = wins_.view(), l = losses_.view(), v = curvature_.view();
    const auto to_won = won.view(), to_lost = lost.view(), to_bent = bent.view(), to_value = value.view();
    const auto offsets = offsets_.view();
    const row_kernel<Want, Link> kernel{link};
    if constexpr (Want.value)
      segment_reduce(*policy_, kernel, inputs(a, b, w, l), offsets, outputs(to_won, to_lost, to_bent, to_value));
    else
      segment_reduce(*policy_, kernel, inputs(a, b, w, l), offsets, outputs(to_won, to_lost, to_bent));
    if constexpr (Want.curvature) map_reduce(*policy_, curvature_kernel<Link>{link}, inputs(a, b, w, l), outputs(v));
  }

  /// outᵢ = Σⱼ vᵢⱼ (xᵢ − xⱼ), v the curvatures kept.
  ZERMELO_INLINE void apply_laplacian(const array<double>& x, const array<double>& out) const {
    const auto a = gathered(x, own_), b = gathered(x, opponents_);
    const auto v = curvature_.view(), to = out.view();
    segment_reduce(*policy_, weighted_difference{}, inputs(a, b, v), offsets_.view(), outputs(to));
  }

 private:
  ZERMELO_INLINE gathered_view<double, where> gathered(const array<double>& x, const array<std::int32_t>& at) const {
    return {.data = x.data(), .index = at.data(), .shape = {entries_}, .strides = {1}};
  }

  const P* policy_;
  const comparison_rows* rows_;
  std::int64_t entries_ = 0;
  array<std::int64_t> offsets_;
  array<std::int32_t> own_, opponents_;
  array<double> wins_, losses_, curvature_;
};

/// A sweep's step of every item from θ − mean, and what its gradient was.
template <class Prior>
struct sweep_kernel {
  fit_method method;
  Prior prior;
  double mean;
  template <class V>
  ZERMELO_FN auto operator()(V theta, V won, V lost, V total_wins) const {
    prior_terms<V> p{V(0), V(0), V(0), V(0), V(0), V(0), V(0)};
    if constexpr (requires { prior(theta); }) p = prior(theta);
    const V next = theta - V(mean) + sweep_step(method, p, total_wins, won, lost);
    return mapped{bundle(next), bundle(largest(abs(lost - won + p.slope)), total(next))};
  }
};

/// Steps of conjugate gradients, elementwise. The diagonal may exceed the Laplacian's, by a prior's curvature.
struct laplacian_image {
  template <class V>
  ZERMELO_FN auto operator()(V raw, V direction, V diagonal, V rows) const {
    const V image = raw + (diagonal - rows) * direction;
    return mapped{bundle(image), bundle(total(direction * image))};
  }
};
struct conjugate_step {
  double alpha;
  template <class V>
  ZERMELO_FN auto operator()(V x, V residual, V direction, V image, V diagonal) const {
    const V r = residual - V(alpha) * image;
    const V z = select(diagonal > V(0), r / diagonal, V(0));
    return mapped{bundle(x + V(alpha) * direction, r, z), bundle(total(r * r), total(r * z), total(z))};
  }
};
struct conjugate_turn {
  double mean, beta;
  template <class V>
  ZERMELO_FN V operator()(V preconditioned, V direction) const {
    return preconditioned - V(mean) + V(beta) * direction;
  }
};

/// The sweep of comparison_rows.hpp: `theta` is copied to where the rows are, and the sums of rows come back. Curvatures
/// of pairs stay.
template <wanted Want, class P, class Link, class Visit>
double sweep(const P&, const resident_rows<P>& rows, Link link, const double* theta, double*, Visit visit,
             std::vector<double>& received) {
  const auto n = static_cast<std::size_t>(rows.items);
  rows.strength.set(std::span(theta, n));
  rows.template reduce<Want>(link, rows.strength);
  received.resize(4 * n);
  const auto part = [&](std::size_t k) { return std::span(received).subspan(k * n, n); };
  rows.won.get(part(0));
  rows.lost.get(part(1));
  rows.bent.get(part(2));
  if constexpr (Want.value) rows.value.get(part(3));
  double total = 0;
  for (std::size_t i = 0; i < n; ++i) {
    row_sums sums{.won = received[i], .lost = received[n + i], .curvature = received[2 * n + i]};
    if constexpr (Want.value) sums.value = received[3 * n + i];
    total += sums.value;
    visit(static_cast<std::int64_t>(i), sums);
  }
  return total;
}

template <class P>
double gradient_scale(const resident_rows<P>& rows) {
  return gradient_scale(rows.on_host());
}

/// Sweeps that stay where the rows are: what comes to the host is one record a sweep.
template <class P, class Link>
void sweeps(const P& policy, const likelihood<Link, resident_rows<P>>& f, const fit_parameters& p, optimum& best) {
  if (moves_one_after_another(p.method))
    throw domain_error("method", domain_error::whole,
                       "sweeps that move one item after another are for the host; use mm, newman_parallel or newton");
  using array = typename resident_rows<P>::template array<double>;
  const std::int64_t n = f.rows.items, limit = limit_of_sweeps(p);
  const double target = p.tolerance * best.certificate.scale;
  array theta(policy, std::span<const double>(best.theta)), next(policy, n);
  const array total_wins(policy, std::span<const double>(wins_of_items(f.rows.on_host())));
  const auto won = f.rows.won.view(), lost = f.rows.lost.view(), wins = total_wins.view();
  best.convergence.status = status::limit;
  std::int64_t k = 0;
  const auto with_prior = [&](const auto& prior) {
    using prior_type = std::remove_cvref_t<decltype(prior)>;
    double mean = 0;
    for (;; ++k) {
      f.rows.template reduce<wanted{}>(f.link, theta);
      const auto from = theta.view(), to = next.view();
      const auto sums = map_reduce(policy, sweep_kernel<prior_type>{p.method, prior, mean},
                                   inputs(from, won, lost, wins), outputs(to));
      if (get<0>(sums).value <= target) {
        best.convergence.status = status::converged;
        break;
      }
      if (k == limit) break;
      std::swap(theta, next);
      if (f.sums_to_zero()) mean = get<1>(sums).value / static_cast<double>(n);
    }
  };
  std::visit(with_prior, f.prior);
  theta.get(std::span(best.theta));
  if (f.sums_to_zero()) centre(best.theta, n);
  balance at;
  evaluate<wanted{.value = true}>(policy, f, best.theta, at);
  best.convergence.iterations = k;
  best.value = at.value;
  best.data_value = at.data_value;
  best.certificate.gradient_norm = at.gradient_norm;
}

/// By conjugate gradients with the diagonal as preconditioner, where the rows are; two records an iteration come to the
/// host.
template <class P>
class newton_direction<resident_rows<P>> {
 public:
  template <class Link>
  bool find(const P& policy, const likelihood<Link, resident_rows<P>>& f, const balance& at, const std::vector<double>&,
            double accuracy, std::vector<double>& delta) {
    const std::int64_t n = f.rows.items;
    const auto length = static_cast<std::size_t>(n);
    if (solution_.size() != n)
      for (auto* x : {&solution_, &residual_, &preconditioned_, &direction_, &image_, &diagonal_})
        *x = array(policy, n);
    delta.assign(length, 0.0);
    for (auto* x : {&solution_, &direction_, &image_}) x->set(std::span<const double>(delta));
    diagonal_.set(std::span<const double>(at.diagonal));
    right_.resize(length);
    double square = 0;
    for (std::size_t i = 0; i < length; ++i) {
      right_[i] = -at.gradient[i];
      square += right_[i] * right_[i];
    }
    residual_.set(std::span<const double>(right_));
    const auto x = solution_.view(), r = residual_.view(), z = preconditioned_.view(), d = direction_.view(),
               q = image_.view(), diagonal = diagonal_.view(), rows = f.rows.bent.view();
    const std::int64_t limit = (std::max)(std::int64_t{100}, 10 * n);
    const double goal = accuracy * accuracy * square;
    double alpha = 0, before = 0;
    for (std::int64_t k = 0; k <= limit; ++k) {
      const auto sums = map_reduce(policy, conjugate_step{alpha}, inputs(x, r, d, q, diagonal), outputs(x, r, z));
      const double along = get<1>(sums).value;
      if (get<0>(sums).value <= goal || !(along > 0)) break;
      const double mean = f.shift_invariant() ? get<2>(sums).value / static_cast<double>(n) : 0;
      map_reduce(policy, conjugate_turn{mean, k > 0 ? along / before : 0}, inputs(z, d), outputs(d));
      before = along;
      f.rows.apply_laplacian(direction_, image_);
      const auto bent = map_reduce(policy, laplacian_image{}, inputs(q, d, diagonal, rows), outputs(q));
      if (!(get<0>(bent).value > 0)) break;  // beyond what this precision can resolve
      alpha = along / get<0>(bent).value;
    }
    solution_.get(std::span(delta));
    for (const double v : delta)
      if (v != 0) return true;
    return false;
  }

 private:
  using array = typename resident_rows<P>::template array<double>;
  array solution_, residual_, preconditioned_, direction_, image_, diagonal_;
  std::vector<double> right_;
};

}  // namespace zermelo::inline v1::preference::detail::inline ZERMELO_ISA
