//! Tools and their modules: one row each, changed in one transaction.

use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::{Database, DatabaseError};

/// A tool as it is kept; what is JSON is kept as its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolRow {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: [i32; 3],
    pub(crate) description: String,
    pub(crate) configuration: String,
    pub(crate) source: String,
    pub(crate) functions: String,
    pub(crate) classes: String,
    pub(crate) imports: String,
    pub(crate) dependencies: String,
}

impl ToolRow {
    /// What it needs, roughly: the columns that can be long. Units: bytes.
    pub(crate) fn bytes(&self) -> usize {
        let texts = [
            &self.description,
            &self.configuration,
            &self.source,
            &self.functions,
            &self.classes,
        ];
        texts.into_iter().map(String::len).sum()
    }
}

/// The tools of other names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Others {
    pub(crate) count: usize,
    /// As [`ToolRow::bytes`].
    pub(crate) bytes: usize,
}

/// What is to be done with the tool that has the name already.
pub(crate) enum Standing {
    /// It stays as it is.
    Kept,
    /// The new one takes its place and its identity, in this version.
    Replaced([i32; 3]),
}

const SELECT: &str = "
    SELECT tools.id, name, version_major, version_minor, version_patch, description, configuration,
        source_code, functions, classes, imports, dependencies
    FROM tools JOIN python_modules ON python_modules.tool_id = tools.id
    WHERE name = $1";
const SELECT_ALL: &str = "
    SELECT tools.id, name, version_major, version_minor, version_patch, description, configuration,
        '' AS source_code, '' AS functions, '' AS classes, '' AS imports, '' AS dependencies
    FROM tools
    ORDER BY name";
const OTHERS: &str = "
    SELECT count(*), CAST(coalesce(sum(octet_length(description) + octet_length(configuration)
        + octet_length(source_code) + octet_length(functions) + octet_length(classes)), 0) AS BIGINT)
    FROM tools JOIN python_modules ON python_modules.tool_id = tools.id
    WHERE name <> $1";
const INSERT: &str = "
    INSERT INTO tools (id, name, version_major, version_minor, version_patch, description, configuration)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (id) DO UPDATE SET version_major = excluded.version_major,
        version_minor = excluded.version_minor, version_patch = excluded.version_patch,
        description = excluded.description, configuration = excluded.configuration";
const DELETE_MODULE: &str = "DELETE FROM python_modules WHERE tool_id = $1";
const INSERT_MODULE: &str = "
    INSERT INTO python_modules (tool_id, module_name, source_code, functions, classes, imports, dependencies)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const UNNAME: &str = "
    UPDATE executions SET tool_id = NULL WHERE id IN (
        SELECT id FROM executions WHERE tool_id = $1 LIMIT $2)";
const DELETE: &str = "DELETE FROM tools WHERE id = $1";

impl Database {
    /// Writes a tool, unless `decide` keeps or refuses to touch the one of its name, if there is one.
    ///
    /// Errors: those of `decide`; the database's.
    pub(crate) async fn save_tool<E: From<DatabaseError>>(
        &self,
        mut tool: ToolRow,
        decide: impl FnOnce(Option<&ToolRow>, Others) -> Result<Standing, E> + Send,
    ) -> Result<ToolRow, E> {
        let at = || DatabaseError::at("write the tool");
        let mut transaction = self.write().await.map_err(at())?;
        let others = others(&mut transaction, &tool.name).await.map_err(at())?;
        let standing = find(&mut transaction, &tool.name).await.map_err(at())?;
        match (decide(standing.as_ref(), others)?, standing) {
            (Standing::Kept, Some(standing)) => return Ok(standing),
            (Standing::Replaced(version), Some(standing)) => {
                tool.id = standing.id;
                tool.version = version;
            }
            (Standing::Kept | Standing::Replaced(_), None) => {}
        }
        write(&mut transaction, &tool).await.map_err(at())?;
        transaction.commit().await.map_err(at())?;
        Ok(tool)
    }

    /// The tool of a name.
    pub(crate) async fn tool(&self, name: &str) -> Result<Option<ToolRow>, DatabaseError> {
        let found = sqlx::query(SELECT).bind(name).fetch_optional(self.pool());
        let row = found
            .await
            .and_then(|row| row.as_ref().map(read).transpose());
        row.map_err(DatabaseError::at("read the tool"))
    }

    /// All tools by name, without what their modules say: nothing that is long.
    pub(crate) async fn tools(&self) -> Result<Vec<ToolRow>, DatabaseError> {
        let rows = sqlx::query(SELECT_ALL).fetch_all(self.pool()).await;
        let rows = rows.and_then(|rows| rows.iter().map(read).collect());
        rows.map_err(DatabaseError::at("read the tools"))
    }

    /// Removes the tool of a name; `false` when there is none. What it ran stays, without its tool.
    pub(crate) async fn remove_tool(&self, name: &str) -> Result<bool, DatabaseError> {
        let Some(tool) = self.tool(name).await? else {
            return Ok(false);
        };
        let removed = self.remove_tool_rows(&tool.id).await;
        removed.map_err(DatabaseError::at("remove the tool"))
    }

    async fn remove_tool_rows(&self, id: &str) -> Result<bool, sqlx::Error> {
        self.in_steps(UNNAME, id).await?;
        let removed = sqlx::query(DELETE).bind(id).execute(self.pool()).await?;
        Ok(removed.rows_affected() > 0)
    }
}

async fn others(
    transaction: &mut Transaction<'static, Any>,
    name: &str,
) -> Result<Others, sqlx::Error> {
    let row = sqlx::query(OTHERS).bind(name);
    let row = row.fetch_one(&mut **transaction).await?;
    let number = |index: usize| {
        let number: i64 = row.try_get(index)?;
        Ok::<_, sqlx::Error>(usize::try_from(number).unwrap_or_default())
    };
    Ok(Others {
        count: number(0)?,
        bytes: number(1)?,
    })
}

async fn find(
    transaction: &mut Transaction<'static, Any>,
    name: &str,
) -> Result<Option<ToolRow>, sqlx::Error> {
    let found = sqlx::query(SELECT).bind(name);
    let row = found.fetch_optional(&mut **transaction).await?;
    row.as_ref().map(read).transpose()
}

async fn write(
    transaction: &mut Transaction<'static, Any>,
    tool: &ToolRow,
) -> Result<(), sqlx::Error> {
    let [major, minor, patch] = tool.version;
    sqlx::query(INSERT)
        .bind(&tool.id)
        .bind(&tool.name)
        .bind(major)
        .bind(minor)
        .bind(patch)
        .bind(&tool.description)
        .bind(&tool.configuration)
        .execute(&mut **transaction)
        .await?;
    let gone = sqlx::query(DELETE_MODULE).bind(&tool.id);
    gone.execute(&mut **transaction).await?;
    sqlx::query(INSERT_MODULE)
        .bind(&tool.id)
        .bind(&tool.name)
        .bind(&tool.source)
        .bind(&tool.functions)
        .bind(&tool.classes)
        .bind(&tool.imports)
        .bind(&tool.dependencies)
        .execute(&mut **transaction)
        .await
        .map(drop)
}

fn read(row: &AnyRow) -> Result<ToolRow, sqlx::Error> {
    let text = |index: usize| {
        let text: Option<String> = row.try_get(index)?;
        Ok::<_, sqlx::Error>(text.unwrap_or_default())
    };
    Ok(ToolRow {
        id: text(0)?,
        name: text(1)?,
        version: [row.try_get(2)?, row.try_get(3)?, row.try_get(4)?],
        description: text(5)?,
        configuration: text(6)?,
        source: text(7)?,
        functions: text(8)?,
        classes: text(9)?,
        imports: text(10)?,
        dependencies: text(11)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tool_with_many_calls_goes_and_they_stay() {
        let database = Database::in_memory().await.unwrap();
        let many = "
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 450)
            INSERT INTO executions (id, tool_id, instance, state, source_sha256, source_bytes,
                policy, started_ms)
            SELECT 'x' || i, 't', 'n', 'finished', '', 0, '', i FROM n";
        // The foreign key has nothing left to do, which one statement would take long for.
        let refuse = "CREATE TRIGGER refuse BEFORE DELETE ON tools
            WHEN EXISTS (SELECT 1 FROM executions WHERE tool_id = OLD.id)
            BEGIN SELECT RAISE(ABORT, 'it still has executions'); END";
        for text in [
            "INSERT INTO tools (id, name) VALUES ('t', 'sums')",
            "INSERT INTO python_modules (tool_id, module_name, source_code) VALUES ('t', 'm', '')",
            many,
            refuse,
        ] {
            sqlx::query(text).execute(database.pool()).await.unwrap();
        }
        assert!(database.remove_tool("sums").await.unwrap());
        assert!(!database.remove_tool("sums").await.unwrap());
        let left = "SELECT count(*), count(tool_id) FROM executions";
        let left: (i64, i64) = sqlx::query_as(left)
            .fetch_one(database.pool())
            .await
            .unwrap();
        assert_eq!(left, (450, 0));
    }
}
