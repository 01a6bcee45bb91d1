CREATE TABLE connection_idempotency_keys (
    organization_id STRING(255) NOT NULL,
    key STRING(255) NOT NULL,
    fingerprint STRING(64) NOT NULL,
    outcome STRING(MAX) NOT NULL,
    created_at STRING(24) NOT NULL
) PRIMARY KEY (organization_id, key);

CREATE INDEX ix_connection_idempotency_keys_created_at ON connection_idempotency_keys (created_at);

-- connections: the dialect refuses it: Spanner doesn't support direct UNIQUE constraints creation. Create UNIQUE indexes instead.

CREATE INDEX ix_connections_destination ON connections (destination_organization_id, created_at, id);

CREATE INDEX ix_connections_destination_status ON connections (destination_organization_id, status, created_at, id);

CREATE INDEX ix_connections_source ON connections (source_organization_id, created_at, id);

CREATE INDEX ix_connections_source_status ON connections (source_organization_id, status, created_at, id);

CREATE TABLE connection_events (
    connection_id STRING(255) NOT NULL,
    version INT64 NOT NULL,
    action STRING(16) NOT NULL,
    previous_status STRING(16),
    status STRING(16) NOT NULL,
    actor_id STRING(255) NOT NULL,
    actor_organization_id STRING(255) NOT NULL,
    roles STRING(MAX) NOT NULL,
    occurred_at STRING(24) NOT NULL,
    terms STRING(MAX),
    CONSTRAINT fk_connection_events_connection FOREIGN KEY(connection_id) REFERENCES connections (id),
    CONSTRAINT ck_connection_events_version CHECK (version >= 1),
    CONSTRAINT ck_connection_events_step CHECK (action = 'create' AND status = 'pending' AND previous_status IS NULL OR action = 'activate' AND status = 'active' AND previous_status = 'pending' OR action = 'deactivate' AND status = 'inactive' AND previous_status = 'pending' OR action = 'deactivate' AND status = 'inactive' AND previous_status = 'active' OR action = 'reactivate' AND status = 'pending' AND previous_status = 'inactive'),
    CONSTRAINT ck_connection_events_creation CHECK (version = 1 AND previous_status IS NULL AND terms IS NOT NULL OR version > 1 AND previous_status IS NOT NULL AND terms IS NULL)
) PRIMARY KEY (connection_id, version);

CREATE TABLE connection_api_keys (
    id STRING(255) NOT NULL,
    organization_id STRING(255) NOT NULL,
    name STRING(255),
    secret_hash STRING(64) NOT NULL,
    representation STRING(16),
    created_at STRING(24) NOT NULL,
    expires_at STRING(24),
    revoked_at STRING(24),
    last_used_at STRING(24)
) PRIMARY KEY (id);

CREATE INDEX ix_connection_api_keys_organization ON connection_api_keys (organization_id, created_at, id);

CREATE TABLE connection_browser_sessions (
    token_hash STRING(64) NOT NULL,
    purpose STRING(16) NOT NULL,
    key_id STRING(255) NOT NULL,
    created_at STRING(24) NOT NULL,
    expires_at STRING(24) NOT NULL
) PRIMARY KEY (token_hash);

CREATE INDEX ix_connection_browser_sessions_expires_at ON connection_browser_sessions (expires_at);

CREATE INDEX ix_connection_browser_sessions_key_id ON connection_browser_sessions (key_id);
