// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "thrown.hpp"
#include "zermelo/core/random.hpp"
#include "zermelo/preference/comparison_graph.hpp"

namespace zm = zermelo;
namespace zp = zermelo::preference;

TEST_CASE("a line with a count is as many battles of its weight, in dense tables and in compressed rows") {
  std::vector<std::int64_t> first, second, every_first, every_second, counts;
  std::vector<double> scores, weights, every_score, every_weight;
  for (std::uint64_t k = 0; k < 60; ++k) {
    const auto draw = [k](std::uint64_t stream, std::int64_t n) {
      return zm::index_below(zm::random_bits(7, stream, k), n);
    };
    const std::int64_t i = draw(0, 6), j = (i + 1 + draw(1, 5)) % 6, times = draw(2, 4);
    const double score = static_cast<double>(draw(3, 3)) / 2, weight = static_cast<double>(draw(4, 9)) / 4;
    first.push_back(i), second.push_back(j), counts.push_back(times), scores.push_back(score),
        weights.push_back(weight);
    for (std::int64_t t = 0; t < times; ++t)
      every_first.push_back(i), every_second.push_back(j), every_score.push_back(score), every_weight.push_back(weight);
  }
  for (const std::int64_t dense_limit : {0, 100}) {
    const zp::counting_parameters p{.dense_limit = dense_limit};
    const auto counted = zp::count_battles(first, second, scores, weights, counts, 6, p);
    const auto repeated = zp::count_battles(every_first, every_second, every_score, every_weight, 6, p);
    CHECK(counted.battles == repeated.battles);
    // Weights are quarters: all sums are exact. Lines that stand for no battle leave pairs without weight behind.
    for (std::int64_t i = 0; i < 6; ++i)
      for (std::int64_t j = 0; j < 6; ++j) {
        const auto a = counted.between(i, j), b = repeated.between(i, j);
        CHECK((a.wins == b.wins && a.losses == b.losses && a.ties == b.ties));
      }
    const auto total = [](const std::vector<double>& column) {
      double sum = 0;
      for (const double x : column) sum += x;
      return sum;
    };
    CHECK(total(counted.squared_wins) == total(repeated.squared_wins));
    CHECK(total(counted.squared_losses) == total(repeated.squared_losses));
    CHECK(total(counted.squared_ties) == total(repeated.squared_ties));
  }
}

TEST_CASE("counts of lines are refused by name where they are no counts") {
  const std::vector<int> first{0, 1}, second{1, 0};
  const std::vector<double> scores{1, 1}, ones{1, 1}, negative{1, -1}, short_column{1};
  const auto error = thrown<zm::domain_error>([&] { zp::count_battles(first, second, scores, ones, negative, 2); });
  CHECK(error.argument() == "counts");
  CHECK(error.index() == 1);
  CHECK_THROWS_AS(zp::count_battles(first, second, scores, ones, short_column, 2), zm::shape_error);
}
