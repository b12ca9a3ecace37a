// What a typed cache's checks tell a person: a message without allocating and without a C library, and the violation.
//
// Layer      1, behind the public face. Freestanding; linked only into programs that check.
// Threads    Any number at a time.
#pragma once

#include <quarry/core/typed/slot_fault.hpp>
#include <quarry/portability.hpp>
#include <quarry/slab_errc.hpp>
#include <quarry/violation.hpp>

#include <cstddef>
#include <cstdint>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// A text of bounded length; what does not fit is left out.
class check_message {
 public:
  const char* text() const noexcept { return text_; }

  check_message& add(const char* words) noexcept {
    while (*words != 0) put(*words++);
    return *this;
  }
  check_message& add(const char* begin, const char* end) noexcept {
    while (begin != end) put(*begin++);
    return *this;
  }
  check_message& add(std::size_t number) noexcept { return add_digits(number, 10); }
  check_message& add(const void* address) noexcept {
    return add("0x").add_digits(reinterpret_cast<std::uintptr_t>(address), 16);
  }

 private:
  void put(char letter) noexcept {
    if (length_ + 1 < sizeof(text_)) text_[length_++] = letter;
  }
  check_message& add_digits(std::uintptr_t number, unsigned base) noexcept {
    char digits[3 * sizeof(number)];
    std::size_t count = 0;
    do {
      digits[count++] = "0123456789abcdef"[number % base];
      number /= base;
    } while (number != 0);
    while (count != 0) put(digits[--count]);
    return *this;
  }

  char text_[512] = {};
  std::size_t length_ = 0;  // letters; the rest is zero
};

/// Returns a text in which the compiler names T, between "T = " and the next ';' or the last ']'. Needs no RTTI.
template <class T>
const char* text_with_name() noexcept {
  return QUARRY_SIGNATURE;
}

/// Adds what stands in `text` for T.
inline void add_name(check_message& to, const char* text) noexcept {
  const char* begin = text;
  while (*begin != 0 && !(begin[0] == 'T' && begin[1] == ' ' && begin[2] == '=')) ++begin;
  if (*begin == 0) return;
  begin += 4;
  const char* end = begin;
  const char* last = begin;  // of a type that has brackets in its name
  for (; *end != 0 && *end != ';'; ++end)
    if (*end == ']') last = end;
  (void)to.add(begin, *end == ';' || last == begin ? end : last);
}

/// How a fault is told.
struct fault_words {
  slab_errc error;
  const char* what;
  const char* look_for;
  const char* section;  // of docs/checks.md
};

constexpr fault_words words_of(core::slot_fault fault) noexcept {
  switch (fault) {
    case core::slot_fault::free:
      return {slab_errc::double_free, "an object is freed that is free already",
              "two owners of one object, or an owner beside a call of deallocate", "double-free"};
    case core::slot_fault::never_out:
      return {slab_errc::invalid_pointer, "an object is freed that was never allocated",
              "a pointer that was computed, or read from memory that was overwritten", "never-allocated"};
    case core::slot_fault::interior:
      return {slab_errc::invalid_pointer, "the pointer does not point to the begin of its object",
              "a member or element freed in place of its object", "interior-pointer"};
    case core::slot_fault::misaligned:
      return {slab_errc::alignment_mismatch, "the pointer is aligned as no object of its type is",
              "a pointer that was computed or cast", "wrong-alignment"};
    case core::slot_fault::damaged:
      return {slab_errc::corrupted, "the header of a slab was overwritten",
              "a write behind the last object of the slab before, or ahead of this one's first",
              "overwritten-header"};
    case core::slot_fault::written:
      return {slab_errc::corrupted, "an object was written to after it was freed",
              "a pointer that is used after its object's end, or a write behind the object before",
              "write-after-free"};
    default:
      return {slab_errc::invalid_pointer, "the pointer is no object of this cache",
              "an object of another cache, of malloc or of the stack", "invalid-pointer"};
  }
}

inline void compose(check_message& message, const core::found_fault& found, const void* owner,
                    const char* name_text) noexcept {
  const fault_words words = words_of(found.fault);
  (void)message.add("quarry: ").add(words.what).add(".\n  pointer   ").add(found.pointer);
  (void)message.add("\n  cache     quarry::slab_cache of ");
  add_name(message, name_text);
  (void)message.add(" at ").add(owner);
  if (found.slab != nullptr) (void)message.add("\n  object    ");
  if (found.begin != nullptr)
    (void)message.add("slot ")
        .add(found.slot)
        .add(", ")
        .add(found.slot_bytes)
        .add(" bytes from ")
        .add(found.begin)
        .add(" on, ");
  if (found.slab != nullptr) (void)message.add("in the slab at ").add(found.slab);
  if (found.fault == core::slot_fault::written)
    (void)message.add("; first written byte: ").add(found.byte);
  else if (found.byte != 0)
    (void)message.add("; the pointer lies ").add(found.byte).add(" bytes in it");
  (void)message.add("\n  look for  ")
      .add(words.look_for)
      .add("; docs/checks.md#")
      .add(words.section)
      .add("\n");
}

/// Tells `handler`, a violation_handler, of what the checks of a cache of T found; without one the program ends in a trap.
template <class T>
void tell_fault(const core::found_fault& found, const void* owner, void (*handler)()) {
  check_message message;
  compose(message, found, owner, text_with_name<T>());
  const violation told{words_of(found.fault).error, found.pointer, owner, message.text()};
  if (handler == nullptr) QUARRY_TRAP();
  reinterpret_cast<violation_handler>(handler)(told);
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
