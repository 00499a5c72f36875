// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../../token_logprobs.hpp"
#include "token_walk.hpp"

#if defined(__CUDACC__)

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "../../../core/detail/cuda/blocks.hpp"
#include "../../../core/execution/cuda.hpp"
#include "../../../core/execution/default_policy.hpp"

namespace zermelo::inline v1::alignment {
namespace detail::inline ZERMELO_ISA {

namespace on_device = zermelo::detail;

/// The log-probability of one row, and whether it scores a token.
struct row_sum {
  double logprob;
  std::int64_t tokens;
};
ZERMELO_FN void merge_parts(row_sum& to, const row_sum& from) {
  to.logprob += from.logprob;
  to.tokens += from.tokens;
}

/// Element of an output [B, T − 1] that row r has; −1 for none. Length 0: one a row.
ZERMELO_FN std::int64_t element_of_row(std::int64_t r, std::int64_t length) {
  if (length == 0) return r;
  return r % length == length - 1 ? -1 : r / length * (length - 1) + r % length;
}

template <class C>
__device__ void write_number(const C& to, std::int64_t k, double x) {
  if constexpr (!std::is_same_v<C, zm_detail::no_column>)
    to.at(k) = static_cast<typename std::remove_cvref_t<decltype(to.view)>::value_type>(x);
}

/// A block a row.
template <class Walk, class Source, class L, class S, class E, class C>
__global__ void __launch_bounds__(zm_detail::block_threads)
    score_token_rows(const Walk walk, const Source source, const bool every, const L logprobs, const S normalisers,
                     const E entropies, const C collisions, row_sum* of_rows, fault_word* fault) {
  __shared__ std::int64_t shared_target;
  const int thread = static_cast<int>(threadIdx.x);
  for (std::int64_t r = blockIdx.x; r < source.rows; r += gridDim.x) {
    if (thread == 0) {
      fault_word first = no_fault;
      shared_target = source.target(r, first);
      on_device::note_fault(fault, first);
    }
    __syncthreads();
    const std::int64_t target = shared_target, k = element_of_row(r, source.length);
    token_part part{no_fault, {}};
    const bool looked_at = target >= 0 || (every && k >= 0);
    if (looked_at) part = on_device::merged_over_block(walk.of_lane(r, thread, zm_detail::block_threads));
    if (thread == 0) {
      double logprob = 0;
      if (looked_at) {
        on_device::note_fault(fault, part.fault);
        on_device::note_fault(fault, walk.fault_of_row(r, part.moments));
        if (target >= 0) logprob = part.moments.log_probability(walk.at(r, target));
      }
      of_rows[r] = {logprob, target >= 0 ? 1 : 0};
      if (k >= 0) {
        write_number(logprobs, k, logprob);
        write_number(normalisers, k, looked_at ? part.moments.normaliser() : 0.0);
        write_number(entropies, k, looked_at ? part.moments.entropy() : 0.0);
        write_number(collisions, k, looked_at ? part.moments.log_collision() : 0.0);
      }
    }
    __syncthreads();
  }
}

/// The sums of all rows, by one block; then those of sequences, a thread each.
template <class Sums>
__global__ void __launch_bounds__(zm_detail::block_threads)
    sum_token_rows(const row_sum* of_rows, const std::int64_t rows, Sums* to) {
  row_sum mine{0, 0};
  const auto own = zm_detail::stretch_of(rows, static_cast<int>(threadIdx.x));
  for (std::int64_t r = own.begin; r < own.end; ++r) merge_parts(mine, of_rows[r]);
  mine = on_device::merged_over_block(mine);
  if (threadIdx.x == 0) *to = Sums{mine.logprob, mine.tokens};
}
template <class S, class C>
__global__ void __launch_bounds__(zm_detail::block_threads)
    sum_token_sequences(const row_sum* of_rows, const std::int64_t sequences, const std::int64_t length, const S sums,
                        const C counts) {
  for (std::int64_t b = on_device::first_index(); b < sequences; b += on_device::index_step()) {
    row_sum all{0, 0};
    for (std::int64_t t = 0; t < length; ++t) merge_parts(all, of_rows[b * length + t]);
    write_number(sums, b, all.logprob);
    write_number(counts, b, static_cast<double>(all.tokens));
  }
}

/// A block a row of the gradient. `upstream` is per token, or per sequence where `each_sequence`.
template <class Walk, class Gradient, class Source, class U, class S, class W>
__global__ void __launch_bounds__(zm_detail::block_threads)
    differentiate_token_rows(const Walk walk, const Gradient gradient, const Source source, const U upstream,
                             const bool each_sequence, const S normalisers, const W through, fault_word* fault) {
  struct row {
    std::int64_t target;
    double direct, through, normaliser, z;
  };
  __shared__ row own;
  const int thread = static_cast<int>(threadIdx.x);
  for (std::int64_t r = blockIdx.x; r < source.rows; r += gridDim.x) {
    if (thread == 0) {
      fault_word first = no_fault;
      own = {source.target(r, first), 0, 0, 0, 0};
      if (own.target >= 0) {
        const std::int64_t k = element_of_row(r, source.length), at = each_sequence ? r / source.length : k;
        own.direct = static_cast<double>(upstream.at(at));
        if (!is_finite(own.direct)) first = word_of(fault_code::refused, upstream_argument, at);
        if constexpr (!std::is_same_v<W, zm_detail::no_column>) own.through = static_cast<double>(through.at(k));
        if constexpr (!std::is_same_v<S, zm_detail::no_column>) own.normaliser = static_cast<double>(normalisers.at(k));
        own.z = walk.at(r, own.target);
        if (is_nan(own.z)) first = word_of(fault_code::refused, logits_argument, r);
      }
      on_device::note_fault(fault, first);
    }
    __syncthreads();
    const bool nothing = own.target < 0 || (own.direct == 0 && own.through == 0);
    if (nothing) {
      gradient.clear_lane(r, thread, zm_detail::block_threads);
    } else {
      if constexpr (std::is_same_v<S, zm_detail::no_column>) {
        const token_part part = on_device::merged_over_block(walk.of_lane(r, thread, zm_detail::block_threads));
        if (thread == 0) {
          on_device::note_fault(fault, part.fault);
          on_device::note_fault(fault, walk.fault_of_row(r, part.moments));
          own.normaliser = part.moments.normaliser();
        }
        __syncthreads();
      }
      gradient.write_lane(r, own.normaliser, own.through - own.direct, thread, zm_detail::block_threads);
      __syncthreads();
      if (thread == 0) gradient.write_target(r, own.target, own.z, own.normaliser, own.direct, own.through);
    }
    __syncthreads();
  }
}

/// What the options of a call on a device are, as columns; absent ones are no_column.
template <template <class...> class Option>
ZERMELO_INLINE zm_detail::no_column option_column() {
  return {};
}
template <template <class...> class Option, class X, class... Rest>
auto option_column(const Option<X>& o, const Rest&...) {
  return zm_detail::column_of<memory::device>(o.tensor, "option");
}
template <template <class...> class Option, class O, class... Rest>
auto option_column(const O&, const Rest&... rest) {
  return option_column<Option>(rest...);
}
template <class O>
inline constexpr bool is_top_tokens = false;
template <class H, class R, class M>
inline constexpr bool is_top_tokens<top_tokens<H, R, M>> = true;

template <class C>
auto device_numbers(const C& c) {
  if constexpr (std::is_same_v<C, zm_detail::no_column>)
    return zm_detail::no_column{};
  else
    return zm_detail::device_column_of<typename std::remove_cvref_t<decltype(c.view)>::value_type>(c.view);
}
template <class C>
void require_elements(const C& c, const char* name, std::int64_t n) {
  if constexpr (!std::is_same_v<C, zm_detail::no_column>) require_count(name, c.view.size(), n, "one for each token");
}

/// Throws what the host would throw.
template <class M, class Ids>
struct token_verdict {
  logit_rows<M> rows;
  Ids ids;
  const char* ids_name;
  token_sums operator()(const cuda& policy, const fault& bad, const token_sums& sums) const {
    if (bad.code != fault_code::none) refuse(policy, bad);
    return sums;
  }
  void operator()(const cuda& policy, const fault& bad, const no_statistics&) const {
    if (bad.code != fault_code::none) refuse(policy, bad);
  }

 private:
  [[noreturn]] void refuse(const cuda& policy, const fault& bad) const {
    if (bad.code == fault_code::out_of_range)
      throw domain_error(ids_name, bad.index,
                         zermelo::detail::text(on_device::element_on_host(policy, ids, bad.index)) +
                             ", expected a token in [0, " + std::to_string(rows.width) +
                             ") or the index that is ignored");
    if (bad.argument == upstream_argument) throw domain_error("upstream", bad.index, "is not finite");
    std::vector<M> row(static_cast<std::size_t>(rows.width));
    for (std::int64_t j = 0; j < rows.width; ++j)
      on_device::copy_to_host(policy, &row[static_cast<std::size_t>(j)], rows.row(bad.index) + j * rows.step);
    // One row as the only one of a tensor whose rows before it are not there.
    try {
      refuse_row(logit_rows<M>{row.data(), 1, rows.width, 1, 0, 0, 1}, 0);
    } catch (const domain_error& e) {
      const std::string what = e.what();
      throw domain_error("logits", bad.index * rows.width + e.index(), what.substr(what.find(": ") + 2));
    }
  }
};

template <class X>
auto device_logits_of(const X& x, const char* name) {
  const auto c = zm_detail::column_of<memory::device>(x, name);
  const auto rows = rows_of(c.view);
  if (rows.count > 0 && rows.width < 1) throw shape_error(name, "a vocabulary of no tokens");
  return rows;
}

/// Tokens and mask of a call, checked against the logits' shape.
template <class Z, class Y, class... Options>
auto device_source(const Z& logits, const Y& ids, std::int64_t rows, std::int64_t width, std::int64_t ignore,
                   const Options&... options) {
  constexpr bool shifted = view_t<const Z>::rank == 3;
  const char* const name = shifted ? "ids" : "targets";
  const auto tokens = zm_detail::column_of<memory::device>(ids, name);
  require_ids(tokens);
  const auto mask = option_column<counted_where>(options...);
  require_elements(tokens, name, rows);
  require_elements(mask, "mask", rows);
  const auto id_column = device_numbers(tokens);
  const auto mask_column = device_numbers(mask);
  return token_source<std::remove_const_t<decltype(id_column)>, std::remove_const_t<decltype(mask_column)>>{
      id_column, mask_column, rows, shifted ? view(logits).shape[1] : 0, width, ignore};
}

template <class P, class Z, class Y, class L, class S, class C, class... Options>
auto score_on_device(P&& policy, const Z& logits, const Y& ids, L& logprobs, S& sums, C& counts,
                     const token_parameters& parameters, const Options&... options) {
  require_score_options<true, Options...>();
  static_assert(!(false || ... || is_top_tokens<Options>), "zermelo: top-k indicators are the host's");
  const auto rows = device_logits_of(logits, "logits");
  using M = typename view_t<const Z>::value_type;
  const auto source = device_source(logits, ids, rows.count, rows.width, parameters.ignore_index, options...);
  const std::int64_t length = source.length, sequences = length > 0 ? rows.count / length : 0;
  const std::int64_t elements = length > 0 ? sequences * (length - 1) : rows.count;
  const auto lp = zm_detail::column_of<memory::device>(logprobs, "logprobs");
  const auto lse = option_column<normalisers>(options...);
  const auto entropy = option_column<entropies>(options...);
  const auto collision = option_column<log_collisions>(options...);
  require_elements(lp, "logprobs", elements);
  require_elements(lse, "normalisers", elements);
  require_elements(entropy, "entropies", elements);
  require_elements(collision, "log_collisions", elements);
  const auto to_sums = zm_detail::column_of<memory::device>(sums, "sums");
  const auto to_counts = zm_detail::column_of<memory::device>(counts, "counts");
  require_elements(to_sums, "sums", sequences);
  require_elements(to_counts, "counts", sequences);
  on_device::scratch_layout layout;
  const std::size_t rows_at = layout.add<row_sum>(rows.count);
  const on_device::device_scratch<std::remove_cvref_t<P>> scratch(policy, layout);
  const cuda& on = on_device::cuda_of(policy);
  on_device::clear_fault(on, scratch.fault());
  row_sum* const of_rows = scratch.template at<row_sum>(rows_at);
  auto* const record = reinterpret_cast<token_sums*>(static_cast<std::byte*>(scratch.record) + device_record::header);
  if (rows.count > 0) {
    constexpr bool moments = !std::is_same_v<decltype(entropy), const zm_detail::no_column> ||
                             !std::is_same_v<decltype(collision), const zm_detail::no_column>;
    const token_walk<M, moments> walk{rows};
    const auto blocks = static_cast<unsigned>(rows.count < 65535 ? rows.count : 65535);
    score_token_rows<<<blocks, zm_detail::block_threads, 0, on.stream()>>>(
        walk, source, parameters.every_row, device_numbers(lp), device_numbers(lse), device_numbers(entropy),
        device_numbers(collision), of_rows, scratch.fault());
    on_device::require_launched("scoring tokens");
    if (sequences > 0) {
      sum_token_sequences<<<on_device::blocks_for(sequences), zm_detail::block_threads, 0, on.stream()>>>(
          of_rows, sequences, length, device_numbers(to_sums), device_numbers(to_counts));
      on_device::require_launched("summing sequences");
    }
  }
  sum_token_rows<<<1, zm_detail::block_threads, 0, on.stream()>>>(of_rows, rows.count, record);
  on_device::require_launched("summing tokens");
  const auto tokens = zm_detail::column_of<memory::device>(ids, "ids");
  return on_device::answer<token_sums>(
      policy, scratch,
      token_verdict<M, std::remove_const_t<decltype(tokens)>>{rows, tokens, length > 0 ? "ids" : "targets"});
}

template <class P, class Z, class Y, class U, class G, class... Options>
auto differentiate_on_device(P&& policy, const Z& logits, const Y& ids, const U& upstream, G& grad_logits,
                             const token_parameters& parameters, const Options&... options) {
  require_gradient_options<true, Options...>();
  const auto rows = device_logits_of(logits, "logits");
  const auto to = device_logits_of(grad_logits, "grad_logits");
  if (to.count != rows.count || to.width != rows.width || to.length != rows.length)
    throw shape_error("grad_logits", std::to_string(to.count) + " rows of " + std::to_string(to.width) +
                                         ", expected the shape of the logits, " + std::to_string(rows.count) +
                                         " rows of " + std::to_string(rows.width));
  using M = typename view_t<const Z>::value_type;
  using O = std::remove_const_t<std::remove_pointer_t<decltype(to.data)>>;
  const auto source = device_source(logits, ids, rows.count, rows.width, parameters.ignore_index, options...);
  const std::int64_t length = source.length, sequences = length > 0 ? rows.count / length : 0;
  const std::int64_t elements = length > 0 ? sequences * (length - 1) : rows.count;
  const auto u = zm_detail::column_of<memory::device>(upstream, "upstream");
  constexpr bool each_sequence = view_t<const Z>::rank == 3 && view_t<const U>::rank == 1;
  require_count("upstream", u.view.size(), each_sequence ? sequences : elements,
                each_sequence ? "one for each sequence" : "one for each token");
  const auto lse = option_column<normalisers>(options...);
  const auto through = option_column<normaliser_upstream>(options...);
  require_elements(lse, "normalisers", elements);
  require_elements(through, "normaliser_upstream", elements);
  const on_device::device_scratch<std::remove_cvref_t<P>> scratch(policy, on_device::scratch_layout{});
  const cuda& on = on_device::cuda_of(policy);
  on_device::clear_fault(on, scratch.fault());
  if (rows.count > 0) {
    const auto blocks = static_cast<unsigned>(rows.count < 65535 ? rows.count : 65535);
    differentiate_token_rows<<<blocks, zm_detail::block_threads, 0, on.stream()>>>(
        token_walk<M, false>{rows}, token_gradient_walk<M, O>{rows, to}, source, device_numbers(u), each_sequence,
        device_numbers(lse), device_numbers(through), scratch.fault());
    on_device::require_launched("differentiating rows of logits");
  }
  const auto tokens = zm_detail::column_of<memory::device>(ids, "ids");
  return on_device::answer<no_statistics>(
      policy, scratch,
      token_verdict<M, std::remove_const_t<decltype(tokens)>>{rows, tokens, length > 0 ? "ids" : "targets"});
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// As on the host, a block a row; without top_tokens. gpu.into(record) returns a device_result of the sums. Ids that are out
/// of range are found on the way: outputs are unspecified then.
template <device_policy P, tensor Z, tensor Y, class L, class... Options>
auto token_logprobs(P&& policy, const Z& logits, const Y& targets, L&& logprobs, token_parameters parameters,
                    const Options&... options) {
  static_assert(view_t<const Z>::rank == 2, "zermelo: logits of tokens are [N, V]");
  return detail::score_on_device(policy, logits, targets, logprobs, discard, discard, parameters, options...);
}
template <device_policy P, tensor Z, tensor Y, class L, class... Options>
auto token_logprobs(P&& policy, const Z& logits, const Y& targets, L&& logprobs, const Options&... options) {
  return token_logprobs(policy, logits, targets, logprobs, token_parameters{}, options...);
}
template <device_policy P, tensor Z, tensor Y, tensor U, tensor G, class... Options>
auto token_logprobs_gradient(P&& policy, const Z& logits, const Y& targets, const U& upstream, G&& grad_logits,
                             token_parameters parameters, const Options&... options) {
  static_assert(view_t<const Z>::rank == 2, "zermelo: logits of tokens are [N, V]");
  return detail::differentiate_on_device(policy, logits, targets, upstream, grad_logits, parameters, options...);
}
template <device_policy P, tensor Z, tensor Y, tensor U, tensor G, class... Options>
auto token_logprobs_gradient(P&& policy, const Z& logits, const Y& targets, const U& upstream, G&& grad_logits,
                             const Options&... options) {
  return token_logprobs_gradient(policy, logits, targets, upstream, grad_logits, token_parameters{}, options...);
}

/// As on the host; packed streams are the host's.
template <device_policy P, tensor Z, tensor Y, class L, class S, class C, class... Options>
auto sequence_logprobs(P&& policy, const Z& logits, const Y& ids, L&& per_token, S&& sums, C&& counts,
                       token_parameters parameters, const Options&... options) {
  static_assert(view_t<const Z>::rank == 3, "zermelo: logits of sequences are [B, T, V]");
  return detail::score_on_device(policy, logits, ids, per_token, sums, counts, parameters, options...);
}
template <device_policy P, tensor Z, tensor Y, class L, class S, class C, class... Options>
auto sequence_logprobs(P&& policy, const Z& logits, const Y& ids, L&& per_token, S&& sums, C&& counts,
                       const Options&... options) {
  return sequence_logprobs(policy, logits, ids, per_token, sums, counts, token_parameters{}, options...);
}
template <device_policy P, tensor Z, tensor Y, tensor U, tensor G, class... Options>
auto sequence_logprobs_gradient(P&& policy, const Z& logits, const Y& ids, const U& upstream, G&& grad_logits,
                                token_parameters parameters, const Options&... options) {
  static_assert(view_t<const Z>::rank == 3, "zermelo: logits of sequences are [B, T, V]");
  return detail::differentiate_on_device(policy, logits, ids, upstream, grad_logits, parameters, options...);
}
template <device_policy P, tensor Z, tensor Y, tensor U, tensor G, class... Options>
auto sequence_logprobs_gradient(P&& policy, const Z& logits, const Y& ids, const U& upstream, G&& grad_logits,
                                const Options&... options) {
  return sequence_logprobs_gradient(policy, logits, ids, upstream, grad_logits, token_parameters{}, options...);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment

#endif
