/* The gate: the one process of jobwrap's inside the container, and the task's parent.
 *
 *     gate CHANNEL SETTINGS STDERR COMMAND [ARG...]
 *
 * The runtime is given this program in place of the task's command. It says on CHANNEL, a
 * socket of packets, that the container stands ("S") and waits there until jobwrap opens the
 * gate: a packet of a key (16 bytes) and of the length of what lies in the file SETTINGS,
 * NUL-ended strings NAME=VALUE that replace or add to the image's environment; a string
 * without "=" removes that name. The end of CHANNEL instead means that the inputs never
 * came: the gate ends without a word. Opened, it starts the task with STDERR as its stderr,
 * hands on the signals that it gets and, when the task has ended, says how. Each thing that
 * it says then is one struct report, with the key, which nothing but jobwrap and this
 * process ever had: what lacks it was not said by the gate.
 *
 * The task cannot reach the channel: its own copy was closed by execve, that of this process
 * is out of reach for one of the same user (PR_SET_DUMPABLE), and a socket, unlike a pipe,
 * cannot be opened through /proc/PID/fd of a process that also has it. Nor can the task end
 * the gate where that is the first process of its PID namespace. Elsewhere it can, and is
 * killed with it; then the channel ends without a word on how the task ended.
 *
 * No C library and no file on disk: it is started from memory as /proc/self/fd/N, so that it
 * works in an image with nothing in it and on a node whose scratch folder is noexec.
 */

#include "machine.h"
#include "command.h"

enum { KEY = 16, NOT_OPENED = 125, NOT_EXECUTABLE = 126, NOT_FOUND = 127, BY_SIGNAL = 128 };

typedef struct { char key[KEY]; word length; } opening;

/* 'X': the task begins. 'E': it could not be executed: errno `number`; `found`: its file
 * exists. 'D': it ended: wait status `number`; `used` by it and by those of its children that
 * it waited for. */
typedef struct {
	char key[KEY];
	int letter, number, found, nothing;
	usage used;
} report;

static void say(int channel, report *said, char letter, int number)
{
	said->letter = letter;
	said->number = number;
	call(WRITE, channel, (word)said, sizeof *said, 0);
}

/* For descriptors first to last: closed now, or when the task is executed. */
static void close_all(unsigned first, unsigned last, int how)
{
	if (first > last || !call(CLOSE_RANGE, first, last, how, 0))
		return;
	/* Before Linux 5.11. */
	for (unsigned fd = first; fd <= last && fd < 1024; fd++)
		if (how == CLOSE_RANGE_CLOEXEC)
			call(FCNTL, fd, F_SETFD, FD_CLOEXEC, 0);
		else
			call(CLOSE, fd, 0, 0, 0);
}

static int number(const char *digits)
{
	int value = 0;
	while (*digits >= '0' && *digits <= '9')
		value = value * 10 + *digits++ - '0';
	return value;
}

static void block_signals(word which)
{
	call(RT_SIGPROCMASK, SIG_SETMASK, (word)&which, 0, sizeof which);
}

static char *read_settings(int file, word length)
{
	/* At least one byte, since no mapping is empty. */
	char *settings = room_for(length + 1, MAP_PRIVATE_ANONYMOUS);
	for (word have = 0; settings && have < length;) {
		long got = call(PREAD64, file, (word)settings + have, length - have, have);
		if (got <= 0 && got != -EINTR)
			return 0;
		have += got > 0 ? got : 0;
	}
	return settings;
}

static void wait_for_opening(int channel, opening *go)
{
	long got;
	while ((got = call(READ, channel, (word)go, sizeof *go, 0)) == -EINTR)
		;
	if (got != sizeof *go)
		leave(NOT_OPENED);
}

/* The child's part: nothing of the gate stays with the task, neither masks nor groups. */
static void become_task(int gate, char **command, char **environment, volatile refusal *no)
{
	action normal = { 0, 0, 0, 0 };
	call(PRCTL, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
	if (call(GETPPID, 0, 0, 0, 0) != gate)
		leave(NOT_OPENED);
	/* A task that does `kill 0` must not end the one that tells of it. */
	call(SETPGID, 0, 0, 0, 0);
	for (int signal = 1; signal <= SIGNALS; signal++)
		call(RT_SIGACTION, signal, (word)&normal, 0, sizeof normal.mask);
	block_signals(0);
	*no = execute(command, environment);
	leave(NOT_EXECUTABLE);
}

/* Hands signals on until the task is gone; gives its wait status. Other children are orphans
 * that the kernel gave to the gate where it is the first process of its namespace. */
static int attend(int task, usage *used)
{
	word all = -1;
	int status, ended;
	for (;;) {
		int signal = call(RT_SIGTIMEDWAIT, (word)&all, 0, 0, sizeof all);
		if (signal == SIGCHLD) {
			while ((ended = call(WAIT4, -1, (word)&status, WNOHANG, (word)used)) > 0)
				if (ended == task)
					return status;
		} else if (signal > 0 && signal != SIGPIPE) {
			/* SIGPIPE is the gate's own: jobwrap no longer listens. */
			call(KILL, task, signal, 0, 0);
		}
	}
}

/* Runs the task from start to end; gives the exit code that stands for how it ended. */
static int run(int channel, char **command, char **environment, report *said)
{
	volatile refusal *no = room_for(sizeof *no, MAP_SHARED_ANONYMOUS);
	int gate = call(GETPID, 0, 0, 0, 0), status, signal;
	/* In a container the keys of jobwrap's session, such as tokens of AFS or Kerberos, are not the
	 * task's. It keeps them where the user has no room for one more keyring (200 are usual). */
	if (gate == 1)
		call(KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0);
	/* Said first: the first thing that a task does can be to kill the gate. */
	say(channel, said, 'X', 0);
	int task = environment && no ? call(CLONE, SIGCHLD, 0, 0, 0) : -ENOMEM;
	if (!task)
		become_task(gate, command, environment, no);
	if (task < 0) {
		say(channel, said, 'E', -task);
		return NOT_EXECUTABLE;
	}
	/* Whoever reads what the task writes waits for the last one who could still write. */
	close_all(0, channel - 1, 0);
	close_all(channel + 1, -1, 0);
	call(CHDIR, (word)"/", 0, 0, 0);
	status = attend(task, &said->used);
	if (no->why) {
		said->found = no->found;
		say(channel, said, 'E', no->why);
		return no->why == ENOENT ? NOT_FOUND : NOT_EXECUTABLE;
	}
	say(channel, said, 'D', status);
	signal = status & 127;
	/* Not by the same signal: the first process of a namespace cannot kill itself. */
	return signal ? BY_SIGNAL + signal : status >> 8 & 255;
}

__attribute__((used)) void begin(long *stack)
{
	long count = stack[0];
	char **arguments = (char **)(stack + 1), **environment = arguments + count + 1, *settings;
	action normal = { 0, 0, 0, 0 };
	report *said = room_for(sizeof *said, MAP_PRIVATE_ANONYMOUS);
	opening go;
	if (count < 5 || !said)
		leave(NOT_OPENED);
	int channel = number(arguments[1]), file = number(arguments[2]), error = number(arguments[3]);
	call(PRCTL, PR_SET_DUMPABLE, 0, 0, 0);
	call(PRCTL, PR_SET_NAME, (word)"jobwrap-gate", 0, 0);
	/* A signal that comes before the task is there waits for it. */
	block_signals(-1);
	/* Who ignores it is not told how a child ended. */
	call(RT_SIGACTION, SIGCHLD, (word)&normal, 0, sizeof normal.mask);
	call(WRITE, channel, (word)"S", 1, 0);
	wait_for_opening(channel, &go);
	for (int at = 0; at < KEY; at++)
		said->key[at] = go.key[at];
	settings = read_settings(file, go.length);
	environment = settings ? merge(environment, settings, go.length) : 0;
	if (error != 2)
		call(DUP3, error, 2, 0, 0);
	close_all(3, -1, CLOSE_RANGE_CLOEXEC);
	leave(run(channel, arguments + 4, environment, said));
}
