// A program that stops in stop_here() with resources and caches in known states; check.py asks gdb about them.
#include <cstddef>
#include <memory_resource>
#include <mutex>
#include <quarry/quarry.hpp>
#include <thread>
#include <vector>

namespace {

struct order {
  int number;
  double price;
};

__attribute__((noinline)) void stop_here() {
  __asm__ volatile("");
}

quarry::slab_options named(const char* name) {
  quarry::slab_options options;
  options.name = name;
  return options;
}

quarry::unsynchronized_slab_resource global_resource(named("global"));

// One of 48 bytes lives, one was freed and rests in the magazine; of the slab's others some rest and some are free.
void ask_about_resources() {
  quarry::unsynchronized_slab_resource resource(named("orders"));
  void* const first = resource.allocate(48);
  void* const cached = resource.allocate(48);
  resource.deallocate(cached, 48);
  void* const second = resource.allocate(200);
  void* const block = resource.allocate(100'000);
  void* const kept = resource.allocate(200'000);
  void* const last = resource.allocate(300'000);
  resource.deallocate(kept, 200'000);
  resource.deallocate(last, 300'000);
  void* const global = global_resource.allocate(64);
  std::pmr::memory_resource* const face = &resource;
  const quarry::slab_allocator<order> allocator(&resource);
  int foreign = 0;
  quarry::slab_options full = named("checked");
  full.checks = quarry::check_level::full;
  quarry::unsynchronized_slab_resource checked(full);
  void* const checked_live = checked.allocate(48);
  void* const checked_gone = checked.allocate(48);
  checked.deallocate(checked_gone, 48);
  stop_here();
  checked.deallocate(checked_live, 48);
  static_cast<void>(face);
  static_cast<void>(allocator);
  static_cast<void>(foreign);
  static_cast<void>(last);
  global_resource.deallocate(global, 64);
  resource.deallocate(first, 48);
  resource.deallocate(second, 200);
  resource.deallocate(block, 100'000);
}

void ask_about_threads() {
  quarry::synchronized_slab_resource resource(named("shared"));
  quarry::slab_thread_view view(resource);
  void* live[400];
  for (void*& each : live) each = resource.allocate(64);
  void* const in_view = view.allocate(64);
  view.deallocate(in_view, 64);
  void* in_thread = nullptr;
  void* in_shard = nullptr;
  void* in_depot = nullptr;
  std::mutex done, asked;  // locked until that is so
  done.lock();
  asked.lock();
  std::thread other([&] {
    in_thread = resource.allocate(64);
    resource.deallocate(in_thread, 64);
    in_shard = resource.allocate(100000);
    std::vector<void*> many(2000);
    for (void*& each : many) each = resource.allocate(32);
    for (void* const each : many) resource.deallocate(each, 32);
    in_depot = many[many.size() / 2];
    done.unlock();
    asked.lock();
    resource.deallocate(in_shard, 100000);
  });
  done.lock();
  stop_here();
  asked.unlock();
  other.join();
  for (void* const each : live) resource.deallocate(each, 64);
}

void ask_about_typed_caches() {
  const quarry::slab_cache<order> unopened;
  quarry::slab_cache<order> orders;
  quarry::slab_cache<order, quarry::spin_lock> locked;
  quarry::slab_ptr<order> owner = orders.make(order{42, 3.5});
  const quarry::slab_ptr<order> empty;
  auto other = locked.make(order{7, 0.25});
  order* const gone = orders.allocate();
  orders.deallocate(gone);
  stop_here();
  static_cast<void>(unopened);
}

}  // namespace

int main() {
  ask_about_resources();
  ask_about_threads();
  ask_about_typed_caches();
  return 0;
}
