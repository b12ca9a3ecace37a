// How caches with a lock take part in a fork: it happens while no thread holds one of their locks, so that the child finds these
// open and what they guard whole.
//
// Layer      1, behind the public face. Nothing where there are no processes, and of a lock that has no try_lock().
// Invariant  A part is in the list of the copy of this header that made it, until it ends.
// Threads    Any number at a time. Nobody who holds a cache's lock waits for the list's, unless a visitor of its objects opens or ends a cache.
#pragma once

#include <quarry/core/typed/cache_front.hpp>
#include <quarry/core/typed/fork_part.hpp>
#include <quarry/detail/fork_peer.hpp>
#include <quarry/locks.hpp>
#include <quarry/version.hpp>

#include <atomic>
#include <cstddef>
#include <type_traits>
#include <utility>

#if __STDC_HOSTED__ && (defined(__unix__) || defined(__APPLE__))
#include <pthread.h>
#include <unistd.h>

#include <cstdlib>

namespace quarry {
inline namespace QUARRY_ABI {
namespace core {

/// A fork can take what has a try_lock().
template <class Lock>
inline constexpr bool is_taken_by_forks<Lock, std::void_t<decltype(bool(std::declval<Lock&>().try_lock()))>> =
    !std::is_same_v<Lock, null_lock>;

/// One cache in the list.
struct fork_link {
  void* cache;
  bool (*try_lock)(void* cache);
  void (*unlock)(void* cache);
  void (*begin_child)(void* cache);  // while its lock is held
  struct fork_list* list;
  fork_link* next = nullptr;
  fork_link** from = nullptr;  // where the pointer to this one lies
  bool is_held = false;        // by a fork
};

/// All caches with a lock that one copy of this header opened.
struct fork_list {
  spin_lock lock;
  fork_link* first = nullptr;
  std::atomic<bool> is_installed{false};
  std::atomic<int> waiting{0};  // forks that look for the moment when no lock is taken; any thread

  /// Has forks come here, if they do not yet. Returns true. A fork that has begun before does not: called when the program or
  /// module is loaded, so that no cache has been opened then, and the lock is free.
  bool install() noexcept {
    if (!is_installed.exchange(true, std::memory_order_relaxed))  // Relaxed: only who is first matters.
      pthread_atfork(&before, &after_in_parent, &after_in_child);
    return true;
  }

  void add(fork_link& link) noexcept {
    install();  // a static object may be faster than is_installed_
    lock.lock();
    link.next = first;
    link.from = &first;
    if (first != nullptr) first->from = &link.next;
    first = &link;
    lock.unlock();
  }
  void remove(fork_link& link) noexcept {
    lock.lock();
    *link.from = link.next;
    if (link.next != nullptr) link.next->from = link.from;
    lock.unlock();
  }

  /// Waits while a fork does, for some 20 ms at most: who looks at all objects again and again leaves no gap that it would meet.
  void let_pass() noexcept {
    for (int looks = 0; waiting.load(std::memory_order_relaxed) != 0 && looks < 100;
         ++looks)  // Relaxed: only a look.
      usleep(pause_us);
  }

  static fork_list& of_this_copy() noexcept { return instance_; }

 private:
  static constexpr useconds_t pause_us = 200;  // between two looks
  static constexpr int most_looks = 1000;      // before a lock that stays taken is left alone

  // Locks have no order that is known here: all are tried, the library's too, and on a failure all are opened again.
  static void before() noexcept {
    fork_list& all = instance_;
    all.waiting.fetch_add(1, std::memory_order_relaxed);  // Relaxed, here and below: only a hint.
    for (int looks = 0;; ++looks) {
      all.lock.lock();
      if (all.try_all(looks >= most_looks)) {
        if (quarry::detail::try_hold_peer()) break;
        all.open_held();
      }
      all.lock.unlock();
      quarry::detail::let_peer_go();
      usleep(looks < 10 ? 10 : pause_us);
    }
    all.waiting.fetch_sub(1, std::memory_order_relaxed);
  }
  static void after_in_parent() noexcept { instance_.open_all(false); }
  static void after_in_child() noexcept {
    instance_.waiting.store(0, std::memory_order_relaxed);  // forks of other threads are not there
    instance_.open_all(true);
  }

  bool try_all(bool leaves_taken_ones) noexcept {
    for (fork_link* each = first; each != nullptr; each = each->next) {
      each->is_held = each->try_lock(each->cache);
      if (each->is_held || leaves_taken_ones) continue;
      for (fork_link* held = first; held != each; held = held->next) held->unlock(held->cache);
      return false;
    }
    return true;
  }
  void open_all(bool in_child) noexcept {
    for (fork_link* each = first; each != nullptr; each = each->next)
      if (in_child && each->is_held) each->begin_child(each->cache);
    open_held();
    lock.unlock();
  }
  void open_held() noexcept {
    for (fork_link* each = first; each != nullptr; each = each->next)
      if (each->is_held) each->unlock(each->cache);
  }

  static fork_list instance_;
};
inline fork_list fork_list::instance_;

template <class Control, class Lock>
struct fork_part<Control, Lock, true> {
  explicit fork_part(Control& of) noexcept
      : link_{&of, &try_lock, &unlock, &begin_child, &fork_list::of_this_copy()} {
    static_cast<void>(&is_installed_);  // so that there is one
    link_.list->add(link_);
  }
  fork_part(const fork_part&) = delete;
  fork_part& operator=(const fork_part&) = delete;
  ~fork_part() { link_.list->remove(link_); }

  static void let_forks_pass() noexcept { fork_list::of_this_copy().let_pass(); }

 private:
  static inline const bool is_installed_ = fork_list::of_this_copy().install();  // when it is loaded

  static bool try_lock(void* cache) { return static_cast<Control*>(cache)->lock.try_lock(); }
  static void unlock(void* cache) { static_cast<Control*>(cache)->lock.unlock(); }
  // What other threads are making or destroying stays so in the child for good. They note that on their stacks, which go.
  static void begin_child(void* cache) {
    Control& of = *static_cast<Control*>(cache);
    for (transit** at = &of.transits; *at != nullptr; at = &(*at)->next) {
      auto* const copy = static_cast<transit*>(std::malloc(sizeof(transit)));
      if (copy == nullptr) {  // then they count as living
        *at = nullptr;
        return;
      }
      *copy = **at;
      *at = copy;
    }
  }

  fork_link link_;
};

}  // namespace core
}  // namespace QUARRY_ABI
}  // namespace quarry
#endif
