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
    environment TEXT, -- its digest
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
CREATE INDEX executions_by_start ON executions (started_ms, id, kept_bytes);
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
CREATE INDEX python_executions_environment ON python_executions (environment_id, created_at)
    WHERE environment_id IS NOT NULL;

-- An execution as one row: what the writer inserts when it has ended, and what the history reads.
CREATE VIEW recorded_executions AS
SELECT e.id, e.tool_id, e.instance, e.state, e.outcome, e.detail,
    e.source_sha256, e.source_bytes, e.source, e.environment, e.policy, e.tier,
    e.preload, e.limits, e.usage, e.artifacts, e.started_ms, e.ended_ms,
    e.kept_bytes,
    p.environment_id, p.module_name, p.function_name, p.parameters, p.result, p.stdout,
    p.stderr, p.execution_time_ms, p.memory_usage_kb, p.return_code, p.exceptions
FROM executions e LEFT JOIN python_executions p ON p.execution_id = e.id;

-- Both halves at once, and once only: a writer that does not know whether it succeeded may try again.
-- An environment that is not there any more is none.
CREATE TRIGGER recorded_executions_insert INSTEAD OF INSERT ON recorded_executions BEGIN
    INSERT INTO executions (
        id, tool_id, instance, state, outcome, detail,
        source_sha256, source_bytes, source, environment, policy, tier,
        preload, limits, usage, artifacts, started_ms, ended_ms,
        kept_bytes)
    VALUES (
        NEW.id, NEW.tool_id, NEW.instance, NEW.state, NEW.outcome, NEW.detail,
        NEW.source_sha256, NEW.source_bytes, NEW.source, NEW.environment, NEW.policy, NEW.tier,
        NEW.preload, NEW.limits, NEW.usage, NEW.artifacts, NEW.started_ms, NEW.ended_ms,
        NEW.kept_bytes)
    ON CONFLICT (id) DO UPDATE SET
            state = excluded.state, outcome = excluded.outcome, detail = excluded.detail,
            environment = excluded.environment, tier = excluded.tier, preload = excluded.preload,
            limits = excluded.limits, usage = excluded.usage, artifacts = excluded.artifacts,
            ended_ms = excluded.ended_ms, kept_bytes = excluded.kept_bytes;
    INSERT INTO python_executions (
        execution_id, environment_id, module_name, function_name, parameters, result,
        stdout, stderr, execution_time_ms, memory_usage_kb, return_code, exceptions)
    SELECT NEW.id, (SELECT id FROM python_environments WHERE id = NEW.environment_id),
        NEW.module_name, NEW.function_name, NEW.parameters, NEW.result, NEW.stdout, NEW.stderr,
        NEW.execution_time_ms, NEW.memory_usage_kb, NEW.return_code, NEW.exceptions
    WHERE NOT EXISTS (SELECT 1 FROM python_executions WHERE execution_id = NEW.id);
END;
