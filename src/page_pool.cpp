#include "page_pool.hpp"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstdlib>
#include <memory_resource>
#include <mutex>
#include <new>
#include <quarry/core/bits.hpp>
#include <quarry/portability.hpp>
#include <type_traits>

#include "os_pages.hpp"
#include "quarry/resource_page_source.hpp"
#include "refusal.hpp"
#include "waiting_rooms.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {
namespace {

static_assert(std::is_trivially_destructible_v<page_pool>,
              "The page pool serves late static destructors: keep every member trivially destructible.");

page_pool pool_of_this_module;  // constant-initialised

// Returns the decimal number in `text`, or `otherwise` when it is none or too large.
std::size_t parse_bytes(const char* text, std::size_t otherwise) noexcept {
  if (text == nullptr || *text == '\0') return otherwise;
  std::size_t bytes = 0;
  for (; *text != '\0'; ++text) {
    if (*text < '0' || *text > '9') return otherwise;
    const auto digit = static_cast<std::size_t>(*text - '0');
    if (bytes > (SIZE_MAX - digit) / 10) return otherwise;
    bytes = bytes * 10 + digit;
  }
  return bytes;
}

class pooled_page_resource_type final : public std::pmr::memory_resource {
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    require_alignment(alignment);
    void* const pages = take_pooled_pages(bytes == 0 ? 1 : bytes, alignment);
    if (pages == nullptr) refuse_memory();
    return pages;
  }
  void do_deallocate(void* pages, std::size_t bytes, std::size_t) override {
    page_pool::of_this_module().keep(pages, whole_pages(bytes == 0 ? 1 : bytes));
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace

struct page_pool_fork_handlers {
#if defined(__unix__) || defined(__APPLE__)
  static void lock() noexcept {
    page_pool::of_this_module().lock_.lock();
  }
  static void unlock() noexcept {
    page_pool::of_this_module().lock_.unlock();
  }
  static void unlock_in_child() noexcept {
    forget_waiting_threads();
    unlock();
  }

  // Registered when the program or library is loaded, before any handler of a resource: handlers before a fork
  // run in reverse, so the leaf is locked last, when no thread can hold it and wait for a resource's lock.
  QUARRY_AT_LOAD(101) static void install() noexcept {
    pthread_atfork(lock, unlock, unlock_in_child);
  }
#endif
};

page_pool& page_pool::of_this_module() noexcept {
  return pool_of_this_module;
}

void* take_pooled_pages(std::size_t bytes, std::size_t alignment) noexcept {
  const std::size_t whole = whole_pages(bytes);
  if (whole < bytes) return nullptr;
  return page_pool::of_this_module().take(whole, alignment, whole == huge_page_bytes);
}

void* page_pool::take(std::size_t bytes, std::size_t alignment, bool huge_pages) noexcept {
  assert(bytes != 0 && (alignment & (alignment - 1)) == 0);
  const bool is_huge = huge_pages && bytes >= huge_page_bytes;
  if (is_huge && alignment < huge_page_bytes) alignment = huge_page_bytes;
  void* taken = nullptr;
  extent aged;
  {
    const std::lock_guard<lock_type> held(lock_);
    visit(1);
    if (idle_extent* const found = find(bytes, alignment)) taken = remove(*found).pages;
    aged = remove_aged();
  }
  if (aged.pages != nullptr) unmap_idle(aged);
  if (taken == nullptr) return map_pages(bytes, alignment, huge_pages);
  watch_pages(taken, bytes);
  if (is_huge) {
    advise_huge_pages(taken, bytes);  // its last user may have asked for small ones
  } else if (bytes >= huge_page_bytes) {
    advise_small_pages(taken, bytes);
  }
  return taken;
}

void page_pool::keep(void* pages, std::size_t bytes) noexcept {
  // Acquire: pairs with the release in start().
  if (!is_started_.load(std::memory_order_acquire)) start();
  unwatch_pages(pages, bytes);
  bool has_room = false;
  bool is_kept = false;
  extent aged;
  {
    const std::lock_guard<lock_type> held(lock_);
    visit(-1);
    aged = remove_aged();
    is_kept = store(pages, bytes, has_room);
  }
  if (aged.pages != nullptr) unmap_idle(aged);
  if (!is_kept && has_room && add_records()) {
    const std::lock_guard<lock_type> held(lock_);
    is_kept = store(pages, bytes, has_room);
  }
  if (!is_kept) unmap_idle({pages, bytes});
}

void page_pool::give_back(void* pages, std::size_t bytes) noexcept {
  extent aged;
  {
    const std::lock_guard<lock_type> held(lock_);
    visit(-1);
    aged = remove_aged();
  }
  if (aged.pages != nullptr) unmap_idle(aged);
  unmap_pages(pages, bytes);
}

std::size_t page_pool::trim(std::size_t keep_bytes) noexcept {
  std::size_t given_back_bytes = 0;
  for (;;) {
    extent oldest;
    {
      const std::lock_guard<lock_type> held(lock_);
      if (idle_bytes_ > keep_bytes) oldest = remove(*all_.last);
    }
    if (oldest.pages == nullptr) return given_back_bytes;
    unmap_idle(oldest);
    given_back_bytes += oldest.bytes;
  }
}

std::size_t page_pool::set_limit(std::size_t bytes) noexcept {
  // Acquire: pairs with the release in start().
  if (!is_started_.load(std::memory_order_acquire)) start();
  std::size_t before = bytes;
  {
    const std::lock_guard<lock_type> held(lock_);
    std::swap(limit_bytes_, before);
  }
  trim(bytes);
  return before;
}

std::size_t page_pool::idle_bytes() const noexcept {
  const std::lock_guard<lock_type> held(lock_);
  return idle_bytes_;
}

bool page_pool::check_invariants() const noexcept {
  const std::lock_guard<lock_type> held(lock_);
  bool is_sound = true;
  std::size_t extents = 0;
  std::size_t bytes = 0;
  for (const list_of_size& each : by_size_)
    for (const idle_extent* idle = each.first; idle != nullptr; idle = idle->of_size.next) {
      const idle_extent* const next = idle->of_size.next;
      is_sound = is_sound && (next != nullptr ? next->of_size.previous == idle : each.last == idle);
      ++extents;
      bytes += idle->bytes;
    }
  std::uint64_t newer_kept_at = visits_;
  for (const idle_extent* idle = all_.first; idle != nullptr; idle = idle->of_all.next) {
    const idle_extent* const next = idle->of_all.next;
    is_sound = is_sound && (next != nullptr ? next->of_all.previous == idle : all_.last == idle) &&
               idle->kept_at <= newer_kept_at;
    newer_kept_at = idle->kept_at;
    --extents;
  }
  return is_sound && extents == 0 && bytes == idle_bytes_;
}

// A power of two of pages has a list of its own; the other sizes share some.
page_pool::list_of_size& page_pool::list_for(std::size_t bytes) noexcept {
  const std::size_t pages = bytes >> page_log2;
  if ((pages & (pages - 1)) == 0 && pages >> lists_of_powers == 0)
    return by_size_[pages == 0 ? 0 : core::lowest_bit(pages)];
  return by_size_[lists_of_powers + pages % lists_of_others];
}

void page_pool::start() noexcept {
  const std::size_t limit_bytes = parse_bytes(std::getenv("QUARRY_POOL_BYTES"), first_limit_bytes);
  const std::lock_guard<lock_type> held(lock_);
  // Relaxed: written under the lock, which is held.
  if (is_started_.load(std::memory_order_relaxed)) return;
  limit_bytes_ = limit_bytes;
  // Release: pairs with the acquire in keep() and set_limit().
  is_started_.store(true, std::memory_order_release);
}

// Maps pages for more records; false when the system refuses.
bool page_pool::add_records() noexcept {
  void* const pages = map_pages(record_pages_bytes, alignof(idle_extent));
  if (pages == nullptr) return false;
  bool is_needed = false;
  {
    const std::lock_guard<lock_type> held(lock_);
    is_needed = unused_ == nullptr && fresh_ == fresh_end_;  // or another thread was faster
    if (is_needed) {
      fresh_ = static_cast<idle_extent*>(pages);
      fresh_end_ = fresh_ + record_pages_bytes / sizeof(idle_extent);
    }
  }
  if (!is_needed) unmap_pages(pages, record_pages_bytes);
  return true;
}

void page_pool::unmap_idle(const extent& given_back) noexcept {
  watch_pages(given_back.pages, given_back.bytes);  // unmap_pages ends the watch
  unmap_pages(given_back.pages, given_back.bytes);
}

// Counts a visit that takes so many extents out of the pool's sight.
void page_pool::visit(std::ptrdiff_t taken) noexcept {
  ++visits_;
  in_use_ += taken;
  most_in_use_ = std::max(most_in_use_, in_use_);
  least_in_use_ = std::min(least_in_use_, in_use_);
  if (visits_ - period_began_ <= patience()) return;
  period_began_ = visits_;
  last_swing_ = most_in_use_ - least_in_use_;
  most_in_use_ = least_in_use_ = in_use_;
}

// How many visits an extent may be idle.
std::uint64_t page_pool::patience() const noexcept {
  const std::ptrdiff_t swing = std::max(last_swing_, most_in_use_ - least_in_use_);
  return least_patience + patience_per_extent * static_cast<std::uint64_t>(swing);
}

page_pool::idle_extent* page_pool::find(std::size_t bytes, std::size_t alignment) noexcept {
  idle_extent* each = list_for(bytes).first;
  for (int looks = 0; each != nullptr && looks < most_looks; ++looks, each = each->of_size.next)
    if (each->bytes == bytes && (reinterpret_cast<std::uintptr_t>(each->pages) & (alignment - 1)) == 0)
      return each;
  return nullptr;
}

page_pool::idle_extent* page_pool::unused_record() noexcept {
  if (idle_extent* const reused = unused_; reused != nullptr) {
    unused_ = reused->of_size.next;
    return reused;
  }
  if (inline_used_ < inline_.size()) return &inline_[inline_used_++];
  if (fresh_ == fresh_end_) return nullptr;
  return ::new (static_cast<void*>(fresh_++)) idle_extent;
}

// Keeps an extent where the limit and the records allow it; `has_room` says whether the limit did.
bool page_pool::store(void* pages, std::size_t bytes, bool& has_room) noexcept {
  has_room = bytes <= limit_bytes_ && idle_bytes_ <= limit_bytes_ - bytes;
  idle_extent* const record = has_room ? unused_record() : nullptr;
  if (record == nullptr) return false;
  record->pages = pages;
  record->bytes = bytes;
  record->kept_at = visits_;
  list_for(bytes).push(*record);
  all_.push(*record);
  idle_bytes_ += bytes;
  return true;
}

page_pool::extent page_pool::remove(idle_extent& removed) noexcept {
  list_for(removed.bytes).remove(removed);
  all_.remove(removed);
  idle_bytes_ -= removed.bytes;
  removed.of_size.next = unused_;
  unused_ = &removed;
  return {removed.pages, removed.bytes};
}

// One look at the oldest idle extent.
page_pool::extent page_pool::remove_aged() noexcept {
  if (all_.last == nullptr || visits_ - all_.last->kept_at <= patience()) return {};
  return remove(*all_.last);
}

}  // namespace detail

std::pmr::memory_resource* pooled_page_resource() noexcept {
  // Never destroyed, so that resources with static lifetime may use it until the process ends.
  alignas(detail::pooled_page_resource_type) static unsigned char
      storage[sizeof(detail::pooled_page_resource_type)];
  static detail::pooled_page_resource_type* const resource =
      ::new (static_cast<void*>(storage)) detail::pooled_page_resource_type;
  return resource;
}

std::size_t trim_pooled_pages(std::size_t keep_bytes) noexcept {
  return detail::page_pool::of_this_module().trim(keep_bytes);
}

std::size_t set_pooled_page_limit(std::size_t bytes) noexcept {
  return detail::page_pool::of_this_module().set_limit(bytes);
}

}  // namespace QUARRY_ABI
}  // namespace quarry
