#include <words.hpp>

int main() {
  words some;
  for (int i = 0; i < 1000; ++i) some.add("one");
  some.add("two");
  return some.count("one") == 1000 && some.count("two") == 1 && some.count("three") == 0 ? 0 : 1;
}
