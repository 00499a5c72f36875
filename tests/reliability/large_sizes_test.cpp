// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// 32-bit indices (Liger 96ce8e8), where stride-0 inputs do not reach: arrays of more than 2³¹ elements of which few pages
// exist. All others are the system's page of zeros, which costs no memory as long as it is only read.
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "catch.hpp"
#include "thrown.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/primitives/gather.hpp"
#include "zermelo/core/primitives/matmul.hpp"
#include "zermelo/core/primitives/row_reduce.hpp"
#include "zermelo/core/primitives/scan.hpp"
#include "zermelo/core/primitives/sort.hpp"

namespace zm = zermelo;

namespace {

constexpr std::int64_t beyond = (std::int64_t{1} << 31) + 101;

/// n zeros.
template <class T>
class zeros {
 public:
  explicit zeros(std::int64_t n) : bytes_(static_cast<std::size_t>(n) * sizeof(T)) {
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
  }
  zeros(const zeros&) = delete;
  zeros& operator=(const zeros&) = delete;
  ~zeros() { munmap(memory_, bytes_); }
  T* data() const { return static_cast<T*>(memory_); }
  T& operator[](std::int64_t k) const { return data()[k]; }

 private:
  std::size_t bytes_;
  void* memory_;
};

/// One number, repeated.
template <class T>
zm::tensor_view<T, 1> repeated(T& x, std::int64_t n) {
  return {.data = &x, .shape = {n}, .strides = {0}};
}

struct sum_of {
  template <class V>
  auto operator()(V x) const {
    return zm::total(x);
  }
};

}  // namespace

TEST_CASE("a scan goes on beyond 2³¹ elements") {
  const float one = 1;
  double last = 0;  // every prefix is written here, in order
  const auto in = repeated(one, beyond);
  const auto out = repeated(last, beyond);
  zm::scan(zm::simd{}, sum_of{}, zm::inputs(in), zm::outputs(out));
  CHECK(last == static_cast<double>(beyond));
}

TEST_CASE("a row may be longer than 2³¹") {
  const zeros<float> x(beyond);
  x[0] = 1, x[beyond - 1] = 4;
  std::vector<float> sum(1);
  const auto row = zm::matrix_view<const float>(x.data(), 1, beyond);
  zm::row_reduce(zm::threads(2), sum_of{}, zm::inputs(row), zm::outputs(sum));
  CHECK(sum[0] == 5);
}

TEST_CASE("a matrix may have more than 2³¹ elements: products with a vector and with a matrix see the last of them") {
  constexpr std::int64_t columns = 4096, rows = (std::int64_t{1} << 19) + 3;
  static_assert(rows * columns > beyond);
  const zeros<float> a(rows * columns);
  a[rows * columns - 1] = 3;
  a[columns - 1] = 2;
  const auto matrix = zm::matrix_view<const float>(a.data(), rows, columns);
  std::vector<float> x(columns, 1), y(rows), first(rows);
  zm::matvec(zm::threads(2), matrix, x, y);
  first[0] = 2, first[rows - 1] = 3;
  CHECK(y == first);
  x.assign(2 * columns, 1);
  std::vector<float> product(2 * rows);
  zm::matmul(zm::simd{}, matrix, zm::matrix_view(x.data(), columns, 2), zm::matrix_view(product.data(), rows, 2));
  CHECK(product[0] == 2);
  CHECK(product[1] == 2);
  CHECK(product[2 * rows - 1] == 3);
  CHECK(product[2 * rows - 3] == 0);
}

TEST_CASE("the largest of more than 2³¹ keys are found where they are") {
  const zeros<float> keys(beyond);
  keys[beyond - 1] = 2, keys[beyond - 50] = 3, keys[77] = 1;
  std::vector<std::int64_t> top(4);
  zm::top_k(zm::threads(2), zm::vector_view(keys.data(), beyond), 4, top);
  CHECK(top == std::vector<std::int64_t>{beyond - 50, beyond - 1, 77, 0});
  std::vector<std::int32_t> narrow(4);
  CHECK(thrown<zm::shape_error>([&] { zm::top_k(zm::vector_view(keys.data(), beyond), 4, narrow); }).argument() ==
        "indices");
  const float one = 1;
  CHECK(thrown<zm::shape_error>([&] { zm::top_k(repeated(one, (std::int64_t{1} << 32) + 1), 4, top); }).argument() ==
        "keys");
}

// A sort of so many keys would need twice their memory; this is the pass of digits that it is made of, on the last of them.
TEST_CASE("a sort's pass of digits reads and writes beyond 2³¹") {
  using namespace zm::detail;
  const zeros<std::uint32_t> from(beyond), to(beyond);
  std::int64_t next[radix_size] = {};
  for (std::int64_t v = 0; v < 10; ++v) next[v] = beyond - 100 + 10 * v;
  for (std::int64_t k = 0; k < 100; ++k) from[beyond - 100 + k] = static_cast<std::uint32_t>(7 * k % 10 + 1000 * k);
  std::int64_t first = beyond - 100;
  for (std::int64_t k = first; k < beyond; ++k) from[k] = from[k] / 1000 * 256 + from[k] % 10;
  scatter_digit<false>(from.data(), to.data(), first, beyond, 0, next);
  for (std::int64_t k = first + 1; k < beyond; ++k) {
    REQUIRE(to[k] % 256 >= to[k - 1] % 256);
    if (to[k] % 256 == to[k - 1] % 256) REQUIRE(to[k] > to[k - 1]);  // stable
  }
  CHECK(to[first - 1] == 0);
}

TEST_CASE("sources beyond 2³¹ are gathered from and scattered to, and so many indices are read") {
  const zeros<double> far(beyond);
  far[beyond - 1] = 5;
  const std::vector<std::int64_t> index{beyond - 1, 0, beyond - 1};
  std::vector<double> near(3);
  zm::gather(zm::vector_view(far.data(), beyond), index, near);
  CHECK(near == std::vector<double>{5, 0, 5});
  zm::scatter_add(near, index, zm::vector_view(far.data(), beyond));
  CHECK(far[beyond - 1] == 15);
  const double one = 1;
  const std::int8_t second = 1;
  std::vector<double> sums(2);
  zm::scatter_add(repeated(one, beyond), repeated(second, beyond), sums);
  CHECK(sums[1] == static_cast<double>(beyond));
}
