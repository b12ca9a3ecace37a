// Modules of one program that share no symbols use each other's typed caches.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <type_traits>

#include "typed_module.hpp"

namespace {

using quarry_test::counted_pair;
using quarry_test::module_cache;
using quarry_test::module_verbs;

template <class Lock>
class TypedModules : public ::testing::Test {
 protected:
  void SetUp() override {
    void* const library = dlopen(QUARRY_TYPED_MODULE, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library, nullptr) << dlerror();
    const auto find = reinterpret_cast<const void* (*)(bool)>(dlsym(library, "quarry_typed_verbs"));
    ASSERT_NE(find, nullptr) << dlerror();
    module = static_cast<const module_verbs<Lock>*>(find(!std::is_same_v<Lock, quarry::null_lock>));
  }

  using cache_type = module_cache<Lock>;
  const module_verbs<Lock>* module = nullptr;
};

using locks = ::testing::Types<quarry::null_lock, quarry::spin_lock>;
TYPED_TEST_SUITE(TypedModules, locks, );

TYPED_TEST(TypedModules, ACacheThatOneModuleConstructedAnotherMayOpen) {
  typename TestFixture::cache_type cache;
  EXPECT_EQ(this->module->visit(cache), 0U);
  EXPECT_EQ(this->module->trim(cache), 0U);
  counted_pair* const theirs = this->module->make(cache, 3);
  const auto mine = cache.make(4);
  EXPECT_EQ(theirs->numbers[1], -3);
  EXPECT_TRUE(cache.owns(theirs));
  EXPECT_EQ(this->module->visit(cache), 2U);
  EXPECT_EQ(cache.stats().slab_count, 1U) << "one cache, not two";
  TestFixture::cache_type::ptr::adopt(theirs).reset();
  EXPECT_EQ(this->module->visit(cache), 1U);
}

TYPED_TEST(TypedModules, ObjectsOfACacheMayEndInAnotherModule) {
  typename TestFixture::cache_type cache;
  for (int i = 0; i < 2000; ++i) this->module->destroy(cache.make(i).release());
  for (int i = 0; i < 2000; ++i) TestFixture::cache_type::ptr::adopt(this->module->make(cache, i)).reset();
  EXPECT_EQ(cache.stats().live_slots, 0U);
}

TYPED_TEST(TypedModules, AHandleThatAnotherModuleLeftUnopenedStartsACacheOfItsOwn) {
  typename TestFixture::cache_type cache, other;
  const auto mine = cache.make(1);
  this->module->move(cache, other);
  EXPECT_TRUE(other.owns(mine.get()));
  EXPECT_EQ(cache.stats().slab_count, 0U);
  EXPECT_NE(cache.make(2), nullptr);
  EXPECT_NE(cache, other);
}

}  // namespace
