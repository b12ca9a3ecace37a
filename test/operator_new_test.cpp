// A program whose operator new is a checked resource: what the library itself keeps must come from elsewhere. The resource begins
// inside the first operator new, before main.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <quarry/page_sources.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t head_bytes = 16;  // before each block: its size

std::size_t depth = 0;  // of calls while the resource begins
std::size_t most_depth = 0;

quarry::synchronized_slab_resource& resource() {
  alignas(quarry::synchronized_slab_resource) static unsigned char
      place[sizeof(quarry::synchronized_slab_resource)];
  static quarry::synchronized_slab_resource* begun = nullptr;
  if (begun == nullptr) {
    if (++depth > most_depth) most_depth = depth;
    if (depth > 1) std::abort();  // it has asked itself
    quarry::slab_options options;
    options.checks = quarry::check_level::full;
    begun = ::new (place) quarry::synchronized_slab_resource(options, quarry::os_page_resource());
    --depth;
  }
  return *begun;
}

void* allocate(std::size_t bytes) {
  auto* const block = static_cast<std::size_t*>(resource().allocate(bytes + head_bytes, head_bytes));
  *block = bytes;
  return reinterpret_cast<unsigned char*>(block) + head_bytes;
}

void deallocate(void* pointer) noexcept {
  if (pointer == nullptr) return;
  void* const block = static_cast<unsigned char*>(pointer) - head_bytes;
  resource().deallocate(block, *static_cast<std::size_t*>(block) + head_bytes, head_bytes);
}

}  // namespace

void* operator new(std::size_t bytes) {
  return allocate(bytes);
}
void* operator new[](std::size_t bytes) {
  return allocate(bytes);
}
void operator delete(void* pointer) noexcept {
  deallocate(pointer);
}
void operator delete[](void* pointer) noexcept {
  deallocate(pointer);
}
void operator delete(void* pointer, std::size_t) noexcept {
  deallocate(pointer);
}
void operator delete[](void* pointer, std::size_t) noexcept {
  deallocate(pointer);
}

namespace {

TEST(OperatorNew, IsServedByACheckedResourceThatBeginsInsideIt) {
  EXPECT_EQ(most_depth, 1U);
  const auto* const one = new int(1);
  EXPECT_TRUE(resource().owns(one));
  delete one;
}

TEST(OperatorNew, MayMakeOtherCheckedResources) {
  quarry::slab_options options;
  options.checks = quarry::check_level::pointers;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&options] {
      for (int round = 0; round < 200; ++round) {
        quarry::synchronized_slab_resource another(options, std::pmr::new_delete_resource());
        const std::vector<int> some(static_cast<std::size_t>(round) + 1, 7);
        another.deallocate(another.allocate(40), 40);
      }
    });
  for (std::thread& each : threads) each.join();
}

}  // namespace
