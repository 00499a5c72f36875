// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/default_policy.hpp"
#include "../core/execution/policy.hpp"
#include "../core/half.hpp"
#include "../core/lanes.hpp"
#include "../core/options.hpp"
#include "../core/primitives/arguments.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "detail/logit_rows.hpp"

/// Log-probabilities of tokens from logits, and the gradient of whatever was made of them.
///
/// Three layouts share one pass over the logits:
///
///     token_logprobs      row n scores targets[n]                          logits [N, V]
///     sequence_logprobs   row t of a sequence scores its token t + 1       logits [B, T, V], padded, with a mask
///     packed_logprobs     the same for sequences one after another         logits [N, V], with offsets
///
/// Every loss on log-probabilities composes with them: per-token log-probabilities out, per-token gradients in.
namespace zermelo::inline v1::alignment {

/// Σ log p over the tokens that were scored, and how many they are. They merge: any split gives the same mean.
struct token_sums {
  double logprob = 0;
  std::int64_t tokens = 0;

  /// Errors: domain_error if no token was scored.
  ZERMELO_INLINE double mean_over_tokens() const {
    if (tokens == 0) throw domain_error("tokens", domain_error::whole, "a mean over no tokens is undefined");
    return logprob / static_cast<double>(tokens);
  }
  ZERMELO_INLINE friend token_sums merge(const token_sums& a, const token_sums& b) {
    return {a.logprob + b.logprob, a.tokens + b.tokens};
  }
};

struct token_parameters {
  std::int64_t ignore_index = -100;  ///< a target that is not scored, beside those that a mask leaves out
  bool every_row = false;            ///< report normalisers, entropies, … of rows that score nothing too

  ZERMELO_INLINE void require_valid() const {}
};

/// An output of the forward functions and an input of the gradients: log Σ e^z of every row. With those of the forward
/// pass, a gradient reads the logits once and not twice. Keep them in double where logits are large.
template <class X>
struct normalisers {
  X& tensor;
  ZERMELO_INLINE explicit normalisers(X& x) : tensor(x) {}
};

/// An output: −Σ p log p of every row, in nats.
template <class X>
struct entropies {
  X& tensor;
  ZERMELO_INLINE explicit entropies(X& x) : tensor(x) {}
};

/// An output: log Σ p² of every row, minus the Rényi entropy of order 2; for the weights of WPO.
template <class X>
struct log_collisions {
  X& tensor;
  ZERMELO_INLINE explicit log_collisions(X& x) : tensor(x) {}
};

/// Outputs over the k largest probabilities of every row: their entropy renormalised, −Σ p̃ log p̃ with p̃ = p/mass;
/// unnormalised, −Σ p log p; and their mass Σ p. Falling top-k entropy and mass warn of over-optimisation.
/// Source: Shi et al. 2024, "Understanding likelihood over-optimisation in direct alignment algorithms".
template <class H, class R, class M>
struct top_tokens {
  std::int64_t k;
  H& entropy;
  R& raw_entropy;
  M& mass;
  ZERMELO_INLINE top_tokens(std::int64_t n, H& h, R& r, M& m) : k(n), entropy(h), raw_entropy(r), mass(m) {}
};

/// An input of the gradients: the upstream gradient is one of every token, not one of every sequence's sum.
template <class X>
struct per_token {
  X& tensor;
  ZERMELO_INLINE explicit per_token(X& x) : tensor(x) {}
};

/// An input of the gradients: ∂L/∂(log Σ e^z) of every row that scores a token, for a z-loss.
template <class X>
struct normaliser_upstream {
  X& tensor;
  ZERMELO_INLINE explicit normaliser_upstream(X& x) : tensor(x) {}
};

namespace detail {

struct token_request {
  bool moments = false;
  std::int64_t top = 0;
};

inline namespace ZERMELO_ISA {

// Which rows there are -------------------------------------------------------------------------------------------------

template <class View>
auto rows_of(const View& z) {
  using M = typename View::element_type;
  static_assert(View::rank == 2 || View::rank == 3, "zermelo: logits are [N, V] or [B, T, V]");
  if constexpr (View::rank == 2)
    return logit_rows<std::remove_const_t<M>>{
        z.data, z.shape[0], z.shape[1], (std::max)(z.shape[0], std::int64_t{1}), 0, z.strides[0], z.strides[1]};
  else
    return logit_rows<std::remove_const_t<M>>{z.data,       z.shape[0] * z.shape[1],
                                              z.shape[2],   (std::max)(z.shape[1], std::int64_t{1}),
                                              z.strides[0], z.strides[1],
                                              z.strides[2]};
}

template <class X>
auto logits_of(const X& x, const char* name = "logits") {
  const auto c = zm_detail::column_of(x, name);
  const auto rows = rows_of(c.view);
  if (rows.count > 0 && rows.width < 1) throw shape_error(name, "a vocabulary of no tokens");
  return rows;
}

inline void require_count(const char* name, std::int64_t got, std::int64_t expected, const char* what) {
  if (got != expected)
    throw shape_error(name, std::to_string(got) + " elements, expected " + std::to_string(expected) + ", " + what);
}

/// The rows' targets, no_target where nothing is scored. `id` gives the one of row r.
class row_targets {
 public:
  explicit row_targets(std::int64_t rows)
      : of_(new std::int64_t[static_cast<std::size_t>((std::max)(rows, std::int64_t{1}))]) {
    for (std::int64_t r = 0; r < rows; ++r) of_[static_cast<std::size_t>(r)] = no_target;
  }
  /// Row r scores this id, the one at position `at` of the tensor `name`.
  void set(std::int64_t r, std::int64_t id, std::int64_t width, const char* name, std::int64_t at) {
    if (id < 0 || id >= width) [[unlikely]]
      refuse(id, width, name, at);
    of_[static_cast<std::size_t>(r)] = id;
  }
  void never(std::int64_t r) { of_[static_cast<std::size_t>(r)] = no_row; }
  const std::int64_t* get() const { return of_.get(); }
  bool scored(std::int64_t r) const { return of_[static_cast<std::size_t>(r)] >= 0; }

 private:
  [[noreturn]] static void refuse(std::int64_t id, std::int64_t width, const char* name, std::int64_t at) {
    throw domain_error(
        name, at,
        std::to_string(id) + ", expected a token in [0, " + std::to_string(width) + ") or the index that is ignored");
  }
  std::unique_ptr<std::int64_t[]> of_;
};

template <class C>
void require_ids(const C&) {
  static_assert(std::is_integral_v<typename decltype(C::view)::value_type>, "zermelo: tokens are integers");
}

template <class Mask>
bool counts(const Mask& mask, std::int64_t k) {
  if constexpr (std::is_same_v<Mask, zm_detail::no_column>)
    return true;
  else
    return mask.view.element(k) != typename std::remove_cvref_t<decltype(mask.view)>::value_type(0);
}

/// One target a row.
template <class Ids, class Mask>
row_targets aligned_targets(const Ids& ids, const Mask& mask, std::int64_t rows, std::int64_t width,
                            std::int64_t ignore) {
  require_ids(ids);
  require_count("targets", ids.view.size(), rows, "one for each row of logits");
  if constexpr (!std::is_same_v<Mask, zm_detail::no_column>)
    require_count("mask", mask.view.size(), rows, "one for each row of logits");
  row_targets to(rows);
  for (std::int64_t r = 0; r < rows; ++r)
    if (counts(mask, r)) {
      const auto id = static_cast<std::int64_t>(ids.view.element(r));
      if (id != ignore) to.set(r, id, width, "targets", r);
    }
  return to;
}

/// Row t of a sequence scores token t + 1.
template <class Ids, class Mask>
row_targets shifted_targets(const Ids& ids, const Mask& mask, std::int64_t sequences, std::int64_t length,
                            std::int64_t width, std::int64_t ignore) {
  require_ids(ids);
  const auto check = [&](const auto& c) {
    if (c.view.shape[0] != sequences || c.view.shape[1] != length)
      throw shape_error(c.name, "[" + std::to_string(c.view.shape[0]) + ", " + std::to_string(c.view.shape[1]) +
                                    "], expected [" + std::to_string(sequences) + ", " + std::to_string(length) +
                                    "], as the logits");
  };
  static_assert(std::remove_cvref_t<decltype(ids.view)>::rank == 2, "zermelo: tokens of logits [B, T, V] are [B, T]");
  check(ids);
  if constexpr (!std::is_same_v<Mask, zm_detail::no_column>) {
    static_assert(std::remove_cvref_t<decltype(mask.view)>::rank == 2, "zermelo: masks of logits [B, T, V] are [B, T]");
    check(mask);
  }
  row_targets to(sequences * length);
  for (std::int64_t b = 0; b < sequences; ++b) {
    if (length > 0) to.never((b + 1) * length - 1);
    for (std::int64_t t = 1; t < length; ++t) {
      const std::int64_t k = b * length + t;
      if (!counts(mask, k)) continue;
      const auto id = static_cast<std::int64_t>(ids.view(b, t));
      if (id != ignore) to.set(k - 1, id, width, "ids", k);
    }
  }
  return to;
}

/// Offsets ascend from 0 to the number of elements.
template <class Offsets>
void require_offsets(const Offsets& offsets, std::int64_t elements) {
  const std::int64_t last = offsets.view.size() - 1;
  if (last < 0) throw shape_error("offsets", "no elements, expected one more than there are sequences");
  const auto at = [&](std::int64_t s) { return static_cast<std::int64_t>(offsets.view.element(s)); };
  const auto refuse = [&](std::int64_t s, const std::string& expected) {
    throw domain_error("offsets", s, std::to_string(at(s)) + ", expected " + expected);
  };
  if (at(0) != 0) refuse(0, "0");
  for (std::int64_t s = 1; s <= last; ++s)
    if (at(s) < at(s - 1) || at(s) > elements)
      refuse(s, "a number in [" + std::to_string(at(s - 1)) + ", " + std::to_string(elements) + "]");
  if (at(last) != elements) refuse(last, "the number of tokens, " + std::to_string(elements));
}

/// Row i of the stream scores token i + 1 if both are of one sequence and the token is not of its prompt.
template <class Ids, class Offsets, class Prompts>
row_targets packed_targets(const Ids& ids, const Offsets& offsets, const Prompts& prompts, std::int64_t rows,
                           std::int64_t width, std::int64_t ignore) {
  require_ids(ids);
  require_ids(offsets);
  require_count("ids", ids.view.size(), rows, "one for each row of logits");
  require_offsets(offsets, rows);
  const std::int64_t sequences = offsets.view.size() - 1;
  const auto at = [&](std::int64_t s) { return static_cast<std::int64_t>(offsets.view.element(s)); };
  if constexpr (!std::is_same_v<Prompts, zm_detail::no_column>) {
    require_ids(prompts);
    require_count("prompt_lengths", prompts.view.size(), sequences, "one for each sequence");
  }
  row_targets to(rows);
  for (std::int64_t s = 0; s < sequences; ++s) {
    if (at(s + 1) > at(s)) to.never(at(s + 1) - 1);
    std::int64_t first = 1;
    if constexpr (!std::is_same_v<Prompts, zm_detail::no_column>) {
      const auto prompt = static_cast<std::int64_t>(prompts.view.element(s));
      if (prompt < 0 || prompt > at(s + 1) - at(s))
        throw domain_error("prompt_lengths", s,
                           std::to_string(prompt) + ", expected a number in [0, " + std::to_string(at(s + 1) - at(s)) +
                               "], the sequence's length");
      first = (std::max)(first, prompt);
    }
    for (std::int64_t i = at(s) + first; i < at(s + 1); ++i) {
      const auto id = static_cast<std::int64_t>(ids.view.element(i));
      if (id != ignore) to.set(i - 1, id, width, "ids", i);
    }
  }
  return to;
}

/// In which row element k of a per-token output is scored; −1 in none.
struct aligned_place {
  std::int64_t rows;
  ZERMELO_INLINE std::int64_t elements() const { return rows; }
  ZERMELO_INLINE std::int64_t row(std::int64_t k) const { return k; }
};
struct shifted_place {  ///< [B, T − 1]
  std::int64_t sequences, length;
  ZERMELO_INLINE std::int64_t elements() const { return sequences * (std::max)(length - 1, std::int64_t{0}); }
  ZERMELO_INLINE std::int64_t row(std::int64_t k) const { return k / (length - 1) * length + k % (length - 1); }
};
struct packed_place {
  std::int64_t rows;
  ZERMELO_INLINE std::int64_t elements() const { return rows; }
  ZERMELO_INLINE std::int64_t row(std::int64_t k) const { return k - 1; }
};

// Options --------------------------------------------------------------------------------------------------------------

/// What is not understood is refused, lest it is ignored.
template <bool Masks, class... Options>
constexpr void require_score_options() {
  using known = zm_detail::options_known<counted_where, normalisers, entropies, log_collisions, top_tokens>;
  static_assert(
      known::template include<Options...>,
      "zermelo: options of log-probabilities are counted_where, normalisers, entropies, log_collisions, top_tokens");
  static_assert(known::template once<Options...>, "zermelo: an option of log-probabilities is given twice");
  static_assert(Masks || zm_detail::times_given<counted_where, Options...> == 0,
                "zermelo: packed sequences and statistics of rows take no mask");
}
template <bool Masks, class... Options>
constexpr void require_gradient_options() {
  using known = zm_detail::options_known<counted_where, normalisers, normaliser_upstream>;
  static_assert(known::template include<Options...>,
                "zermelo: options of gradients are counted_where, normalisers, normaliser_upstream");
  static_assert(known::template once<Options...>, "zermelo: an option of gradients is given twice");
  static_assert(Masks || zm_detail::times_given<counted_where, Options...> == 0,
                "zermelo: packed sequences take no mask");
}

/// What a pass over the rows has to find for an option.
template <class O>
void ask(token_request& request, const O& option) {
  if constexpr (zm_detail::is_option<entropies, O> || zm_detail::is_option<log_collisions, O>) request.moments = true;
  if constexpr (zm_detail::is_option<top_tokens, O>) request.top = option.k;
}

/// visit(tensor, name, what of the scores it gets) for every output of an option.
template <class O, class Visit>
void for_each_output(const O& option, const Visit& visit) {
  if constexpr (zm_detail::is_option<normalisers, O>) {
    visit(option.tensor, "normalisers", &row_scores::normaliser);
  } else if constexpr (zm_detail::is_option<entropies, O>) {
    visit(option.tensor, "entropies", &row_scores::entropy);
  } else if constexpr (zm_detail::is_option<log_collisions, O>) {
    visit(option.tensor, "log_collisions", &row_scores::log_collision);
  } else if constexpr (zm_detail::is_option<top_tokens, O>) {
    visit(option.entropy, "top_entropy", &row_scores::top_entropy);
    visit(option.raw_entropy, "top_raw_entropy", &row_scores::top_raw_entropy);
    visit(option.mass, "top_mass", &row_scores::top_mass);
  }
}

template <class Place, class X>
void check_output(const Place& place, X& x, const char* name) {
  if constexpr (!std::is_same_v<std::remove_const_t<X>, discard_t>)
    require_count(name, zm_detail::column_of(x, name).view.size(), place.elements(), "one for each token");
}
template <class Place, class X>
void write_output(const Place& place, const row_scores* scores, double row_scores::*field, X& x) {
  if constexpr (!std::is_same_v<std::remove_const_t<X>, discard_t>) {
    const auto to = zm_detail::column_of(x, "output");
    using E = typename std::remove_cvref_t<decltype(to.view)>::value_type;
    for (std::int64_t k = 0; k < place.elements(); ++k) {
      const std::int64_t r = place.row(k);
      to.view.element(k) = static_cast<E>(r < 0 ? 0.0 : scores[r].*field);
    }
  }
}
/// The mask among the options, as a column.
template <class... Options>
auto mask_among(const Options&... options) {
  const auto masks = zm_detail::given<counted_where>(
      [](const auto& o) { return std::tuple(zm_detail::column_of(o.tensor, "mask")); }, options...);
  if constexpr (std::tuple_size_v<decltype(masks)> == 0)
    return zm_detail::no_column{};
  else
    return std::get<0>(masks);
}

// Passes ---------------------------------------------------------------------------------------------------------------

/// One array of doubles of which an option asks for one a row: what it holds there, from a per-token tensor.
template <class Place, class X>
std::unique_ptr<double[]> by_rows(const Place& place, std::int64_t rows, X& x, const char* name) {
  check_output(place, x, name);
  const auto from = zm_detail::column_of(x, name);
  std::unique_ptr<double[]> to(new double[static_cast<std::size_t>((std::max)(rows, std::int64_t{1}))]());
  for (std::int64_t k = 0; k < place.elements(); ++k)
    if (const std::int64_t r = place.row(k); r >= 0)
      to[static_cast<std::size_t>(r)] = static_cast<double>(from.view.element(k));
  return to;
}

template <class P, class M, class Place, class L, class... Options>
std::unique_ptr<row_scores[]> run_scores(P&& policy, const logit_rows<M>& rows, const Place& place,
                                         const std::int64_t* targets, bool every, L& logprobs,
                                         const Options&... options) {
  token_request request;
  (ask(request, options), ...);
  check_output(place, logprobs, "logprobs");
  [[maybe_unused]] const auto check = [&](auto& tensor, const char* name, double row_scores::*) {
    check_output(place, tensor, name);
  };
  (for_each_output(options, check), ...);
  if (zm_detail::times_given<top_tokens, Options...> > 0 && (request.top < 1 || request.top > rows.width))
    throw domain_error("k", domain_error::whole,
                       std::to_string(request.top) + ", expected a number in [1, " + std::to_string(rows.width) + "]");
  std::unique_ptr<row_scores[]> scores(
      new row_scores[static_cast<std::size_t>((std::max)(rows.count, std::int64_t{1}))]);
  using V = value_of<P, typename zm_detail::computed_as<M>::type>;
  if (request.moments)
    score_rows<V, true>(policy, rows, targets, every, request.top, scores.get());
  else
    score_rows<V, false>(policy, rows, targets, every, request.top, scores.get());
  write_output(place, scores.get(), &row_scores::logprob, logprobs);
  [[maybe_unused]] const auto write = [&](auto& tensor, const char*, double row_scores::*field) {
    write_output(place, scores.get(), field, tensor);
  };
  (for_each_output(options, write), ...);
  return scores;
}

inline token_sums sums_over(const row_scores* scores, const row_targets& targets, std::int64_t begin,
                            std::int64_t end) {
  token_sums sums;
  for (std::int64_t r = begin; r < end; ++r)
    if (targets.scored(r)) {
      sums.logprob += scores[r].logprob;
      ++sums.tokens;
    }
  return sums;
}

/// Writes what is wanted of the sums of sequence s.
template <class X>
void write_sum(const X& to, std::int64_t s, double value) {
  if constexpr (!std::is_same_v<X, zm_detail::no_column>)
    to.view.element(s) = static_cast<typename std::remove_cvref_t<decltype(to.view)>::value_type>(value);
}
template <class X>
auto sums_column(X& x, const char* name, std::int64_t sequences) {
  const auto c = zm_detail::column_of(x, name);
  if constexpr (!std::is_same_v<std::remove_const_t<decltype(c)>, zm_detail::no_column>)
    require_count(name, c.view.size(), sequences, "one for each sequence");
  return c;
}

/// A number that nothing can be multiplied with.
inline void require_upstream(const double* upstream, const row_targets& targets, std::int64_t rows,
                             const std::int64_t* at, const char* name) {
  for (std::int64_t r = 0; r < rows; ++r)
    if (targets.scored(r) && !is_finite(upstream[r])) [[unlikely]]
      throw domain_error(name, at ? at[r] : r, "is not finite");
}

/// The upstream gradient of the normalisers by rows, if an option gives one.
template <class Place, class... Options>
std::unique_ptr<double[]> upstream_of_normalisers(const Place& place, const row_targets& targets, std::int64_t rows,
                                                  const Options&... options) {
  std::unique_ptr<double[]> result;
  [[maybe_unused]] const auto take = [&]<class O>(const O& o) {
    if constexpr (zm_detail::is_option<normaliser_upstream, O>) {
      result = by_rows(place, rows, o.tensor, "normaliser_upstream");
      require_upstream(result.get(), targets, rows, nullptr, "normaliser_upstream");
    }
  };
  (take(options), ...);
  return result;
}

template <class P, class M, class Place, class G, class... Options>
void run_gradient(P&& policy, const logit_rows<M>& rows, const Place& place, const row_targets& targets,
                  const double* upstream, G& gradient, const Options&... options) {
  const auto to = logits_of(gradient, "grad_logits");
  if (to.count != rows.count || to.width != rows.width || to.length != rows.length)
    throw shape_error("grad_logits", std::to_string(to.count) + " rows of " + std::to_string(to.width) +
                                         ", expected the shape of the logits, " + std::to_string(rows.count) +
                                         " rows of " + std::to_string(rows.width));
  std::unique_ptr<double[]> known;
  [[maybe_unused]] const auto take = [&]<class O>(const O& o) {
    if constexpr (zm_detail::is_option<normalisers, O>) known = by_rows(place, rows.count, o.tensor, "normalisers");
  };
  (take(options), ...);
  const auto through = upstream_of_normalisers(place, targets, rows.count, options...);
  using V = value_of<P, typename zm_detail::computed_as<M>::type>;
  differentiate_rows<V>(policy, rows, targets.get(), upstream, through.get(), known.get(), to);
}

}  // namespace ZERMELO_ISA
}  // namespace detail

inline namespace ZERMELO_ISA {

/// Log-probabilities of one token a row.
///
///   logprobs[n] = z[n, yₙ] − log Σᵥ exp z[n, v],   yₙ = targets[n]
///
/// logits    [N, V]  float, double, bfloat16 or float16, any strides; 16 bits are computed in float
/// targets   [N]     integers in [0, V), or parameters.ignore_index: then the row is not looked at, and its outputs are 0
/// logprobs  [N]     written, in nats; or `discard`
/// options           counted_where(mask [N]); outputs [N] of the same pass: normalisers, entropies, log_collisions,
///                   top_tokens(k, …)
/// −∞ is a logit (of probability 0), as long as a row has another one. Returns the sum over the tokens that were scored.
/// Errors: shape_error; domain_error naming the targets and their position, or the logits and the row-major position of
///         a NaN, of +∞, or of a row that is −∞ throughout.
/// Cost: one pass over the logits of the rows that are scored, an exponential an element. Blocks of 4096 are shifted by a
///       number near their largest element, and sums go to doubles after 32 numbers a lane: rows of any length are as accurate.
/// TRL: selective_log_softmax.
template <host_policy P, tensor Z, tensor Y, class L, class... Options>
token_sums token_logprobs(P&& policy, const Z& logits, const Y& targets, L&& logprobs, token_parameters parameters,
                          const Options&... options) {
  detail::require_score_options<true, Options...>();
  const auto rows = detail::logits_of(logits);
  const auto of =
      detail::aligned_targets(zermelo::detail::column_of(targets, "targets"), detail::mask_among(options...),
                              rows.count, rows.width, parameters.ignore_index);
  const auto scores = detail::run_scores(policy, rows, detail::aligned_place{rows.count}, of.get(),
                                         parameters.every_row, logprobs, options...);
  return detail::sums_over(scores.get(), of, 0, rows.count);
}
template <host_policy P, tensor Z, tensor Y, class L, class... Options>
token_sums token_logprobs(P&& policy, const Z& logits, const Y& targets, L&& logprobs, const Options&... options) {
  return token_logprobs(policy, logits, targets, logprobs, token_parameters{}, options...);
}
template <tensor Z, tensor Y, class L, class... Options>
token_sums token_logprobs(const Z& logits, const Y& targets, L&& logprobs, const Options&... options) {
  return token_logprobs(zermelo::detail::default_policy<Z, Y, L>(), logits, targets, logprobs, options...);
}

/// The gradient of token_logprobs, from the gradient of a loss by every log-probability.
///
///   grad_logits[n, v] = uₙ (1[v = yₙ] − pₙᵥ) + wₙ pₙᵥ
///
/// upstream     [N]     uₙ = ∂L/∂logprobs[n]; what belongs to a token that is not scored is not looked at
/// grad_logits  [N, V]  written; may be exactly the logits; in 16 bits it is rounded once
/// options              counted_where(mask); normalisers(of the forward pass), with which the logits are read once instead
///                      of twice; normaliser_upstream(w [N]), ∂L/∂normaliser, of a z-loss
/// Errors: as for token_logprobs; domain_error for an upstream gradient that is not finite.
template <host_policy P, tensor Z, tensor Y, tensor U, tensor G, class... Options>
void token_logprobs_gradient(P&& policy, const Z& logits, const Y& targets, const U& upstream, G&& grad_logits,
                             token_parameters parameters, const Options&... options) {
  detail::require_gradient_options<true, Options...>();
  const auto rows = detail::logits_of(logits);
  const detail::aligned_place place{rows.count};
  const auto of =
      detail::aligned_targets(zermelo::detail::column_of(targets, "targets"), detail::mask_among(options...),
                              rows.count, rows.width, parameters.ignore_index);
  const auto u = detail::by_rows(place, rows.count, upstream, "upstream");
  detail::require_upstream(u.get(), of, rows.count, nullptr, "upstream");
  detail::run_gradient(policy, rows, place, of, u.get(), grad_logits, options...);
}
template <host_policy P, tensor Z, tensor Y, tensor U, tensor G, class... Options>
void token_logprobs_gradient(P&& policy, const Z& logits, const Y& targets, const U& upstream, G&& grad_logits,
                             const Options&... options) {
  token_logprobs_gradient(policy, logits, targets, upstream, grad_logits, token_parameters{}, options...);
}
template <tensor Z, tensor Y, tensor U, tensor G, class... Options>
  requires(!execution<Z>)
void token_logprobs_gradient(const Z& logits, const Y& targets, const U& upstream, G&& grad_logits,
                             const Options&... options) {
  token_logprobs_gradient(zermelo::detail::default_policy<Z, Y, U, G>(), logits, targets, upstream, grad_logits,
                          options...);
}

/// What there is to say of rows of logits that score no token: options as for token_logprobs.
template <host_policy P, tensor Z, class... Options>
void token_statistics(P&& policy, const Z& logits, const Options&... options) {
  detail::require_score_options<false, Options...>();
  const auto rows = detail::logits_of(logits);
  detail::run_scores(policy, rows, detail::aligned_place{rows.count}, nullptr, true, discard, options...);
}
template <tensor Z, class... Options>
void token_statistics(const Z& logits, const Options&... options) {
  token_statistics(zermelo::detail::default_policy<Z>(), logits, options...);
}

/// Log-probabilities of the completions of padded sequences, of which the row of logits at t scores the token at t + 1.
///
///   per_token[b, t] = log softmax(z[b, t])[ids[b, t + 1]] where token t + 1 counts, else 0
///   sums[b] = Σₜ per_token[b, t],   counts[b] = tokens of b that count
///
/// logits     [B, T, V]  as for token_logprobs; the last row of a sequence scores nothing and is not looked at
/// ids        [B, T]     tokens; position 0 is never scored, and what a mask leaves out may be any number
/// per_token  [B, T − 1], sums [B], counts [B]  written, or `discard`; a sum over no tokens is 0
/// options               counted_where(mask [B, T]), one for each id, usually 1 on completions; outputs [B, T − 1] as for
///                       token_logprobs
/// Sums are of doubles, whatever the logits: a thousand tokens lose nothing.
/// Errors, cost: as for token_logprobs.
template <host_policy P, tensor Z, tensor Y, class L, class S, class C, class... Options>
token_sums sequence_logprobs(P&& policy, const Z& logits, const Y& ids, L&& per_token, S&& sums, C&& counts,
                             token_parameters parameters, const Options&... options) {
  detail::require_score_options<true, Options...>();
  const auto rows = detail::logits_of(logits);
  static_assert(view_t<const Z>::rank == 3, "zermelo: logits of sequences are [B, T, V]");
  const std::int64_t sequences = view(logits).shape[0], length = view(logits).shape[1];
  const auto of = detail::shifted_targets(zermelo::detail::column_of(ids, "ids"), detail::mask_among(options...),
                                          sequences, length, rows.width, parameters.ignore_index);
  const auto to_sums = detail::sums_column(sums, "sums", sequences);
  const auto to_counts = detail::sums_column(counts, "counts", sequences);
  const auto scores = detail::run_scores(policy, rows, detail::shifted_place{sequences, length}, of.get(),
                                         parameters.every_row, per_token, options...);
  token_sums all;
  for (std::int64_t b = 0; b < sequences; ++b) {
    const token_sums one = detail::sums_over(scores.get(), of, b * length, (b + 1) * length);
    detail::write_sum(to_sums, b, one.logprob);
    detail::write_sum(to_counts, b, static_cast<double>(one.tokens));
    all = merge(all, one);
  }
  return all;
}
template <host_policy P, tensor Z, tensor Y, class L, class S, class C, class... Options>
token_sums sequence_logprobs(P&& policy, const Z& logits, const Y& ids, L&& per_token, S&& sums, C&& counts,
                             const Options&... options) {
  return sequence_logprobs(policy, logits, ids, per_token, sums, counts, token_parameters{}, options...);
}
template <tensor Z, tensor Y, class L, class S, class C, class... Options>
token_sums sequence_logprobs(const Z& logits, const Y& ids, L&& per_token, S&& sums, C&& counts,
                             const Options&... options) {
  return sequence_logprobs(zermelo::detail::default_policy<Z, Y, L, S, C>(), logits, ids, per_token, sums, counts,
                           options...);
}

/// The gradient of sequence_logprobs.
///
/// upstream     [B], of every sequence's sum, or [B, T − 1], of every token
/// grad_logits  [B, T, V]  written; may be exactly the logits. Rows that score nothing get zeros.
/// options                 as for token_logprobs_gradient, with tensors [B, T − 1]; counted_where(mask [B, T])
template <host_policy P, tensor Z, tensor Y, tensor U, tensor G, class... Options>
void sequence_logprobs_gradient(P&& policy, const Z& logits, const Y& ids, const U& upstream, G&& grad_logits,
                                token_parameters parameters, const Options&... options) {
  detail::require_gradient_options<true, Options...>();
  const auto rows = detail::logits_of(logits);
  static_assert(view_t<const Z>::rank == 3, "zermelo: logits of sequences are [B, T, V]");
  const std::int64_t sequences = view(logits).shape[0], length = view(logits).shape[1];
  const detail::shifted_place place{sequences, length};
  const auto of = detail::shifted_targets(zermelo::detail::column_of(ids, "ids"), detail::mask_among(options...),
                                          sequences, length, rows.width, parameters.ignore_index);
  std::unique_ptr<double[]> u;
  if constexpr (view_t<const U>::rank == 1) {
    const auto of_sums = detail::sums_column(upstream, "upstream", sequences);
    u.reset(new double[static_cast<std::size_t>(rows.count) + 1]);
    for (std::int64_t r = 0; r < rows.count; ++r) {
      u[static_cast<std::size_t>(r)] = static_cast<double>(of_sums.view.element(r / rows.length));
      if (of.scored(r) && !is_finite(u[static_cast<std::size_t>(r)]))
        throw domain_error("upstream", r / rows.length, "is not finite");
    }
  } else {
    u = detail::by_rows(place, rows.count, upstream, "upstream");
    detail::require_upstream(u.get(), of, rows.count, nullptr, "upstream");
  }
  detail::run_gradient(policy, rows, place, of, u.get(), grad_logits, options...);
}
template <host_policy P, tensor Z, tensor Y, tensor U, tensor G, class... Options>
void sequence_logprobs_gradient(P&& policy, const Z& logits, const Y& ids, const U& upstream, G&& grad_logits,
                                const Options&... options) {
  sequence_logprobs_gradient(policy, logits, ids, upstream, grad_logits, token_parameters{}, options...);
}
template <tensor Z, tensor Y, tensor U, tensor G, class... Options>
  requires(!execution<Z>)
void sequence_logprobs_gradient(const Z& logits, const Y& ids, const U& upstream, G&& grad_logits,
                                const Options&... options) {
  sequence_logprobs_gradient(zermelo::detail::default_policy<Z, Y, U, G>(), logits, ids, upstream, grad_logits,
                             options...);
}

/// Log-probabilities of the completions of sequences that lie one after another in one stream of tokens, without padding.
///
///   per_token[i] = log softmax(z[i − 1])[ids[i]] for the tokens i ≥ a + max(1, prompt) of a sequence [a, b), else 0
///
/// logits          [N, V]  as for token_logprobs; rows that score nothing are not looked at
/// ids             [N]     tokens; those of prompts may be any number
/// offsets         [S + 1] where sequences begin, ascending from 0 to N (cu_seqlens)
/// prompt_lengths  [S]     tokens of each sequence that are given, or `discard`: the first one only
/// per_token       [N], sums [S], counts [S]  written, or `discard`
/// options                 outputs [N] as for token_logprobs, of the rows that score the tokens
/// No label crosses from one sequence to the next.
/// Errors, cost: as for token_logprobs; domain_error for offsets that descend and prompts longer than their sequences.
template <host_policy P, tensor Z, tensor Y, tensor F, class Q, class L, class S, class C, class... Options>
token_sums packed_logprobs(P&& policy, const Z& logits, const Y& ids, const F& offsets, const Q& prompt_lengths,
                           L&& per_token, S&& sums, C&& counts, token_parameters parameters,
                           const Options&... options) {
  detail::require_score_options<false, Options...>();
  static_assert(view_t<const Z>::rank == 2, "zermelo: logits of packed sequences are [N, V]");
  const auto rows = detail::logits_of(logits);
  const auto starts = zermelo::detail::column_of(offsets, "offsets");
  const auto of = detail::packed_targets(zermelo::detail::column_of(ids, "ids"), starts,
                                         zermelo::detail::column_of(prompt_lengths, "prompt_lengths"), rows.count,
                                         rows.width, parameters.ignore_index);
  const std::int64_t sequences = starts.view.size() - 1;
  const auto to_sums = detail::sums_column(sums, "sums", sequences);
  const auto to_counts = detail::sums_column(counts, "counts", sequences);
  const auto scores = detail::run_scores(policy, rows, detail::packed_place{rows.count}, of.get(), parameters.every_row,
                                         per_token, options...);
  token_sums all;
  for (std::int64_t s = 0; s < sequences; ++s) {
    const token_sums one = detail::sums_over(scores.get(), of, static_cast<std::int64_t>(starts.view.element(s)),
                                             static_cast<std::int64_t>(starts.view.element(s + 1)));
    detail::write_sum(to_sums, s, one.logprob);
    detail::write_sum(to_counts, s, static_cast<double>(one.tokens));
    all = merge(all, one);
  }
  return all;
}
template <host_policy P, tensor Z, tensor Y, tensor F, class Q, class L, class S, class C, class... Options>
token_sums packed_logprobs(P&& policy, const Z& logits, const Y& ids, const F& offsets, const Q& prompt_lengths,
                           L&& per_token, S&& sums, C&& counts, const Options&... options) {
  return packed_logprobs(policy, logits, ids, offsets, prompt_lengths, per_token, sums, counts, token_parameters{},
                         options...);
}
template <tensor Z, tensor Y, tensor F, class Q, class L, class S, class C, class... Options>
token_sums packed_logprobs(const Z& logits, const Y& ids, const F& offsets, const Q& prompt_lengths, L&& per_token,
                           S&& sums, C&& counts, const Options&... options) {
  return packed_logprobs(zermelo::detail::default_policy<Z, Y, F, L, S, C>(), logits, ids, offsets, prompt_lengths,
                         per_token, sums, counts, options...);
}

/// The gradient of packed_logprobs.
///
/// upstream     [S], of every sequence's sum; or per_token(u [N])
/// grad_logits  [N, V]  written; may be exactly the logits. Rows that score nothing get zeros.
/// options              as for token_logprobs_gradient, with tensors [N] of the tokens
template <host_policy P, tensor Z, tensor Y, tensor F, class Q, class U, tensor G, class... Options>
void packed_logprobs_gradient(P&& policy, const Z& logits, const Y& ids, const F& offsets, const Q& prompt_lengths,
                              const U& upstream, G&& grad_logits, token_parameters parameters,
                              const Options&... options) {
  detail::require_gradient_options<false, Options...>();
  static_assert(view_t<const Z>::rank == 2, "zermelo: logits of packed sequences are [N, V]");
  const auto rows = detail::logits_of(logits);
  const detail::packed_place place{rows.count};
  const auto starts = zermelo::detail::column_of(offsets, "offsets");
  const auto of = detail::packed_targets(zermelo::detail::column_of(ids, "ids"), starts,
                                         zermelo::detail::column_of(prompt_lengths, "prompt_lengths"), rows.count,
                                         rows.width, parameters.ignore_index);
  std::unique_ptr<double[]> u;
  if constexpr (tensor<const U>) {
    const std::int64_t sequences = starts.view.size() - 1;
    const auto of_sums = detail::sums_column(upstream, "upstream", sequences);
    u.reset(new double[static_cast<std::size_t>(rows.count) + 1]());
    for (std::int64_t s = 0; s < sequences; ++s)
      for (auto r = static_cast<std::int64_t>(starts.view.element(s));
           r < static_cast<std::int64_t>(starts.view.element(s + 1)); ++r) {
        u[static_cast<std::size_t>(r)] = static_cast<double>(of_sums.view.element(s));
        if (of.scored(r) && !is_finite(u[static_cast<std::size_t>(r)]))
          throw domain_error("upstream", s, "is not finite");
      }
  } else {
    u = detail::by_rows(place, rows.count, upstream.tensor, "upstream");
    detail::require_upstream(u.get(), of, rows.count, nullptr, "upstream");
  }
  detail::run_gradient(policy, rows, place, of, u.get(), grad_logits, options...);
}
template <host_policy P, tensor Z, tensor Y, tensor F, class Q, class U, tensor G, class... Options>
void packed_logprobs_gradient(P&& policy, const Z& logits, const Y& ids, const F& offsets, const Q& prompt_lengths,
                              const U& upstream, G&& grad_logits, const Options&... options) {
  packed_logprobs_gradient(policy, logits, ids, offsets, prompt_lengths, upstream, grad_logits, token_parameters{},
                           options...);
}
template <tensor Z, tensor Y, tensor F, class Q, class U, tensor G, class... Options>
  requires(!execution<Z>)
void packed_logprobs_gradient(const Z& logits, const Y& ids, const F& offsets, const Q& prompt_lengths,
                              const U& upstream, G&& grad_logits, const Options&... options) {
  packed_logprobs_gradient(zermelo::detail::default_policy<Z, Y, F, G>(), logits, ids, offsets, prompt_lengths,
                           upstream, grad_logits, options...);
}

/// The place of every token in its sequence: 0, 1, … from each offset on.
/// offsets [S + 1], positions [N] written.   Errors: shape_error; domain_error for offsets that descend.
template <tensor F, tensor O>
void packed_positions(const F& offsets, O&& positions) {
  const auto starts = zermelo::detail::column_of(offsets, "offsets");
  const auto to = zermelo::detail::column_of(positions, "positions");
  using E = typename std::remove_cvref_t<decltype(to.view)>::value_type;
  detail::require_ids(starts);
  detail::require_offsets(starts, to.view.size());
  for (std::int64_t s = 0; s + 1 < starts.view.size(); ++s)
    for (auto begin = static_cast<std::int64_t>(starts.view.element(s)), i = begin;
         i < static_cast<std::int64_t>(starts.view.element(s + 1)); ++i)
      to.view.element(i) = static_cast<E>(i - begin);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment

#if defined(__CUDACC__)
#include "detail/cuda/token_logprobs.hpp"
#endif
