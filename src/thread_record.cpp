#include "thread_record.hpp"

#include <new>
#include <quarry/portability.hpp>

#include "os_pages.hpp"
#if defined(__MINGW32__)
#include <pthread.h>
#endif

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

namespace {

// The table of a thread that has none: no resource has the id 0.
thread_entry no_entries[thread_table_entries];

QUARRY_THREAD_LOCAL thread_record record;

#if defined(__MINGW32__)

// Here a thread's variables are freed before their destructors run, so the record lies in pages of its own, and a key tells its end.
// Who comes after that gets a record anew, whose end the key tells too.
QUARRY_THREAD_LOCAL thread_record* record_in_pages = nullptr;

class thread_ends {
 public:
  thread_ends() noexcept { is_usable_ = pthread_key_create(&key_, &end) == 0; }
  thread_ends(const thread_ends&) = delete;
  thread_ends& operator=(const thread_ends&) = delete;
  ~thread_ends() {
    if (is_usable_) pthread_key_delete(key_);
  }
  static thread_ends& of_this_copy() noexcept {
    static thread_ends ends;
    return ends;
  }
  void tell(thread_record& of) const noexcept {
    if (is_usable_) pthread_setspecific(key_, &of);
  }

 private:
  static void end(void* of) noexcept {
    auto* const ended = static_cast<thread_record*>(of);
    ended->end();
    record_in_pages = nullptr;
    unmap_pages(ended, sizeof *ended);
  }

  pthread_key_t key_ = 0;
  bool is_usable_ = false;
};

thread_record& here() noexcept {
  if (record_in_pages == nullptr)
    if (void* const pages = map_pages(sizeof(thread_record), alignof(thread_record)))
      record_in_pages = ::new (pages) thread_record{};
  return record_in_pages != nullptr ? *record_in_pages : record;
}
void see_the_end_of(thread_record& of) noexcept {
  thread_ends::of_this_copy().tell(of);
}

#else

// The one thread_local with a destructor; touched when a thread opens its first cache.
struct thread_end {
  void touch() noexcept { is_touched = true; }
  ~thread_end() { record.end(); }
  bool is_touched = false;
};
thread_local thread_end end_of_this_thread;

thread_record& here() noexcept {
  return record;
}
void see_the_end_of(thread_record&) noexcept {
  end_of_this_thread.touch();
}

#endif

}  // namespace

QUARRY_THREAD_LOCAL thread_entry* thread_table = no_entries;

#if defined(QUARRY_SHARED) && defined(_MSC_VER)
thread_entry* find_thread_table() noexcept {
  return thread_table;
}
#endif

thread_record& thread_record::of_this_thread() noexcept {
  return here();
}

void thread_record::start() noexcept {
  see_the_end_of(*this);
  bucket_count = first_buckets;
  // Fresh pages are zero: entries of no resource. Without them each call of the thread takes the slow way.
  table = static_cast<thread_entry*>(map_pages(sizeof no_entries, alignof(thread_entry)));
  if (table != nullptr) thread_table = table;
}

void thread_record::insert(cache_node& fresh) noexcept {
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
    pool_of_nodes().recycle(each);
  }
  fresh.next_of_thread = head;
  head = &fresh;
  ++nodes;
}

void thread_record::grow() noexcept {
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

void thread_record::end() noexcept {
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

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
