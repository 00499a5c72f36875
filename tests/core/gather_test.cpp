// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>
#include <zermelo/core/execution/threads.hpp>
#include <zermelo/core/primitives/gather.hpp>
#include <zermelo/core/random.hpp>

#include "catch.hpp"
#include "thrown.hpp"

namespace zm = zermelo;

namespace {

template <class Index>
std::vector<Index> indices(std::size_t m, std::uint64_t n) {
  std::vector<Index> out(m);
  for (std::size_t k = 0; k < m; ++k) out[k] = static_cast<Index>(zm::uniform(1, 0, k) * static_cast<double>(n));
  return out;
}

std::vector<double> numbers(std::size_t m) {
  std::vector<double> out(m);
  for (std::size_t k = 0; k < m; ++k) out[k] = zm::uniform(2, 0, k) - 0.5;
  return out;
}

}  // namespace

TEST_CASE("gather reads through indices of any integer type, and from strided sources") {
  const std::vector<double> source{10, 11, 12, 13, 14};
  std::vector<double> out(3);
  zm::gather(source, std::vector<std::uint8_t>{4, 0, 4}, out);
  CHECK(out == std::vector<double>{14, 10, 14});
  zm::gather(source, std::vector<std::int64_t>{1, 2, 3}, out);
  CHECK(out == std::vector<double>{11, 12, 13});
  const zm::tensor_view<const double, 1> backwards{.data = source.data() + 4, .shape = {5}, .strides = {-1}};
  zm::gather(backwards, std::vector<int>{0, 1, 4}, out);
  CHECK(out == std::vector<double>{14, 13, 10});
  std::vector<double> none;
  zm::gather(source, std::vector<int>{}, none);
  CHECK(none.empty());
}

TEST_CASE("scatter_add adds in the order of the sources: the same bits on any number of threads") {
  // Large enough for the path on several threads, and small enough for the other.
  for (const auto& sizes : {std::pair{1'000'000ul, 200'000ul}, {300'000ul, 1'000'000ul}, {1000ul, 7ul}}) {
    const std::size_t m = sizes.first, n = sizes.second;
    const auto source = numbers(m);
    const auto index = indices<std::int32_t>(m, n);
    std::vector<double> expected(n, 0.25);
    for (std::size_t k = 0; k < m; ++k) expected[static_cast<std::size_t>(index[k])] += source[k];
    const auto with = [&](auto&& policy) {
      std::vector<double> out(n, 0.25);
      zm::scatter_add(policy, source, index, out);
      return out == expected;
    };
    CHECK(with(zm::serial{}));
    CHECK(with(zm::simd{}));
    for (const int threads : {2, 4, 7}) CHECK(with(zm::threads(threads)));
  }
}

TEST_CASE("gathering what was scattered to different places gives it back") {
  const auto source = numbers(1000);
  std::vector<int> order(1000);
  for (std::size_t k = 0; k < 1000; ++k) order[k] = static_cast<int>(k * 337 % 1000);  // 337 and 1000 are coprime
  std::vector<double> scattered(1000, 0.0), back(1000);
  zm::scatter_add(source, order, scattered);
  zm::gather(scattered, order, back);
  CHECK(back == source);
}

TEST_CASE("indices out of range are named by position, the first of them on any number of threads") {
  const auto source = numbers(1'000'000);
  auto index = indices<std::int32_t>(1'000'000, 200'000);
  index[900'000] = -1, index[400'000] = 200'000;
  std::vector<double> out(200'000), same(1'000'000);
  const char* expected = "index[400000]: 200000, expected one in [0, 200000)";
  for (const int threads : {1, 2, 4}) {
    const zm::threads pool(threads);
    CHECK(thrown<zm::domain_error>([&] { zm::scatter_add(pool, source, index, out); }).what() == std::string(expected));
    CHECK(thrown<zm::domain_error>([&] { zm::gather(pool, out, index, same); }).what() == std::string(expected));
  }
  const std::vector<int> three{0, 1, 2};
  CHECK(thrown<zm::shape_error>([&] { zm::scatter_add(source, three, out); }).argument() == "source");
  CHECK(thrown<zm::shape_error>([&] { zm::gather(source, three, out); }).argument() == "out");
}
