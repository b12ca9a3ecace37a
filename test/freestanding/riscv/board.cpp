// RISC-V "virt" machine, 64 bit, machine mode: start-up code, UART for text, test device for the exit status,
// core-local timer for interrupts.
#include "../board.hpp"

#include <cstddef>
#include <cstdint>

int main();

// Instructions on control registers; the compiler's own flags do not name this extension, because no library of its
// package is built with it.
#define WITH_CSR(text) ".option push\n .option arch, +zicsr\n " text "\n .option pop"

extern "C" {
void* __dso_handle = nullptr;
// Objects with static lifetime are never destroyed here.
int __cxa_atexit(void (*)(void*), void*, void*) {
  return 0;
}
}

namespace {

void (*volatile handler_)() = nullptr;
auto* const uart = reinterpret_cast<volatile std::uint8_t*>(0x10000000);
auto* const test_device = reinterpret_cast<volatile std::uint32_t*>(0x100000);
auto* const time_now = reinterpret_cast<volatile std::uint64_t*>(0x200BFF8);
auto* const time_next = reinterpret_cast<volatile std::uint64_t*>(0x2004000);
constexpr std::uint64_t ticks_between = 100;  // of 100 ns
constexpr std::uintptr_t global_enable = 1U << 3;
constexpr std::uintptr_t timer_enable = 1U << 7;

[[gnu::interrupt("machine"), gnu::aligned(4)]] void trap() {
  std::uintptr_t cause;
  asm volatile(WITH_CSR("csrr %0, mcause") : "=r"(cause));
  if ((cause >> 63) == 0) {
    board::print("not ok a fault\n");
    board::finish(2);
  }
  *time_next = *time_now + ticks_between;
  if (handler_ != nullptr) handler_();
}

}  // namespace

extern "C" [[noreturn, gnu::used]] void begin() {
  asm volatile(WITH_CSR("csrw mtvec, %0")::"r"(&trap));
  board::finish(main());
}

// The memory is zeroed by the emulator, and everything is loaded where it is used.
asm(".section .start, \"ax\"\n"
    ".global start\n"
    "start:\n"
    "  .option push\n  .option norelax\n  la gp, __global_pointer$\n  .option pop\n"
    "  la sp, stack_top\n"
    "  j begin\n"
    ".text\n");

namespace board {

void print(const char* text) {
  for (; *text != 0; ++text) *uart = static_cast<std::uint8_t>(*text);
}

void finish(int status) {
  *test_device = status == 0 ? 0x5555U : (static_cast<std::uint32_t>(status) << 16 | 0x3333U);
  for (;;) {
  }
}

void start_interrupts(void (*handler)()) {
  handler_ = handler;
  *time_next = *time_now + ticks_between;
  asm volatile(WITH_CSR("csrs mie, %0")::"r"(timer_enable));
  asm volatile(WITH_CSR("csrs mstatus, %0")::"r"(global_enable) : "memory");
}

void stop_interrupts() {
  asm volatile(WITH_CSR("csrc mie, %0")::"r"(timer_enable) : "memory");
}

std::uintptr_t mask_interrupts() noexcept {
  std::uintptr_t state;
  asm volatile(WITH_CSR("csrrc %0, mstatus, %1") : "=r"(state) : "r"(global_enable) : "memory");
  return state & global_enable;
}

void restore_interrupts(std::uintptr_t state) noexcept {
  asm volatile(WITH_CSR("csrs mstatus, %0")::"r"(state) : "memory");
}

}  // namespace board
