// Two versions of the library in one process: one program contains both, and modules that show all their symbols bring both
// once more.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <list>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/in_child.hpp"
#include "version.hpp"

extern "C" const quarry_test::version_verbs* quarry_test_this_version();
extern "C" const quarry_test::version_verbs* quarry_test_other_version();

namespace {

using quarry_test::counting_resource;
using quarry_test::version_verbs;

constexpr std::size_t bytes = 64;

const version_verbs* loaded(const char* file, const char* function) {
  void* const library = dlopen(file, RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) return nullptr;
  using verbs_function = const version_verbs* (*)();
  return reinterpret_cast<verbs_function>(dlsym(library, function))();
}

class TwoVersions : public testing::Test {
 protected:
  void SetUp() override {
    const version_verbs* const this_loaded = loaded(QUARRY_LOADED_THIS_VERSION, "quarry_test_loaded_this");
    ASSERT_NE(this_loaded, nullptr) << dlerror();
    const version_verbs* const other_loaded = loaded(QUARRY_LOADED_OTHER_VERSION, "quarry_test_loaded_other");
    ASSERT_NE(other_loaded, nullptr) << dlerror();
    this_ = {quarry_test_this_version(), this_loaded};
    other_ = {quarry_test_other_version(), other_loaded};
  }

  // Calls f(one, another) for every two of different versions.
  template <class Call>
  void for_each_pair(Call call) {
    for (const version_verbs* one : this_)
      for (const version_verbs* another : other_) {
        call(*one, *another);
        call(*another, *one);
      }
  }

  std::vector<const version_verbs*> this_;
  std::vector<const version_verbs*> other_;
};

TEST_F(TwoVersions, HaveTypesOfDifferentNames) {
  for_each_pair([](const version_verbs& one, const version_verbs& another) {
    EXPECT_NE(std::string(one.type_name()), another.type_name());
  });
}

TEST_F(TwoVersions, ServeAContainerEach) {
  for_each_pair([](const version_verbs& one, const version_verbs& another) {
    counting_resource upstream;
    std::pmr::memory_resource* const mine = one.make(&upstream);
    std::pmr::memory_resource* const theirs = another.make(&upstream);
    EXPECT_FALSE(mine->is_equal(*theirs));
    EXPECT_FALSE(theirs->is_equal(*mine));
    {
      std::pmr::list<int> here(mine);
      std::pmr::list<int> there(theirs);
      for (int i = 0; i < 1000; ++i) {
        here.push_back(i);
        there.push_front(i);
      }
      EXPECT_EQ(one.live_slots(mine), 1000U);
      EXPECT_EQ(another.live_slots(theirs), 1000U);
      here = std::move(there);  // copies the elements
      EXPECT_EQ(here.front(), 999);
    }
    EXPECT_EQ(one.live_slots(mine), 0U);
    EXPECT_EQ(another.live_slots(theirs), 0U);
    one.end(mine);
    another.end(theirs);
    EXPECT_EQ(upstream.live_blocks(), 0U);
  });
}

TEST_F(TwoVersions, ServeEachOtherAsUpstream) {
  for_each_pair([](const version_verbs& one, const version_verbs& another) {
    counting_resource upstream;
    std::pmr::memory_resource* const below = one.make(&upstream);
    std::pmr::memory_resource* const above = another.make(below);
    std::vector<void*> slots;
    for (int i = 0; i < 2000; ++i) slots.push_back(above->allocate(bytes));
    for (void* const each : slots) {
      EXPECT_TRUE(upstream.holds(each));
      above->deallocate(each, bytes);
    }
    another.end(above);
    one.end(below);
    EXPECT_EQ(upstream.live_blocks(), 0U);
  });
}

TEST_F(TwoVersions, TakeNoViewOfTheOtherForTheirOwn) {
  for_each_pair([](const version_verbs& one, const version_verbs& another) {
    std::pmr::memory_resource* const mine = one.make(std::pmr::new_delete_resource());
    std::pmr::memory_resource* const theirs = another.make(std::pmr::new_delete_resource());
    std::pmr::memory_resource* const my_view = one.make_view(mine);
    std::pmr::memory_resource* const their_view = another.make_view(theirs);
    EXPECT_TRUE(mine->is_equal(*my_view));
    EXPECT_TRUE(theirs->is_equal(*their_view));
    EXPECT_FALSE(mine->is_equal(*their_view));
    EXPECT_FALSE(my_view->is_equal(*their_view));
    another.end(their_view);
    one.end(my_view);
    another.end(theirs);
    one.end(mine);
  });
}

TEST_F(TwoVersions, HaveAPagePoolEach) {
  for_each_pair([](const version_verbs& one, const version_verbs& another) {
    EXPECT_NE(one.pooled_pages(), another.pooled_pages());
    const std::size_t before = another.set_pool_limit(12345);
    const std::size_t mine = one.set_pool_limit(54321);
    EXPECT_EQ(another.set_pool_limit(before), 12345U);
    EXPECT_EQ(one.set_pool_limit(mine), 54321U);
  });
}

TEST_F(TwoVersions, HavePageHooksEach) {
  EXPECT_TRUE(quarry_test_this_version()->uses_hooks());
  EXPECT_TRUE(quarry_test_other_version()->uses_hooks());
}

TEST_F(TwoVersions, ServeThreadsThatUseBothAndAForkOfOne) {
  for_each_pair([](const version_verbs& one, const version_verbs& another) {
    counting_resource upstream;
    std::pmr::memory_resource* const made[] = {one.make(&upstream), another.make(&upstream)};
    const auto use = [&] {
      for (int i = 0; i < 1000; ++i)
        for (std::pmr::memory_resource* each : made) each->deallocate(each->allocate(bytes), bytes);
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back(use);
    for (std::thread& each : threads) each.join();
    use();
    EXPECT_EQ(quarry_test::run_in_child(20,
                                        [&] {
                                          use();
                                          return static_cast<int>(one.live_slots(made[0]) +
                                                                  another.live_slots(made[1]));
                                        }),
              0);
    one.end(made[0]);
    another.end(made[1]);
    EXPECT_EQ(upstream.live_blocks(), 0U);
  });
}

}  // namespace
