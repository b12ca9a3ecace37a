#include <gtest/gtest.h>

#include <quarry/core/typed/slot_fault.hpp>

namespace {

using quarry::core::fault_report;
using quarry::core::found_fault;
using quarry::core::slot_fault;

struct told {
  int times = 0;
  slot_fault fault = slot_fault::none;
  const void* owner = nullptr;
  void (*handler)() = nullptr;
};
told last;

void tell(const found_fault& found, const void* owner, void (*handler)()) {
  last = {last.times + 1, found.fault, owner, handler};
}
void handle() {}

TEST(FaultReport, TellsOfItsFaultOrOfNothing) {
  last = {};
  int owner = 0;
  fault_report report;
  report.send();
  report.owner = &owner;
  report.tell = &tell;
  report.handler = &handle;
  report.send();
  EXPECT_EQ(last.times, 0) << "nothing was found";
  report.found.fault = slot_fault::written;
  report.send();
  EXPECT_EQ(last.times, 1);
  EXPECT_EQ(last.fault, slot_fault::written);
  EXPECT_EQ(last.owner, &owner);
  EXPECT_EQ(last.handler, &handle);
}

}  // namespace
