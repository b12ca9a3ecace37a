// Where threads sleep until a word changes, on systems without a futex: in a room for the words whose addresses have one remainder.
//
// Invariant  Whoever wakes has changed the word before, and takes the room's lock; whoever sleeps looks at the word under that lock.
//            So nobody sleeps on after being woken. The rooms are never destroyed: static objects use locks after them.
// Threads    Any number at a time. A child of a fork begins with renew().
// Source     The parking lot of WebKit (Pizlo 2016).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <quarry/version.hpp>

#if defined(__linux__) && !defined(QUARRY_WITHOUT_FUTEX)
#define QUARRY_HAS_FUTEX 1
#else
#define QUARRY_HAS_FUTEX 0
#endif

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

class waiting_rooms {
 public:
  static constexpr std::size_t count = 31;  // a prime: locks lie at distances that are powers of two

  /// Sleeps until the word is another than `value` when it is looked at, which is once whoever changed it has called wake().
  static void sleep_on(const std::atomic<std::uint32_t>& word, std::uint32_t value) noexcept {
    room& mine = room_of(&word);
    std::unique_lock<std::mutex> held(mine.lock);
    // Relaxed: the room's lock orders it behind the change that wake() tells of.
    while (word.load(std::memory_order_relaxed) == value) mine.something_changed.wait(held);
  }

  /// Wakes who sleeps on the word at that address, which may be gone.
  static void wake(const void* word) noexcept {
    room& its = room_of(word);
    {
      const std::lock_guard<std::mutex> held(its.lock);
    }  // who looked before sleeps now, who looks later sees the change
    its.something_changed.notify_all();
  }

  /// Forgets who sleeps and who holds a room's lock. Requires that this process has one thread, being a child of a fork.
  static void renew() noexcept { ::new (place()) rooms; }

  /// Holds the lock of a word's room, for a test.
  static std::unique_lock<std::mutex> hold(const void* word) { return std::unique_lock(room_of(word).lock); }

 private:
  struct room {
    std::mutex lock;
    std::condition_variable something_changed;
  };
  struct rooms {
    room each[count];
  };

  static void* place() noexcept {
    alignas(rooms) static std::byte bytes[sizeof(rooms)];
    return bytes;
  }
  static room& room_of(const void* word) noexcept {
    static rooms* const all = ::new (place()) rooms;
    return all->each[reinterpret_cast<std::uintptr_t>(word) / sizeof(std::uint32_t) % count];
  }
};

/// First of all in a child of a fork, before a lock is opened there that others may wait for.
inline void forget_waiting_threads() noexcept {
#if !QUARRY_HAS_FUTEX
  waiting_rooms::renew();
#endif
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
