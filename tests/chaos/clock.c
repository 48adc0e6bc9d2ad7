/* Preloaded into a store: its wall clock is off by as many microseconds as the file named by STORE_CLOCK holds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *offset;
static int (*real_gettimeofday)(struct timeval *, void *);
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
  real_gettimeofday = (int (*)(struct timeval *, void *))dlsym(RTLD_NEXT, "gettimeofday");
  real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  const char *path = getenv("STORE_CLOCK");
  int file = path ? open(path, O_RDONLY) : -1;
  if (file < 0) return;
  void *mapped = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (mapped != MAP_FAILED) offset = mapped;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  int failed = real_gettimeofday(now, zone);
  if (!failed && offset) {
    long long all = now->tv_sec * 1000000LL + now->tv_usec + *offset;
    now->tv_sec = all / 1000000;
    now->tv_usec = all % 1000000;
  }
  return failed;
}

int clock_gettime(clockid_t which, struct timespec *now) {
  int failed = real_clock_gettime(which, now);
  if (!failed && offset && which == CLOCK_REALTIME) {
    long long all = now->tv_sec * 1000000LL + now->tv_nsec / 1000 + *offset;
    now->tv_nsec = all % 1000000 * 1000 + now->tv_nsec % 1000;
    now->tv_sec = all / 1000000;
  }
  return failed;
}
