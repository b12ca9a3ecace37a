// A library without exceptions in a program that has them: what an upstream throws never passes through it half-way.
#include <gtest/gtest.h>

#include <memory_resource>
#include <new>
#include <quarry/synchronized_slab_resource.hpp>
#include <quarry/unsynchronized_slab_resource.hpp>

namespace {

class throwing_upstream final : public std::pmr::memory_resource {
  void* do_allocate(std::size_t, std::size_t) override { throw std::bad_alloc(); }
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

template <class Resource>
void allocate_and_catch() {
  throwing_upstream upstream;
  Resource resource(&upstream);
  try {
    static_cast<void>(resource.allocate(64));
  } catch (const std::bad_alloc&) {
  }
}

TEST(AnUpstreamThatThrows, EndsTheProgramAlsoWhereSomebodyWouldCatch) {
  EXPECT_DEATH(allocate_and_catch<quarry::unsynchronized_slab_resource>(), "terminat");
  EXPECT_DEATH(allocate_and_catch<quarry::synchronized_slab_resource>(), "terminat");
}

}  // namespace
