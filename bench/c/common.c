#define _GNU_SOURCE
#include "common.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static unsigned bucket_of(uint64_t v)
{
    if (v < 128)
        return (unsigned)v;
    unsigned high = 63u - (unsigned)__builtin_clzll(v);
    if (high > 41)
        return 36 * 128 - 1;
    return (high - 6) * 128 + (unsigned)(v >> (high - 7)) - 128;
}

static double value_of(unsigned bucket)
{
    if (bucket < 128)
        return bucket;
    unsigned high = bucket / 128 + 6;
    return (double)((uint64_t)(bucket % 128 + 128) << (high - 7)) * (1 + 1.0 / 512);
}

void hist_add(struct hist *h, uint64_t ns)
{
    h->bucket[bucket_of(ns)]++;
    h->n++;
    if (ns > h->max)
        h->max = ns;
}

double hist_quantile(const struct hist *h, double q)
{
    uint64_t wanted = (uint64_t)(q * (double)h->n), seen = 0;
    if (wanted >= h->n)
        return (double)h->max / 1e3;
    for (unsigned b = 0; b < 36 * 128; b++)
        if ((seen += h->bucket[b]) > wanted)
            return value_of(b) / 1e3;
    return (double)h->max / 1e3;
}

void hist_print(const char *name, const struct hist *h)
{
    printf("\"%s\":{\"n\":%llu,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f}",
           name, (unsigned long long)h->n, hist_quantile(h, 0.5), hist_quantile(h, 0.9),
           hist_quantile(h, 0.99), hist_quantile(h, 0.999), (double)h->max / 1e3);
}

static size_t slurp(const char *path, char *into, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t got = read(fd, into, size - 1);
    close(fd);
    into[got > 0 ? got : 0] = 0;
    return got > 0 ? (size_t)got : 0;
}

uint64_t process_ns(int pid)
{
    char path[300], text[200];
    uint64_t sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *threads = opendir(path);
    if (!threads)
        return 0;
    for (struct dirent *e; (e = readdir(threads));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, e->d_name);
        if (slurp(path, text, sizeof text))
            sum += strtoull(text, NULL, 10);
    }
    closedir(threads);
    return sum;
}

static int core_ticks(int core, uint64_t t[10])
{
    static char text[65536];
    char name[16];
    int length = snprintf(name, sizeof name, "cpu%d ", core);
    slurp("/proc/stat", text, sizeof text);
    char *line = strstr(text, name);
    if (!line)
        return 0;
    char *at = line + length;
    for (int i = 0; i < 10; i++)
        t[i] = strtoull(at, &at, 10);
    return 1;
}

uint64_t core_ns(int core)
{
    uint64_t t[10] = {0}; /* user nice system idle iowait irq softirq steal … */
    core_ticks(core, t);
    return (t[0] + t[1] + t[2]) * (NS / (uint64_t)sysconf(_SC_CLK_TCK));
}

uint64_t core_irq_ns(int core)
{
    uint64_t t[10] = {0};
    core_ticks(core, t);
    return (t[5] + t[6]) * (NS / (uint64_t)sysconf(_SC_CLK_TCK));
}

long process_rss_kb(int pid)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (!slurp(path, text, sizeof text))
        return 0;
    char *line = strstr(text, "VmRSS:");
    return line ? strtol(line + 6, NULL, 10) : 0;
}

uint64_t own_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

int listen_on(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 4096))
        die("can't listen on %d: %s", port, strerror(errno));
    return fd;
}

int connect_to(const char *where)
{
    int fd;
    if (where[0] == '/') {
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        snprintf(at.sun_path, sizeof at.sun_path, "%s", where);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&at, sizeof at))
            die("can't connect to %s: %s", where, strerror(errno));
    } else {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(where))};
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&at, sizeof at))
            die("can't connect to port %s: %s", where, strerror(errno));
        no_delay(fd);
    }
    return fd;
}

void no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void set_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void all_files(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}
