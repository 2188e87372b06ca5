/*
 * The configuration: what conf_load() makes of files, environment and
 * flags, and the lines it complains of.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/conf.h"
#include "common/nitems.h"
#include "tests/scratch_dir.h"

static char dir[64];
static char path[128];
static struct conf_problems problems;
static struct conf *conf;

static void
write_file(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd != -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int
setup(void **state)
{
	(void)state;
	scratch_dir_make(dir, sizeof(dir), NULL);
	snprintf(path, sizeof(path), "%s/cctgd.conf", dir);
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	conf_free(conf);
	conf = NULL;
	conf_problems_free(&problems);
	return (scratch_dir_remove(dir));
}

static struct conf *
load_as(const char *text, const char *const *env, const char *progname,
    uid_t uid)
{
	struct conf_source source = { .progname = progname,
		.env = (char *const *)env,
		.cwd = dir, .uid = uid };

	conf_free(conf);
	conf_problems_free(&problems);
	if (text != NULL) {
		write_file(path, text, 0644);
		source.file = path;
	}
	conf = conf_load(&source, &problems);
	return (conf);
}

static struct conf *
load(const char *text)
{
	static char home[80];
	const char *env[] = { home, "TELEGRAM_BOT_TOKEN=1:x", NULL };

	snprintf(home, sizeof(home), "HOME=%s", dir);
	return (load_as(text, env, "cctgd", 1000));
}

/* The problem must stand on that line and contain the text. */
static void
assert_problem(int line, const char *text)
{
	char at[200];
	size_t i;

	snprintf(at, sizeof(at), "%s:%d: ", path, line);
	for (i = 0; i < problems.n; i++)
		if (strstr(problems.v[i].text, text) != NULL &&
		    (line == 0 || strncmp(problems.v[i].text, at,
		    strlen(at)) == 0))
			return;
	for (i = 0; i < problems.n; i++)
		print_message("%s\n", problems.v[i].text);
	fail_msg("no problem \"%s\" on line %d", text, line);
}

static void
test_defaults_are_those_of_the_table(void **state)
{
	char want[128];

	(void)state;
	assert_non_null(load(""));
	assert_int_equal(problems.nerrors, 0);
	assert_int_equal(conf->mode, MODE_LOCAL);
	assert_int_equal(conf->style, STYLE_CONCISE);
	assert_string_equal(conf->api_url, "https://api.telegram.org");
	assert_true(conf->mark_resent);
	assert_int_equal(conf->ttl_ms, 7 * 86400000LL);
	assert_int_equal(conf->dedup_window_ms, 5000);
	assert_int_equal(conf->monitor_listen.n, 2);
	assert_string_equal(conf->monitor_listen.v[1], "[::1]:8080");
	assert_int_equal(conf->quiet_hours.from_min, -1);
	assert_int_equal(conf->memory_soft_bytes, 48 << 20);
	snprintf(want, sizeof(want), "%s/.cc_telegram/events", dir);
	assert_string_equal(conf->events_dir, want);
	snprintf(want, sizeof(want), "%s/.local/state/cctg", dir);
	assert_string_equal(conf->state_dir, want);
	snprintf(want, sizeof(want), "%s/.local/state/cctg/run", dir);
	assert_string_equal(conf->runtime_dir, want);
}

static void
test_root_has_the_paths_of_a_system_daemon(void **state)
{
	const char *env[] = { NULL };

	(void)state;
	assert_non_null(load_as("", env, "/usr/sbin/cctgd", 0));
	assert_string_equal(conf->state_dir, "/var/lib/cctg");
	assert_string_equal(conf->runtime_dir, "/run/cctg");
	assert_string_equal(conf->events_dir, "/var/spool/cctg/events");
	assert_string_equal(conf->responses_dir, "/var/spool/cctg/responses");
}

static void
test_every_key_of_the_design_is_read(void **state)
{
	(void)state;
	assert_non_null(load("state_dir = \"/s\"\nruntime_dir = /r/\n"
	    "events_dir = \"~/e\"\nresponses_dir = \"/p\"\n"
	    "mode = mute      timezone = \"UTC\"      style = verbose\n"
	    "telegram {\n\tapi_url = \"http://127.0.0.1:8081/\"\n"
	    "\tallowed_users = {12345678, 2}\n"
	    "\trate { global = 0  private = 0.5  private_burst = 4\n"
	    "\t\tgroup_per_minute = 21 }\n}\n"
	    "chat \"ops\"  { id = -1001234567890  thread = 7 }\n"
	    "route \"all\" { }\n"
	    "route \"ci\"  { type = {\"build_*\", \"test_*\"}  "
	    "source = {\"github\"}  chat = {\"ops\"}  silent = true  "
	    "digest = false  ttl = \"6h\" continue = true }\n"
	    "quiet_hours = \"22:30-07:00\"\n"
	    "workers { format = 1  analyze = 2  compress = 3 }\n"
	    "compression { level = 2  min_size = 8K }\n"
	    "redis { url = \"redis://127.0.0.1:6379/0\" }\n"
	    "monitor { listen = {} }\nintake { http = \"127.0.0.1:0\" }\n"
	    "watchdog { heartbeat = \"2500ms\"  memory_soft = \"50M\" }\n"));
	assert_string_equal(conf->runtime_dir, "/r");
	assert_int_equal(conf->mode, MODE_MUTE);
	assert_int_equal(conf->style, STYLE_DETAILED);
	assert_string_equal(conf->api_url, "http://127.0.0.1:8081");
	assert_int_equal(conf->allowed_users.n, 2);
	assert_int_equal(conf->allowed_users.v[0], 12345678);
	assert_true(conf->rate_private > 0.49 && conf->rate_private < 0.51);
	assert_int_equal(conf->nchats, 1);
	assert_int_equal(conf->chats[0].id, -1001234567890);
	assert_int_equal(conf->chats[0].thread, 7);
	assert_int_equal(conf->nroutes, 2);
	assert_string_equal(conf->routes[0].name, "all");
	assert_string_equal(conf->routes[1].name, "ci");
	assert_int_equal(conf->routes[1].type.n, 2);
	assert_true(conf->routes[0].digest && !conf->routes[1].digest);
	assert_true(conf->routes[1].silent && conf->routes[1].go_on);
	assert_int_equal(conf->routes[1].ttl_ms, 6 * 3600000);
	assert_int_equal(conf->quiet_hours.from_min, 22 * 60 + 30);
	assert_int_equal(conf->quiet_hours.to_min, 7 * 60);
	assert_int_equal(conf->workers_compress, 3);
	assert_int_equal(conf->compression_min_bytes, 8192);
	assert_int_equal(conf->monitor_listen.n, 0);
	assert_int_equal(conf->heartbeat_ms, 2500);
}

static void
test_all_errors_are_named_each_on_its_own_line(void **state)
{
	(void)state;
	assert_null(load("# a comment\n"			/* 1 */
	    "modee = local\n"					/* 2 */
	    "style = loud /* # */ // why\n"			/* 3 */
	    "telegram {\n"					/* 4 */
	    "\tapi_url = \"http://example.org\"\n"		/* 5 */
	    "\ttokn = \"x\"\n"					/* 6 */
	    "\trate { global = -1\n"				/* 7 */
	    "\t\tprivate = lots }\n"				/* 8 */
	    "}\n"						/* 9 */
	    "chat \"ops\" {\n"					/* 10 */
	    "\tthread = 3\n"					/* 11 */
	    "\tcolour = 3\n"					/* 12 */
	    "}\n"						/* 13 */
	    "route \"ci\" { type = \"x\"\n"			/* 14 */
	    "\tchat = {\"dev\"}\n"				/* 15 */
	    "\tttl = \"soon\" }\n"				/* 16 */
	    "quiet_hours = \"22:30\"\n"				/* 17 */
	    "timezone = \"Mars/Base\"\n"			/* 18 */
	    "strange { a = 1 b { c = 2 } }\n"			/* 19 */
	    "odd \"title\" { a = {1, 2} }\n"			/* 20 */
	    "state_dir = \"var\"\n"				/* 21 */
	    "compression { min_size = 4X }\n"			/* 22 */
	    "telegram { allowed_users = {\n"			/* 23 */
	    "\t1,\n"						/* 24 */
	    "\tme } }\n"					/* 25 */
	    "hooks { to = \"dev\" }\n"));			/* 26 */
	assert_problem(2, "unknown key \"modee\"");
	assert_problem(3, "style: \"loud\"");
	assert_problem(5, "http would show the token");
	assert_problem(6, "unknown key \"tokn\"");
	assert_problem(7, "global");
	assert_problem(8, "private");
	assert_problem(10, "chat \"ops\" has no id");
	assert_problem(12, "unknown key \"colour\"");
	assert_problem(15, "no chat \"dev\"");
	assert_problem(16, "ttl");
	assert_problem(17, "quiet_hours");
	assert_problem(18, "Mars/Base");
	assert_problem(19, "unknown section \"strange\"");
	assert_problem(20, "unknown section \"odd\"");
	assert_problem(21, "state_dir");
	assert_problem(22, "min_size");
	assert_problem(25, "allowed_users");
	assert_problem(26, "no chat \"dev\"");
	assert_int_equal(problems.nerrors, 18);
}

static void
test_the_chat_of_hooks(void **state)
{
	static const char *const good[] = { "", "ops", "5", "-1001234567890",
		"-1001234567890:7" };
	static const char *const bad[] = { "-", "op", "opss", "5:", "5:x",
		"5x", ":5", " 5" };
	char text[200];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), "chat \"ops\" { id = 1 }\n"
		    "hooks { to = \"%s\" }\n", good[i]);
		assert_non_null(load(text));
		assert_string_equal(conf->hooks_to, good[i]);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "chat \"ops\" { id = 1 }\n"
		    "hooks { to = \"%s\" }\n", bad[i]);
		assert_null(load(text));
		assert_problem(2, "there is no chat");
	}
}

static void
test_syntax_errors_have_a_line(void **state)
{
	(void)state;
	assert_null(load("mode = local\nstyle concise\n"));
	assert_problem(2, "equal sign");
	assert_null(load("telegram {\n\tmark_resent = true\n"));
	assert_true(problems.nerrors > 0);
	assert_null(load("chat \"a\" { id = 1 }\n\nchat \"a\" { id = 2 }\n"));
	assert_problem(3, "duplicate");
	assert_null(load("mode = \"local\n"));
	assert_true(problems.nerrors > 0);
	assert_null(load("}\n"));
	assert_problem(1, "brace");
}

static void
test_environment_and_dotenv(void **state)
{
	char home[80], dotenv[128];
	const char *env[] = { home,
		"CC_TELEGRAM_MESSAGE_STYLE=detailed",
		"TELEGRAM_ALLOWED_USERS=1, x ,3",
		"CC_TELEGRAM_HEALTH_PORT=18080", "CCTG_RUNTIME_DIR=run",
		NULL };
	char want[128];

	(void)state;
	snprintf(home, sizeof(home), "HOME=%s/home", dir);
	snprintf(dotenv, sizeof(dotenv), "%s/.env", dir);
	write_file(dotenv, "# ours\nexport TELEGRAM_BOT_TOKEN='7:AbC-_1'\n"
	    "CC_TELEGRAM_MESSAGE_STYLE=concise\nPATH=/nowhere\n"
	    "CC_TELEGRAM_TIMEZONE = \"UTC\" # why not\nnonsense\n"
	    "CC_TELEGRAM_REDIS_URL=redis://h/1 # tail\n", 0600);
	assert_non_null(load_as("style = concise\nruntime_dir = /file\n"
	    "telegram { allowed_users = {9} }\n", env, "cctgd", 1000));
	assert_string_equal(conf->token, "7:AbC-_1");
	assert_int_equal(conf->style, STYLE_DETAILED);
	assert_string_equal(conf->timezone, "UTC");
	assert_string_equal(conf->redis_url, "redis://h/1");
	assert_int_equal(conf->allowed_users.n, 2);
	assert_int_equal(conf->allowed_users.v[1], 3);
	assert_int_equal(problems.n, 1);
	assert_problem(0, "TELEGRAM_ALLOWED_USERS: \"x\"");
	assert_string_equal(conf->monitor_listen.v[0], "127.0.0.1:18080");
	assert_string_equal(conf->monitor_listen.v[1], "[::1]:18080");
	snprintf(want, sizeof(want), "%s/run", dir);
	assert_string_equal(conf->runtime_dir, want);
}

static void
test_byte_order_marks_hid_the_first_line(void **state)
{
	static const char bom[] = "\xef\xbb\xbf";
	const char *env[] = { "HOME=/h", NULL };
	char dotenv[128], text[128];

	(void)state;
	snprintf(dotenv, sizeof(dotenv), "%s/.env", dir);
	snprintf(text, sizeof(text), "%sTELEGRAM_BOT_TOKEN=7:AbC\r\n", bom);
	write_file(dotenv, text, 0600);
	snprintf(text, sizeof(text), "%sstyle = detailed\r\n", bom);
	assert_non_null(load_as(text, env, "cctgd", 1000));
	assert_string_equal(conf->token, "7:AbC");
	assert_int_equal(conf->style, STYLE_DETAILED);
	write_file(dotenv, "", 0600);
}

static void
test_flags_win(void **state)
{
	struct conf_flag flags[] = { { "runtime_dir", "/flag" },
		{ "state_dir", NULL } };
	const char *env[] = { "HOME=/h", "CCTG_RUNTIME_DIR=/env", NULL };
	struct conf_source source = { .env = (char *const *)env,
		.uid = 1000, .flags = flags,
		.nflags = 2, .client = true };

	(void)state;
	conf = conf_load(&source, &problems);
	assert_non_null(conf);
	assert_string_equal(conf->runtime_dir, "/flag");
	assert_string_equal(conf->state_dir, "/h/.local/state/cctg");
}

static void
test_the_bridge_reads_only_the_environment(void **state)
{
	char home[80], sub[128], want[128];
	const char *env[] = { home,
		"CC_TELEGRAM_TIMEZONE=Nowhere/At_all",
		"TELEGRAM_ALLOWED_USERS=nonsense", NULL };

	(void)state;
	snprintf(home, sizeof(home), "HOME=%s", dir);
	snprintf(sub, sizeof(sub), "%s/.config", dir);
	assert_int_equal(mkdir(sub, 0700), 0);
	snprintf(sub, sizeof(sub), "%s/.config/cctg", dir);
	assert_int_equal(mkdir(sub, 0700), 0);
	snprintf(sub, sizeof(sub), "%s/.config/cctg/cctgd.conf", dir);
	write_file(sub, "mode = mute\n", 0644);
	assert_non_null(load_as(NULL, env, "/x/cctelegram-bridge", 0));
	assert_true(conf->bridge);
	assert_int_equal(conf->mode, MODE_LOCAL);
	assert_int_equal(problems.nerrors, 0);
	snprintf(want, sizeof(want), "%s/.cc_telegram/responses", dir);
	assert_string_equal(conf->responses_dir, want);
	assert_int_equal(conf->shutdown_grace_ms, 800);
	assert_string_equal(conf->user, "");
	/* The same without that name reads the file. */
	assert_non_null(load_as(NULL, env + 2, "cctgd", 1000));
}

static void
test_token_files(void **state)
{
	char token[128], text[256];
	const char *env[] = { "HOME=/h", NULL };
	char want[200];
	const char *credential[] = { "HOME=/h", want, NULL };

	(void)state;
	snprintf(token, sizeof(token), "%s/telegram-token", dir);
	snprintf(text, sizeof(text), "telegram {\n token_file = \"%s\" }\n",
	    token);
	assert_null(load_as(text, env, "cctgd", 1000));
	assert_problem(2, "No such file");
	write_file(token, "  42:secret_TOKEN\n", 0644);
	assert_non_null(load_as(text, env, "cctgd", 1000));
	assert_string_equal(conf->token, "42:secret_TOKEN");
	assert_problem(0, "read by everybody");
	write_file(token, "42:se/cret\n", 0600);
	assert_null(load_as(text, env, "cctgd", 1000));
	assert_problem(2, "does not hold the token");
	assert_null(strstr(problems.v[0].text, "cret"));
	write_file(token, "43:x\n", 0600);
	snprintf(want, sizeof(want), "CREDENTIALS_DIRECTORY=%s", dir);
	assert_non_null(load_as("", credential, "cctgd", 1000));
	assert_string_equal(conf->token, "43:x");
}

static void
test_secrets_go_to_their_owners_only(void **state)
{
	const char *env[] = { "HOME=/h", "TELEGRAM_BOT_TOKEN=77:SECRETTOKEN",
		"CC_TELEGRAM_METRICS_TOKEN=BEARER",
		"CC_TELEGRAM_REDIS_URL=redis://u:PASS@h/0", NULL };
	int class;
	char *text;

	(void)state;
	assert_non_null(load_as("", env, "cctgd", 1000));
	for (class = 0; class < NCLASSES; class++) {
		text = conf_export(conf, (enum process_class)class);
		assert_non_null(text);
		assert_int_equal(strstr(text, "SECRETTOKEN") != NULL,
		    class == PC_TELEGRAM);
		assert_int_equal(strstr(text, "BEARER") != NULL,
		    class == PC_MONITOR);
		assert_int_equal(strstr(text, "PASS") != NULL,
		    class == PC_REDIS);
		free(text);
	}
}

static void
test_export_has_units_in_its_names(void **state)
{
	json_object *o, *v;
	char *text;

	(void)state;
	assert_non_null(load("chat \"a\" { id = -5 }\n"
	    "route \"r\" { chat = {\"a\"} ttl = 1h }\n"));
	text = conf_export(conf, PC_QUEUE);
	o = json_tokener_parse(text);
	assert_non_null(o);
	assert_true(json_object_object_get_ex(o, "dedup_window_ms", &v));
	assert_int_equal(json_object_get_int(v), 5000);
	assert_true(json_object_object_get_ex(o, "quiet_hours", &v));
	assert_null(v);
	assert_non_null(strstr(text, "\"digest\":{\"after_ms\":10000,"
	    "\"collect_ms\":1000,\"max\":200}"));
	assert_non_null(strstr(text, "\"min_size_bytes\":4096"));
	assert_non_null(strstr(text, "\"chats\":[{\"name\":\"a\",\"id\":-5,"
	    "\"thread\":0,\"topic\":\"none\"}]"));
	assert_non_null(strstr(text, "\"ttl_ms\":3600000,\"continue\":false"));
	assert_non_null(strstr(text, "\"mode\":\"local\""));
	json_object_put(o);
	free(text);
}

static void
test_diff_names_classes_and_restart_keys(void **state)
{
	struct conf_list restart = { 0 };
	struct conf *old;

	(void)state;
	assert_non_null(load("state_dir = /a\nruntime_dir = /r\n"));
	old = conf;
	conf = NULL;
	assert_non_null(load("state_dir = /b\nruntime_dir = /r\n"
	    "style = detailed\n"
	    "workers { format = 3 }\n"));
	assert_int_equal(conf_diff(old, conf, &restart),
	    F_QUEUE | F_SUP);
	assert_int_equal(restart.n, 1);
	assert_string_equal(restart.v[0], "state_dir");
	assert_string_equal(conf->state_dir, "/a");
	conf_list_free(&restart);
	conf_free(old);
	old = conf;
	conf = NULL;
	assert_non_null(load("state_dir = /a\nruntime_dir = /r\n"
	    "style = detailed\n"
	    "workers { format = 3 }\n"));
	assert_int_equal(conf_diff(old, conf, &restart), 0);
	conf_free(old);
	conf_list_free(&restart);
}

static void
all_refused(const char *const *texts, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (load(texts[i]) != NULL)
			fail_msg("accepted: %s", texts[i]);
}

static void
all_accepted(const char *const *texts, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (load(texts[i]) == NULL)
			fail_msg("refused: %s (%s)", texts[i],
			    problems.v[0].text);
}

static void
test_bad_values_of_every_type(void **state)
{
	static const char *const bad[] = {
		"ttl = -1", "ttl = 0", "ttl = 1y", "ttl = \"\"",
		"ttl = 99999999999999999999",
		"quiet_hours = \"25:00-07:00\"", "quiet_hours = \"7-8\"",
		"quiet_hours = \"22:61-07:00\"", "quiet_hours = \"1:00-1:00\"",
		"timezone = \"../../../etc/passwd\"", "timezone = \"/UTC\"",
		"timezone = \"\"", "timezone = Europe",
		"telegram { mark_resent = maybe }",
		"telegram { api_url = \"ftp://x\" }",
		"telegram { api_url = \"https://\" }",
		"telegram { api_url = \"https://a b\" }",
		"telegram { api_url = \"http://127.0.0.1.example.org\" }",
		"telegram { api_url = \"http://127.0.0.1@example.org\" }",
		"telegram { allowed_users = {-1} }",
		"telegram { rate { global = nan } }",
		"telegram { rate { private = 1e9 } }",
		"workers { format = 17 }", "workers { format = 1.5 }",
		"workers { format = 99999999999999999999 }",
		"compression { min_size = -1 }", "history { max_size = 1e99 }",
		"monitor { listen = \"8080\" }",
		"monitor { listen = \"127.0.0.1:99999\" }",
		"monitor { listen = \"::1:80\" }",
		"intake { http = \"0.0.0.0:80\" }",
		"redis { url = \"http://x\" }",
		"watchdog { memory_soft = 200M }",
		"chat \"x\" { id = 1 thread = -1 }",
		"chat \"x\" { id = -1 thread = 7 topic = auto }",
		"chat \"x\" { id = 1 topic = auto }",
		"chat \"x\" { id = -1 topic = yes }",
		"events_dir = /same\nresponses_dir = /same",
	};
	static const char *const good[] = {
		"ttl = 1h30m", "quiet_hours = \"\"", "quiet_hours = 22:30-7:00",
		"quiet_hours = \"22:00-24:00\"", "history { max_size = 2GiB }",
		"telegram { api_url = \"http://[::1]:81\" }",
		"telegram { api_url = \"http://localhost\" }",
		"telegram { api_url = \"http://h\" allow_insecure = true }",
		"monitor { listen = \"[::]:80\" }", "mode = muted",
		"// comment\n/* and\n * more */ style = full # end",
		"timezone = \"America/Argentina/Ushuaia\"",
		"chat \"x\" { id = -1 topic = auto }",
		"chat \"x\" { id = -1 topic = none thread = 7 }",
	};

	(void)state;
	all_refused(bad, nitems(bad));
	all_accepted(good, nitems(good));
}

static void
test_webhooks(void **state)
{
	static const char *const bad[] = {
#define HOOK(url) "intake { http = 127.0.0.1:90 }\n" \
		"telegram { webhook { url = \"" url "\" } }"
		HOOK("http://example.org/hook"),
		HOOK("ftp://example.org/hook"),
		HOOK("https://example.org:8080/hook"),
		HOOK("https://example.org:0/hook"),
		HOOK("https://example.org:x/hook"),
		HOOK("https://[2001:db8::1]:8081/hook"),
		HOOK("https://127.0.0.1/hook"),
		HOOK("http://127.0.0.1:90/hook"),
		HOOK("https://example.org/events"),
		HOOK("https://example.org/events?x=1"),
		"telegram { webhook { url = \"https://example.org/hook\" } }",
		"telegram { webhook { check = 0s } }",
		"telegram { webhook { secret_file = /nonexistent } }",
	};
	static const char *const good[] = {
		HOOK("https://example.org"),
		HOOK("https://example.org/hook?a=b:9"),
		HOOK("https://example.org:443/hook"),
		HOOK("https://example.org:80/"),
		HOOK("https://example.org:88/a/b"),
		HOOK("https://[2001:db8::1]:8443/hook"),
		HOOK("https://[2001:db8::1]/hook"),
		/* A Bot API server of one's own. */
		"telegram { api_url = \"http://127.0.0.1:81\" }\n"
		    HOOK("http://127.0.0.1:90/hook"),
		"telegram { allow_insecure = true }\n"
		    HOOK("http://example.org:90/hook"),
#undef HOOK
	};

	(void)state;
	all_refused(bad, nitems(bad));
	all_accepted(good, nitems(good));
}

static void
test_missing_and_unreadable_files(void **state)
{
	const char *env[] = { "HOME=/h", NULL };
	struct conf_source source = { .env = (char *const *)env,
		.uid = 1000,
		.file = "/nonexistent/cctgd.conf" };

	(void)state;
	assert_null(conf_load(&source, &problems));
	assert_string_equal(problems.v[0].text,
	    "/nonexistent/cctgd.conf: No such file or directory");
	conf_problems_free(&problems);
	source.file = dir;
	assert_null(conf_load(&source, &problems));
	assert_int_equal(problems.nerrors, 1);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_defaults_are_those_of_the_table),
		TEST(test_root_has_the_paths_of_a_system_daemon),
		TEST(test_every_key_of_the_design_is_read),
		TEST(test_all_errors_are_named_each_on_its_own_line),
		TEST(test_syntax_errors_have_a_line),
		TEST(test_environment_and_dotenv),
		TEST(test_byte_order_marks_hid_the_first_line),
		TEST(test_flags_win),
		TEST(test_the_bridge_reads_only_the_environment),
		TEST(test_token_files),
		TEST(test_secrets_go_to_their_owners_only),
		TEST(test_export_has_units_in_its_names),
		TEST(test_the_chat_of_hooks),
		TEST(test_diff_names_classes_and_restart_keys),
		TEST(test_bad_values_of_every_type),
		TEST(test_webhooks),
		TEST(test_missing_and_unreadable_files),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
