/* What the bench's programs share: the clock, histograms, what the kernel says of processes. */
#ifndef COMMON_H
#define COMMON_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define NS 1000000000ull

static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

/* Counts of nanoseconds, in buckets that are at most 1/128 wide. */
struct hist {
    uint64_t n, max;
    uint32_t bucket[36 * 128];
};

void hist_add(struct hist *h, uint64_t ns);
double hist_quantile(const struct hist *h, double q); /* in microseconds */
void hist_print(const char *name, const struct hist *h);

uint64_t process_ns(int pid);  /* CPU that a process's threads have used */
uint64_t core_ns(int core);    /* what a core has worked, interrupts left out */
uint64_t core_irq_ns(int core); /* what it has spent in interrupts, loopback's receiving among them */
long process_rss_kb(int pid);
uint64_t own_ns(void);

int listen_on(int port);
int connect_to(const char *where); /* a port on loopback, or a Unix socket's path; blocking */
void no_delay(int fd);
void set_nonblocking(int fd);
void all_files(void); /* as many open files as the system allows */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
