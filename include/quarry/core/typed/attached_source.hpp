// How a cache holds its page source: a value when it can be copied, a pointer when it owns the memory itself.
//
// Layer      5. Freestanding.
#pragma once

#include <quarry/version.hpp>
#include <type_traits>
#include <utility>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Whether a page source says by a member capacity_bytes() how much it has: then another cache may need what one leaves
/// unused.
template <class PageSource, class = void>
inline constexpr bool names_capacity = false;
template <class PageSource>
inline constexpr bool
    names_capacity<PageSource, std::void_t<decltype(std::declval<const PageSource&>().capacity_bytes())>> =
        true;

template <class PageSource>
inline constexpr bool is_attached_by_value =
    std::is_copy_constructible_v<PageSource>&& std::is_copy_assignable_v<PageSource>;

/// Whether one page source of this type is as good as another, so that none needs to be kept.
template <class PageSource>
inline constexpr bool is_stateless = std::is_empty_v<PageSource>&& std::is_trivial_v<PageSource>;

/// What a page source is attached from: anything that can be copied, or the source itself.
template <class PageSource>
using attachable = std::conditional_t<is_attached_by_value<PageSource>, const PageSource&, PageSource&>;

/// A copy of a page source.
template <class PageSource, bool ByValue = is_attached_by_value<PageSource>,
          bool Stateless = is_stateless<PageSource>>
class attached_source {
 public:
  constexpr attached_source() = default;
  explicit constexpr attached_source(const PageSource& source) : source_(source) {}

  PageSource& source() noexcept { return source_; }
  const PageSource& source() const noexcept { return source_; }

 private:
  PageSource source_;
};

/// A page source without state, made where it is used; costs nothing in a class that derives from this one.
template <class PageSource>
class attached_source<PageSource, true, true> {
 public:
  constexpr attached_source() = default;
  explicit constexpr attached_source(const PageSource&) noexcept {}

  PageSource source() const noexcept { return PageSource(); }
};

/// A reference to a page source that cannot be copied; without one, to the program's only default instance.
template <class PageSource, bool Stateless>
class attached_source<PageSource, false, Stateless> {
 public:
  constexpr attached_source() noexcept : source_(&default_instance) {}
  explicit constexpr attached_source(PageSource& source) noexcept : source_(&source) {}

  PageSource& source() const noexcept { return *source_; }

 private:
  static inline PageSource default_instance{};

  PageSource* source_;
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
