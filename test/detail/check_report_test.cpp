#include "quarry/detail/check_report.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace quarry {
namespace {

struct message_of_ours {};

std::string name_of(const char* text) {
  detail::check_message message;
  detail::add_name(message, text);
  return message.text();
}

TEST(CheckReport, TextsAreCutAndNumbersAreExact) {
  detail::check_message message;
  message.add(std::size_t{0}).add(" ").add(std::numeric_limits<std::size_t>::max());
  message.add(" ").add(reinterpret_cast<const void*>(std::uintptr_t{0xab01}));
  EXPECT_EQ(message.text(), "0 " + std::to_string(std::numeric_limits<std::size_t>::max()) + " 0xab01");
  for (int i = 0; i < 1000; ++i) message.add("1234567");
  EXPECT_EQ(std::string(message.text()).size(), 511U);
}

TEST(CheckReport, NamesTheTypeAsTheCompilerDoes) {
  EXPECT_NE(name_of(detail::text_with_name<message_of_ours>()).find("message_of_ours"), std::string::npos);
  EXPECT_EQ(name_of(detail::text_with_name<message_of_ours>()).find(']'), std::string::npos);
  EXPECT_EQ(name_of(detail::text_with_name<int[3]>()).back(), ']');
  EXPECT_EQ(name_of("no name"), "");
}

violation last;
std::string last_message;

void note(const violation& found) {
  last = found;
  last_message = found.message;
}

TEST(CheckReport, SaysWhatWhereAndWhereToRead) {
  int owner = 0, slots[16] = {};
  int* const object = slots + 8;
  core::found_fault found;
  found.fault = core::slot_fault::interior;
  found.pointer = object + 1;
  found.slab = slots;
  found.begin = object;
  found.slot = 12;
  found.byte = 4;
  found.slot_bytes = 32;
  detail::tell_fault<message_of_ours>(found, &owner, reinterpret_cast<void (*)()>(&note));
  EXPECT_EQ(last.error, slab_errc::invalid_pointer);
  EXPECT_EQ(last.pointer, object + 1);
  EXPECT_EQ(last.owner, &owner);
  for (const char* const part :
       {"quarry: the pointer does not point to the begin of its object.\n", "message_of_ours at 0x",
        "slot 12, 32 bytes from 0x", "the pointer lies 4 bytes in it", "docs/checks.md#interior-pointer\n"})
    EXPECT_NE(last_message.find(part), std::string::npos) << part << " is missing in:\n" << last_message;
}

TEST(CheckReport, EachFaultHasAWordAndASection) {
  for (const auto fault : {core::slot_fault::foreign, core::slot_fault::interior,
                           core::slot_fault::misaligned, core::slot_fault::free, core::slot_fault::never_out,
                           core::slot_fault::damaged, core::slot_fault::written}) {
    EXPECT_NE(detail::words_of(fault).error, slab_errc::ok);
    core::found_fault found;
    found.fault = fault;
    found.slab = &found;
    found.begin = &found;
    found.slot = std::numeric_limits<std::size_t>::max();
    detail::check_message message;
    detail::compose(message, found, &found, detail::text_with_name<message_of_ours>());
    EXPECT_EQ(std::string(message.text()).back(), '\n') << "cut: " << message.text();
  }
}

}  // namespace
}  // namespace quarry
