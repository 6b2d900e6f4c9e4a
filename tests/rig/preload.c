/* What adbd needs to be a test device: it listens on loopback alone, and its properties
 * come from a file.
 *
 * Loaded with ld.so's --preload, so the commands that adbd starts don't inherit it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROPERTIES "/rig/build.prop"

/* Any address becomes loopback; AF_VSOCK, which has no loopback to bind to, is refused. */
int bind(int fd, const struct sockaddr *address, socklen_t length) {
  if (address->sa_family == AF_VSOCK) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  struct sockaddr_storage copy;
  if (length > sizeof copy) {
    errno = EINVAL;
    return -1;
  }
  memcpy(&copy, address, length);
  if (copy.ss_family == AF_INET) {
    ((struct sockaddr_in *)&copy)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  } else if (copy.ss_family == AF_INET6) {
    static const struct in6_addr mapped = {
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}}};
    ((struct sockaddr_in6 *)&copy)->sin6_addr = mapped;
  }
  return (int)syscall(SYS_bind, fd, &copy, length);
}

/* libstdc++'s std::string. The text is always on the heap and its capacity always beyond
 * the 15 bytes that would live inside, so the object may be moved as plain bytes. */
struct string {
  char *text;
  size_t length;
  size_t capacity;
  size_t unused;
};

static struct string copy_of(const char *text, size_t length) {
  struct string made = {0};
  made.capacity = length < 32 ? 32 : length;
  made.length = length;
  made.text = malloc(made.capacity + 1); /* freed by operator delete, which is free() */
  if (!made.text) abort();
  memcpy(made.text, text, length);
  made.text[length] = 0;
  return made;
}

/* std::string android::base::GetProperty(const std::string& key, const std::string& default) */
struct string get_property(const struct string *key, const struct string *fallback) __asm__(
    "_ZN7android4base11GetPropertyERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEES8_");

struct string get_property(const struct string *key, const struct string *fallback) {
  FILE *file = fopen(PROPERTIES, "re");
  char *line = NULL;
  size_t room = 0;
  ssize_t got;
  while (file && (got = getline(&line, &room, file)) > 0) {
    if (line[got - 1] == '\n') line[--got] = 0;
    if ((size_t)got > key->length && line[key->length] == '=' &&
        memcmp(line, key->text, key->length) == 0) {
      struct string found = copy_of(line + key->length + 1, (size_t)got - key->length - 1);
      free(line);
      fclose(file);
      return found;
    }
  }
  free(line);
  if (file) fclose(file);
  return copy_of(fallback->text, fallback->length);
}
