/*
 * Every SQL statement of the store, and its schema.  A statement is prepared
 * when it is first used and kept; store_stmt() finds it by its name here.
 * Included by the store's own files only.
 */
#ifndef QUEUE_STORE_SQL_H
#define QUEUE_STORE_SQL_H

/*
 * Schema version 1.  The row of an event is never changed between acceptance
 * and archiving, what happens to it is in the short rows of delivery.  A
 * payload that came large is last in its row, so that reading the other
 * columns does not follow its overflow pages.  task_id is NULL where it
 * equals id.
 */
#define STORE_SCHEMA_1                                                        \
	"CREATE TABLE event(seq INTEGER PRIMARY KEY, idkey INTEGER, id TEXT," \
	" type TEXT, source TEXT, task_id TEXT, title TEXT,"                  \
	" severity INTEGER, flags INTEGER, received_ms INTEGER,"              \
	" expires_ms INTEGER, encoding INTEGER, raw_bytes INTEGER,"           \
	" segment INTEGER, payload BLOB);"                                    \
	"CREATE INDEX event_idkey ON event(idkey);"                           \
	"CREATE TABLE delivery(id INTEGER PRIMARY KEY, chat INTEGER,"         \
	" lane INTEGER, state INTEGER, attempts INTEGER, parts_done INTEGER," \
	" flags INTEGER, not_before INTEGER, done_ms INTEGER,"                \
	" digest INTEGER, reason TEXT, messages TEXT);"                       \
	"CREATE INDEX delivery_open ON delivery(chat, lane, id)"              \
	" WHERE state < 10;"                                                  \
	"CREATE INDEX delivery_failed ON delivery(state, id)"                 \
	" WHERE state > 10;"                                                  \
	"CREATE TABLE chat(id INTEGER PRIMARY KEY, chat_id INTEGER,"          \
	" thread INTEGER, suspended INTEGER, reason TEXT,"                    \
	" UNIQUE(chat_id, thread));"                                          \
	"CREATE TABLE task(chat INTEGER, task_id TEXT, message_id INTEGER,"   \
	" started_ms INTEGER, closed INTEGER, PRIMARY KEY(chat, task_id))"    \
	" WITHOUT ROWID;"                                                     \
	"CREATE TABLE segment(id INTEGER PRIMARY KEY, first_seq INTEGER,"     \
	" last_seq INTEGER, n INTEGER, raw_bytes INTEGER, data BLOB);"        \
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"  \
	"CREATE TABLE total(id INTEGER PRIMARY KEY, last_seq INTEGER,"        \
	" events INTEGER, accepted INTEGER, delivered INTEGER,"               \
	" suppressed INTEGER, uncertain INTEGER, dead INTEGER,"               \
	" duplicates INTEGER);"                                               \
	"INSERT INTO total VALUES(1, 0, 0, 0, 0, 0, 0, 0, 0);"

/* In the order in which read_event() and read_delivery() take them. */
#define EVENT_COLUMNS                                                        \
	"e.seq, e.id, e.type, e.source, coalesce(e.task_id, e.id), e.title," \
	" e.severity, e.flags, e.received_ms, e.expires_ms, e.encoding,"     \
	" e.raw_bytes, e.segment"
#define DELIVERY_COLUMNS                                                    \
	"d.id, d.chat, d.lane, d.state, d.attempts, d.parts_done, d.flags," \
	" d.not_before, d.done_ms, d.digest, d.reason, d.messages"

#define LIST_SELECT_BY(index)                                                 \
	"SELECT " DELIVERY_COLUMNS ", " EVENT_COLUMNS ", NULL, c.chat_id,"    \
	" c.thread, c.suspended, c.reason FROM delivery AS d " index          \
	" LEFT JOIN event AS e ON e.seq = d.id / 64"                          \
	" LEFT JOIN chat AS c ON c.id = d.chat"
#define LIST_SELECT LIST_SELECT_BY("NOT INDEXED")

/* So many rows in one statement cost a quarter less than one by one. */
#define STORE_ROWS 8
#define ROWS_8(row) \
	row "," row "," row "," row "," row "," row "," row "," row
#define EVENT_ROW "(?,?,?,?,?,?,?,?,?,?,?,?,?,NULL,?)"
#define EVENT_VALUES 14
#define QUEUED_ROW "(?,?,?,0,0,0,?,0,0,0,NULL,NULL)"
#define QUEUED_VALUES 4

/*
 * Q(NAME, sql).  Those with several rows are OR FAIL, so that SQLite keeps
 * no journal to take back the first rows of one that fails: the transaction
 * is rolled back as a whole.
 */
#define STORE_SQL(Q)                                                          \
	Q(BEGIN, "BEGIN IMMEDIATE")                                           \
	Q(COMMIT, "COMMIT")                                                   \
	/* operations */                                                      \
	Q(EVENT_PUT, "INSERT INTO event VALUES" EVENT_ROW)                    \
	Q(EVENT_PUT_8, "INSERT OR FAIL INTO event VALUES" ROWS_8(EVENT_ROW))  \
	Q(DELIVERY_NEW,                                                       \
	    "INSERT INTO delivery VALUES(?,?,?,?,?,?,?,?,?,?,?,?)")           \
	/* the same for one of which nothing is known but who gets it */      \
	Q(DELIVERY_QUEUED, "INSERT INTO delivery VALUES" QUEUED_ROW)          \
	Q(DELIVERY_QUEUED_8,                                                  \
	    "INSERT OR FAIL INTO delivery VALUES" ROWS_8(QUEUED_ROW))         \
	Q(DELIVERY_PUT, "UPDATE delivery SET chat = ?2, lane = ?3,"           \
	    " state = ?4, attempts = ?5, parts_done = ?6, flags = ?7,"        \
	    " not_before = ?8, done_ms = ?9, digest = ?10, reason = ?11,"     \
	    " messages = ?12 WHERE id = ?1")                                  \
	Q(MASKED_PUT, "UPDATE event SET title = ?2, payload = ?3,"            \
	    " raw_bytes = ?4, encoding = 0, flags = flags | 16"               \
	    " WHERE seq = ?1")                                                \
	Q(CHAT_PUT, "INSERT INTO chat VALUES(?,?,?,?,?) ON CONFLICT(id)"      \
	    " DO UPDATE SET chat_id = ?2, thread = ?3, suspended = ?4,"       \
	    " reason = ?5")                                                   \
	Q(TASK_PUT, "INSERT OR REPLACE INTO task VALUES(?,?,?,?,?)")          \
	Q(META_PUT, "INSERT OR REPLACE INTO meta VALUES(?,?)")                \
	Q(META_DEL, "DELETE FROM meta WHERE key = ?")                         \
	Q(SEGMENT_PUT, "INSERT INTO segment VALUES(NULL,?,?,?,?,?)")          \
	Q(SEGMENT_TAKE, "UPDATE event SET payload = NULL, segment = ?2"       \
	    " WHERE seq = ?1")                                                \
	Q(SEGMENT_MEMBERS, "UPDATE segment SET n = ?2 WHERE id = ?1")         \
	Q(SEGMENT_DROP, "UPDATE segment SET n = n - 1 WHERE id ="             \
	    " (SELECT segment FROM event WHERE seq = ?)")                     \
	Q(SEGMENT_CLEAN, "DELETE FROM segment WHERE id ="                     \
	    " (SELECT segment FROM event WHERE seq = ?) AND n <= 0")          \
	Q(EVENT_PRUNE, "DELETE FROM event WHERE seq = ?")                     \
	Q(DELIVERY_PRUNE, "DELETE FROM delivery WHERE id BETWEEN ? AND ?")    \
	Q(TASK_PRUNE, "DELETE FROM task WHERE (chat, task_id) IN"             \
	    " (SELECT chat, task_id FROM task WHERE closed = 1"               \
	    " AND started_ms < ? LIMIT 256)")                                 \
	Q(TOTAL_ADD, "UPDATE total SET last_seq = ?, events = events + ?,"    \
	    " accepted = accepted + ?, delivered = delivered + ?,"            \
	    " suppressed = suppressed + ?, uncertain = uncertain + ?,"        \
	    " dead = dead + ?, duplicates = duplicates + ?")                  \
	/* reads */                                                           \
	Q(TOTAL_GET, "SELECT last_seq, events, accepted, delivered,"          \
	    " suppressed, uncertain, dead, duplicates FROM total")            \
	Q(SEQ_MAX, "SELECT max((SELECT coalesce(max(seq), 0) FROM event),"    \
	    " (SELECT coalesce(max(id), 0) / 64 FROM delivery))")             \
	Q(KEY_MAX, "SELECT max(idkey) FROM event WHERE idkey < ?")            \
	Q(ID_FIND, "SELECT seq, id FROM event WHERE idkey = ?")               \
	Q(EVENT_GET, "SELECT " EVENT_COLUMNS ", NULL FROM event AS e"         \
	    " WHERE e.seq = ?")                                               \
	Q(EVENT_GET_PAYLOAD, "SELECT " EVENT_COLUMNS ", e.payload"            \
	    " FROM event AS e WHERE e.seq = ?")                               \
	Q(DELIVERY_GET, "SELECT " DELIVERY_COLUMNS " FROM delivery AS d"      \
	    " WHERE d.id = ?")                                                \
	Q(DELIVERY_RANGE, "SELECT " DELIVERY_COLUMNS " FROM delivery AS d"    \
	    " WHERE d.id BETWEEN ? AND ? ORDER BY d.id")                      \
	Q(OPEN_LOAD, "SELECT " DELIVERY_COLUMNS " FROM delivery AS d"         \
	    " INDEXED BY delivery_open WHERE d.state < 10 AND d.chat = ?"     \
	    " AND d.lane = ? AND d.id > ? ORDER BY d.id LIMIT ?")             \
	Q(OPEN_COUNT, "SELECT chat, lane, count(*) FROM delivery"             \
	    " INDEXED BY delivery_open WHERE state < 10"                      \
	    " GROUP BY chat, lane")                                           \
	/* Two: SQLite walks through all rows of (chat, lane) > (?, ?). */    \
	Q(OPEN_NEXT_LANE, "SELECT chat, lane, id FROM delivery"               \
	    " INDEXED BY delivery_open WHERE state < 10 AND chat = ?"         \
	    " AND lane > ? ORDER BY lane, id LIMIT 1")                        \
	Q(OPEN_NEXT_CHAT, "SELECT chat, lane, id FROM delivery"               \
	    " INDEXED BY delivery_open WHERE state < 10 AND chat > ?"         \
	    " ORDER BY chat, lane, id LIMIT 1")                               \
	Q(SENDING_LOAD, "SELECT " DELIVERY_COLUMNS " FROM delivery AS d"      \
	    " INDEXED BY delivery_open WHERE d.state < 10 AND d.state = 1"    \
	    " ORDER BY d.chat, d.lane, d.id")                                 \
	Q(SENDING_GET, "SELECT " DELIVERY_COLUMNS " FROM delivery AS d"       \
	    " WHERE d.id = ?")                                                \
	Q(RECEIVED_GET, "SELECT received_ms FROM event WHERE seq = ?")        \
	Q(CHAT_LOAD, "SELECT id, chat_id, thread, suspended, reason"          \
	    " FROM chat ORDER BY id")                                         \
	Q(TASK_GET, "SELECT message_id, started_ms, closed FROM task"         \
	    " WHERE chat = ? AND task_id = ?")                                \
	Q(META_GET, "SELECT value FROM meta WHERE key = ?")                   \
	Q(META_EACH, "SELECT key, value FROM meta WHERE key >= ?1"            \
	    " AND key < ?1 || char(1114111)")                                 \
	/* listings */                                                        \
	Q(LIST_ALL, LIST_SELECT " WHERE d.id < ? ORDER BY d.id DESC LIMIT ?") \
	Q(LIST_FINAL, LIST_SELECT " WHERE d.id < ?1 AND d.state >= 10"        \
	    " AND (?3 < 0 OR d.state = ?3) ORDER BY d.id DESC LIMIT ?2")      \
	Q(LIST_FAILED, LIST_SELECT_BY("INDEXED BY delivery_failed")           \
	    " WHERE d.state > 10 AND d.state = ?3 AND d.id < ?1"              \
	    " ORDER BY d.id DESC LIMIT ?2")                                   \
	Q(LIST_ONE, LIST_SELECT " WHERE d.id = ?")                            \
	Q(LIST_OPEN, "SELECT id FROM delivery INDEXED BY delivery_open"       \
	    " WHERE state < 10 AND chat = ?1 AND lane = ?2 AND id < ?3"       \
	    " ORDER BY id DESC LIMIT ?4")                                     \
	Q(LIST_OPEN_STATE, "SELECT id FROM delivery INDEXED BY delivery_open" \
	    " WHERE state < 10 AND chat = ?1 AND lane = ?2 AND id < ?3"       \
	    " AND state = ?5 ORDER BY id DESC LIMIT ?4")                      \
	/* history */                                                         \
	Q(ARCHIVE_NEXT, "SELECT e.seq, e.received_ms,"                        \
	    " e.segment IS NULL AND e.payload IS NOT NULL, NOT EXISTS"        \
	    " (SELECT 1 FROM delivery AS d WHERE d.id BETWEEN e.seq * 64"     \
	    " AND e.seq * 64 + 63 AND (d.state < 10 OR d.done_ms >= ?2))"     \
	    " FROM event AS e WHERE e.seq > ?1 ORDER BY e.seq")               \
	Q(PRUNE_NEXT, "SELECT e.seq, e.received_ms, NOT EXISTS"               \
	    " (SELECT 1 FROM delivery AS d WHERE d.id BETWEEN e.seq * 64"     \
	    " AND e.seq * 64 + 63 AND d.state < 10)"                          \
	    " FROM event AS e WHERE e.seq > ?1 ORDER BY e.seq")               \
	Q(SEGMENT_GET, "SELECT id, raw_bytes, data FROM segment"              \
	    " WHERE id = ?")                                                  \
	Q(ORPHAN_LOAD, "SELECT " EVENT_COLUMNS ", NULL FROM event AS e"       \
	    " WHERE e.seq > ?1 AND NOT EXISTS (SELECT 1 FROM delivery AS d"   \
	    " WHERE d.id BETWEEN e.seq * 64 AND e.seq * 64 + 63)"             \
	    " ORDER BY e.seq LIMIT ?2")                                       \
	Q(PAGE_COUNT, "PRAGMA page_count")                                    \
	Q(FREE_COUNT, "PRAGMA freelist_count")

enum store_query {
#define QUERY_ENUM(name, sql) Q_##name,
	STORE_SQL(QUERY_ENUM)
#undef QUERY_ENUM
	NQUERIES
};

#endif
