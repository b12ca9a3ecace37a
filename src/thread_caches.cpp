// The resource's end of its thread caches: the list of nodes, and what opens, sweeps, visits and parts from them.
#include <cstddef>
#include <mutex>
#include <quarry/detail/thread_caches.hpp>
#include <quarry/portability.hpp>

#include "back_off.hpp"
#include "cache_node.hpp"
#include "fork_gate.hpp"
#include "fork_handlers.hpp"
#include "this_thread.hpp"
#include "thread_record.hpp"
#include "thread_registry.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

namespace {

node_pool pool;
thread_registry registry;

#if defined(__unix__) || defined(__APPLE__)
// When the program or library is loaded: handlers before a fork run in reverse, so those of the program come first, and those
// of the page pool, whose lock is a leaf, last.
QUARRY_AT_LOAD(102) void install_fork_handlers() noexcept {
  fork_handlers::install();
}
#endif

}  // namespace

node_pool& pool_of_nodes() noexcept {
  return pool;
}

thread_registry& registry_of_this_copy() noexcept {
  return registry;
}

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
  thread_record& record = thread_record::of_this_thread();
  if (record.is_over) return nullptr;
  cache_node* node = record.find(id_);
  if (node == nullptr) {
    if (record.bucket_count == 0) record.start();
    node = open(this_thread(), engine_.open_cache(false));
    if (node == nullptr) return nullptr;
    record.insert(*node);
  }
  record.remember(entry_ / sizeof(thread_entry), *node);
  return node->cache;
}

core::cache* thread_caches::find_opened() noexcept {
  const cache_node* const node = thread_record::of_this_thread().find(id_);
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

// From here on the view is this thread's: so a child that does not have the thread does not wait for it.
void thread_caches::close_view(view_tie& view) noexcept {
  if (view.node != nullptr) {
    view.node->thread = this_thread();
    part(*view.node);
  }
  view = view_tie();
}

void thread_caches::part(cache_node& from) noexcept {
  const fork_gate::passage inside;
  part_as_thread(
      from.tie, pool.lock(), back_off(), [&] { from.resource->engine_.close_cache(*from.cache); },
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
    part_as_resource(each->tie, back_off(), [&] { pool.recycle(*each); });
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

void thread_caches::visit_caches(void (*f)(const core::cache&, void*), void* visitor) const {
  const core::lock_holder held(engine_.cache_lock());
  for (const cache_node* each = nodes_; each != nullptr; each = each->next_of_resource)
    if (each->tie.may_hold_slots()) f(*each->cache, visitor);
}

void thread_caches::flush_all() noexcept {
  const fork_gate::passage inside;
  for (cache_node* each = nodes_; each != nullptr; each = each->next_of_resource)
    visit_as_resource(each->tie, pool.lock(), back_off(), [&] { engine_.flush_cache(*each->cache); });
  engine_.flush_depots();
}

// Returns false, with no lock, when the supply is being called.
bool thread_caches::try_lock_all() noexcept {
  if (!engine_.memory().try_lock_all()) return false;
  engine_.cache_lock().lock();
  engine_.for_each_shelf([](shared_engine::shelf_type& each) { each.lock.lock(); });
  return true;
}

// Requires that the cache lock is held.
bool thread_caches::is_flushed() const noexcept {
  for (const cache_node* each = nodes_; each != nullptr; each = each->next_of_resource)
    if (each->tie.is_flushed()) return true;
  return false;
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

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
