// The page pool: extents over pages of the operating system that nobody uses, kept for the next request of the
// same size. A resource for each request so finds its pages mapped and in memory.
//
// Layer      Floor 5, over os_pages.hpp; what Quarry's resources take extents from.
// Invariant  An idle extent is in the list of its size, last kept first, and in the list of all, oldest last. Idle
//            extents together hold at most the limit. Links lie in records, so no idle page is touched.
// Ageing     Time is counted in visits. A round of a program that takes n extents and keeps them makes 2 n visits,
//            and an extent that it uses is idle for no longer. So the pool follows how far the number of extents
//            in use swings, n, and each visit gives the oldest extent back when it has been idle for 4 n visits
//            and some: used in every round, it stays; unused for two rounds, it goes.
// Threads    Any number at a time. The lock is a leaf, held for a few instructions and never across a call of the
//            system; a child of fork() goes on with what its parent held.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <quarry/detail/sleeping_lock.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

class page_pool {
 public:
  constexpr page_pool() noexcept = default;
  page_pool(const page_pool&) = delete;
  page_pool& operator=(const page_pool&) = delete;

  /// Returns the pool of this copy of the library. Constant-initialised and never destroyed.
  static page_pool& of_this_module() noexcept;

  /// Returns an extent, from the pool or else from the system; null when the system refuses.
  /// Units       `bytes`: whole pages, not 0; `alignment`: a power of two.
  /// Effects     The contents are undefined. `huge_pages` asks as map_pages does. May age one extent.
  /// Complexity  O(1): at most eight looks at idle extents.
  void* take(std::size_t bytes, std::size_t alignment, bool huge_pages) noexcept;

  /// Takes back what take() returned for the same number of bytes, and keeps it while the limit allows.
  /// Complexity  O(1).
  void keep(void* pages, std::size_t bytes) noexcept;

  /// Gives what take() returned for the same number of bytes to the system.
  /// Complexity  O(1).
  void give_back(void* pages, std::size_t bytes) noexcept;

  /// Gives idle extents to the system, the oldest first, until at most `keep_bytes` are idle; returns their bytes.
  /// Complexity  O(extents given back).
  std::size_t trim(std::size_t keep_bytes) noexcept;

  /// Sets the limit of idle bytes, gives back what exceeds it and returns the limit before.
  /// Complexity  O(extents given back).
  std::size_t set_limit(std::size_t bytes) noexcept;

  std::size_t idle_bytes() const noexcept;

  /// Returns whether the invariant holds. Complexity O(idle extents), under the lock.
  bool check_invariants() const noexcept;

 private:
  friend struct page_pool_fork_handlers;

  using lock_type = sleeping_lock;

  static constexpr std::size_t first_limit_bytes = std::size_t{64} << 20;
  static constexpr std::size_t page_log2 = 12;        // the unit in which sizes choose their list
  static constexpr std::size_t lists_of_powers = 16;  // for powers of two from one page on
  static constexpr std::size_t lists_of_others = 48;  // for all other sizes
  static constexpr std::size_t inline_records = 64;
  static constexpr std::size_t record_pages_bytes = 16384;
  static constexpr int most_looks = 8;                  // into one list
  static constexpr std::uint64_t least_patience = 256;  // visits
  static constexpr std::uint64_t patience_per_extent = 4;

  struct idle_extent;
  struct links {
    idle_extent* next = nullptr;
    idle_extent* previous = nullptr;
  };
  struct idle_extent {
    void* pages = nullptr;
    std::size_t bytes = 0;
    std::uint64_t kept_at = 0;  // the visit
    links of_size;
    links of_all;
  };

  template <links idle_extent::*Links>
  struct extent_list {
    idle_extent* first = nullptr;  // kept last
    idle_extent* last = nullptr;

    void push(idle_extent& added) noexcept {
      (added.*Links).next = first;
      (added.*Links).previous = nullptr;
      (first != nullptr ? (first->*Links).previous : last) = &added;
      first = &added;
    }
    void remove(const idle_extent& removed) noexcept {
      const links& around = removed.*Links;
      (around.previous != nullptr ? (around.previous->*Links).next : first) = around.next;
      (around.next != nullptr ? (around.next->*Links).previous : last) = around.previous;
    }
  };
  using list_of_size = extent_list<&idle_extent::of_size>;

  struct extent {
    void* pages = nullptr;  // null: none
    std::size_t bytes = 0;
  };

  void start() noexcept;
  bool add_records() noexcept;
  static void unmap_idle(const extent& given_back) noexcept;

  // Under the lock; inline, so that position-independent code calls none of them:
  inline list_of_size& list_for(std::size_t bytes) noexcept;
  inline void visit(std::ptrdiff_t taken) noexcept;
  inline std::uint64_t patience() const noexcept;
  inline idle_extent* find(std::size_t bytes, std::size_t alignment) noexcept;
  inline idle_extent* unused_record() noexcept;
  inline bool store(void* pages, std::size_t bytes, bool& has_room) noexcept;
  inline extent remove(idle_extent& removed) noexcept;
  inline extent remove_aged() noexcept;

  mutable lock_type lock_{};                 // guards what follows
  std::atomic<bool> is_started_{false};      // the environment has been read; written under the lock
  std::size_t limit_bytes_ = 0;              // of idle extents
  std::size_t idle_bytes_ = 0;               // of all idle extents
  std::uint64_t visits_ = 0;                 // takes, keeps and returns so far
  std::uint64_t period_began_ = 0;           // the visit
  std::ptrdiff_t in_use_ = 0;                // extents taken and not yet back, relative to where it began
  std::ptrdiff_t most_in_use_ = 0;           // of this period
  std::ptrdiff_t least_in_use_ = 0;          // of this period
  std::ptrdiff_t last_swing_ = 0;            // most minus least of the period before
  extent_list<&idle_extent::of_all> all_{};  // oldest last
  std::array<list_of_size, lists_of_powers + lists_of_others> by_size_{};
  idle_extent* unused_ = nullptr;     // records that hold no extent, linked by of_size.next
  idle_extent* fresh_ = nullptr;      // records of the last record pages that never held one
  idle_extent* fresh_end_ = nullptr;  // their end
  std::size_t inline_used_ = 0;       // records of the table below that have held one
  std::array<idle_extent, inline_records> inline_{};
};

/// Returns what pooled_page_resource() gives for the same numbers, but null when the system refuses.
/// Requires    bytes != 0
void* take_pooled_pages(std::size_t bytes, std::size_t alignment) noexcept;

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
