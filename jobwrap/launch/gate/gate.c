/* The gate: the first and last thing of jobwrap that runs inside the container.
 *
 *     gate STATUS GO STDERR COMMAND [ARG...]
 *
 * The runtime is given this program in place of the task's command. It says on the
 * descriptor STATUS that the container stands ("S"), waits on the descriptor GO until
 * jobwrap opens the gate, takes the task's environment from there, puts STDERR in the place
 * of the runtime's stderr, says that it goes ("X") and becomes the task. If the kernel
 * refuses the task's program, it says so with a proof that the task itself cannot give.
 *
 * What comes on GO: the key (16 bytes), the length of what follows (8 bytes, the machine's
 * order), then NUL-ended strings NAME=VALUE that replace or add to the image's environment;
 * a string without "=" removes that name. The end of GO instead of all this means that the
 * inputs never came: the gate ends without a word.
 * What it says when the program cannot be executed: "E", the key, errno (1 byte). The key
 * was read from a pipe and lives in memory that execve throws away, so that no task can
 * forge this: neither by knowing the descriptor nor through /proc of its ancestors.
 *
 * No C library and no file on disk: it is started from a memfd as /proc/self/fd/N, so that it
 * works in an image with nothing in it and on a node whose scratch folder is noexec.
 */

typedef unsigned long word;
enum { KEY = 16, EXIT_NOT_STARTED = 125, PATH_MAX = 4096 };
enum { EINTR = 4, ENOENT = 2, EACCES = 13, ENOTDIR = 20, ENAMETOOLONG = 36 };
enum { F_SETFD = 2, FD_CLOEXEC = 1, PROT_READ_WRITE = 3, MAP_PRIVATE_ANONYMOUS = 0x22 };

#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, MMAP = 9, FCNTL = 72, DUP3 = 292, EXECVE = 59, EXIT_GROUP = 231 };
__asm__(".globl _start\n_start: xor %ebp,%ebp\nmov %rsp,%rdi\nand $-16,%rsp\ncall begin\n");
static long call(long number, word a, word b, word c, word d)
{
	register word r10 __asm__("r10") = d, r8 __asm__("r8") = -1, r9 __asm__("r9") = 0;
	long result;
	__asm__ volatile("syscall" : "=a"(result)
		: "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		: "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
enum { READ = 63, WRITE = 64, MMAP = 222, FCNTL = 25, DUP3 = 24, EXECVE = 221, EXIT_GROUP = 94 };
__asm__(".globl _start\n_start: mov x29,#0\nmov x0,sp\nbl begin\n");
static long call(long number, word a, word b, word c, word d)
{
	register long x8 __asm__("x8") = number;
	register word x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
	register word x3 __asm__("x3") = d, x4 __asm__("x4") = -1, x5 __asm__("x5") = 0;
	__asm__ volatile("svc 0" : "+r"(x0)
		: "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
}
#endif

static void leave(void)
{
	for (;;)
		call(EXIT_GROUP, EXIT_NOT_STARTED, 0, 0, 0);
}

static void say(int fd, const char *bytes, word length)
{
	call(WRITE, fd, (word)bytes, length, 0);
}

static void take(int fd, char *to, word length)
{
	while (length) {
		long got = call(READ, fd, (word)to, length, 0);
		if (got == -EINTR)
			continue;
		if (got <= 0)
			leave();
		to += got;
		length -= got;
	}
}

static void *room_for(word length)
{
	long at = call(MMAP, 0, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS);
	if (at < 0 && at > -4096)
		leave();
	return (void *)at;
}

static int number(const char *digits)
{
	int value = 0;
	while (*digits >= '0' && *digits <= '9')
		value = value * 10 + *digits++ - '0';
	return value;
}

static word length_of(const char *text)
{
	word length = 0;
	while (text[length])
		length++;
	return length;
}

/* Whether both strings have the same NAME before "=" (or before their end). */
static int same_name(const char *a, const char *b)
{
	while (*a && *a == *b && *a != '=') {
		a++;
		b++;
	}
	return (*a == '=' || !*a) && (*b == '=' || !*b);
}

static int has_value(const char *setting)
{
	while (*setting && *setting != '=')
		setting++;
	return *setting == '=';
}

/* The image's environment with the task's settings put over it; the last of a name counts. */
static char **merge(char **image, char *settings, word length)
{
	word count = 1, kept = 0;
	char *end = settings + length, *setting;
	for (char **each = image; *each; each++)
		count++;
	for (setting = settings; setting < end; setting += length_of(setting) + 1)
		count++;
	char **merged = room_for(count * sizeof(char *));
	for (; *image; image++)
		merged[kept++] = *image;
	for (setting = settings; setting < end; setting += length_of(setting) + 1) {
		word at = 0;
		while (at < kept && !same_name(merged[at], setting))
			at++;
		if (has_value(setting)) {
			merged[at] = setting;
			kept += at == kept;
		} else if (at < kept) {
			merged[at] = merged[--kept];
		}
	}
	merged[kept] = 0;
	return merged;
}

static const char *path_in(char **environment)
{
	for (; *environment; environment++)
		if (same_name(*environment, "PATH") && has_value(*environment))
			return *environment + 5;
	return "/usr/local/bin:/usr/bin:/bin";
}

/* execvpe(3), save that a text without "#!" is not handed to a shell: errno if it returns. */
static int execute(char **command, char **environment)
{
	char file[PATH_MAX];
	const char *name = command[0], *path = path_in(environment), *stop;
	word size = length_of(name);
	int why = ENOENT;
	for (word at = 0; at < size; at++)
		if (name[at] == '/')
			return -call(EXECVE, (word)name, (word)command, (word)environment, 0);
	if (!size)
		return ENOENT;
	for (;; path = stop + 1) {
		for (stop = path; *stop && *stop != ':'; stop++)
			;
		word folder = stop - path;
		if (folder + size + 2 <= sizeof file) {
			word end = 0;
			for (word at = 0; at < folder; at++)
				file[end++] = path[at];
			if (folder)
				file[end++] = '/';
			for (word at = 0; at <= size; at++)
				file[end++] = name[at];
			int error = -call(EXECVE, (word)file, (word)command, (word)environment, 0);
			if (error != ENOENT && error != ENOTDIR && error != ENAMETOOLONG && error != EACCES)
				return error;
			if (error == EACCES)
				why = EACCES;
		}
		if (!*stop)
			return why;
	}
}

__attribute__((used)) void begin(long *stack)
{
	long count = stack[0];
	char **arguments = (char **)(stack + 1), **environment = arguments + count + 1;
	char answer[1 + KEY + 1];
	word length;
	if (count < 5)
		leave();
	int status = number(arguments[1]), go = number(arguments[2]), error = number(arguments[3]);
	say(status, "S", 1);
	take(go, answer + 1, KEY);
	take(go, (char *)&length, sizeof length);
	char *settings = room_for(length + 1);
	take(go, settings, length);
	environment = merge(environment, settings, length);
	if (error != 2)
		call(DUP3, error, 2, 0, 0);
	for (int fd = 3; fd < 64; fd++)
		call(FCNTL, fd, F_SETFD, FD_CLOEXEC, 0);
	say(status, "X", 1);
	answer[0] = 'E';
	answer[1 + KEY] = execute(arguments + 4, environment);
	say(status, answer, sizeof answer);
	leave();
}
