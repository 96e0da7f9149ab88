// Loads the pulse when it runs already, and polls: by name, and by the address of the function.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

typedef int (*Wait)(int, struct epoll_event *, int, int);

int main(void) {
    void *pulse = dlopen(getenv("PULSE"), RTLD_NOW | RTLD_GLOBAL);
    if (!pulse) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    int (*hook)(const void *) = (int (*)(const void *))dlsym(pulse, "loopscope_pulse_hook");
    struct epoll_event event;
    int set = epoll_create1(0);
    epoll_wait(set, &event, 1, 0);
    int first = hook(NULL);
    // Where the program is no position-independent one, these are its own stubs.
    Wait volatile by_address = epoll_wait;
    int (*volatile close_by_address)(int) = close;
    for (int turn = 0; turn < 10; turn++) {
        epoll_wait(set, &event, 1, 1);
        by_address(set, &event, 1, 1);
    }
    int second = hook(NULL);
    close_by_address(dup(0));
    close(set);
    printf("%d %d\n", first > 0, second);
    return 3;
}
