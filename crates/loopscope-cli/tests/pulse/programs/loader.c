/* Loads an object that polls, after the program has started. */
#include "common.h"
#include <dlfcn.h>

int main(int count, char **words)
{
    alarm(30);
    void *plugin = dlopen(words[count - 1], RTLD_NOW | RTLD_LOCAL);
    if (!plugin)
        return 9;
    printf("%d\n", dlerror() == NULL);
    void (*polls)(void) = (void (*)(void))dlsym(plugin, "polls");
    polls();
    return 3;
}
