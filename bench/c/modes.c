/* The load generator's modes: connections that watch while events are published, or that ask again and again. */
#define _GNU_SOURCE
#include "load.h"
#include "publish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

static struct publisher publisher;
static struct watcher *watchers;
static int poll_fd;

static void prepare(void)
{
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    watchers = calloc((size_t)options.conns, sizeof *watchers);
}

static void begin(void)
{
    course.cpu = processes_ns();
    course.own = own_ns();
    course.events = tally.events;
    course.bytes = tally.bytes;
    course.core = options.core >= 0 ? core_ns((int)options.core) : 0;
    course.irq = options.core >= 0 ? core_irq_ns((int)options.core) : 0;
    course.begun = now_ns();
}

/* Watch for input alone, once connected. */
static void listening(struct watcher *w)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = w};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, w->fd, &e);
    w->doing = IDLE;
}

/* How long to wait for input: not at all if something is due. */
static int patience(uint64_t now, uint64_t due)
{
    if (due <= now)
        return 0;
    return due - now > 2 * NS / 1000 ? (int)((due - now) / (NS / 1000)) - 1 : 0;
}

/* Note what each event's data must hold. */
static void mark(struct watcher *w)
{
    for (const char *p = options.mark; p && *p && w->mark_length < 20; p++) {
        if (!strncmp(p, "{i}", 3)) {
            w->mark_length += sprintf(w->mark + w->mark_length, "%d", w->index);
            p += 2;
        } else {
            w->mark[w->mark_length++] = *p;
        }
    }
}

/* Open connections, some at a time; returns when all are connected, or too late. */
static void connect_all(uint64_t deadline, int asks)
{
    long opened = 0, up = 0, answered = 0;
    struct epoll_event got[512];
    while (up < options.conns || (asks && answered < options.conns)) {
        while (opened < options.conns && opened - (asks ? answered : up) < 200) {
            watchers[opened].index = (int)opened;
            mark(&watchers[opened]);
            watcher_connect(&watchers[opened++], &options.request, poll_fd);
        }
        int n = epoll_wait(poll_fd, got, 512, 1000);
        uint64_t now = now_ns();
        if (now > deadline)
            die("only %ld of %ld connections came up, %ld were answered", up, options.conns, answered);
        for (int i = 0; i < n; i++) {
            struct watcher *w = got[i].data.ptr;
            if (w->doing == CONNECTING) {
                if (!watcher_connected(w))
                    die("connection %ld was refused", up);
                listening(w);
                up++;
                if (asks)
                    watcher_ask(w, &options.request, 0);
                continue;
            }
            int had = w->first || (options.ready_when[0] == 'h' && w->doing == STREAMING);
            if (watcher_read(w, now) != GOING)
                die("a stream ended before anything was published: %llu events, status %d",
                    (unsigned long long)w->events, w->reader.status);
            if (!had && (w->first || (options.ready_when[0] == 'h' && w->doing == STREAMING))) {
                answered++;
                hist_add(&tally.first, now - w->asked);
            }
        }
    }
}

static void pump(int wait)
{
    struct epoll_event got[512];
    int n = epoll_wait(poll_fd, got, 512, wait);
    for (int i = 0; i < n; i++) {
        struct watcher *w = got[i].data.ptr;
        if (!w) {
            publisher_read(&publisher);
        } else if (watcher_read(w, now_ns()) != GOING) {
            watcher_close(w);
            course.closed++;
        }
    }
}

void watch(uint64_t deadline)
{
    prepare();
    course.rss = processes_rss();
    connect_all(deadline, 1);
    for (uint64_t until_ns = now_ns() + NS / 4; now_ns() < until_ns;)
        pump(10);
    if (options.hold > 0 || options.others) {
        printf("ready\n");
        fflush(stdout);
    }
    if (options.hold > 0) {
        begin();
        for (uint64_t until_ns = now_ns() + (uint64_t)(options.hold * 1e9); now_ns() < until_ns;)
            pump(10);
        course.ended = now_ns();
        return;
    }
    if (!options.others) {
        publisher_open(&publisher, options.to, options.template_file, options.replies, (uint64_t)options.base);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, publisher.fd, &e);
    }
    begin();
    uint64_t all = (uint64_t)options.count * (uint64_t)options.conns, due = course.begun;
    while (tally.live < all && now_ns() < deadline && course.closed < (uint64_t)options.conns) {
        uint64_t may = 0, left = (uint64_t)options.count - publisher.sent, now = now_ns();
        if (options.others) {
            pump(10);
            continue;
        }
        if (options.rate > 0) {
            while (may < left && due <= now) {
                may++;
                due += (uint64_t)(1e9 / options.rate);
            }
        } else {
            uint64_t in_flight = publisher.sent - tally.live / (uint64_t)options.conns;
            may = (uint64_t)options.window > in_flight ? (uint64_t)options.window - in_flight : 0;
        }
        if (may > left)
            may = left;
        if (may)
            publisher_send(&publisher, may);
        if (publisher.refused)
            die("the publisher was refused: %s", publisher.refusal);
        pump(options.rate > 0 && publisher.sent < (uint64_t)options.count ? patience(now, due) : 10);
    }
    course.ended = now_ns();
    course.done = tally.live / (uint64_t)options.conns;
}

static int finished(const struct watcher *w, enum progress how, uint64_t wanted)
{
    if (options.until[0] == 'f')
        return w->first != 0;
    if (wanted)
        return w->events >= wanted;
    return how == ENDED;
}

void ask(uint64_t deadline)
{
    prepare();
    connect_all(deadline, 0);
    course.rss = processes_rss();
    uint64_t wanted = strtoull(options.until, NULL, 10), due, started = 0, free_count = 0;
    struct watcher **unused = calloc((size_t)options.conns, sizeof *unused);
    for (long i = options.conns - 1; i >= 0; i--)
        unused[free_count++] = &watchers[i];
    begin();
    due = course.begun;
    struct epoll_event got[512];
    while (course.done < (uint64_t)options.total && now_ns() < deadline) {
        uint64_t now = now_ns();
        while (free_count && started < (uint64_t)options.total && (options.rate <= 0 || due <= now)) {
            watcher_ask(unused[--free_count], &options.request, options.rate > 0 ? due : 0);
            started++;
            due += options.rate > 0 ? (uint64_t)(1e9 / options.rate) : 0;
        }
        if (options.rate > 0 && !free_count && started < (uint64_t)options.total && due <= now)
            course.late++;
        int waits = options.rate > 0 && free_count && started < (uint64_t)options.total ? patience(now, due) : 100;
        int n = epoll_wait(poll_fd, got, 512, waits);
        for (int i = 0; i < n; i++) {
            struct watcher *w = got[i].data.ptr;
            if (w->doing == CONNECTING) {
                if (!watcher_connected(w))
                    die("a connection was refused");
                listening(w);
                unused[free_count++] = w;
                continue;
            }
            now = now_ns();
            int had = w->first != 0, was = w->doing;
            enum progress how = watcher_read(w, now);
            if (was == IDLE) { /* closed while idle: open another */
                for (uint64_t k = 0; k < free_count; k++)
                    if (unused[k] == w)
                        unused[k] = unused[--free_count];
                watcher_close(w);
                watcher_connect(w, &options.request, poll_fd);
                continue;
            }
            if (!had && w->first)
                hist_add(&tally.first, w->first - w->asked);
            if (finished(w, how, wanted)) {
                hist_add(&tally.whole, now - w->asked);
                course.done++;
            } else if (how == GOING) {
                continue;
            } else {
                course.closed++; /* before it had what was wanted */
                course.done++;
            }
            if (how == ENDED) {
                w->doing = IDLE;
                unused[free_count++] = w;
            } else {
                watcher_close(w);
                watcher_connect(w, &options.request, poll_fd);
            }
        }
    }
    course.ended = now_ns();
}

