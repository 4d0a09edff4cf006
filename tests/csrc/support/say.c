/* Prints its arguments, a line each: how the build says what it skips. */
#include <stdio.h>

int main(int count, char **arguments) {
  for (int i = 1; i < count; i += 1) puts(arguments[i]);
  return 0;
}
