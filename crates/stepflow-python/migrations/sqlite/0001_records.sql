-- The tables of seed 003 by the letter, and the two that they refer to.
-- `*_ms` are milliseconds since 1970; `*_at` and `last_used` are UTC, as is every session. JSON is kept as text.

CREATE TABLE tools (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE,
    version_major INTEGER NOT NULL DEFAULT 1,
    version_minor INTEGER NOT NULL DEFAULT 0,
    version_patch INTEGER NOT NULL DEFAULT 0,
    tool_type TEXT NOT NULL DEFAULT 'python',
    status TEXT NOT NULL DEFAULT 'active',
    description TEXT,
    configuration TEXT, -- JSON
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE python_modules (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tool_id TEXT NOT NULL,
    module_name TEXT NOT NULL,
    source_code TEXT NOT NULL,
    functions TEXT, -- JSON
    classes TEXT, -- JSON
    imports TEXT, -- JSON
    dependencies TEXT, -- JSON
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (tool_id) REFERENCES tools(id) ON DELETE CASCADE
);
CREATE INDEX python_modules_tool ON python_modules (tool_id);

CREATE TABLE python_environments (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    python_version TEXT NOT NULL,
    virtual_env_path TEXT NOT NULL,
    base_packages TEXT, -- JSON
    installed_packages TEXT, -- JSON
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    last_used DATETIME,
    status TEXT NOT NULL DEFAULT 'active'
);

CREATE TABLE python_dependencies (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    environment_id TEXT NOT NULL,
    package_name TEXT NOT NULL,
    version TEXT NOT NULL,
    source TEXT, -- 'pip', 'conda', etc.
    installed_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (environment_id) REFERENCES python_environments(id) ON DELETE CASCADE,
    UNIQUE (environment_id, package_name)
);

-- Servers that write here. One that has not been seen for long runs nothing any more.
CREATE TABLE instances (
    id TEXT PRIMARY KEY NOT NULL,
    seen_ms BIGINT NOT NULL
);

-- One row per execution, from its start. What seed 003 says of it stands in `python_executions`.
CREATE TABLE executions (
    id TEXT PRIMARY KEY NOT NULL,
    tool_id TEXT,
    instance TEXT NOT NULL, -- the server that runs it
    state TEXT NOT NULL DEFAULT 'running', -- 'running', 'finished', 'failed', 'lost'
    outcome TEXT, -- when finished
    detail TEXT, -- the limit, the exit status or signal, or why it failed
    source_sha256 TEXT NOT NULL,
    source_bytes BIGINT NOT NULL,
    source TEXT, -- its beginning
    environment TEXT, -- digest
    policy TEXT NOT NULL,
    tier TEXT,
    preload TEXT,
    limits TEXT, -- JSON
    usage TEXT, -- JSON
    artifacts TEXT, -- JSON
    started_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    kept_bytes BIGINT NOT NULL DEFAULT 0, -- what this record takes
    FOREIGN KEY (tool_id) REFERENCES tools(id) ON DELETE SET NULL
);
CREATE INDEX executions_by_start ON executions (started_ms, id);
CREATE INDEX executions_running ON executions (instance) WHERE state = 'running';
CREATE INDEX executions_tool ON executions (tool_id) WHERE tool_id IS NOT NULL;

CREATE TABLE python_executions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    execution_id TEXT NOT NULL,
    environment_id TEXT,
    module_name TEXT,
    function_name TEXT,
    parameters TEXT, -- JSON
    result TEXT, -- JSON
    stdout TEXT,
    stderr TEXT,
    execution_time_ms INTEGER,
    memory_usage_kb INTEGER,
    return_code INTEGER,
    exceptions TEXT, -- JSON
    created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (execution_id) REFERENCES executions(id) ON DELETE CASCADE,
    FOREIGN KEY (environment_id) REFERENCES python_environments(id) ON DELETE SET NULL
);
CREATE INDEX python_executions_execution ON python_executions (execution_id);
CREATE INDEX python_executions_environment ON python_executions (environment_id)
    WHERE environment_id IS NOT NULL;
