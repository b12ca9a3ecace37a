// Page sources: where the engine's memory comes from.
//
// Layer      5. Freestanding.
//
// A page source is any class with these two members; attach anything.
//
//   void* allocate_pages(std::size_t bytes, std::size_t alignment);
//       Returns `bytes` bytes aligned to `alignment`, a power of two, uninitialised. On failure returns null,
//       or throws where exceptions exist; then nothing has changed.
//   void deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept;
//       Takes back what allocate_pages returned for the same two numbers.
//
// It may have a third:
//
//   bool discard_pages(void* pages, std::size_t bytes) noexcept;
//       Gives the memory of part of what allocate_pages returned free and keeps its addresses: the contents are gone.
//       Returns false when nothing was freed.
//
// The engine of a resource takes its memory from a supply: a page source that also tells extents, of which slabs are cut,
// from the few other pieces. plain_supply makes one of any page source.
#pragma once

#include <cstddef>
#include <quarry/version.hpp>
#include <type_traits>
#include <utility>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// Returns what f() returns, or a value-initialised result when it throws.
template <class F>
auto without_throwing(F f) noexcept -> decltype(f()) {
#if defined(__cpp_exceptions)
  try {
    return f();
  } catch (...) {
    return {};
  }
#else
  return f();
#endif
}

template <class PageSource, class = void>
inline constexpr bool can_discard_pages = false;
template <class PageSource>
inline constexpr bool can_discard_pages<
    PageSource, std::void_t<decltype(std::declval<PageSource&>().discard_pages(nullptr, 0))>> = true;

/// A supply in which extents are pages like any others.
template <class PageSource>
class plain_supply {
 public:
  explicit plain_supply(PageSource source) noexcept(noexcept(PageSource(source))) : source_(source) {}

  void* allocate_pages(std::size_t bytes, std::size_t alignment) {
    return source_.allocate_pages(bytes, alignment);
  }
  void deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
    source_.deallocate_pages(pages, bytes, alignment);
  }

  /// Extents: as pages; keep_extent() is deallocate_extent() at the end of the resource, when the next may want it.
  void* allocate_extent(std::size_t bytes, std::size_t alignment) {
    return source_.allocate_pages(bytes, alignment);
  }
  void deallocate_extent(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
    source_.deallocate_pages(pages, bytes, alignment);
  }
  void keep_extent(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
    source_.deallocate_pages(pages, bytes, alignment);
  }

  /// Whether parts of an extent can be discarded; and discards one. expect_holes() comes before the first of an extent.
  bool can_discard() const noexcept { return can_discard_pages<PageSource>; }
  bool discard_pages([[maybe_unused]] void* pages, [[maybe_unused]] std::size_t bytes) noexcept {
    if constexpr (can_discard_pages<PageSource>) return source_.discard_pages(pages, bytes);
    return false;
  }
  void expect_holes(void*, std::size_t) noexcept {}

  bool keeps_blocks() const noexcept {
    return false;
  }  // whether a freed oversize block may wait for the next request
  bool blocks_are_lazy() const noexcept {
    return false;
  }  // whether a large piece costs only what is touched of it
  bool is_limited() const noexcept { return false; }  // whether it counts what is taken against a bound
  bool has_memory() const noexcept { return true; }   // else every request is refused
  bool takes_back() const noexcept { return true; }   // else what is given back is lost until the end

  const PageSource& source() const noexcept { return source_; }

 private:
  PageSource source_;
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
