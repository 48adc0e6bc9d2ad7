#define _GNU_SOURCE
#include "watcher.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM (1 << 18)

struct tally tally;
static uint64_t requests, now;

void watcher_connect(struct watcher *w, const struct request *r, int poll)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    at.sin_port = htons((uint16_t)r->ports[w->index % r->port_count]);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (w->fd < 0)
        die("can't open another connection: %s", strerror(errno));
    no_delay(w->fd);
    if (connect(w->fd, (struct sockaddr *)&at, sizeof at) && errno != EINPROGRESS)
        die("can't connect: %s", strerror(errno));
    w->doing = CONNECTING;
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = w};
    epoll_ctl(poll, EPOLL_CTL_ADD, w->fd, &e);
}

int watcher_connected(struct watcher *w)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error == 0;
}

/* Write a text with its places filled in; returns its length. */
static size_t filled(char *into, size_t room, const char *text, const struct watcher *w, const struct request *r)
{
    size_t length = 0;
    while (*text && length + 24 < room) {
        if (text[0] == '{' && text[1] && text[2] == '}' && strchr("int", text[1])) {
            uint64_t value = text[1] == 'i' ? (uint64_t)w->index
                             : text[1] == 'n' ? requests
                                              : (uint64_t)(w->index % r->tasks);
            length += (size_t)sprintf(into + length, "%llu", (unsigned long long)value);
            text += 3;
        } else {
            into[length++] = *text++;
        }
    }
    into[length] = 0;
    return length;
}

void watcher_ask(struct watcher *w, const struct request *r, uint64_t since)
{
    char body[8192], out[16384];
    size_t length = 0;
    if (r->body_count)
        length = filled(body, sizeof body, r->bodies[requests % (uint64_t)r->body_count], w, r);
    int head = snprintf(out, sizeof out, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s", length ? "POST" : "GET", r->path,
                        r->headers);
    if (length)
        head += sprintf(out + head, "Content-Length: %zu\r\n", length);
    head += sprintf(out + head, "\r\n");
    memcpy(out + head, body, length);
    requests++;
    reader_reset(&w->reader);
    w->events = w->live = w->first = w->epoch = w->offset = 0;
    w->number = -1;
    w->doing = ASKING;
    w->asked = since ? since : now_ns();
    ssize_t total = (ssize_t)((size_t)head + length);
    if (send(w->fd, out, (size_t)total, MSG_NOSIGNAL) != total)
        tally.faults.broken++;
}

static uint64_t digits(const char **p, const char *end)
{
    uint64_t value = 0;
    for (; *p < end && **p >= '0' && **p <= '9'; ++*p)
        value = value * 10 + (uint64_t)(**p - '0');
    return value;
}

/* Positions are <epoch>-<offset>: offsets have no hole, epochs never go back. */
static void check_position(struct watcher *w, const struct event *e)
{
    const char *p = e->id, *end = e->id + e->id_length;
    uint64_t epoch = digits(&p, end);
    if (p == end || *p++ != '-')
        return; /* a peer's */
    uint64_t offset = digits(&p, end);
    if (w->offset) {
        if (offset == w->offset)
            tally.faults.doubles++;
        else if (offset < w->offset || epoch < w->epoch)
            tally.faults.reordered++;
        else if (offset > w->offset + 1)
            tally.faults.gaps++;
    }
    w->epoch = epoch;
    w->offset = offset;
}

/* Find a text where it stood in the event before, else anywhere. */
static const char *found(const struct event *e, const char *text, size_t length, unsigned *at)
{
    if (*at + length <= e->data_length && !memcmp(e->data + *at, text, length))
        return e->data + *at;
    const char *p = memmem(e->data, e->data_length, text, length);
    if (p)
        *at = (unsigned)(p - e->data);
    return p;
}

static void take(void *who, const struct event *e)
{
    struct watcher *w = who;
    w->events++;
    tally.events++;
    if (!w->first)
        w->first = now;
    if (e->id)
        check_position(w, e);
    if (w->mark_length && !found(e, w->mark, (size_t)w->mark_length, &w->mark_at))
        tally.faults.foreign++;
    const char *p = found(e, "seq=", 4, &w->number_at), *end = e->data + e->data_length;
    if (!p)
        return;
    p += 4;
    int64_t number = (int64_t)digits(&p, end);
    if (number == w->number)
        tally.faults.doubles++;
    else if (number < w->number)
        tally.faults.reordered++;
    else if (number > w->number + 1)
        tally.faults.gaps++;
    w->number = number;
    w->live++;
    tally.live++;
    if (end - p > 4 && !memcmp(p, " ts=", 4)) {
        p += 4;
        uint64_t sent = digits(&p, end);
        hist_add(&tally.live_latency, now > sent ? now - sent : 0);
    }
}

enum progress watcher_read(struct watcher *w, uint64_t at)
{
    static char in[ROOM];
    now = at;
    for (;;) {
        ssize_t n = recv(w->fd, in, ROOM, 0);
        if (n < 0 && errno == EAGAIN)
            return GOING;
        if (n <= 0)
            return BROKEN;
        tally.bytes += (uint64_t)n;
        tally.reads++;
        enum progress how = reader_feed(&w->reader, in, (size_t)n, take, w);
        if (w->doing == ASKING && reader_has_head(&w->reader)) {
            w->doing = STREAMING;
            if (w->reader.status != 200 && !tally.faults.refused++)
                fprintf(stderr, "answered %d: %.*s\n", w->reader.status, (int)(n < 600 ? n : 600), in);
        }
        if (how != GOING || n < ROOM)
            return how;
    }
}

void watcher_close(struct watcher *w)
{
    close(w->fd);
    w->fd = -1;
    w->doing = GONE;
    reader_free(&w->reader);
}
