// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the threads of a device do with rows of logits, thread after thread on the host.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "zermelo/alignment/detail/cuda/token_walk.hpp"
#include "zermelo/alignment/token_logprobs.hpp"
#include "zermelo/core/random.hpp"

namespace zm = zermelo;
namespace za = zermelo::alignment;
namespace device = zermelo::alignment::detail;

namespace {

constexpr int threads = zm::detail::block_threads;

template <class M>
std::vector<M> random_logits(std::int64_t n) {
  std::vector<M> z;
  for (std::int64_t k = 0; k < n; ++k) z.push_back(M(20 * zm::uniform(4, 0, static_cast<std::uint64_t>(k)) - 10));
  return z;
}

/// The merge of the parts of a block's threads, round by round.
template <class Walk>
device::token_part over_block(const Walk& walk, std::int64_t r) {
  std::vector<device::token_part> parts;
  for (int t = 0; t < threads; ++t) parts.push_back(walk.of_lane(r, t, threads));
  for (int distance = 1; distance < threads; distance *= 2)
    for (int t = 0; t < threads; ++t)
      zm::detail::merge_round(t, distance, threads, [&](int to, int from) {
        merge_parts(parts[static_cast<std::size_t>(to)], parts[static_cast<std::size_t>(from)]);
      });
  return parts[0];
}

}  // namespace

TEMPLATE_TEST_CASE("a block of a device scores a row and writes its gradient as the host does", "", double, float,
                   zm::bfloat16, zm::float16) {
  using M = TestType;
  for (const std::int64_t width : {1, 7, 8, 255, 1003, 4096, 20000})
    for (const std::int64_t step : {1, 3}) {
      constexpr std::int64_t rows = 2;
      const auto z = random_logits<M>(rows * width * step);
      const zm::tensor_view<const M, 2> logits{z.data(), {rows, width}, {width * step, step}};
      const std::vector<std::int64_t> y = {width / 2, width - 1};
      const std::vector<double> u = {0.75, -2}, w = {0.25, 0};
      std::vector<double> logprob(rows), normaliser(rows), entropy(rows), collision(rows);
      za::token_logprobs(logits, y, logprob, za::normalisers(normaliser), za::entropies(entropy),
                         za::log_collisions(collision));
      std::vector<M> expected(static_cast<std::size_t>(rows * width)), got(expected.size());
      za::token_logprobs_gradient(logits, y, u, zm::matrix_view(expected.data(), rows, width),
                                  za::normalisers(normaliser), za::normaliser_upstream(w));
      const auto from = device::logits_of(logits);
      const device::token_walk<M, true> walk{from};
      const auto to = device::logits_of(zm::matrix_view(got.data(), rows, width));
      const device::token_gradient_walk<M, M> gradient{from, to};
      const double tolerance = std::is_same_v<M, double> ? 1e-13 : 5e-6;
      for (std::int64_t r = 0; r < rows; ++r) {
        const auto k = static_cast<std::size_t>(r);
        const auto part = over_block(walk, r);
        CHECK(part.fault == zm::no_fault);
        CHECK(walk.fault_of_row(r, part.moments) == zm::no_fault);
        CHECK(std::abs(part.moments.normaliser() - normaliser[k]) < tolerance);
        CHECK(std::abs(part.moments.log_probability(walk.at(r, y[k])) - logprob[k]) < tolerance);
        CHECK(std::abs(part.moments.entropy() - entropy[k]) < 10 * tolerance);
        CHECK(std::abs(part.moments.log_collision() - collision[k]) < tolerance);
        for (int t = 0; t < threads; ++t) gradient.write_lane(r, normaliser[k], w[k] - u[k], t, threads);
        gradient.write_target(r, y[k], walk.at(r, y[k]), normaliser[k], u[k], w[k]);
      }
      const double rounding = std::is_same_v<M, zm::bfloat16>  ? 1.0 / 128
                              : std::is_same_v<M, zm::float16> ? 1.0 / 1024
                                                               : 0;
      for (std::size_t k = 0; k < got.size(); ++k) {
        const auto a = static_cast<double>(got[k]), b = static_cast<double>(expected[k]);
        REQUIRE(std::abs(a - b) <= tolerance + rounding * std::abs(b));
      }
    }
}

TEST_CASE("a block of a device notes rows without a softmax, and counts -inf as nothing") {
  const float least = -std::numeric_limits<float>::infinity();
  std::vector<float> z = random_logits<float>(4 * 600);
  z[17] = std::nanf("");
  z[600 + 599] = -least;
  std::fill_n(z.begin() + 1200, 600, least);
  std::fill_n(z.begin() + 1800, 599, least);
  const device::token_walk<float, true> walk{device::logits_of(zm::matrix_view(z.data(), 4, 600))};
  CHECK(zm::fault_of(over_block(walk, 0).fault).code == zm::fault_code::refused);
  CHECK(zm::fault_of(over_block(walk, 1).fault).index == 1);
  const auto none = over_block(walk, 2);
  CHECK(none.fault == zm::no_fault);
  CHECK(zm::fault_of(walk.fault_of_row(2, none.moments)).index == 2);
  const auto one = over_block(walk, 3);
  CHECK(walk.fault_of_row(3, one.moments) == zm::no_fault);
  CHECK(one.moments.log_probability(walk.at(3, 599)) == 0);
  CHECK(one.moments.entropy() == 0);
}

TEST_CASE("a device finds the token that a row scores, and notes ids that are none") {
  const std::vector<int> ids = {9, 1, -100, 9, 5, 2}, mask = {1, 1, 1, 1, 0, 1};
  const auto columns = [](const auto& x) { return zm::detail::device_column_of<int>(zm::view(x)); };
  const auto id_column = columns(ids), mask_column = columns(mask);
  zm::fault_word fault = zm::no_fault;
  const device::token_source<decltype(id_column), zm::detail::no_column> aligned{id_column, {}, 6, 0, 10, -100};
  CHECK(aligned.target(0, fault) == 9);
  CHECK(aligned.target(2, fault) == device::no_target);
  const device::token_source<decltype(id_column), decltype(mask_column)> shifted{id_column, mask_column, 6, 3, 9, -100};
  CHECK(shifted.target(0, fault) == 1);
  CHECK(shifted.target(2, fault) == device::no_target);  // the last row of its sequence
  CHECK(shifted.target(3, fault) == device::no_target);  // under the mask
  CHECK(shifted.target(4, fault) == 2);
  CHECK(fault == zm::no_fault);
  CHECK(device::token_source<decltype(id_column), zm::detail::no_column>{id_column, {}, 6, 0, 9, -100}.target(
            3, fault) == device::no_target);
  CHECK(zm::fault_of(fault).code == zm::fault_code::out_of_range);
  CHECK(zm::fault_of(fault).index == 3);
}
