#include "guarded_pool.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <quarry/detail/sleeping_lock.hpp>
#include <quarry/portability.hpp>

#include "call_stacks.hpp"
#include "live_blocks.hpp"
#include "os_pages.hpp"
#include "sentence.hpp"
#include "waiting_rooms.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <unistd.h>
#endif

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {
namespace {

constexpr std::size_t red_zone_bytes = 128;  // looked at on either side of a block, as far as its place goes
constexpr int red_zone_byte = 0xFD;
constexpr std::size_t most_places = std::size_t{1} << 20;
constexpr std::size_t most_pause_us = 1000000000;
constexpr std::size_t most_pools = 64;  // that describe_guarded() looks at

sleeping_lock pools_lock;                      // a leaf
std::atomic<guarded_pool*> pools[most_pools];  // written under the lock; null: none

#if defined(__unix__) || defined(__APPLE__)
// Registered at load, so that the lock is taken behind those of resources.
QUARRY_AT_LOAD(102) void install_fork_handlers() noexcept {
  pthread_atfork([] { pools_lock.lock(); }, [] { pools_lock.unlock(); },
                 [] {
                   forget_waiting_threads();
                   pools_lock.unlock();
                 });
}
#endif

void write_to_error_stream(const char* text) noexcept {
#if defined(__unix__) || defined(__APPLE__)
  for (std::size_t left = std::strlen(text); left != 0;) {
    const auto written = ::write(STDERR_FILENO, text, left);
    if (written <= 0) return;
    text += written;
    left -= static_cast<std::size_t>(written);
  }
#else
  std::fputs(text, stderr);
#endif
}

}  // namespace

guarded_pool::guarded_pool(const guard_options& options, const void* owner) noexcept
    : guard_bytes_(whole_pages(1)),
      most_bytes_(whole_pages(std::min(std::max(options.most_bytes, std::size_t{1}), std::size_t{1} << 30))),
      step_bytes_(guard_bytes_ + most_bytes_),
      place_count_(std::min(options.blocks, most_places)),
      free_count_(place_count_),
      pause_ns_(static_cast<std::int64_t>(std::min(options.pause_us, most_pause_us)) * 1000),
      leaks_(options.leaks),
      owner_{owner, "guarded_resource", options.name, nullptr} {}

// What is known lies together, the pool itself first.
std::size_t guarded_pool::known_bytes() const noexcept {
  return sizeof(guarded_pool) + place_count_ * (sizeof(place) + sizeof(std::uint32_t));
}

guarded_pool* guarded_pool::create(const guard_options& options, const void* owner) noexcept {
  guarded_pool wanted(options, owner);
  const std::size_t pages_bytes = wanted.place_count_ * wanted.step_bytes_ + wanted.guard_bytes_;
  if (wanted.place_count_ == 0 ||
      (pages_bytes - wanted.guard_bytes_) / wanted.step_bytes_ != wanted.place_count_)
    return nullptr;
  void* const known = map_pages(wanted.known_bytes(), alignof(guarded_pool));
  if (known == nullptr) return nullptr;
  void* const pages = map_pages(pages_bytes, 1);
  if (pages == nullptr || !protect_pages(pages, pages_bytes, false)) {
    if (pages != nullptr) unmap_pages(pages, pages_bytes);
    unmap_pages(known, wanted.known_bytes());
    return nullptr;
  }
  auto* const pool = ::new (known) guarded_pool(options, owner);
  pool->pages_ = static_cast<char*>(pages);
  pool->pages_bytes_ = pages_bytes;
  pool->places_ = reinterpret_cast<place*>(pool + 1);
  pool->free_ = reinterpret_cast<std::uint32_t*>(pool->places_ + pool->place_count_);
  for (std::size_t i = 0; i < pool->place_count_; ++i) {
    ::new (static_cast<void*>(&pool->places_[i])) place;
    pool->free_[i] = static_cast<std::uint32_t>(i);
  }
  const std::lock_guard<sleeping_lock> held(pools_lock);
  for (std::atomic<guarded_pool*>& each : pools) {
    if (each.load(std::memory_order_relaxed) != nullptr) continue;  // Relaxed: written under the lock.
    each.store(pool, std::memory_order_release);                    // Release: pairs with find().
    break;
  }
  return pool;
}

void guarded_pool::destroy() noexcept {
  live_blocks live;
  {
    const std::lock_guard<sleeping_lock> held(pools_lock);
    for (std::atomic<guarded_pool*>& each : pools)
      if (each.load(std::memory_order_relaxed) == this)  // Relaxed: written under the lock.
        each.store(nullptr, std::memory_order_relaxed);  // Relaxed: who finds it no more reads nothing.
    for (std::size_t i = 0; i < place_count_; ++i)
      if (places_[i].is_live)
        live.add(places_[i].block, places_[i].record.bytes, places_[i].record.allocated_by);
  }
  if (!live.empty() && (leaks_ == leak_action::report || leaks_ == leak_action::abort)) {
    live.write(owner_, "ended");
    if (leaks_ == leak_action::abort) std::abort();
  }
  protect_pages(pages_, pages_bytes_, true);  // others may get them
  unmap_pages(pages_, pages_bytes_);
  unmap_pages(this, known_bytes());
}

void* guarded_pool::allocate(std::size_t bytes, std::size_t alignment, std::int64_t now_ns) noexcept {
  // Relaxed, as all of these numbers: they are written under the lock, and what is read without it is looked at again there.
  if (now_ns < next_ns_.load(std::memory_order_relaxed)) return nullptr;
  const std::uint32_t allocated_by = current_call_stack();
  const std::lock_guard<sleeping_lock> held(pools_lock);
  const std::size_t free_count = free_count_.load(std::memory_order_relaxed);
  if (free_count == 0 || now_ns < next_ns_.load(std::memory_order_relaxed)) return nullptr;
  const std::size_t index = free_[first_free_];
  char* const begin = begin_of(index);
  if (!protect_pages(begin, most_bytes_, true)) return nullptr;
  first_free_ = (first_free_ + 1) % place_count_;
  free_count_.store(free_count - 1, std::memory_order_relaxed);
  next_ns_.store(now_ns + pause_ns_, std::memory_order_relaxed);
  const std::size_t number = allocations() + 1;
  allocations_.store(number, std::memory_order_relaxed);
  const std::size_t room_bytes = most_bytes_ - std::max(bytes, std::size_t{1});
  place& taken = places_[index];
  taken.block = begin + (number % 2 != 0 ? room_bytes & ~(alignment - 1) : 0);
  taken.is_live = true;
  taken.record = {static_cast<std::uint32_t>(bytes), static_cast<std::uint32_t>(alignment), allocated_by, 0};
  const red_zones zones = zones_of(index);
  std::memset(zones.begin, red_zone_byte, static_cast<std::size_t>(taken.block - zones.begin));
  std::memset(taken.block + bytes, red_zone_byte, static_cast<std::size_t>(zones.end - taken.block) - bytes);
  return taken.block;
}

void guarded_pool::deallocate(void* block, std::size_t bytes, std::size_t alignment) {
  const std::uint32_t freed_by = current_call_stack();
  fault found;
  found.pointer = block;
  found.bytes = bytes;
  found.alignment = alignment;
  {
    const std::lock_guard<sleeping_lock> held(pools_lock);
    if (!find_fault(found)) {
      const std::size_t index = place_of(block);
      places_[index].is_live = false;
      places_[index].record.freed_by = freed_by;
      protect_pages(begin_of(index), most_bytes_, false);
      const std::size_t free_count = free_count_.load(std::memory_order_relaxed);
      free_[(first_free_ + free_count) % place_count_] = static_cast<std::uint32_t>(index);
      free_count_.store(free_count + 1, std::memory_order_relaxed);
      return;
    }
  }
  report_fault(owner_, found);
}

// Returns place_count_ for a guard page.
std::size_t guarded_pool::place_of(const void* address) const noexcept {
  const auto offset = static_cast<std::size_t>(static_cast<const char*>(address) - pages_);
  return offset % step_bytes_ < guard_bytes_ ? place_count_ : offset / step_bytes_;
}

guarded_pool::red_zones guarded_pool::zones_of(std::size_t index) const noexcept {
  const place& of = places_[index];
  char* const begin = begin_of(index);
  char* const end = of.block + of.record.bytes;
  return {of.block - std::min(red_zone_bytes, static_cast<std::size_t>(of.block - begin)),
          end + std::min(red_zone_bytes, static_cast<std::size_t>(begin + most_bytes_ - end))};
}

// Completes the fault of a call; returns false where there is none.
bool guarded_pool::find_fault(fault& found) const noexcept {
  const std::size_t index = place_of(found.pointer);
  found.kind = fault_kind::not_a_block;
  if (index == place_count_) return true;
  const place& of = places_[index];
  const auto* const pointer = static_cast<const char*>(found.pointer);
  if (of.block == nullptr) {
    found.kind = fault_kind::never_allocated;
    return true;
  }
  if (pointer < of.block || (pointer > of.block && pointer >= of.block + of.record.bytes)) return true;
  found.block_begin = of.block;
  found.block_bytes = of.record.bytes;
  found.record = of.record;
  const char* const end = of.block + of.record.bytes;
  if (pointer != of.block) {
    found.kind = fault_kind::interior_pointer;
  } else if (!of.is_live) {
    found.kind = fault_kind::double_free;
  } else if (found.bytes != of.record.bytes) {
    found.kind = fault_kind::wrong_size;
  } else if (found.alignment != of.record.alignment) {
    found.kind = fault_kind::wrong_alignment;
  } else {
    const auto is_written = [](char each) { return each != static_cast<char>(red_zone_byte); };
    const red_zones zones = zones_of(index);
    const char* const behind = std::find_if(end, static_cast<const char*>(zones.end), is_written);
    const char* ahead = pointer;  // the byte behind the last that was written
    while (ahead != zones.begin && !is_written(ahead[-1])) --ahead;
    if (behind != zones.end) {
      found.kind = fault_kind::overrun;
      found.damaged_at = static_cast<std::size_t>(behind - pointer);
    } else if (ahead != zones.begin) {
      found.kind = fault_kind::underrun;
      found.damaged_at = static_cast<std::size_t>(pointer - ahead) + 1;
    } else {
      return false;
    }
  }
  return true;
}

guarded_pool* guarded_pool::find(const void* address) noexcept {
  for (const std::atomic<guarded_pool*>& each : pools) {
    guarded_pool* const pool = each.load(std::memory_order_acquire);  // Acquire: pairs with create().
    if (pool != nullptr && reinterpret_cast<std::uintptr_t>(address) - pool->begin() < pool->bytes())
      return pool;
  }
  return nullptr;
}

// Of a guard page: the place that is nearer, unless no block was ever there.
std::size_t guarded_pool::nearest_place(const void* address) const noexcept {
  const auto offset = static_cast<std::size_t>(static_cast<const char*>(address) - pages_);
  const std::size_t behind = std::min(offset / step_bytes_, place_count_ - 1);
  if (offset % step_bytes_ >= guard_bytes_ || offset < guard_bytes_) return behind;
  const std::size_t ahead = offset / step_bytes_ - 1;
  const bool is_nearer_ahead = offset % step_bytes_ < guard_bytes_ / 2;
  if (places_[behind].block == nullptr || ahead == behind) return ahead;
  return is_nearer_ahead && places_[ahead].block != nullptr ? ahead : behind;
}

// Without the lock: the thread that asks may have been stopped anywhere.
QUARRY_UNSEEN_BY_THREAD_SANITIZER void guarded_pool::describe(const void* address,
                                                              bool was_touched) const noexcept {
  static std::atomic_flag is_busy = ATOMIC_FLAG_INIT;
  if (is_busy.test_and_set(std::memory_order_acquire)) return;       // Acquire: pairs with the clear below.
  alignas(sentence) static unsigned char storage[sizeof(sentence)];  // a stack for signals may be small
  sentence& text = *::new (static_cast<void*>(storage)) sentence;
  const place of = places_[nearest_place(address)];
  text.add(was_touched ? "quarry: a guarded page was touched at %p.\n" : "quarry: what is known of %p.\n",
           address);
  const auto distance = reinterpret_cast<std::intptr_t>(address) - reinterpret_cast<std::intptr_t>(of.block);
  const auto bytes = static_cast<std::intptr_t>(of.record.bytes);
  const char* const state = of.is_live ? "live" : "freed";
  if (of.block == nullptr)
    text.add("  address   where no block was ever allocated\n");
  else if (distance < 0)
    text.add("  address   %td bytes ahead of the begin of a %s block\n", -distance, state);
  else if (distance < bytes)
    text.add("  address   in a %s block, %td bytes from its begin\n", state, distance);
  else
    text.add("  address   %td bytes behind the end of a %s block\n", distance - bytes + 1, state);
  text.add("  resource  ");
  if (owner_.name != nullptr) text.add("'%s', ", owner_.name);
  text.add("quarry::%s at %p\n", owner_.type, owner_.owner);
  if (of.block != nullptr)
    text.add("  block     %u bytes from %p on, aligned to %u\n", of.record.bytes,
             static_cast<void*>(of.block), of.record.alignment);
  text.add("  look for  %s; docs/checks.md#a-guarded-page-was-touched\n",
           of.block == nullptr ? "a wild pointer"
           : !of.is_live       ? "a pointer or iterator that is used after its object's end"
           : distance < 0      ? "an index below zero, or a pointer that is moved down"
                               : "an index or length that is too large, or a text without its end");
  const struct {
    const char* what;
    std::uint32_t number;
  } stacks[] = {{"    touched by\n", was_touched ? current_call_stack(frames_of_a_fault) : 0},
                {"    freed by\n", of.record.freed_by},
                {"    allocated by\n", of.record.allocated_by}};
  text.add("%s", how_to_read_stacks);
  for (const auto& each : stacks) {
    if (each.number == 0) continue;
    text.add("%s", each.what);
    write_call_stack(text, each.number);
  }
  write_to_error_stream(text.text());
  is_busy.clear(std::memory_order_release);  // Release: pairs with the acquire above.
}

bool describe_guarded(const void* address, bool was_touched) noexcept {
  const guarded_pool* const pool = guarded_pool::find(address);
  if (pool == nullptr) return false;
  pool->describe(address, was_touched);
  return true;
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
