/* The limit: what one core can send to watchers when nothing is done but send().
 *
 *   limit PORT     whoever sends a request to PORT is a watcher; whoever connects to PORT + 1 publishes lines
 */
#define _GNU_SOURCE
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM (1 << 20)

static const char HELLO[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                            "d\r\ndata: hello\n\n\r\n";

static int *watchers, count, room;
static char in[ROOM], out[4 * ROOM];
static size_t kept;
static unsigned long told;

static void drop(int fd)
{
    for (int i = 0; i < count; i++)
        if (watchers[i] == fd)
            watchers[i] = watchers[--count];
    close(fd);
}

static void add(int fd)
{
    if (count == room) {
        room = room ? 2 * room : 1024;
        watchers = realloc(watchers, (size_t)room * sizeof *watchers);
    }
    watchers[count++] = fd;
    if (send(fd, HELLO, sizeof HELLO - 1, MSG_NOSIGNAL) < 0)
        perror("send");
}

/* Frame all whole lines as one chunk, and send it to each watcher. */
static void tell(void)
{
    char *body = out + 16, *at = body, *line = in, *end;
    while ((end = memchr(line, '\n', kept - (size_t)(line - in)))) {
        at += sprintf(at, "id: 1-%lu\ndata: ", ++told);
        memcpy(at, line, (size_t)(end - line));
        at += end - line;
        *at++ = '\n';
        *at++ = '\n';
        line = end + 1;
    }
    kept -= (size_t)(line - in);
    memmove(in, line, kept);
    if (at == body)
        return;
    char size[16];
    int digits = sprintf(size, "%zx\r\n", (size_t)(at - body));
    memcpy(body - digits, size, (size_t)digits);
    memcpy(at, "\r\n", 2);
    size_t length = (size_t)(at + 2 - body) + (size_t)digits;
    for (int i = 0; i < count; i++)
        if (send(watchers[i], body - digits, length, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)length)
            perror("send");
}

int main(int argc, char **argv)
{
    if (argc != 2)
        die("limit PORT");
    all_files();
    int port = atoi(argv[1]), guests = listen_on(port), publishers = listen_on(port + 1), source = -1;
    int poll = epoll_create1(EPOLL_CLOEXEC);
    int listening[] = {guests, publishers};
    for (int i = 0; i < 2; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.fd = listening[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, listening[i], &e);
    }
    for (;;) {
        struct epoll_event ready[256];
        int n = epoll_wait(poll, ready, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;
            if (fd == guests || fd == publishers) {
                int guest = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (guest < 0)
                    continue;
                no_delay(guest);
                struct epoll_event e = {.events = EPOLLIN, .data.fd = guest};
                epoll_ctl(poll, EPOLL_CTL_ADD, guest, &e);
                if (fd == publishers)
                    source = guest;
            } else if (fd == source) {
                ssize_t got = recv(fd, in + kept, ROOM - kept, 0);
                if (got <= 0) {
                    close(fd);
                    source = -1;
                    kept = 0;
                    continue;
                }
                kept += (size_t)got;
                tell();
            } else {
                char request[8192];
                if (recv(fd, request, sizeof request, 0) <= 0)
                    drop(fd);
                else
                    add(fd);
            }
        }
    }
}
