CREATE TABLE connection_idempotency_keys (
    organization_id VARCHAR(255) NOT NULL,
    `key` VARCHAR(255) NOT NULL,
    fingerprint VARCHAR(64) NOT NULL,
    outcome TEXT NOT NULL,
    created_at DATETIME(3) NOT NULL,
    CONSTRAINT pk_connection_idempotency_keys PRIMARY KEY (organization_id, `key`)
)ENGINE=InnoDB CHARSET=utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE INDEX ix_connection_idempotency_keys_created_at ON connection_idempotency_keys (created_at);

CREATE TABLE connections (
    id VARCHAR(255) NOT NULL,
    source_organization_id VARCHAR(255) NOT NULL,
    destination_organization_id VARCHAR(255) NOT NULL,
    name VARCHAR(255),
    status VARCHAR(16) NOT NULL,
    scopes JSON NOT NULL,
    creator_id VARCHAR(255) NOT NULL,
    created_at DATETIME(3) NOT NULL,
    updated_at DATETIME(3) NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT pk_connections PRIMARY KEY (id),
    CONSTRAINT uq_connections_ordered_pair UNIQUE (source_organization_id, destination_organization_id),
    CONSTRAINT ck_connections_status CHECK (status IN ('pending', 'active', 'inactive')),
    CONSTRAINT ck_connections_version CHECK (version >= 1),
    CONSTRAINT ck_connections_updated_at CHECK (updated_at >= created_at)
)ENGINE=InnoDB CHARSET=utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE INDEX ix_connections_destination ON connections (destination_organization_id, created_at, id);

CREATE INDEX ix_connections_destination_status ON connections (destination_organization_id, status, created_at, id);

CREATE INDEX ix_connections_source ON connections (source_organization_id, created_at, id);

CREATE INDEX ix_connections_source_status ON connections (source_organization_id, status, created_at, id);

CREATE TABLE connection_events (
    connection_id VARCHAR(255) NOT NULL,
    version INTEGER NOT NULL,
    action VARCHAR(16) NOT NULL,
    previous_status VARCHAR(16),
    status VARCHAR(16) NOT NULL,
    actor_id VARCHAR(255) NOT NULL,
    actor_organization_id VARCHAR(255) NOT NULL,
    roles JSON NOT NULL,
    occurred_at DATETIME(3) NOT NULL,
    terms JSON,
    CONSTRAINT pk_connection_events PRIMARY KEY (connection_id, version),
    CONSTRAINT fk_connection_events_connection FOREIGN KEY(connection_id) REFERENCES connections (id),
    CONSTRAINT ck_connection_events_version CHECK (version >= 1),
    CONSTRAINT ck_connection_events_step CHECK (action = 'create' AND status = 'pending' AND previous_status IS NULL OR action = 'activate' AND status = 'active' AND previous_status = 'pending' OR action = 'deactivate' AND status = 'inactive' AND previous_status = 'pending' OR action = 'deactivate' AND status = 'inactive' AND previous_status = 'active' OR action = 'reactivate' AND status = 'pending' AND previous_status = 'inactive'),
    CONSTRAINT ck_connection_events_creation CHECK (version = 1 AND previous_status IS NULL AND terms IS NOT NULL OR version > 1 AND previous_status IS NOT NULL AND terms IS NULL)
)ENGINE=InnoDB CHARSET=utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE TABLE connection_api_keys (
    id VARCHAR(255) NOT NULL,
    organization_id VARCHAR(255) NOT NULL,
    name VARCHAR(255),
    secret_hash VARCHAR(64) NOT NULL,
    representation VARCHAR(16),
    created_at DATETIME(3) NOT NULL,
    expires_at DATETIME(3),
    revoked_at DATETIME(3),
    last_used_at DATETIME(3),
    CONSTRAINT pk_connection_api_keys PRIMARY KEY (id)
)ENGINE=InnoDB CHARSET=utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE INDEX ix_connection_api_keys_organization ON connection_api_keys (organization_id, created_at, id);

CREATE TABLE connection_browser_sessions (
    token_hash VARCHAR(64) NOT NULL,
    purpose VARCHAR(16) NOT NULL,
    key_id VARCHAR(255) NOT NULL,
    created_at DATETIME(3) NOT NULL,
    expires_at DATETIME(3) NOT NULL,
    CONSTRAINT pk_connection_browser_sessions PRIMARY KEY (token_hash)
)ENGINE=InnoDB CHARSET=utf8mb4 COLLATE utf8mb4_0900_bin;

CREATE INDEX ix_connection_browser_sessions_expires_at ON connection_browser_sessions (expires_at);

CREATE INDEX ix_connection_browser_sessions_key_id ON connection_browser_sessions (key_id);
