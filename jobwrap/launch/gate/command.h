/* The task's environment and the search for its program. */

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
	char **merged = room_for(count * sizeof(char *), MAP_PRIVATE_ANONYMOUS);
	if (!merged)
		return 0;
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

/* Why there is no program: errno, and whether a file of that name is there all the same. */
typedef struct { int why, found; } refusal;

static void try(const char *file, char **command, char **environment, refusal *no)
{
	no->why = -call(EXECVE, (word)file, (word)command, (word)environment, 0);
	/* ENOENT can also be meant for the interpreter of "#!" or the dynamic loader. */
	no->found |= no->why != ENOENT || !call(FACCESSAT, AT_FDCWD, (word)file, F_OK, 0);
}

/* execvpe(3), save that a text without "#!" is not handed to a shell. Returns if it failed. */
static refusal execute(char **command, char **environment)
{
	enum { PATH_MAX = 4096 };
	char file[PATH_MAX];
	const char *name = command[0], *path = path_in(environment), *stop;
	word size = length_of(name);
	refusal no = { ENOENT, 0 };
	int denied = 0;
	for (word at = 0; at < size; at++)
		if (name[at] == '/') {
			try(name, command, environment, &no);
			return no;
		}
	for (; size; path = stop + 1) {
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
			try(file, command, environment, &no);
			denied |= no.why == EACCES;
			if (no.why != ENOENT && no.why != ENOTDIR && no.why != ENAMETOOLONG && no.why != EACCES)
				return no;
		}
		if (!*stop)
			break;
	}
	no.why = denied ? EACCES : ENOENT;
	return no;
}
