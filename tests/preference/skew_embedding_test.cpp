// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/preference/skew_embedding.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "property.hpp"
#include "thrown.hpp"
#include "zermelo/preference/skew_scores.hpp"

namespace zm = zermelo;
namespace zp = zermelo::preference;

TEST_CASE("any skew matrix is reproduced by an embedding of as many dimensions as its rank") {
  check_property([] {
    const std::int64_t n = *rc::gen::inRange(1, 12);
    std::vector<double> s(static_cast<std::size_t>(n * n), 0.0), back(s.size());
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t j = 0; j < i; ++j) {
        s[std::size_t(i * n + j)] = *rc::gen::inRange(-3, 4);
        s[std::size_t(j * n + i)] = -s[std::size_t(i * n + j)];
      }
    const auto found = zp::embed_scores(zm::matrix_view(s.data(), n, n));
    RC_ASSERT(found.rank == 2 * found.blocks && found.rank <= n);
    if (found.blocks == 0) return;
    zp::score_matrix(found.matrix(), zp::unit_scales, zm::matrix_view(back.data(), n, n));
    double off = 0;
    for (std::size_t e = 0; e < s.size(); ++e) off = std::max(off, std::abs(s[e] - back[e]));
    RC_ASSERT(off <= 1e-13 * static_cast<double>(n));  // eigenvectors are exact to rounding of ‖S‖ ≤ 3n
  });
}

TEST_CASE("an embedding of fewer blocks misses the singular values that it leaves out, equal ones included") {
  // Two cycles of three side by side: √3 four times.
  std::vector<double> s(36, 0.0), back(36);
  for (const std::size_t first : {0u, 3u})
    for (std::size_t i = 0; i < 3; ++i) {
      s[(first + i) * 6 + first + (i + 1) % 3] = 1;
      s[(first + (i + 1) % 3) * 6 + first + i] = -1;
    }
  const auto whole = zp::embed_scores(zm::matrix_view(s.data(), 6, 6));
  CHECK(whole.rank == 4);
  CHECK(whole.error <= 1e-14);
  for (std::size_t k = 0; k < 4; ++k) CHECK(whole.singular_values[k] == Approx(std::sqrt(3.0)).epsilon(1e-14));
  const auto half = zp::embed_scores(zm::matrix_view(s.data(), 6, 6), {.blocks = 1});
  CHECK(half.blocks == 1);
  zp::score_matrix(half.matrix(), zp::unit_scales, zm::matrix_view(back.data(), 6, 6));
  double square = 0;
  for (std::size_t e = 0; e < 36; ++e) square += (s[e] - back[e]) * (s[e] - back[e]);
  CHECK(std::sqrt(square) == Approx(half.error).epsilon(1e-13));
  CHECK(half.error == Approx(std::sqrt(6.0)).epsilon(1e-14));
}

TEST_CASE("a matrix that is not skew has no embedding, and the error names the entry") {
  std::vector<double> s{0, 1, -1, -1, 0, 1, 1, -0.5, 0};
  const auto matrix = zm::matrix_view(s.data(), 3, 3);
  CHECK(thrown<zm::domain_error>([&] { zp::embed_scores(matrix); }).index() == 7);
  s[7] = -1;
  s[8] = 0.25;  // its own mirror image
  CHECK(thrown<zm::domain_error>([&] { zp::embed_scores(matrix); }).index() == 8);
  s[2] = std::nan("");
  CHECK(thrown<zm::domain_error>([&] { zp::embed_scores(matrix); }).index() == 2);
  CHECK_THROWS_AS(zp::embed_scores(zm::matrix_view(s.data(), 2, 3)), zm::shape_error);
  CHECK_THROWS_AS(zp::embed_scores(zm::matrix_view(s.data(), 0, 0)), zm::shape_error);
  CHECK_THROWS_AS(zp::embed_scores(zm::matrix_view(s.data(), 1, 1), {.blocks = -1}), zm::domain_error);
}
