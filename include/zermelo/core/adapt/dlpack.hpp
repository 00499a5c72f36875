// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <dlpack/dlpack.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "../config.hpp"
#include "../dynamic_tensor.hpp"
#include "../error.hpp"
#include "../make_like.hpp"
#include "../tensor.hpp"

/// DLPack: tensors that frameworks hand to each other.
namespace zermelo::inline v1 {

/// Owns a DLManagedTensor and ends it by its deleter.
class dlpack_tensor {
 public:
  ZERMELO_INLINE explicit dlpack_tensor(DLManagedTensor* managed) : managed_(managed) {}
  ZERMELO_INLINE ~dlpack_tensor() {
    if (managed_ && managed_->deleter) managed_->deleter(managed_);
  }
  ZERMELO_INLINE dlpack_tensor(dlpack_tensor&& other) noexcept : managed_(other.release()) {}
  ZERMELO_INLINE dlpack_tensor& operator=(dlpack_tensor&& other) noexcept {
    std::swap(managed_, other.managed_);
    return *this;
  }

  ZERMELO_INLINE const DLTensor& operator*() const { return managed_->dl_tensor; }
  ZERMELO_INLINE const DLTensor* operator->() const { return &managed_->dl_tensor; }
  /// For a framework that takes it over.
  ZERMELO_INLINE DLManagedTensor* release() { return std::exchange(managed_, nullptr); }

 private:
  DLManagedTensor* managed_;
};

template <class X>
  requires std::is_same_v<std::remove_const_t<X>, dlpack_tensor>
struct dynamic_traits<X> {
  static constexpr bool enabled = true;
  static constexpr bool read_only = false;
  ZERMELO_INLINE static dynamic_view view(X& x) { return inspect(*x); }
};

namespace detail {

/// A managed tensor together with what it needs to live.
template <class Owner>
struct dlpack_owner {
  DLManagedTensor managed = {};
  std::int64_t shape[dynamic_view::max_rank] = {};
  std::int64_t strides[dynamic_view::max_rank] = {};
  Owner owner;
};

struct dlpack_bytes {
  static constexpr std::align_val_t alignment{256};  // what DLPack asks for
  void* data = nullptr;
  dlpack_bytes() = default;
  ZERMELO_INLINE explicit dlpack_bytes(std::size_t n) : data(::operator new(n, alignment)) {}
  ZERMELO_INLINE dlpack_bytes(dlpack_bytes&& other) noexcept : data(std::exchange(other.data, nullptr)) {}
  dlpack_bytes& operator=(dlpack_bytes&&) = delete;
  ZERMELO_INLINE ~dlpack_bytes() { ::operator delete(data, alignment); }
};

inline namespace ZERMELO_ISA {

/// A bool is an unsigned integer: DLPack 0.6 has no code for it.
inline DLDataType dlpack_type(element_format e) {
  using kind = element_format::kind;
  const auto code = e.is == kind::integer          ? kDLInt
                    : e.is == kind::floating       ? kDLFloat
                    : e.is == kind::brain_floating ? kDLBfloat
                    : e.is == kind::complex        ? kDLComplex
                                                   : kDLUInt;
  return {static_cast<std::uint8_t>(code), static_cast<std::uint8_t>(e.bits), static_cast<std::uint16_t>(e.lanes)};
}

/// Fills in a tensor that points to v's numbers; shape and strides must live as long as it.
inline DLTensor dlpack_of(const dynamic_view& v, std::int64_t* shape, std::int64_t* strides) {
  for (int r = 0; r < v.rank; ++r) shape[r] = v.shape[r], strides[r] = v.strides[r];
  const DLDeviceType device = v.on_host ? kDLCPU : kDLCUDA;
  return {v.data, {device, 0}, v.rank, dlpack_type(v.element), shape, strides, 0};
}

template <class Owner>
dlpack_tensor own(std::unique_ptr<dlpack_owner<Owner>> whole, const dynamic_view& v) {
  whole->managed.dl_tensor = dlpack_of(v, whole->shape, whole->strides);
  whole->managed.manager_ctx = whole.get();
  whole->managed.deleter = [](DLManagedTensor* self) { delete static_cast<dlpack_owner<Owner>*>(self->manager_ctx); };
  return dlpack_tensor(&whole.release()->managed);
}

inline dlpack_tensor new_dlpack(const dynamic_view& like, int rank, const std::int64_t* shape) {
  if (!like.on_host)
    throw domain_error("tensor", domain_error::whole,
                       "lies in device memory; new tensors are made in host memory only");
  require_rank(rank);
  dynamic_view v = like;
  v.rank = rank;
  std::int64_t size = 1;
  for (int r = rank; r-- > 0;) {
    if (shape[r] < 0) throw shape_error("shape", "dimension " + std::to_string(r) + " is " + std::to_string(shape[r]));
    v.shape[r] = shape[r], v.strides[r] = size;
    size *= shape[r];
  }
  const auto bytes = static_cast<std::size_t>(size * ((like.element.bits * like.element.lanes + 7) / 8));
  auto whole = std::make_unique<dlpack_owner<dlpack_bytes>>(dlpack_owner<dlpack_bytes>{.owner = dlpack_bytes(bytes)});
  v.data = whole->owner.data;
  return own(std::move(whole), v);
}

}  // namespace ZERMELO_ISA

/// For every DLPack tensor.
template <class X>
struct like_dlpack {
  static constexpr bool enabled = true;
  ZERMELO_INLINE static dlpack_tensor make(const X& x) {
    const dynamic_view v = inspect(x);
    return new_dlpack(v, v.rank, v.shape);
  }
  template <std::size_t Rank>
  ZERMELO_INLINE static dlpack_tensor make(const X& x, const std::int64_t (&shape)[Rank]) {
    return new_dlpack(inspect(x), static_cast<int>(Rank), shape);
  }
};

}  // namespace detail

template <>
struct like_traits<DLTensor> : detail::like_dlpack<DLTensor> {};
template <>
struct like_traits<DLManagedTensor> : detail::like_dlpack<DLManagedTensor> {};
template <>
struct like_traits<dlpack_tensor> : detail::like_dlpack<dlpack_tensor> {};

/// The numbers of a tensor, which owns them and outlives this, as a DLTensor for a function that takes one:
/// `f(&*dlpack_view(matrix))`. DLPack 0.6 cannot say that numbers are only to be read.
class dlpack_view {
 public:
  template <dynamic_tensor X>
  ZERMELO_INLINE explicit dlpack_view(X&& x) : tensor_(detail::dlpack_of(inspect(x), shape_, strides_)) {}
  dlpack_view(const dlpack_view&) = delete;  // the tensor points to what lies beside it
  dlpack_view& operator=(const dlpack_view&) = delete;

  ZERMELO_INLINE DLTensor& operator*() { return tensor_; }

 private:
  std::int64_t shape_[dynamic_view::max_rank];
  std::int64_t strides_[dynamic_view::max_rank];
  DLTensor tensor_;
};

/// Moves a tensor that owns its numbers into DLPack: `into_dlpack(std::move(vector)).release()` goes to a framework.
/// Nothing is copied; its deleter ends the tensor. Device memory is taken to be that of CUDA's device 0.
template <tensor X>
  requires(!std::is_reference_v<X> && !detail::is_tensor_view<X>)
ZERMELO_INLINE dlpack_tensor into_dlpack(X&& x) {
  auto whole = std::make_unique<detail::dlpack_owner<X>>(detail::dlpack_owner<X>{.owner = std::move(x)});
  const dynamic_view v = inspect(whole->owner);
  return detail::own(std::move(whole), v);
}

}  // namespace zermelo::inline v1
