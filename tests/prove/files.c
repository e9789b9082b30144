/* The limit of open files that container runtimes give, for nodes that may not give as much: a server that checks it
   before it starts is told so. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/resource.h>

int getrlimit(__rlimit_resource_t resource, struct rlimit *limit)
{
	int (*real)(__rlimit_resource_t, struct rlimit *) = dlsym(RTLD_NEXT, "getrlimit");
	int result = real(resource, limit);
	if (result == 0 && resource == RLIMIT_NOFILE && limit->rlim_max < 65536)
		limit->rlim_cur = limit->rlim_max = 65536;
	return result;
}
