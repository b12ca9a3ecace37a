// Typed caches on a machine with no operating system, no heap, no exceptions and no RTTI. Constructors of static
// objects are never run here, so that every cache below has to be ready without one.
#include <quarry/slab_cache.hpp>

#include <cstddef>
#include <cstdint>

#include "board.hpp"

namespace {

constexpr std::size_t slab_bytes = 1024;

struct message {
  std::uint32_t sequence;
  std::uint32_t words[7];
};

int failures = 0;

void print_number(std::size_t number) {
  char text[24];
  std::size_t at = sizeof(text);
  text[--at] = 0;
  do {
    text[--at] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  board::print(text + at);
}

void check(bool good, const char* sentence) {
  board::print(good ? "ok " : "not ok ");
  board::print(sentence);
  board::print("\n");
  if (!good) ++failures;
}

void note(const char* what, std::size_t number, const char* unit) {
  board::print("note: ");
  board::print(what);
  board::print(": ");
  print_number(number);
  board::print(unit);
  board::print("\n");
}

// ---- a pool of fixed size

using small_pool = quarry::static_page_source<16384>;
small_pool pool;
quarry::slab_cache<message, quarry::null_lock, slab_bytes, small_pool> messages(pool);
constexpr std::size_t pool_objects = messages.root_slots + 15 * messages.extension_slots;
message* live[pool_objects + 1];

void make_and_free_millions() {
  constexpr std::uint32_t operations = 3000000;
  constexpr std::size_t window = 200;
  std::uint32_t made = 0, wrong = 0, refused = 0;
  for (std::uint32_t i = 0; i < operations; ++i) {
    message*& place = live[i * 2654435761U % window];
    if (place != nullptr) {
      if (place->words[6] != ~place->sequence) ++wrong;
      messages.deallocate(place);
      place = nullptr;
      continue;
    }
    place = messages.try_make().release();
    if (place == nullptr) {
      ++refused;
      continue;
    }
    place->sequence = made++;
    place->words[6] = ~place->sequence;
  }
  note("objects made and freed", made, "");
  check(made > operations / 3 && wrong == 0 && refused == 0,
        "makes and frees millions of objects from a static pool");
  for (message*& each : live) {
    if (each != nullptr) messages.deallocate(each);
    each = nullptr;
  }
  check(messages.stats().live_slots == 0, "counts every free");
}

void exhaust() {
  bool good = true;
  for (int round = 0; round < 3; ++round) {
    std::size_t made = 0;
    while (message* const one = messages.try_make().release()) {
      one->sequence = static_cast<std::uint32_t>(made);
      live[made++] = one;
      if (made > pool_objects) break;
    }
    good = good && made == pool_objects && messages.try_allocate() == nullptr;
    good = good && messages.reserve(1) == quarry::slab_errc::out_of_memory;
    for (std::size_t i = 0; i < made; ++i) good = good && live[i]->sequence == i;
    for (std::size_t i = 0; i < made; ++i) messages.deallocate(live[i * 7 % made]);
  }
  for (message*& each : live) each = nullptr;
  check(good, "an exhausted pool is a clean error, nothing is lost, and it works again after frees");
  messages.trim();
  check(pool.lent_bytes() == slab_bytes, "gives empty slabs back to the pool");
  message* const one = messages.try_allocate();
  good = messages.try_deallocate(nullptr) == quarry::slab_errc::invalid_pointer;
  good = good && messages.try_deallocate(one) == quarry::slab_errc::ok;
  good = good && messages.try_deallocate(one) == quarry::slab_errc::double_free;
  check(good, "reports a double free and an unknown pointer as values");
}

// ---- checks

int violations = 0;
quarry::slab_errc last_error = quarry::slab_errc::ok;
bool names_the_type = false;

void note_violation(const quarry::violation& found) {
  ++violations;
  last_error = found.error;
  constexpr char name[] = "message";
  for (const char* at = found.message; *at != 0; ++at) {
    std::size_t same = 0;
    while (name[same] != 0 && at[same] == name[same]) ++same;
    if (name[same] == 0) names_the_type = true;
  }
}

void check_calls() {
  bool good = messages.set_checks(quarry::check_level::full, note_violation) == quarry::slab_errc::ok;
  message* const one = messages.try_make().release();
  messages.deallocate(one);
  messages.deallocate(one);
  good = good && violations == 1 && last_error == quarry::slab_errc::double_free && names_the_type;
  *reinterpret_cast<volatile std::uint32_t*>(one) = 1;
  messages.trim();
  good = good && violations == 2 && last_error == quarry::slab_errc::corrupted;
  messages.deallocate(reinterpret_cast<message*>(0xFFFFFF00U));
  good = good && violations == 3 && last_error == quarry::slab_errc::invalid_pointer;
  good = good && messages.set_checks(quarry::check_level::off, nullptr) == quarry::slab_errc::ok;
  check(good && pool.lent_bytes() == slab_bytes, "checks what is freed, and tells a handler");
}

// ---- shared with an interrupt handler

using shared_cache = quarry::slab_cache<message, board::interrupt_lock, slab_bytes, small_pool>;
small_pool shared_pool;
shared_cache shared(shared_pool);
message* volatile to_handler = nullptr;    // the program hands one over, the handler frees it
message* volatile from_handler = nullptr;  // the handler makes one, the program frees it
volatile std::uint32_t interrupts = 0;
volatile std::uint32_t freed_by_handler = 0;

void on_interrupt() {
  interrupts = interrupts + 1;
  if (message* const one = to_handler) {
    to_handler = nullptr;
    shared_cache::ptr owner(one);  // freed here, inside the interrupt
    freed_by_handler = freed_by_handler + 1;
  }
  if (from_handler == nullptr) from_handler = shared.try_make().release();
}

void share_with_an_interrupt() {
  std::uint32_t received = 0;
  std::size_t held = 0;
  board::start_interrupts(on_interrupt);
  for (std::uint32_t i = 0; i < 400000 || interrupts < 200; ++i) {
    if (held < 100) live[held++] = shared.try_make().release();
    if (held == 100) {
      while (held > 20) shared.deallocate(live[--held]);
    }
    if (to_handler == nullptr && held != 0 && i % 64 == 0) to_handler = live[--held];
    if (message* const one = from_handler) {
      from_handler = nullptr;
      shared.deallocate(one);
      ++received;
    }
  }
  board::stop_interrupts();
  while (held != 0) shared.deallocate(live[--held]);
  if (to_handler != nullptr) shared.deallocate(to_handler);
  if (from_handler != nullptr) shared.deallocate(from_handler);
  note("interrupts", interrupts, "");
  note("objects freed by the handler", freed_by_handler, "");
  check(interrupts >= 200 && freed_by_handler > 50 && received > 50 && shared.stats().live_slots == 0,
        "an interrupt handler makes and frees objects of a cache that the program uses");
}

// ---- owners, bases, recycling, life after the cache

struct base {
  std::uint32_t tag = 1;
};
int destroyed = 0;
struct derived : base {
  ~derived() { ++destroyed; }
  std::uint32_t words[5] = {};
};

void own() {
  using pool_type = quarry::static_page_source<8192, slab_bytes>;
  static pool_type owner_pool;
  quarry::slab_ptr<base, quarry::slab_cache<base, quarry::null_lock, slab_bytes, pool_type>> survivor;
  {
    quarry::slab_cache<derived, quarry::null_lock, slab_bytes, pool_type> objects(owner_pool);
    survivor = objects.try_make();
    auto one = objects.try_make();
    derived* const address = one.get();
    objects.recycle(static_cast<decltype(one)&&>(one));
    check(destroyed == 0 && objects.reuse_kept().get() == address, "hands out a recycled object");
  }
  check(survivor->tag == 1 && owner_pool.lent_bytes() == slab_bytes, "an object outlives its cache");
  survivor.reset();
  check(destroyed == 2 && owner_pool.lent_bytes() == 0, "the last object gives all memory back");
}

// ---- hooks bound when the program is linked

quarry::static_page_source<4096, slab_bytes> hooked_pool;
int hook_calls = 0;

void* take_pages(std::size_t bytes, std::size_t alignment) noexcept {
  ++hook_calls;
  return hooked_pool.allocate_pages(bytes, alignment);
}
void give_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
  hooked_pool.deallocate_pages(pages, bytes, alignment);
}

void use_hooks() {
  {
    quarry::slab_cache<message, quarry::null_lock, slab_bytes>
        hooked;  // hooks are the default without a system
    const auto one = hooked.try_make();
    check(one != nullptr && hook_calls == 1, "takes pages from the hooks that the program defines");
  }
  check(hooked_pool.lent_bytes() == 0, "gives pages back to the hooks");
}

}  // namespace

QUARRY_DEFINE_PAGE_HOOKS(take_pages, give_pages);

int main() {
  make_and_free_millions();
  exhaust();
  check_calls();
  share_with_an_interrupt();
  own();
  use_hooks();
  note("bytes of a 1024-byte root slab not in 32-byte slots",
       slab_bytes - messages.root_slots * sizeof(message), "");
  note("bytes of a 1024-byte extension slab not in 32-byte slots",
       slab_bytes - messages.extension_slots * sizeof(message), "");
  note("bytes of a cache handle", sizeof(messages), "");
  return failures == 0 ? 0 : 1;
}
