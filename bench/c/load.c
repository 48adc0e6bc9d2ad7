/* Load: connections that ask and read streams, every event checked. Options are `name=value`:
 *
 *   port=, path=, header=, body=     what is asked; ports, headers and bodies may be several
 *   conns=N                          connections
 *   mark=TEXT                        each event's data holds this; {i} is the connection's number
 *   pid=, core=                      processes whose CPU and memory are told, and the core that they have
 *   seconds=S                        the most that it may take
 *
 * `mode=watch`: all ask; when each is ready (ready=event|head), events are published and read by all.
 *   to=, template=, replies=, base=  where and what to publish (see publish.h)
 *   count=K, window=W | rate=R       how many events, at most so many in flight or so many a second
 *   hold=S                           or nothing is published: they stay for so long
 *   source=other                     or others publish K events, once all are ready
 *
 * `mode=ask`: requests, one after another on each connection.
 *   total=N, until=first|close|K     how many; each ends with its first event, with its stream, or with K events
 *   rate=R                           begun so many a second, whether others are done or not
 */
#define _GNU_SOURCE
#include "publish.h"
#include "watcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct request request = {.path = "/", .headers = "", .tasks = 1};
static struct publisher publisher;
static struct watcher *watchers;
static const char *mode = "watch", *to, *template_file, *replies = "resp", *until = "first", *ready_when = "event",
                  *mark;
static long conns = 1, count, total = 1, window = 1, base, core = -1, others;
static double rate, hold, seconds = 60;
static int pids[16], pid_count, poll_fd;
static uint64_t ready, done, closed, begun, ended, late;
static uint64_t cpu_before, core_before, irq_before, own_before;
static long rss_before;
static char headers[4096];

static uint64_t processes_ns(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < pid_count; i++)
        sum += process_ns(pids[i]);
    return sum;
}

static long processes_rss(void)
{
    long sum = 0;
    for (int i = 0; i < pid_count; i++)
        sum += process_rss_kb(pids[i]);
    return sum;
}

static void begin(void)
{
    cpu_before = processes_ns();
    own_before = own_ns();
    core_before = core >= 0 ? core_ns((int)core) : 0;
    irq_before = core >= 0 ? core_irq_ns((int)core) : 0;
    begun = now_ns();
}

static void option(const char *name, const char *value)
{
    if (!strcmp(name, "port") && request.port_count < 8) request.ports[request.port_count++] = atoi(value);
    else if (!strcmp(name, "path")) request.path = value;
    else if (!strcmp(name, "header")) strcat(strncat(headers, value, 2000), "\r\n");
    else if (!strcmp(name, "body") && request.body_count < 16) request.bodies[request.body_count++] = value;
    else if (!strcmp(name, "tasks")) request.tasks = atoi(value);
    else if (!strcmp(name, "mode")) mode = value;
    else if (!strcmp(name, "to")) to = value;
    else if (!strcmp(name, "template")) template_file = value;
    else if (!strcmp(name, "replies")) replies = value;
    else if (!strcmp(name, "until")) until = value;
    else if (!strcmp(name, "ready")) ready_when = value;
    else if (!strcmp(name, "mark")) mark = value;
    else if (!strcmp(name, "conns")) conns = atol(value);
    else if (!strcmp(name, "count")) count = atol(value);
    else if (!strcmp(name, "total")) total = atol(value);
    else if (!strcmp(name, "window")) window = atol(value);
    else if (!strcmp(name, "base")) base = atol(value);
    else if (!strcmp(name, "core")) core = atol(value);
    else if (!strcmp(name, "source")) others = 1;
    else if (!strcmp(name, "rate")) rate = atof(value);
    else if (!strcmp(name, "hold")) hold = atof(value);
    else if (!strcmp(name, "seconds")) seconds = atof(value);
    else if (!strcmp(name, "pid") && pid_count < 16) pids[pid_count++] = atoi(value);
    else die("unknown option %s", name);
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

/* Open connections, some at a time; returns when all are connected, or too late. */
static void connect_all(uint64_t deadline, int asks)
{
    long opened = 0, up = 0, answered = 0;
    struct epoll_event got[512];
    while (up < conns || (asks && answered < conns)) {
        while (opened < conns && opened - (asks ? answered : up) < 200) {
            watchers[opened].index = (int)opened;
            if (mark) {
                for (const char *p = mark; *p && watchers[opened].mark_length < 24; p++)
                    if (!strncmp(p, "{i}", 3)) {
                        watchers[opened].mark_length += sprintf(watchers[opened].mark + watchers[opened].mark_length,
                                                                "%ld", opened);
                        p += 2;
                    } else {
                        watchers[opened].mark[watchers[opened].mark_length++] = *p;
                    }
            }
            watcher_connect(&watchers[opened++], &request, poll_fd);
        }
        int n = epoll_wait(poll_fd, got, 512, 1000);
        uint64_t now = now_ns();
        if (now > deadline)
            die("only %ld of %ld connections came up, %ld were answered", up, conns, answered);
        for (int i = 0; i < n; i++) {
            struct watcher *w = got[i].data.ptr;
            if (w->doing == CONNECTING) {
                if (!watcher_connected(w))
                    die("connection %ld was refused", up);
                listening(w);
                up++;
                if (asks)
                    watcher_ask(w, &request, 0);
                continue;
            }
            int had = w->first || (ready_when[0] == 'h' && w->doing == STREAMING);
            if (watcher_read(w, now) != GOING)
                die("a stream ended before anything was published: %llu events, status %d",
                    (unsigned long long)w->events, w->reader.status);
            if (!had && (w->first || (ready_when[0] == 'h' && w->doing == STREAMING))) {
                answered++;
                hist_add(&tally.first, now - w->asked);
            }
        }
    }
    ready = (uint64_t)up;
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
            closed++;
        }
    }
}

static void watch(uint64_t deadline)
{
    rss_before = processes_rss();
    connect_all(deadline, 1);
    for (uint64_t until_ns = now_ns() + NS / 4; now_ns() < until_ns;)
        pump(10);
    if (hold > 0) {
        begin();
        for (uint64_t until_ns = now_ns() + (uint64_t)(hold * 1e9); now_ns() < until_ns;)
            pump(10);
        ended = now_ns();
        return;
    }
    if (others) {
        printf("ready\n");
        fflush(stdout);
    } else {
        publisher_open(&publisher, to, template_file, replies, (uint64_t)base);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, publisher.fd, &e);
    }
    begin();
    uint64_t all = (uint64_t)count * (uint64_t)conns, due = begun;
    while (tally.live < all && now_ns() < deadline && closed < (uint64_t)conns) {
        uint64_t may = 0, left = (uint64_t)count - publisher.sent, now = now_ns();
        if (others) {
            pump(10);
            continue;
        }
        if (rate > 0) {
            while (may < left && due <= now) {
                may++;
                due += (uint64_t)(1e9 / rate);
            }
        } else {
            uint64_t in_flight = publisher.sent - tally.live / (uint64_t)conns;
            may = (uint64_t)window > in_flight ? (uint64_t)window - in_flight : 0;
        }
        if (may > left)
            may = left;
        if (may)
            publisher_send(&publisher, may);
        if (publisher.refused)
            die("the publisher was refused: %s", publisher.refusal);
        pump(rate > 0 && publisher.sent < (uint64_t)count ? patience(now, due) : 10);
    }
    ended = now_ns();
    done = tally.live / (uint64_t)conns;
}

static int finished(const struct watcher *w, enum progress how, uint64_t wanted)
{
    if (until[0] == 'f')
        return w->first != 0;
    if (wanted)
        return w->events >= wanted;
    return how == ENDED;
}

static void ask(uint64_t deadline)
{
    connect_all(deadline, 0);
    rss_before = processes_rss();
    uint64_t wanted = strtoull(until, NULL, 10), due, started = 0, free_count = 0;
    struct watcher **unused = calloc((size_t)conns, sizeof *unused);
    for (long i = conns - 1; i >= 0; i--)
        unused[free_count++] = &watchers[i];
    begin();
    due = begun;
    struct epoll_event got[512];
    while (done < (uint64_t)total && now_ns() < deadline) {
        uint64_t now = now_ns();
        while (free_count && started < (uint64_t)total && (rate <= 0 || due <= now)) {
            watcher_ask(unused[--free_count], &request, rate > 0 ? due : 0);
            started++;
            due += rate > 0 ? (uint64_t)(1e9 / rate) : 0;
        }
        if (rate > 0 && !free_count && started < (uint64_t)total && due <= now)
            late++;
        int waits = rate > 0 && free_count && started < (uint64_t)total ? patience(now, due) : 100;
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
                watcher_connect(w, &request, poll_fd);
                continue;
            }
            if (!had && w->first)
                hist_add(&tally.first, w->first - w->asked);
            if (finished(w, how, wanted)) {
                hist_add(&tally.whole, now - w->asked);
                done++;
            } else if (how == GOING) {
                continue;
            } else {
                closed++; /* before it had what was wanted */
                done++;
            }
            if (how == ENDED) {
                w->doing = IDLE;
                unused[free_count++] = w;
            } else {
                watcher_close(w);
                watcher_connect(w, &request, poll_fd);
            }
        }
    }
    ended = now_ns();
}

static void print(void)
{
    double wall = (double)(ended - begun) / 1e9;
    const struct faults *f = &tally.faults;
    uint64_t bad = f->gaps + f->doubles + f->reordered + f->foreign + f->refused + f->broken;
    int whole = mode[0] == 'a' ? done == (uint64_t)total && !closed : hold > 0 ? !closed : done == (uint64_t)count;
    printf("{\"ok\":%s,\"conns\":%ld,\"events\":%llu,\"live\":%llu,\"done\":%llu,\"closed\":%llu,\"late\":%llu,",
           !bad && whole ? "true" : "false", conns, (unsigned long long)tally.events, (unsigned long long)tally.live,
           (unsigned long long)done, (unsigned long long)closed, (unsigned long long)late);
    printf("\"faults\":{\"gaps\":%llu,\"doubles\":%llu,\"reordered\":%llu,\"foreign\":%llu,\"refused\":%llu,\"broken\":%llu},",
           (unsigned long long)f->gaps, (unsigned long long)f->doubles, (unsigned long long)f->reordered,
           (unsigned long long)f->foreign, (unsigned long long)f->refused, (unsigned long long)f->broken);
    printf("\"bytes\":%llu,\"reads\":%llu,\"wall_s\":%.6f,\"server_s\":%.6f,\"core_s\":%.4f,\"irq_s\":%.4f,\"own_s\":%.6f,",
           (unsigned long long)tally.bytes, (unsigned long long)tally.reads, wall,
           (double)(processes_ns() - cpu_before) / 1e9, core >= 0 ? (double)(core_ns((int)core) - core_before) / 1e9 : 0,
           core >= 0 ? (double)(core_irq_ns((int)core) - irq_before) / 1e9 : 0, (double)(own_ns() - own_before) / 1e9);
    printf("\"rss_before_kb\":%ld,\"rss_kb\":%ld,", rss_before, processes_rss());
    hist_print("latency", &tally.live_latency);
    putchar(',');
    hist_print("first", &tally.first);
    putchar(',');
    hist_print("whole", &tally.whole);
    printf("}\n");
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            die("options are name=value, this is %s", argv[i]);
        *value = 0;
        option(argv[i], value + 1);
    }
    if (!request.port_count)
        die("port= is missing");
    request.headers = headers;
    all_files();
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    watchers = calloc((size_t)conns, sizeof *watchers);
    uint64_t deadline = now_ns() + (uint64_t)(seconds * 1e9);
    if (mode[0] == 'a')
        ask(deadline);
    else
        watch(deadline);
    print();
    return 0;
}
