/* Watches what a process does to one folder; writes it down, ends the process at a chosen step, or makes a step fail.
 *
 * It is preloaded (LD_PRELOAD) and asleep until the process calls `crash_shim_watch`; children made by exec start asleep.
 * Every call that changes the folder, or asks for it to be on the disk, is a step, numbered from 1. What the process does
 * elsewhere is not looked at. The C library calls itself without passing here: of stdio, `fopen` and `fwrite` are caught,
 * and `fwrite` is flushed at once, so that NumPy's and FAISS's own writers are seen as well. A change by mmap is not seen;
 * but each sync writes down the whole file, so that what a disk holds after a sync is always known.
 * This file knows nothing of what is in the folder. tests/crash/shim.py compiles it and reads what it writes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { WATCH, KILL_BEFORE, KILL_HALFWAY, DISK_FULL, SYNC_FAILS, FILE_LIMIT };
enum kind {
    CREATE = 'c', WRITE = 'w', TRUNCATE = 't', SYNC = 's', RENAME = 'r', LINK = 'l', UNLINK = 'u', MAKE_FOLDER = 'm',
    REMOVE_FOLDER = 'd'
};

/* One step in the journal; two paths and the data follow. */
struct __attribute__((packed)) record {
    uint8_t kind;
    uint32_t number;
    uint64_t file; /* inode */
    int64_t offset;
    uint32_t path_size, other_size;
    uint64_t data_size;
};

static const int GO_ON = 0, HALFWAY = -1; /* what `step` returns; otherwise the error to fail with */

static char root[PATH_MAX];
static size_t root_size;
static enum mode mode;
static long chosen, steps;
static int journal = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name); real; })

/* Begin to watch `folder` (without symbolic links in its path). `step` is the one that `what` is about, or how large a file of this
 * process may be; the journal may be NULL. */
void crash_shim_watch(const char *folder, int what, long step, const char *journal_path) {
    mode = what;
    chosen = step;
    steps = 0;
    journal = journal_path ? REAL(open)(journal_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    strcpy(root, folder);
    root_size = strlen(root);
    if (mode == FILE_LIMIT && setrlimit(RLIMIT_FSIZE, &(struct rlimit){step, step})) abort();
}

/* Return how many steps there were. */
long crash_shim_steps(void) { return steps; }

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static int is_below(const char *path) {
    return root_size && !strncmp(path, root, root_size) && (path[root_size] == '/' || !path[root_size]);
}

static int descriptor_path(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    path[size < 0 ? 0 : size] = 0;
    return is_below(path);
}

/* Make a path absolute, without links being followed; return whether it is below the folder that is watched. */
static int absolute(int folder, const char *name, char *path) {
    char start[PATH_MAX] = "";
    if (!root_size) return 0;
    if (name[0] != '/') {
        if (folder == AT_FDCWD) { if (!getcwd(start, sizeof start)) start[0] = 0; }
        else descriptor_path(folder, start);
    }
    if (snprintf(path, PATH_MAX, "%s%s%s", start, start[0] ? "/" : "", name) >= PATH_MAX) return 0;
    return is_below(path);
}

static int step(enum kind kind) {
    steps++;
    switch (mode) {
        case KILL_BEFORE: if (steps == chosen) die(); break;
        case KILL_HALFWAY: if (steps == chosen) { if (kind != WRITE) die(); return HALFWAY; } break;
        case DISK_FULL: /* the last room is taken by half of a write, then there is none */
            if (steps == chosen && kind == WRITE) return HALFWAY;
            if (steps >= chosen && (kind == WRITE || kind == CREATE || kind == MAKE_FOLDER)) return ENOSPC;
            break;
        case SYNC_FAILS: if (steps == chosen && kind == SYNC) return EIO; break;
        case WATCH: case FILE_LIMIT: break;
    }
    return GO_ON;
}

static void record(enum kind kind, uint64_t file, int64_t offset, const char *path, const char *other, const void *data, size_t size) {
    if (journal < 0) return;
    struct record head = {kind, steps, file, offset, strlen(path), strlen(other), size};
    struct iovec parts[] = {
        {&head, sizeof head}, {(void *)path, head.path_size}, {(void *)other, head.other_size}, {(void *)data, size}};
    if (REAL(writev)(journal, parts, 4) != (ssize_t)(sizeof head + head.path_size + head.other_size + size)) abort();
}

static uint64_t inode(int descriptor) {
    struct stat status;
    return fstat(descriptor, &status) ? 0 : status.st_ino;
}

static uint64_t inode_at(const char *path) {
    struct stat status;
    return lstat(path, &status) ? 0 : status.st_ino;
}

/* Files that are opened to be made or emptied */

static int open_any(int folder, const char *name, int flags, mode_t access) {
    char path[PATH_MAX];
    if (!(flags & (O_CREAT | O_TRUNC)) || !absolute(folder, name, path) || (inode_at(path) && !(flags & O_TRUNC)))
        return REAL(openat)(folder, name, flags, access);
    pthread_mutex_lock(&lock);
    int error = step(CREATE), descriptor = -1;
    if (error == GO_ON) {
        descriptor = REAL(openat)(folder, name, flags, access);
        if (descriptor >= 0) record(CREATE, inode(descriptor), 0, path, "", "", 0);
    } else errno = error;
    pthread_mutex_unlock(&lock);
    return descriptor;
}

static mode_t access_of(int flags, va_list rest) {
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t access = access_of(flags, rest); \
        va_end(rest); \
        return open_any(AT_FDCWD, path, flags, access); \
    }
#define OPEN_AT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t access = access_of(flags, rest); \
        va_end(rest); \
        return open_any(folder, path, flags, access); \
    }
OPEN(open)
OPEN(open64)
OPEN_AT(openat)
OPEN_AT(openat64)

int creat(const char *path, mode_t access) { return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, access); }
int creat64(const char *path, mode_t access) { return creat(path, access); }

static FILE *open_stream(const char *name, const char *how, FILE *(*real)(const char *, const char *)) {
    char path[PATH_MAX];
    if (how[0] == 'r' || !absolute(AT_FDCWD, name, path) || (how[0] == 'a' && inode_at(path))) return real(name, how);
    pthread_mutex_lock(&lock);
    int error = step(CREATE);
    FILE *stream = NULL;
    if (error == GO_ON) {
        stream = real(name, how);
        if (stream) record(CREATE, inode(fileno(stream)), 0, path, "", "", 0);
    } else errno = error;
    pthread_mutex_unlock(&lock);
    return stream;
}

FILE *fopen(const char *name, const char *how) { return open_stream(name, how, REAL(fopen)); }
FILE *fopen64(const char *name, const char *how) { return open_stream(name, how, REAL(fopen64)); }

/* Bytes */

static ssize_t put(int descriptor, const void *data, size_t size, off_t offset, int is_positioned) {
    pthread_mutex_lock(&lock);
    int error = step(WRITE);
    if (!is_positioned)
        offset = fcntl(descriptor, F_GETFL) & O_APPEND ? lseek(descriptor, 0, SEEK_END) : lseek(descriptor, 0, SEEK_CUR);
    ssize_t done = -1;
    if (error == HALFWAY && mode == DISK_FULL && size < 2) error = ENOSPC;
    if (error == GO_ON || error == HALFWAY) {
        size_t part = error == HALFWAY ? size / 2 : size;
        done = is_positioned ? REAL(pwrite)(descriptor, data, part, offset) : REAL(write)(descriptor, data, part);
        if (mode == KILL_HALFWAY && error == HALFWAY) die();
        if (done > 0) record(WRITE, inode(descriptor), offset, "", "", data, done);
    } else errno = error;
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int descriptor, const void *data, size_t size) {
    char path[PATH_MAX];
    if (!root_size || !descriptor_path(descriptor, path)) return REAL(write)(descriptor, data, size);
    return put(descriptor, data, size, 0, 0);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset) {
    char path[PATH_MAX];
    if (!root_size || !descriptor_path(descriptor, path)) return REAL(pwrite)(descriptor, data, size, offset);
    return put(descriptor, data, size, offset, 1);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset) {
    return pwrite(descriptor, data, size, offset);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    if (!root_size || !descriptor_path(descriptor, path)) return REAL(writev)(descriptor, parts, count);
    size_t size = 0, end = 0;
    for (int number = 0; number < count; number++) size += parts[number].iov_len;
    char *data = malloc(size ? size : 1);
    if (!data) abort();
    for (int number = 0; number < count; end += parts[number++].iov_len)
        memcpy(data + end, parts[number].iov_base, parts[number].iov_len);
    ssize_t done = put(descriptor, data, size, 0, 0);
    free(data);
    return done;
}

size_t fwrite(const void *data, size_t size, size_t count, FILE *stream) {
    char path[PATH_MAX];
    if (!root_size || fileno(stream) < 0 || !descriptor_path(fileno(stream), path)) return REAL(fwrite)(data, size, count, stream);
    pthread_mutex_lock(&lock);
    fflush(stream);
    off_t offset = ftello(stream);
    int error = step(WRITE);
    size_t done = 0;
    if (error == GO_ON || error == HALFWAY) {
        done = REAL(fwrite)(data, size, error == HALFWAY ? count / 2 : count, stream);
        fflush(stream);
        if (error == HALFWAY && mode == KILL_HALFWAY) die();
        if (error == HALFWAY) errno = ENOSPC;
        record(WRITE, inode(fileno(stream)), offset, "", "", data, size * done);
    } else errno = error;
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate(int descriptor, off_t size) {
    char path[PATH_MAX];
    if (!root_size || !descriptor_path(descriptor, path)) return REAL(ftruncate)(descriptor, size);
    pthread_mutex_lock(&lock);
    step(TRUNCATE);
    int result = REAL(ftruncate)(descriptor, size);
    if (!result) record(TRUNCATE, inode(descriptor), size, "", "", "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate64(int descriptor, off64_t size) { return ftruncate(descriptor, size); }

/* Only a file that is open for writing alone is opened again: closing a file gives up SQLite's locks on it. */
static void read_whole(int descriptor, char *data, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    int is_closed = (fcntl(descriptor, F_GETFL) & O_ACCMODE) == O_WRONLY;
    int readable = is_closed ? REAL(open)(link, O_RDONLY | O_CLOEXEC) : descriptor;
    if (pread(readable, data, size, 0) != (ssize_t)size) abort();
    if (is_closed) close(readable);
}

static void record_sync(int descriptor, const char *path) {
    struct stat status;
    if (journal < 0 || fstat(descriptor, &status)) return;
    int is_file = S_ISREG(status.st_mode);
    size_t size = is_file ? status.st_size : 0;
    char *data = malloc(size + 1);
    if (!data) abort();
    if (is_file) read_whole(descriptor, data, size);
    record(SYNC, status.st_ino, 0, path, is_file ? "" : "folder", data, size);
    free(data);
}

/* What is watched is not really synced: no test cuts the power of this machine, and it would take most of their time. */
static int sync_any(int descriptor, int (*real)(int)) {
    char path[PATH_MAX];
    if (!root_size || !descriptor_path(descriptor, path)) return real(descriptor);
    pthread_mutex_lock(&lock);
    int error = step(SYNC);
    if (error == GO_ON) record_sync(descriptor, path);
    else errno = error;
    pthread_mutex_unlock(&lock);
    return error == GO_ON ? 0 : -1;
}

int fsync(int descriptor) { return sync_any(descriptor, REAL(fsync)); }
int fdatasync(int descriptor) { return sync_any(descriptor, REAL(fdatasync)); }

/* Names */

int renameat2(int old_folder, const char *old_name, int new_folder, const char *new_name, unsigned flags) {
    char old_path[PATH_MAX], new_path[PATH_MAX];
    int is_watched = absolute(old_folder, old_name, old_path) | absolute(new_folder, new_name, new_path);
    if (!is_watched) return REAL(renameat2)(old_folder, old_name, new_folder, new_name, flags);
    pthread_mutex_lock(&lock);
    step(RENAME);
    int result = REAL(renameat2)(old_folder, old_name, new_folder, new_name, flags);
    if (!result) record(RENAME, inode_at(new_path), 0, old_path, new_path, "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int renameat(int old_folder, const char *old_name, int new_folder, const char *new_name) {
    return renameat2(old_folder, old_name, new_folder, new_name, 0);
}

int rename(const char *old_name, const char *new_name) { return renameat2(AT_FDCWD, old_name, AT_FDCWD, new_name, 0); }

int linkat(int old_folder, const char *old_name, int new_folder, const char *new_name, int flags) {
    char old_path[PATH_MAX], new_path[PATH_MAX];
    absolute(old_folder, old_name, old_path);
    if (!absolute(new_folder, new_name, new_path)) return REAL(linkat)(old_folder, old_name, new_folder, new_name, flags);
    pthread_mutex_lock(&lock);
    step(LINK);
    int result = REAL(linkat)(old_folder, old_name, new_folder, new_name, flags);
    if (!result) record(LINK, inode_at(new_path), 0, old_path, new_path, "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int link(const char *old_name, const char *new_name) { return linkat(AT_FDCWD, old_name, AT_FDCWD, new_name, 0); }

static int remove_any(int folder, const char *name, int flags) {
    char path[PATH_MAX];
    if (!absolute(folder, name, path)) return REAL(unlinkat)(folder, name, flags);
    enum kind kind = flags & AT_REMOVEDIR ? REMOVE_FOLDER : UNLINK;
    pthread_mutex_lock(&lock);
    step(kind);
    int result = REAL(unlinkat)(folder, name, flags);
    if (!result) record(kind, 0, 0, path, "", "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *name) { return remove_any(AT_FDCWD, name, 0); }
int unlinkat(int folder, const char *name, int flags) { return remove_any(folder, name, flags); }
int rmdir(const char *name) { return remove_any(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int folder, const char *name, mode_t access) {
    char path[PATH_MAX];
    if (!absolute(folder, name, path) || inode_at(path)) return REAL(mkdirat)(folder, name, access);
    pthread_mutex_lock(&lock);
    int error = step(MAKE_FOLDER), result = -1;
    if (error == GO_ON) {
        result = REAL(mkdirat)(folder, name, access);
        if (!result) record(MAKE_FOLDER, inode_at(path), 0, path, "", "", 0);
    } else errno = error;
    pthread_mutex_unlock(&lock);
    return result;
}

int mkdir(const char *name, mode_t access) { return mkdirat(AT_FDCWD, name, access); }
