// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/execution/scratch.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/primitives/count_pairs.hpp"
#include "zermelo/core/primitives/matmul.hpp"
#include "zermelo/core/primitives/sort.hpp"
#include "zermelo/core/random.hpp"

namespace {

std::atomic<std::int64_t> allocations{0};

[[maybe_unused]] void* counted(std::size_t bytes) {
  ++allocations;
  return std::malloc(bytes > 0 ? bytes : 1);
}

}  // namespace

// The thread sanitizer has these itself.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ZERMELO_TEST_MEMORY_IS_TAKEN
#endif
#endif
#if !defined(ZERMELO_TEST_MEMORY_IS_TAKEN)

// All of this program's memory is counted. Not inlined, or GCC sees malloc() meet delete.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  if (void* const memory = counted(bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return counted(bytes); }
[[gnu::noinline]] void* operator new[](std::size_t bytes) { return operator new(bytes); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

#endif

namespace zm = zermelo;

namespace {

template <class F>
std::int64_t allocations_of(F&& f) {
  const std::int64_t before = allocations;
  f();
  return allocations - before;
}

/// Calls that need scratch memory, on one policy.
struct hot_calls {
  std::vector<double> keys = std::vector<double>(300'000), sorted = keys;
  std::vector<float> few = std::vector<float>(70'000);
  std::vector<std::int64_t> order = std::vector<std::int64_t>(300'000), top = std::vector<std::int64_t>(100);
  std::vector<std::int32_t> first = std::vector<std::int32_t>(100'000), second = first, category = first;
  std::vector<std::int64_t> counts = std::vector<std::int64_t>(10 * 10 * 4);
  std::vector<double> matrix = std::vector<double>(60 * 60), product = std::vector<double>(30);

  hot_calls() {
    zm::fill_uniform(1, 0, keys);
    zm::fill_uniform(1, 1, few);
    zm::fill_uniform(1, 2, matrix);
    for (std::size_t k = 0; k < first.size(); ++k) {
      first[k] = static_cast<std::int32_t>(k % 10), second[k] = static_cast<std::int32_t>((k + 1 + k % 9) % 10);
      category[k] = static_cast<std::int32_t>(k % 3);
    }
  }

  template <class P>
  void run(const P& policy) {
    sorted = keys;
    zm::sort(policy, sorted);
    zm::argsort(policy, keys, order);
    zm::argsort(policy, few, zm::vector_view(order.data(), static_cast<std::int64_t>(few.size())));
    zm::top_k(policy, keys, 100, top);
    zm::count_pairs(policy, first, second, category, 10, 3, counts);
    // Every second number of every second row: neither rows nor columns lie side by side.
    const zm::tensor_view<const double, 2> spread{.data = matrix.data(), .shape = {30, 30}, .strides = {120, 2}};
    const zm::tensor_view<const double, 1> apart{.data = matrix.data() + 1, .shape = {30}, .strides = {2}};
    zm::matvec(policy, spread, apart, product);
  }
};

}  // namespace

TEST_CASE("calls on a policy that keeps its scratch memory allocate nothing once it is large enough") {
  hot_calls calls;
  const zm::with_scratch<zm::simd> here;
  const zm::with_scratch<zm::threads> pool(2);
  const auto usual = allocations_of([&] { calls.run(zm::simd{}); });
#if !defined(ZERMELO_TEST_MEMORY_IS_TAKEN)
  CHECK(usual > 0);
#else
  CHECK(usual == 0);
#endif
  const auto order = calls.order, top = calls.top;
  calls.run(here);
  CHECK(calls.order == order);
  CHECK(here.scratch().capacity() > 0);
  CHECK(allocations_of([&] { calls.run(here); }) == 0);
  calls.run(pool);
  CHECK(calls.order == order);
  CHECK(calls.top == top);
  CHECK(allocations_of([&] { calls.run(pool); }) == 0);
}

TEST_CASE("scratch memory that another thread's call is using is not shared with it") {
  const zm::with_scratch<zm::simd> here;
  { const zm::detail::scratch_array<char> warm(here, 1000); }
  const zm::detail::scratch_array<char> mine(here, 100);
  char *theirs = nullptr, *inner = nullptr;
  std::thread([&] {
    const zm::detail::scratch_array<char> other(here, 100);
    theirs = other.data();
  }).join();
  {
    const zm::detail::scratch_array<char> nested(here, 100);
    inner = nested.data();
  }
  CHECK(theirs != nullptr);
  CHECK((theirs + 100 <= mine.data() || theirs >= mine.data() + 1000));
  CHECK(inner == mine.data() + 128);  // pieces begin at multiples of 64 bytes
}

TEST_CASE("scratch memory of concurrent callers stays apart") {
  const zm::with_scratch<zm::simd> shared;
  std::vector<double> keys(50'000), expected;
  zm::fill_uniform(3, 0, keys);
  expected = keys;
  zm::sort(expected);
  std::atomic<int> right{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 3; ++c)
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 5; ++repeat) {
        auto own = keys;
        zm::sort(shared, own);
        right += own == expected;
      }
    });
  for (auto& caller : callers) caller.join();
  CHECK(right == 15);
}
