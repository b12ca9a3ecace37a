// Several copies of the library in one process: each is the static library inside another module, and each uses the resources
// that the others made.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "copy.hpp"
#include "support/counting_resource.hpp"
#include "support/in_child.hpp"

extern "C" const quarry_test::copy* quarry_test_linked_copy();
extern "C" const quarry_test::copy* quarry_test_other_linked_copy();
extern "C" const quarry_test::copy* quarry_test_own_copy();

namespace {

using quarry_test::copy;
using quarry_test::counting_resource;
using quarry_test::resource;

constexpr std::size_t bytes = 64;

// A copy in a library that is loaded while the program runs, with symbols that nobody else sees.
struct loaded_copy {
  void* library = dlopen(QUARRY_LOADED_COPY, RTLD_NOW | RTLD_LOCAL);
  const copy* code = nullptr;

  loaded_copy() {
    if (library == nullptr) return;
    using function = const copy* (*)();
    code = reinterpret_cast<function>(dlsym(library, "quarry_test_loaded_copy"))();
  }
  loaded_copy(const loaded_copy&) = delete;
  ~loaded_copy() {
    if (library != nullptr) dlclose(library);
  }
};

std::vector<const copy*> all_copies(const loaded_copy& loaded) {
  return {quarry_test_own_copy(), quarry_test_linked_copy(), quarry_test_other_linked_copy(), loaded.code};
}

class TwoCopies : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(loaded_.code, nullptr) << dlerror(); }

  // Calls f(maker, user) for every two copies.
  template <class F>
  void for_each_pair(F f) {
    for (const copy* maker : all_copies(loaded_))
      for (const copy* user : all_copies(loaded_))
        if (maker != user) f(*maker, *user);
  }

  loaded_copy loaded_;
};

TEST_F(TwoCopies, EachServesTheResourcesOfTheOthersFromTheirOwnMemory) {
  for_each_pair([](const copy& maker, const copy& user) {
    counting_resource upstream;
    counting_resource own_upstream;
    resource* const own = user.make(&own_upstream);
    resource* const theirs = maker.make(&upstream);
    void* const slots[] = {user.take(own, bytes), maker.take(theirs, bytes)};
    void* const taken[] = {user.take(theirs, bytes), user.take_by_base(theirs, bytes),
                           user.take_by_view(theirs, bytes), maker.take_by_view(theirs, bytes)};
    for (void* const each : taken) EXPECT_TRUE(upstream.holds(each));
    EXPECT_TRUE(own_upstream.holds(slots[0]));
    EXPECT_EQ(maker.live_slots(theirs), 5U);
    EXPECT_EQ(user.live_slots(theirs), 5U);
    EXPECT_EQ(user.live_slots(own), 1U);
    for (void* const each : taken) maker.give(theirs, each, bytes);
    user.give(theirs, slots[1], bytes);
    maker.give(own, slots[0], bytes);
    EXPECT_EQ(maker.live_slots(theirs), 0U);
    EXPECT_EQ(maker.live_slots(own), 0U);
    EXPECT_TRUE(user.view_equals(theirs));
    maker.end(theirs);
    user.end(own);
  });
}

TEST_F(TwoCopies, OneEndsAResourceThatAnotherMade) {
  for_each_pair([](const copy& maker, const copy& user) {
    counting_resource upstream;
    resource* const kept = user.make(&upstream);
    resource* const older = maker.make(&upstream);
    resource* const ended = maker.make(&upstream);
    resource* const newer = maker.make(&upstream);
    for (resource* each : {kept, older, ended, newer}) user.give(each, user.take(each, bytes), bytes);
    user.end(newer);  // the newest of its copy
    user.end(ended);
    user.end(older);
    resource* const fresh = maker.make(&upstream);
    maker.give(fresh, maker.take(fresh, bytes), bytes);
    EXPECT_EQ(quarry_test::run_in_child(20,
                                        [&] {
                                          user.give(kept, user.take(kept, bytes), bytes);
                                          maker.give(fresh, maker.take(fresh, bytes), bytes);
                                          return 0;
                                        }),
              0);
    maker.end(fresh);
    user.end(kept);
  });
}

TEST_F(TwoCopies, AReleaseByOneMakesWhatAnotherCachedVoid) {
  for_each_pair([](const copy& maker, const copy& user) {
    counting_resource upstream;
    resource* const shared = maker.make(&upstream);
    for (const copy* releaser : {&maker, &user}) {
      maker.give(shared, maker.take(shared, bytes), bytes);
      user.give(shared, user.take(shared, bytes), bytes);
      releaser->release(shared);
      EXPECT_EQ(upstream.live_blocks(), 0U);
      for (const copy* each : {&user, &maker}) {
        void* const slot = each->take(shared, bytes);
        EXPECT_TRUE(upstream.holds(slot));
        each->give(shared, slot, bytes);
      }
    }
    maker.end(shared);
  });
}

TEST_F(TwoCopies, AThreadMayEndBeforeAndAfterAResourceThatItUsedThroughSeveral) {
  for_each_pair([](const copy& maker, const copy& user) {
    counting_resource upstream;
    resource* const shared = maker.make(&upstream);
    resource* const ended = maker.make(&upstream);
    std::thread([&] {
      for (const copy* each : {&maker, &user})
        for (resource* of : {shared, ended}) each->give(of, each->take(of, bytes), bytes);
      user.end(ended);
    }).join();
    EXPECT_EQ(maker.live_slots(shared), 0U);
    maker.end(shared);
    EXPECT_EQ(upstream.live_blocks(), 0U);
  });
}

TEST_F(TwoCopies, AChildOfAForkKeepsTheCachesOfItsThreadInEach) {
  for_each_pair([](const copy& maker, const copy& user) {
    counting_resource upstream;
    resource* const shared = maker.make(&upstream);
    for (const copy* each : {&maker, &user}) each->give(shared, each->take(shared, bytes), bytes);
    EXPECT_EQ(quarry_test::run_in_child(20,
                                        [&] {
                                          if (shared->stats().live_slots != 0) return 1;
                                          for (int i = 0; i < 1000; ++i) {
                                            void* const slot = user.take(shared, bytes);
                                            std::thread([&] { maker.give(shared, slot, bytes); }).join();
                                          }
                                          return shared->stats().live_slots == 0 ? 0 : 2;
                                        }),
              0);
    maker.end(shared);
  });
}

TEST(ACopyThatIsLoadedAgain, GivesNoIdThatAThreadRemembersOfItsPredecessor) {
  counting_resource upstream;
  const copy& user = *quarry_test_own_copy();
  for (int round = 0; round < 20; ++round) {
    const loaded_copy loaded;
    ASSERT_NE(loaded.code, nullptr) << dlerror();
    resource* const made = loaded.code->make(&upstream);
    void* const slot = user.take(made, bytes);
    EXPECT_TRUE(upstream.holds(slot));
    user.give(made, slot, bytes);
    loaded.code->end(made);
    EXPECT_EQ(upstream.live_blocks(), 0U);
  }
}

}  // namespace
