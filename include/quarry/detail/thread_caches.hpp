// How a thread finds its cache in a resource, and how the two part.
//
// Layer      1, behind the public face. docs/threads.md walks one look-up and the end of a thread.
// Invariant  A resource's id is never used again, by no copy of the library in the process, so an entry of a table
//            is followed only when its id matches that of a resource which exists. Every copy has tables of its own,
//            so a thread that uses a resource through two copies has two caches there.
// Threads    Any number at a time, but for what its members say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <quarry/core/engine/engine.hpp>
#include <quarry/detail/resource_supply.hpp>
#include <quarry/detail/sleeping_lock.hpp>
#include <quarry/detail/supply_lock.hpp>
#include <quarry/export.hpp>
#include <quarry/portability.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

using shared_engine = core::engine<resource_supply, sleeping_lock>;

struct cache_node;       // ties one thread or view to one resource; src/cache_node.hpp
struct thread_registry;  // what a copy of the library knows of the resources that it made

/// The id of no resource: no entry has it.
inline constexpr std::uint64_t no_resource_id = 1;

/// What a thread or a view remembers of one resource.
struct thread_entry {
  std::uint64_t id = 0;  // of the resource; 0: of none
  core::cache* cache = nullptr;
};

/// What a view has of its resource.
struct view_tie {
  thread_entry entry;          // as in a thread's table: void once the resource has taken another id
  cache_node* node = nullptr;  // ties the view to the resource; null: it has no cache
};

/// The entries of a thread's table. Resources that exist at the same time have different entries as long as they are no
/// more than these.
inline constexpr std::size_t thread_table_entries = 256;

// Where the calling thread looks. Constant-initialised and trivial, so that a look-up has no guard and works at any time of a
// thread's life; one word, found without a call also in position-independent code.
#if defined(QUARRY_SHARED) && defined(_MSC_VER)
extern QUARRY_THREAD_LOCAL thread_entry* thread_table;  // there no other module can name it
QUARRY_EXPORT thread_entry* find_thread_table() noexcept;
#else
QUARRY_EXPORT extern QUARRY_THREAD_LOCAL thread_entry* thread_table QUARRY_INITIAL_EXEC;
inline thread_entry* find_thread_table() noexcept {
  return thread_table;
}
#endif

/// What a hit reads of a resource. One that nobody has set belongs to no resource: no thread finds a cache by it.
class QUARRY_EXPORT thread_key {
 public:
  constexpr thread_key() noexcept = default;

  /// Returns the calling thread's cache when its table has it, else null. Complexity O(1).
  core::cache* find() const noexcept {
    return find_in(*reinterpret_cast<const thread_entry*>(
        reinterpret_cast<const std::byte*>(find_thread_table()) + entry_));
  }

  /// Returns the cache of `entry`, or null when it is not this resource's, or not any more. Complexity O(1).
  core::cache* find_in(const thread_entry& entry) const noexcept {
    if (QUARRY_UNLIKELY(entry.id != id_)) return nullptr;
    if (entry.cache == nullptr) QUARRY_UNREACHABLE();  // an entry with an id has a cache
    return entry.cache;
  }

 protected:
  std::uint64_t id_ = no_resource_id;  // changed by drop() alone; every hit reads it
  std::size_t entry_ = 0;              // bytes from the begin of a thread's table to this resource's entry
};

/// The resource's end of all its thread caches.
class QUARRY_EXPORT alignas(64) thread_caches : public thread_key {
 public:
  explicit thread_caches(shared_engine& engine) noexcept;
  thread_caches(const thread_caches&) = delete;
  thread_caches& operator=(const thread_caches&) = delete;

  /// Parts from every thread; waits for those that are ending just now.
  /// Requires    No other thread is inside a call of the resource.
  ~thread_caches();

  /// Returns the calling thread's cache; opens one when the thread has none yet.
  /// Returns     Null when there is no memory for one, or when the thread's caches have been closed already.
  /// Complexity  O(1).
  core::cache* find_slow() noexcept;

  /// Returns the cache of a view; opens one when drop() has made the view's void.
  /// Returns     Null when there is no memory for one.
  /// Complexity  O(1).
  core::cache* find_slow(view_tie& view) noexcept;

  /// Returns the calling thread's cache, or null when it has none. Complexity O(1).
  core::cache* find_opened() noexcept;

  /// Opens a cache for a view, which has none.
  /// Returns     False when there is no memory for one.
  /// Errors      What upstream throws; then nothing has changed.
  bool open_view(view_tie& view);

  /// Closes the cache of a view, also after the resource's end.
  static void close_view(view_tie& view) noexcept;

  /// Parts from every thread, and takes a new id: what threads remember of this resource is void.
  /// Requires    No other thread is inside a call of the resource.
  void drop() noexcept;

  /// Calls f(const core::cache&) for each cache in which something may rest, those of vanished threads among them. What f sees is exact
  /// while no other thread is inside a call. Requires that f does not use the resource.
  template <class F>
  void for_each_cache(F f) const {
    visit_caches([](const core::cache& each, void* visitor) { (*static_cast<F*>(visitor))(each); }, &f);
  }

  /// Flushes every cache and depot. Threads that end afterwards move no slot.
  /// Requires    No other thread is inside a call of the resource; threads may be ending.
  void flush_all() noexcept;

 private:
  friend struct fork_handlers;
  friend struct thread_record;

  void visit_caches(void (*f)(const core::cache&, void*), void* visitor) const;
  void take_id() noexcept;

  cache_node* open(const void* thread, core::cache* cache) noexcept;
  bool open(view_tie& view, core::cache* cache) noexcept;
  static void part(cache_node& from) noexcept;
  void part_from_all() noexcept;
  void sweep() noexcept;
  bool try_lock_all() noexcept;
  bool is_flushed() const noexcept;
  void unlock_all() noexcept;
  void forget_other_threads() noexcept;

  shared_engine& engine_;      // its cache_lock() guards the list of nodes
  thread_registry& registry_;  // of the copy of the library that made the resource

  alignas(64) cache_node* nodes_ = nullptr;  // one for each thread and view; newest first
  cache_node** next_swept_ = nullptr;        // link to the node that sweep() looks at next; null: the newest
  std::size_t number_ = 0;                   // of the resource; under the registry's lock
  thread_caches* next_ = nullptr;            // in the list of all; under the registry's lock
  thread_caches* previous_ = nullptr;        // in the list of all; under the registry's lock
};

}  // namespace detail

#if !defined(QUARRY_USERS_INSTANTIATE)
extern template class core::store<detail::resource_supply, detail::sleeping_lock>;
extern template class core::engine<detail::resource_supply, detail::sleeping_lock>;
#endif

}  // namespace QUARRY_ABI
}  // namespace quarry
