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
#pragma once

#include <cstddef>

namespace quarry::core {

/// A page source that counts what is held from the source below it and refuses to hold more than a limit.
/// Threads     As the source below; the counters need the same protection.
template <class PageSource>
class metered_source {
 public:
  /// Units       `max_bytes`: bytes held at most; 0 means no limit.
  constexpr metered_source(PageSource source, std::size_t max_bytes) noexcept(noexcept(PageSource(source)))
      : source_(source), max_bytes_(max_bytes) {}

  /// Returns pages from the source below, or null past the limit.
  void* allocate_pages(std::size_t bytes, std::size_t alignment) {
    if (max_bytes_ != 0 && (bytes > max_bytes_ || held_bytes_ > max_bytes_ - bytes)) return nullptr;
    void* const pages = source_.allocate_pages(bytes, alignment);
    if (pages == nullptr) return nullptr;
    held_bytes_ += bytes;
    if (held_bytes_ > peak_bytes_) peak_bytes_ = held_bytes_;
    return pages;
  }

  void deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
    held_bytes_ -= bytes;
    source_.deallocate_pages(pages, bytes, alignment);
  }

  std::size_t held_bytes() const noexcept { return held_bytes_; }
  std::size_t peak_bytes() const noexcept { return peak_bytes_; }
  const PageSource& below() const noexcept { return source_; }

 private:
  PageSource source_;
  std::size_t max_bytes_;       // bytes; 0: no limit
  std::size_t held_bytes_ = 0;  // bytes
  std::size_t peak_bytes_ = 0;  // bytes
};

}  // namespace quarry::core
