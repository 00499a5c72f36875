// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <numeric>

#include "reliability/registry.hpp"
#include "zermelo/core/primitives/gather.hpp"
#include "zermelo/core/primitives/matmul.hpp"
#include "zermelo/core/primitives/row_reduce.hpp"
#include "zermelo/core/primitives/scan.hpp"
#include "zermelo/core/primitives/segment_reduce.hpp"
#include "zermelo/core/primitives/sort.hpp"

namespace {

using namespace registry;

constexpr double unit = std::numeric_limits<double>::epsilon();

struct product_and_log_sum {
  template <class V>
  auto operator()(V x, V w) const {
    return zm::bundle(zm::total(x * w), zm::log_sum_exp(x));
  }
};
struct product_sum {
  template <class V>
  auto operator()(V x, V w) const {
    return zm::total(x * w);
  }
};
struct ones {
  template <class V>
  auto operator()(V) const {
    return zm::total(V(1));
  }
};

/// A function of x and weights whose results are bounded by the sum of absolute products and by 10, the largest |x| and
/// the logarithm of any number of them.
function weighted_function(std::string name, trait is) {
  return {.name = std::move(name),
          .is = is,
          .arguments = {{.name = "x"}, {.name = "weights"}},
          .sample = [](std::uint64_t seed, std::size_t n) { return moderate(2, seed, n); },
          .tolerance = 64 * unit};
}

double absolute_products(const columns& x) {
  double size = 20;
  for (std::size_t k = 0; k < x[0].size(); ++k) size += std::abs(x[0][k] * x[1][k]);
  return size;
}

/// Segments of 7 elements, and what is left.
std::vector<std::int32_t> sevens(std::size_t n) {
  std::vector<std::int32_t> offsets{0};
  while (static_cast<std::size_t>(offsets.back()) < n)
    offsets.push_back(static_cast<std::int32_t>(std::min(static_cast<std::size_t>(offsets.back()) + 7, n)));
  return offsets;
}

const registration segments([] {
  auto f = weighted_function("segment_reduce", trait::batch_coupled);
  f.call = [](const policy& p, const columns& x, const values&) {
    const auto offsets = sevens(x[0].size());
    const auto count = static_cast<std::int64_t>(offsets.size()) - 1;
    values out(2 * static_cast<std::size_t>(count));
    const auto products = zm::vector_view(out.data(), count), logarithms = zm::vector_view(out.data() + count, count);
    with(p, [&](const auto& how) {
      zm::segment_reduce(how, product_and_log_sum{}, zm::inputs(zm::named("x", x[0]), zm::named("weights", x[1])),
                         offsets, zm::outputs(products, logarithms));
    });
    return out;
  };
  f.sizes = [](const columns& x, const values&) { return values(2 * (sevens(x[0].size()).size() - 1), 7 * 64.0 + 20); };
  f.count_repeated = [](std::int64_t n) {
    const float zero = 0;
    const zm::tensor_view<const float, 1> repeated{.data = &zero, .shape = {n}, .strides = {0}};
    const std::int64_t offsets[] = {0, 5, n - 1, n};
    double counts[3] = {};
    zm::segment_reduce(zm::threads(2), ones{}, zm::inputs(repeated), offsets, zm::outputs(counts));
    return counts[0] == 5 && counts[2] == 1 ? counts[0] + counts[1] + counts[2] : 0;
  };
  return f;
}());

const registration rows([] {
  auto f = weighted_function("row_reduce", trait::separable);
  f.call = [](const policy& p, const columns& x, const values&) {
    values out(1);
    const auto row = [](const values& v) { return zm::matrix_view(v.data(), 1, static_cast<std::int64_t>(v.size())); };
    const auto a = row(x[0]), b = row(x[1]);
    with(p, [&](const auto& how) {
      zm::row_reduce(how, product_sum{}, zm::inputs(zm::named("x", a), zm::named("weights", b)), zm::outputs(out));
    });
    return out;
  };
  f.sizes = [](const columns& x, const values&) { return values{absolute_products(x)}; };
  return f;
}());

const registration log_sums([] {
  function f{.name = "log_sum_exp_rows",
             .is = trait::batch_coupled,
             .arguments = {{.name = "x"}},
             .sample = [](std::uint64_t seed, std::size_t n) { return moderate(1, seed, n); },
             .tolerance = 4 * unit};
  f.call = [](const policy& p, const columns& x, const values&) {
    values out(1);
    const auto row = zm::matrix_view(x[0].data(), 1, static_cast<std::int64_t>(x[0].size()));
    with(p, [&](const auto& how) { zm::log_sum_exp_rows(how, row, out); });
    return out;
  };
  return f;
}());

const registration prefixes([] {
  auto f = weighted_function("scan", trait::batch_coupled);
  f.call = [](const policy& p, const columns& x, const values&) {
    values out(x[0].size());
    with(p, [&](const auto& how) {
      zm::scan(how, product_sum{}, zm::inputs(zm::named("x", x[0]), zm::named("weights", x[1])), zm::outputs(out));
    });
    return out;
  };
  f.sizes = [](const columns& x, const values&) { return values(x[0].size(), absolute_products(x)); };
  return f;
}());

const registration sorted([] {
  function f{.name = "sort, argsort and top_k",
             .is = trait::batch_coupled,
             .arguments = {{.name = "keys"}},
             .sample = [](std::uint64_t seed, std::size_t n) { return moderate(1, seed, n); }};
  f.call = [](const policy& p, const columns& x, const values&) {
    values out = x[0];
    const std::size_t n = out.size(), few = std::min<std::size_t>(n, 10);
    std::vector<std::int64_t> order(n), top(few);
    with(p, [&](const auto& how) {
      zm::top_k(how, x[0], static_cast<std::int64_t>(few), top);
      zm::argsort(how, x[0], order);
      zm::sort(how, out);
    });
    for (const auto k : order) out.push_back(static_cast<double>(k));
    for (const auto k : top) out.push_back(static_cast<double>(k));
    return out;
  };
  return f;
}());

const registration multiplied([] {
  auto f = weighted_function("matvec", trait::separable);
  f.arguments = {{.name = "a"}, {.name = "x"}};
  f.call = [](const policy& p, const columns& x, const values&) {
    values y(1);
    const auto row = zm::matrix_view(x[0].data(), 1, static_cast<std::int64_t>(x[0].size()));
    with(p, [&](const auto& how) { zm::matvec(how, row, x[1], y); });
    return y;
  };
  f.sizes = [](const columns& x, const values&) { return values{absolute_products(x)}; };
  return f;
}());

const registration segment_prefixes([] {
  auto f = weighted_function("segment_scan", trait::batch_coupled);
  f.call = [](const policy& p, const columns& x, const values&) {
    values out(x[0].size());
    with(p, [&](const auto& how) {
      zm::segment_scan(how, product_sum{}, zm::inputs(zm::named("x", x[0]), zm::named("weights", x[1])),
                       sevens(x[0].size()), zm::outputs(out), {.reverse = true});
    });
    return out;
  };
  f.sizes = [](const columns& x, const values&) { return values(x[0].size(), 7 * 64.0); };
  return f;
}());

/// The logarithms of a softmax, and what it is itself.
const registration softmaxes([] {
  function f{.name = "softmax_rows and log_softmax_rows",
             .is = trait::batch_coupled,
             .arguments = {{.name = "x", .below_infinity = true}},
             .sample = [](std::uint64_t seed, std::size_t n) { return moderate(1, seed, n + 1); },  // one may be −∞
             .tolerance = 8 * unit};
  f.call = [](const policy& p, const columns& x, const values&) {
    const auto n = static_cast<std::int64_t>(x[0].size());
    values out(2 * x[0].size());
    const auto row = zm::matrix_view(x[0].data(), 1, n);
    const auto probabilities = zm::matrix_view(out.data(), 1, n), logarithms = zm::matrix_view(out.data() + n, 1, n);
    with(p, [&](const auto& how) {
      zm::softmax_rows(how, row, probabilities);
      zm::log_softmax_rows(how, row, logarithms);
    });
    return out;
  };
  f.sizes = [](const columns& x, const values&) { return values(2 * x[0].size(), 32.0); };
  return f;
}());

const registration products([] {
  auto f = weighted_function("matmul", trait::separable);
  f.arguments = {{.name = "a"}, {.name = "b"}};
  f.call = [](const policy& p, const columns& x, const values&) {
    values c(1);
    const auto row = zm::matrix_view(x[0].data(), 1, static_cast<std::int64_t>(x[0].size()));
    const auto column = zm::matrix_view(x[1].data(), static_cast<std::int64_t>(x[1].size()), 1);
    with(p, [&](const auto& how) { zm::matmul(how, row, column, zm::matrix_view(c.data(), 1, 1)); });
    return c;
  };
  f.sizes = [](const columns& x, const values&) { return values{absolute_products(x)}; };
  return f;
}());

/// Positions among six numbers, to read from and to add to.
const registration moved([] {
  function f{.name = "gather and scatter_add", .is = trait::batch_coupled, .arguments = {{"index", content::ids}}};
  f.sample = [](std::uint64_t seed, std::size_t n) {
    columns x(1, values(n));
    for (std::size_t k = 0; k < n; ++k) x[0][k] = static_cast<double>(zm::index_below(zm::random_bits(seed, 0, k), 6));
    return x;
  };
  f.call = [](const policy& p, const columns& x, const values&) {
    const std::vector<std::int64_t> index(x[0].begin(), x[0].end());
    const values source{0.1, 0.2, 0.3, 0.4, 0.5, 0.6};
    values read(index.size()), added(6);
    with(p, [&](const auto& how) {
      zm::gather(how, source, index, read);
      zm::scatter_add(how, read, index, added);
    });
    read.insert(read.end(), added.begin(), added.end());
    return read;
  };
  return f;
}());

}  // namespace
