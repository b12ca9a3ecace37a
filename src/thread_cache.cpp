// Thread caches: the table of a thread, the list of a resource, and what ends them.
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <quarry/detail/thread_caches.hpp>
#include <quarry/locks.hpp>

#include "fork_gate.hpp"
#include "os_pages.hpp"
#include "this_thread.hpp"
#include "thread_cache_node.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace quarry::detail {

struct cache_node {
  node_handshake tie;
  std::uint64_t resource_id = 0;           // of the resource it was opened for
  thread_caches* resource = nullptr;       // exists while the tie is live or flushing
  core::cache* cache = nullptr;            // exists as long as the resource
  const void* thread = nullptr;            // this_thread() of its thread; null for a view
  cache_node* next_of_thread = nullptr;    // in a bucket of its thread; the thread's. Unused: the pool's list
  cache_node* next_of_resource = nullptr;  // in its resource's list; under the resource's cache lock
};

namespace {

thread_entry
    no_entries[thread_table_entries];  // the table of a thread that has none: no resource has the id 0

/// Ids that nobody gives again: made of addresses that stay mapped for good, so other copies of the library, loaded
/// now or later, have others.
class resource_ids {
 public:
  static constexpr std::uint64_t none = 1;  // no entry has it, and no address yields it

  /// Returns `none` when the system refuses a page.
  std::uint64_t take() noexcept {
    if (next_ == end_) {
      const void* const range = map_pages(range_bytes, alignof(std::max_align_t));
      if (range == nullptr) return none;
      next_ = std::uint64_t{reinterpret_cast<std::uintptr_t>(range)} << ids_of_a_byte_log2;
      end_ = next_ + (range_bytes << ids_of_a_byte_log2);
    }
    return next_++;
  }

 private:
  static constexpr std::uint64_t range_bytes = 4096;
  static constexpr int ids_of_a_byte_log2 = 12;

  std::uint64_t next_ = 0;
  std::uint64_t end_ = 0;
};

/// The numbers of resources: the smallest that no other has, so that the entries of as many as possible differ.
class resource_numbers {
 public:
  std::size_t take() noexcept {
    for (std::size_t i = 0; i < thread_table_entries; ++i) {
      if (is_taken_[i]) continue;
      is_taken_[i] = true;
      return i;
    }
    return thread_table_entries + next_surplus_++;
  }
  void give_back(std::size_t number) noexcept {
    if (number < thread_table_entries) is_taken_[number] = false;
  }

 private:
  bool is_taken_[thread_table_entries] = {};
  std::size_t next_surplus_ = 0;
};

}  // namespace

__thread thread_entry* thread_table = no_entries;

namespace {

/// Nodes for all resources; their memory is never given back, so that either side may come last.
class node_pool {
 public:
  /// Returns a node, or null when the system refuses memory.
  cache_node* take() noexcept {
    const std::lock_guard<std::mutex> held(lock_);
    if (free_ == nullptr) {
      auto* const pages = static_cast<std::byte*>(map_pages(block_bytes, alignof(cache_node)));
      if (pages == nullptr) return nullptr;
      for (std::size_t i = 0; i + sizeof(cache_node) <= block_bytes; i += sizeof(cache_node))
        push(*::new (static_cast<void*>(pages + i)) cache_node);
    }
    cache_node* const taken = free_;
    free_ = taken->next_of_thread;
    return taken;
  }

  void recycle(cache_node& used) noexcept {
    const std::lock_guard<std::mutex> held(lock_);
    push(used);
  }

  std::mutex& lock() noexcept { return lock_; }

 private:
  static constexpr std::size_t block_bytes = 65536;

  void push(cache_node& unused) noexcept {
    unused.next_of_thread = free_;
    free_ = &unused;
  }

  std::mutex lock_;
  cache_node* free_ = nullptr;
};

}  // namespace

struct thread_registry {
  std::mutex lock;  // guards what follows
  resource_ids ids;
  resource_numbers numbers;
  thread_caches* first = nullptr;  // all that this copy made and that exist
};

namespace {

// Both outlive every user: their destructors do nothing.
node_pool pool;
thread_registry registry;

}  // namespace

/// What a thread knows of the resources it uses. Trivial, so that it can be used at any time.
struct thread_record {
  static constexpr std::size_t first_buckets = 16;

  cache_node* first[first_buckets];  // the buckets that a thread starts with
  cache_node** grown;                // more buckets; null: `first`
  thread_entry* table;               // what this copy mapped; null: the system refused, or not started
  std::size_t bucket_count;          // a power of two; 0: the thread has not started
  std::size_t nodes;                 // in all buckets
  bool is_over;                      // its caches have been closed

  cache_node*& bucket(std::uint64_t id) noexcept {
    return (grown != nullptr ? grown : first)[id & (bucket_count - 1)];
  }

  cache_node* find(std::uint64_t id) noexcept {
    if (bucket_count == 0) return nullptr;
    cache_node* each = bucket(id);
    while (each != nullptr && each->resource_id != id) each = each->next_of_thread;
    return each;
  }

  // Every resource sweeps the bucket it falls into, so nodes of ended resources do not pile up.
  void insert(cache_node& fresh) noexcept {
    if (nodes >= bucket_count * 2) grow();
    cache_node*& head = bucket(fresh.resource_id);
    for (cache_node** link = &head; *link != nullptr;) {
      cache_node& each = **link;
      if (!each.tie.resource_is_gone()) {
        link = &each.next_of_thread;
        continue;
      }
      *link = each.next_of_thread;
      --nodes;
      pool.recycle(each);
    }
    fresh.next_of_thread = head;
    head = &fresh;
    ++nodes;
  }

  void grow() noexcept {
    const std::size_t count = bucket_count * 4;
    auto* const larger = static_cast<cache_node**>(map_pages(count * sizeof(cache_node*), 64));
    if (larger == nullptr) return;
    const std::size_t old_count = bucket_count;
    cache_node** const old = grown != nullptr ? grown : first;
    for (std::size_t i = 0; i < count; ++i) larger[i] = nullptr;
    for (std::size_t i = 0; i < old_count; ++i)
      while (cache_node* const moved = old[i]) {
        old[i] = moved->next_of_thread;
        cache_node*& target = larger[moved->resource_id & (count - 1)];
        moved->next_of_thread = target;
        target = moved;
      }
    if (grown != nullptr) unmap_pages(grown, old_count * sizeof(cache_node*));
    grown = larger;
    bucket_count = count;
  }

  void end() noexcept {
    is_over = true;
    thread_table = no_entries;
    if (table != nullptr) unmap_pages(table, sizeof no_entries);
    table = nullptr;
    for (std::size_t i = 0; i < bucket_count; ++i) {
      cache_node*& head = (grown != nullptr ? grown : first)[i];
      while (cache_node* const each = head) {
        head = each->next_of_thread;
        thread_caches::part(*each);
      }
    }
    if (grown != nullptr) unmap_pages(grown, bucket_count * sizeof(cache_node*));
    grown = nullptr;
    bucket_count = nodes = 0;
  }
};

namespace {

__thread thread_record record;

// The one thread_local with a destructor; touched when a thread opens its first cache.
struct thread_end {
  void touch() noexcept {
    record.bucket_count = thread_record::first_buckets;
    // Fresh pages are zero: entries of no resource. Without them each call of the thread takes the slow way.
    record.table = static_cast<thread_entry*>(map_pages(sizeof no_entries, alignof(thread_entry)));
    if (record.table != nullptr) thread_table = record.table;
  }
  ~thread_end() { record.end(); }
};
thread_local thread_end end_of_this_thread;

}  // namespace

// A fork waits until no thread is inside a call of an upstream or a flush, with none of the locks in hand: these nest as the
// program's resources and upstreams do, in an order that nobody knows here. All other locks are held for a few instructions
// by threads that wait for nothing.
struct fork_handlers {
  static void before() noexcept {
    const bool waits_for_ends = !fork_gate::is_inside();  // or it would wait for itself
    fork_gate::enter();
    fork_gate::close();
    constexpr int most_yields = 64;
    for (int tries = 0; !try_lock_all(waits_for_ends); ++tries)
      tries < most_yields ? yield_thread() : fork_gate::nap();
    pool.lock().lock();
  }
  static void after_in_parent() noexcept {
    unlock_all();
    fork_gate::open_in_parent();
    fork_gate::leave();
  }
  static void after_in_child() noexcept {
    for (thread_caches* each = registry.first; each != nullptr; each = each->next_)
      each->forget_other_threads();
    unlock_all();
    fork_gate::open_in_child();
    fork_gate::leave();
  }

#if defined(__unix__) || defined(__APPLE__)
  // Registered when the program or library is loaded: handlers before a fork run in reverse, so those of the program come
  // first, and those of the page pool, whose lock is a leaf, last.
  __attribute__((constructor(102))) static void install() noexcept {
    pthread_atfork(before, after_in_parent, after_in_child);
  }
#endif

 private:
  static bool try_lock_all(bool waits_for_ends) noexcept {
    registry.lock.lock();
    for (thread_caches* each = registry.first; each != nullptr; each = each->next_)
      if (!each->try_lock_all(waits_for_ends)) {
        unlock_until(each);
        return false;
      }
    return true;
  }
  static void unlock_all() noexcept {
    pool.lock().unlock();
    unlock_until(nullptr);
  }
  static void unlock_until(const thread_caches* end) noexcept {
    for (thread_caches* each = registry.first; each != end; each = each->next_) each->unlock_all();
    registry.lock.unlock();
  }
};

thread_caches::thread_caches(shared_engine& engine) noexcept : engine_(engine), registry_(registry) {
  const std::lock_guard<std::mutex> held(registry_.lock);
  take_id();
  number_ = registry_.numbers.take();
  entry_ = number_ % thread_table_entries * sizeof(thread_entry);
  next_ = registry_.first;
  if (next_ != nullptr) next_->previous_ = this;
  registry_.first = this;
}

thread_caches::~thread_caches() {
  {
    const std::lock_guard<std::mutex> held(registry_.lock);
    registry_.numbers.give_back(number_);
    (previous_ != nullptr ? previous_->next_ : registry_.first) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
  }
  part_from_all();
}

core::cache* thread_caches::find_slow() noexcept {
  if (core::cache* const found = find()) return found;
  if (record.is_over) return nullptr;
  cache_node* node = record.find(id_);
  if (node == nullptr) {
    if (record.bucket_count == 0) end_of_this_thread.touch();
    node = open(this_thread(), engine_.open_cache());
    if (node == nullptr) return nullptr;
    record.insert(*node);
  }
  // Where symbols of another copy take the place of this one's, the word may point to that copy's table.
  if (thread_table == record.table) record.table[entry_ / sizeof(thread_entry)] = {id_, node->cache};
  return node->cache;
}

core::cache* thread_caches::find_opened() noexcept {
  const cache_node* const node = record.find(id_);
  return node != nullptr ? node->cache : nullptr;
}

core::cache* thread_caches::find_slow(view_tie& view) noexcept {
  if (core::cache* const found = find_in(view.entry)) return found;
  close_view(view);
  return open(view, engine_.open_cache()) ? view.entry.cache : nullptr;
}

bool thread_caches::open_view(view_tie& view) {
  return open(view, engine_.insist_on_cache());
}

bool thread_caches::open(view_tie& view, core::cache* cache) noexcept {
  view.node = open(nullptr, cache);
  if (view.node != nullptr) view.entry = {id_, view.node->cache};
  return view.node != nullptr;
}

cache_node* thread_caches::open(const void* thread, core::cache* cache) noexcept {
  if (cache == nullptr) return nullptr;
  cache_node* const node = id_ != resource_ids::none ? pool.take() : nullptr;
  if (node == nullptr) {
    engine_.close_cache(*cache);
    return nullptr;
  }
  node->tie.start();
  node->resource_id = id_;
  node->resource = this;
  node->cache = cache;
  node->thread = thread;
  const core::lock_holder held(engine_.cache_lock());
  sweep();
  node->next_of_resource = nodes_;
  nodes_ = node;
  return node;
}

void thread_caches::close_view(view_tie& view) noexcept {
  if (view.node != nullptr) part(*view.node);
  view = view_tie();
}

void thread_caches::part(cache_node& from) noexcept {
  const fork_gate::passage inside;
  part_as_thread(
      from.tie, yield_thread, [&] { from.resource->engine_.close_cache(*from.cache); },
      [&] { pool.recycle(from); });
}

// A few nodes at a time, in turn, so that opening a cache stays O(1) and nodes of ended threads are reused.
void thread_caches::sweep() noexcept {
  constexpr int looks = 4;
  for (int i = 0; i < looks; ++i) {
    cache_node** const link = next_swept_ != nullptr ? next_swept_ : &nodes_;
    cache_node* const each = *link;
    if (each == nullptr) {
      next_swept_ = nullptr;
      return;
    }
    if (each->tie.thread_is_gone()) {
      *link = each->next_of_resource;
      pool.recycle(*each);
    } else {
      next_swept_ = &each->next_of_resource;
    }
  }
}

void thread_caches::part_from_all() noexcept {
  while (cache_node* const each = nodes_) {
    nodes_ = each->next_of_resource;
    part_as_resource(each->tie, yield_thread, [&] { pool.recycle(*each); });
  }
  next_swept_ = nullptr;
}

void thread_caches::drop() noexcept {
  part_from_all();
  const std::lock_guard<std::mutex> held(registry_.lock);
  take_id();
}

// Requires that the registry's lock is held.
void thread_caches::take_id() noexcept {
  id_ = registry_.ids.take();
}

std::size_t thread_caches::cached_slots(core::class_index index) const noexcept {
  const core::lock_holder held(engine_.cache_lock());
  std::size_t slots = 0;
  for (const cache_node* each = nodes_; each != nullptr; each = each->next_of_resource)
    if (each->tie.may_hold_slots()) slots += each->cache->cached_slots(index);
  return slots;
}

void thread_caches::flush_all() noexcept {
  const fork_gate::passage inside;
  for (cache_node* each = nodes_; each != nullptr; each = each->next_of_resource)
    visit_as_resource(each->tie, yield_thread, [&] { engine_.flush_cache(*each->cache); });
  engine_.flush_depots();
}

// Returns false, with no lock, when the supply is being called, or, with `waits_for_ends`, a cache being flushed.
bool thread_caches::try_lock_all(bool waits_for_ends) noexcept {
  if (!engine_.memory().try_lock_all()) return false;
  engine_.cache_lock().lock();
  for (const cache_node* each = nodes_; waits_for_ends && each != nullptr; each = each->next_of_resource)
    if (each->tie.is_flushed()) {
      engine_.cache_lock().unlock();
      engine_.memory().unlock_all();
      return false;
    }
  engine_.for_each_shelf([](shared_engine::shelf_type& each) { each.lock.lock(); });
  return true;
}

void thread_caches::unlock_all() noexcept {
  engine_.for_each_shelf([](shared_engine::shelf_type& each) { each.lock.unlock(); });
  engine_.cache_lock().unlock();
  engine_.memory().unlock_all();
}

// What the other threads had cached stays as it is, and counts as cached: the child has pages of different moments of a
// running thread, so nothing says which slots rested there. But these caches have no share of what may rest any more.
void thread_caches::forget_other_threads() noexcept {
  for (cache_node* each = nodes_; each != nullptr; each = each->next_of_resource)
    if (each->thread != nullptr && each->thread != this_thread() && each->tie.forget_thread())
      engine_.count_out_cache();
}

}  // namespace quarry::detail
