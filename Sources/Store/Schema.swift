// Schema: the tables, as the migrations that made them. A migration is never changed once it was released: what a file lacks is
// added by the next one. `user_version` counts those that a file has seen.
//
// Every table carries the workspace, so that no query has to trust a join for telling tenants apart.

enum Schema {
    /// "GTHS": tells our files from others ("file" shows it).
    static let applicationID: Int64 = 0x4754_4853

    static var version: Int { migrations.count }

    static let migrations: [String] = [requests, metadata, bodies, costs, control, attribution]

    /// 1: the log of requests. `sequence` is the order of writing in this file, which `logs tail` follows; `id` is what others may
    /// refer to. Times are nanoseconds.
    private static let requests = """
        CREATE TABLE requests (
            sequence INTEGER PRIMARY KEY,
            id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
            started_at INTEGER NOT NULL,
            workspace TEXT NOT NULL,
            trace TEXT NOT NULL,
            parent TEXT,
            key TEXT,
            asked_by TEXT,
            endpoint TEXT NOT NULL,
            method TEXT NOT NULL,
            path TEXT NOT NULL,
            model TEXT,
            stream INTEGER NOT NULL,
            config TEXT,
            config_origin TEXT,
            config_hash TEXT,
            status INTEGER NOT NULL,
            provider TEXT,
            response_model TEXT,
            target TEXT,
            route TEXT,
            cache TEXT,
            error TEXT,
            denied_by TEXT,
            aborted INTEGER NOT NULL,
            receipts TEXT,
            duration INTEGER NOT NULL,
            upstream_duration INTEGER NOT NULL,
            client_wait INTEGER NOT NULL,
            first_token INTEGER,
            bytes_in INTEGER NOT NULL,
            bytes_out INTEGER NOT NULL,
            input_tokens INTEGER,
            output_tokens INTEGER
        ) STRICT;
        CREATE INDEX requests_by_trace ON requests (trace);
        CREATE INDEX requests_by_workspace ON requests (workspace, id);
        CREATE TABLE attempts (
            request BLOB NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            workspace TEXT NOT NULL,
            provider TEXT NOT NULL,
            model TEXT,
            target TEXT NOT NULL,
            retry INTEGER NOT NULL,
            status INTEGER NOT NULL,
            duration INTEGER NOT NULL,
            error TEXT,
            PRIMARY KEY (request, number)
        ) STRICT, WITHOUT ROWID;
        """

    /// 2: metadata, to be found by.
    private static let metadata = """
        CREATE TABLE metadata (
            key TEXT NOT NULL,
            value TEXT NOT NULL,
            workspace TEXT NOT NULL,
            request BLOB NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
            PRIMARY KEY (key, value, workspace, request)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX metadata_by_request ON metadata (request);
        """

    /// 3: texts, apart from the rows, which stay small.
    private static let bodies = """
        CREATE TABLE bodies (
            request BLOB PRIMARY KEY NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
            workspace TEXT NOT NULL,
            policy TEXT NOT NULL,
            request_body BLOB,
            request_size INTEGER,
            answer_body BLOB,
            answer_size INTEGER
        ) STRICT;
        """

    /// 4: what an exchange cost, as an integer, so that sums are exact; NULL where no price is known. `usage` is a JSON object of token
    /// counts beside the two that have columns.
    private static let costs = """
        ALTER TABLE requests ADD COLUMN usage TEXT;
        ALTER TABLE requests ADD COLUMN cost_picodollars INTEGER;
        ALTER TABLE requests ADD COLUMN price_version TEXT;
        """

    /// 5: the control plane. What it manages are objects of a kind with a JSON document; those that have a history keep each version.
    /// Credentials are apart, and encrypted; of gateway keys only an authentication code is here. Counters are added to and never
    /// overwritten. Each row of `audit` seals the one before it. A workspace is "" where something belongs to the organisation.
    private static let control = """
        CREATE TABLE objects (
            kind TEXT NOT NULL,
            id TEXT NOT NULL,
            workspace TEXT NOT NULL,
            slug TEXT NOT NULL,
            status TEXT NOT NULL,
            version INTEGER NOT NULL,
            document TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL,
            created_by TEXT NOT NULL,
            updated_by TEXT NOT NULL,
            PRIMARY KEY (kind, id),
            UNIQUE (kind, workspace, slug)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE versions (
            kind TEXT NOT NULL,
            object TEXT NOT NULL,
            version INTEGER NOT NULL,
            id TEXT NOT NULL UNIQUE,
            workspace TEXT NOT NULL,
            document TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            created_by TEXT NOT NULL,
            PRIMARY KEY (kind, object, version),
            FOREIGN KEY (kind, object) REFERENCES objects (kind, id) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE credentials (
            kind TEXT NOT NULL,
            object TEXT NOT NULL,
            workspace TEXT NOT NULL,
            version INTEGER NOT NULL,
            sealed BLOB NOT NULL,
            PRIMARY KEY (kind, object),
            FOREIGN KEY (kind, object) REFERENCES objects (kind, id) ON DELETE CASCADE
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE keys (
            lookup TEXT PRIMARY KEY NOT NULL,
            key TEXT NOT NULL,
            workspace TEXT NOT NULL,
            code BLOB NOT NULL CHECK (length(code) = 32),
            expires_at INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX keys_by_key ON keys (key);
        CREATE TABLE key_uses (
            key TEXT PRIMARY KEY NOT NULL,
            workspace TEXT NOT NULL,
            last_used_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE vault (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            wrapped BLOB NOT NULL,
            changed_at INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE counters (
            counter TEXT NOT NULL,
            window INTEGER NOT NULL,
            workspace TEXT NOT NULL,
            amount INTEGER NOT NULL,
            PRIMARY KEY (counter, window)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE owned (
            provider TEXT NOT NULL,
            object TEXT NOT NULL,
            workspace TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            PRIMARY KEY (provider, object)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE feedback (
            id TEXT PRIMARY KEY NOT NULL,
            workspace TEXT NOT NULL,
            trace TEXT NOT NULL,
            value INTEGER NOT NULL,
            weight REAL NOT NULL,
            metadata TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            updated_at INTEGER NOT NULL,
            created_by TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX feedback_by_trace ON feedback (trace);
        CREATE INDEX feedback_by_time ON feedback (workspace, created_at);
        CREATE TABLE audit (
            sequence INTEGER PRIMARY KEY,
            at INTEGER NOT NULL,
            workspace TEXT NOT NULL,
            actor TEXT NOT NULL,
            actor_name TEXT NOT NULL,
            action TEXT NOT NULL,
            object TEXT NOT NULL,
            detail TEXT NOT NULL,
            seal BLOB NOT NULL CHECK (length(seal) = 32)
        ) STRICT;
        CREATE TABLE audit_head (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            sequence INTEGER NOT NULL,
            seal BLOB NOT NULL CHECK (length(seal) = 32)
        ) STRICT;
        """

    /// 6: whose credential an exchange used and where it stands in a trace; an index that holds what analytics sum up
    /// and what they select by, so that no row of the wide table has to be read for them. It begins with the columns of
    /// `requests_by_workspace`, and takes its place. Ids are in the order of time. `user` is the metadata `_user` once more:
    /// a look into that table for each row would take most of the time.
    private static let attribution = """
        ALTER TABLE requests ADD COLUMN virtual_key TEXT;
        ALTER TABLE requests ADD COLUMN span TEXT;
        ALTER TABLE requests ADD COLUMN span_name TEXT;
        ALTER TABLE requests ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE requests ADD COLUMN fallbacks INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE requests ADD COLUMN user TEXT;
        UPDATE requests SET user = value FROM metadata WHERE request = requests.id AND metadata.key = '_user';
        DROP INDEX requests_by_workspace;
        CREATE INDEX requests_for_analytics ON requests (
            workspace, id, started_at, status, duration, cost_picodollars, input_tokens, output_tokens, cache, retries,
            fallbacks, model, response_model, provider, key, config, virtual_key, user);
        CREATE INDEX requests_by_span ON requests (span) WHERE span IS NOT NULL;
        """

    /// Brings a file to `version`. Each migration is one transaction, which also counts it: whatever ends the process, a file has all
    /// of a migration or nothing of it. Two processes may do this at once.
    static func migrate(_ database: Database, to version: Int = version) throws(StoreError) {
        while try database.integer("PRAGMA user_version") < version {
            try database.transaction { () throws(StoreError) in
                let present = Int(try database.integer("PRAGMA user_version"))
                guard present < version else { return }
                try database.run(migrations[present])
                try database.run("PRAGMA user_version = \(present + 1)")
                try database.run("PRAGMA application_id = \(applicationID)")
            }
        }
    }
}
