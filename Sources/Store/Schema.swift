// Schema: the tables, as the migrations that made them. A migration is never changed once it was released: what a file lacks is
// added by the next one. `user_version` counts those that a file has seen.
//
// Every table carries the workspace, so that no query has to trust a join for telling tenants apart.

enum Schema {
    /// "GTHS": tells our files from others ("file" shows it).
    static let applicationID: Int64 = 0x4754_4853

    static var version: Int { migrations.count }

    static let migrations: [String] = [requests, metadata, bodies, costs]

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
