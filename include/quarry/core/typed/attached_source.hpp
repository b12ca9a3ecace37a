// How a cache holds its page source: a value when it can be copied, a pointer when it owns the memory itself.
//
// Layer      5. Freestanding.
#pragma once

#include <type_traits>
#include <utility>

namespace quarry::core {

/// Whether a page source says by a member capacity_bytes() how much it has: then another cache may need what one leaves
/// unused.
template <class PageSource, class = void>
inline constexpr bool names_capacity = false;
template <class PageSource>
inline constexpr bool
    names_capacity<PageSource, std::void_t<decltype(std::declval<const PageSource&>().capacity_bytes())>> =
        true;

template <class PageSource>
inline constexpr bool is_attached_by_value = std::is_copy_constructible_v<PageSource>;

/// What a page source is attached from: anything that can be copied, or the source itself.
template <class PageSource>
using attachable = std::conditional_t<is_attached_by_value<PageSource>, const PageSource&, PageSource&>;

/// A copy of a page source; costs nothing in a class that derives from it when the source has no state.
template <class PageSource, bool ByValue = is_attached_by_value<PageSource>>
class attached_source : private PageSource {
 public:
  constexpr attached_source() = default;
  explicit constexpr attached_source(const PageSource& source) : PageSource(source) {}

  PageSource& source() noexcept { return *this; }
  const PageSource& source() const noexcept { return *this; }
};

/// A reference to a page source that cannot be copied; without one, to the program's only default instance.
template <class PageSource>
class attached_source<PageSource, false> {
 public:
  constexpr attached_source() noexcept : source_(&default_instance) {}
  explicit constexpr attached_source(PageSource& source) noexcept : source_(&source) {}

  PageSource& source() const noexcept { return *source_; }

 private:
  static inline PageSource default_instance{};

  PageSource* source_;
};

}  // namespace quarry::core
