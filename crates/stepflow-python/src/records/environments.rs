//! Environments and their packages, as rows. The folder of environments decides what there is; these
//! rows follow it.

use std::path::Path;

use engine::Environment;
use serde_json::{Value, json};

use super::{Database, DatabaseError};
use crate::dependencies::{Dependency, DependencySource};
use crate::environment::EnvironmentDescription;

/// What stands in `python_environments` and, by its packages, in `python_dependencies`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EnvironmentRow {
    id: String,
    name: String,
    python_version: String,
    path: String,
    base_packages: Value,
    packages: Vec<(String, String)>,
    /// The server whose it is; `None` is everybody's.
    instance: Option<String>,
    is_pinned: bool,
}

/// What a row that is there says; the rest follows from its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvironmentMark {
    pub(crate) id: String,
    path: String,
    status: String,
}

impl EnvironmentRow {
    /// The environment of every execution that asks for none. Its digest is its id.
    pub(crate) fn of_default(environment: &Environment) -> Self {
        Self {
            id: environment.digest.clone(),
            name: "default".into(),
            python_version: environment.interpreter.version_text(),
            path: environment.root.display().to_string(),
            base_packages: json!([]),
            packages: environment.packages.clone(),
            instance: None,
            is_pinned: false,
        }
    }

    /// One that somebody has created on a server, and where it is.
    pub(crate) fn of(made: &EnvironmentDescription, path: &Path, instance: &str) -> Self {
        Self {
            id: made.id.to_string(),
            name: made.digest.chars().take(12).collect(),
            python_version: made.python.clone(),
            path: path.display().to_string(),
            base_packages: json!(made.requirements),
            packages: made.packages.clone(),
            instance: Some(instance.to_owned()),
            is_pinned: made.is_active,
        }
    }

    /// Whether it is what `mark` says.
    pub(crate) fn is_marked(&self, mark: &EnvironmentMark) -> bool {
        let is_pinned = !self.is_pinned || mark.status == PINNED;
        self.id == mark.id && self.path == mark.path && is_pinned
    }

    fn installed(&self) -> Value {
        let package =
            |(name, version): &(String, String)| json!({"name": name, "version": version});
        self.packages.iter().map(package).collect()
    }

    /// Where a package came from, by what was asked for.
    fn source(&self, package: &str) -> &'static str {
        let asked = self.base_packages.as_array().into_iter().flatten();
        let mut asked = asked.filter_map(|text| Dependency::parse(text.as_str()?).ok());
        let source = asked.find(|one| one.name == package).map(|one| one.source);
        match source {
            Some(DependencySource::Git) => "git",
            Some(DependencySource::Local) => "local",
            Some(DependencySource::Conda) => "conda",
            Some(DependencySource::PyPI) | None => "pip",
        }
    }
}

/// The status of one whose zygotes are kept.
const PINNED: &str = "pinned";
const MARKS: &str =
    "SELECT id, virtual_env_path, status FROM python_environments WHERE instance = $1";
// `last_used` stays as it is, and `status` until it is pinned.
const PUT: &str = "
    INSERT INTO python_environments
        (id, name, python_version, virtual_env_path, base_packages, installed_packages, instance,
        status)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (id) DO UPDATE SET
        name = excluded.name, python_version = excluded.python_version,
        virtual_env_path = excluded.virtual_env_path, base_packages = excluded.base_packages,
        installed_packages = excluded.installed_packages, instance = excluded.instance,
        status = CASE WHEN excluded.status = 'pinned' THEN 'pinned'
            ELSE python_environments.status END";
const PACKAGES: &str =
    "SELECT package_name, version FROM python_dependencies WHERE environment_id = $1";
const PUT_PACKAGE: &str = "
    INSERT INTO python_dependencies (environment_id, package_name, version, source)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (environment_id, package_name) DO UPDATE SET
        version = excluded.version, source = excluded.source, installed_at = CURRENT_TIMESTAMP";
const DROP_PACKAGE: &str =
    "DELETE FROM python_dependencies WHERE environment_id = $1 AND package_name = $2";
const UNNAME: &str = "
    UPDATE python_executions SET environment_id = NULL WHERE id IN (
        SELECT id FROM python_executions WHERE environment_id = $1 LIMIT $2)";
const DROP: &str = "DELETE FROM python_environments WHERE id = $1";
// The index on (environment_id, created_at) answers both questions.
const USED: &str = "
    UPDATE python_environments SET last_used = (
        SELECT MAX(p.created_at) FROM python_executions p
        WHERE p.environment_id = python_environments.id)
    WHERE EXISTS (
        SELECT 1 FROM python_executions p WHERE p.environment_id = python_environments.id
            AND (last_used IS NULL OR p.created_at > last_used))";

impl Database {
    /// Writes an environment and its packages: what is there already is not touched.
    pub(crate) async fn put_environment(&self, row: &EnvironmentRow) -> Result<(), DatabaseError> {
        let written = self.put_environment_rows(row).await;
        written.map_err(DatabaseError::at("record an environment"))
    }

    async fn put_environment_rows(&self, row: &EnvironmentRow) -> Result<(), sqlx::Error> {
        let mut transaction = self.write().await?;
        sqlx::query(PUT)
            .bind(&row.id)
            .bind(&row.name)
            .bind(&row.python_version)
            .bind(&row.path)
            .bind(row.base_packages.to_string())
            .bind(row.installed().to_string())
            .bind(&row.instance)
            .bind(if row.is_pinned { PINNED } else { "active" })
            .execute(&mut *transaction)
            .await?;
        let known = sqlx::query_as::<_, (String, String)>(PACKAGES).bind(&row.id);
        let known = known.fetch_all(&mut *transaction).await?;
        for package in row.packages.iter().filter(|one| !known.contains(one)) {
            sqlx::query(PUT_PACKAGE)
                .bind(&row.id)
                .bind(&package.0)
                .bind(&package.1)
                .bind(row.source(&package.0))
                .execute(&mut *transaction)
                .await?;
        }
        let is_there = |name: &str| row.packages.iter().any(|(other, _)| other == name);
        for (name, _) in known.iter().filter(|(name, _)| !is_there(name)) {
            let gone = sqlx::query(DROP_PACKAGE).bind(&row.id).bind(name);
            gone.execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }

    /// What the rows of a server's environments say.
    pub(crate) async fn environments_of(
        &self,
        instance: &str,
    ) -> Result<Vec<EnvironmentMark>, DatabaseError> {
        let marks = sqlx::query_as::<_, (String, String, String)>(MARKS).bind(instance);
        let marks = marks.fetch_all(self.pool()).await;
        let marks = marks.map_err(DatabaseError::at("read the environments"))?;
        let mark = |(id, path, status)| EnvironmentMark { id, path, status };
        Ok(marks.into_iter().map(mark).collect())
    }

    /// Forgets one. What ran in it stays, without its name.
    pub(crate) async fn drop_environment(&self, id: &str) -> Result<(), DatabaseError> {
        let gone = self.drop_environment_rows(id).await;
        gone.map_err(DatabaseError::at("forget an environment"))
    }

    async fn drop_environment_rows(&self, id: &str) -> Result<(), sqlx::Error> {
        self.in_steps(UNNAME, id).await?;
        let gone = sqlx::query(DROP).bind(id).execute(self.pool());
        gone.await.map(drop)
    }

    /// Takes the time of each environment's last execution over.
    pub(super) async fn note_uses(&self) -> Result<(), DatabaseError> {
        let noted = sqlx::query(USED).execute(self.pool()).await;
        noted
            .map(drop)
            .map_err(DatabaseError::at("note when environments were used"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(requirements: &[&str], packages: &[(&str, &str)]) -> EnvironmentRow {
        let owned = |(name, version): &(&str, &str)| ((*name).to_owned(), (*version).to_owned());
        EnvironmentRow {
            id: "e".into(),
            name: "n".into(),
            python_version: "3.11.7".into(),
            path: "/p".into(),
            base_packages: json!(requirements),
            packages: packages.iter().map(owned).collect(),
            instance: Some("i".into()),
            is_pinned: true,
        }
    }

    async fn rows(database: &Database) -> Vec<(String, String, String, String)> {
        let all = "SELECT package_name, version, source, CAST(installed_at AS TEXT)
            FROM python_dependencies ORDER BY package_name";
        let all = sqlx::query_as(all).fetch_all(database.pool());
        all.await.unwrap()
    }

    #[test]
    fn a_source_is_told_by_what_was_asked_for() {
        let asked = row(
            &[
                "a[x] @ git+https://h/a",
                "B_b @ file:///b",
                "conda-forge::c=1",
                "d==1",
            ],
            &[],
        );
        let packages = ["a", "b-b", "c", "d", "e"];
        assert_eq!(
            packages.map(|package| asked.source(package)),
            ["git", "local", "conda", "pip", "pip"]
        );
    }

    #[tokio::test]
    async fn an_environment_with_many_executions_goes_and_they_stay() {
        let database = Database::in_memory().await.unwrap();
        database.put_environment(&row(&[], &[])).await.unwrap();
        let many = "
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 450)
            INSERT INTO recorded_executions (id, instance, state, source_sha256, source_bytes,
                policy, started_ms, kept_bytes, environment_id)
            SELECT 'x' || i, 'n', 'finished', '', 0, '', i, 0, 'e' FROM n";
        sqlx::query(many).execute(database.pool()).await.unwrap();
        // The foreign key has nothing left to do, which one statement would take long for.
        let refuse = "CREATE TRIGGER refuse BEFORE DELETE ON python_environments
            WHEN EXISTS (SELECT 1 FROM python_executions WHERE environment_id = OLD.id)
            BEGIN SELECT RAISE(ABORT, 'it still has executions'); END";
        sqlx::query(refuse).execute(database.pool()).await.unwrap();
        database.drop_environment("e").await.unwrap();
        let left = "SELECT count(*), count(environment_id) FROM python_executions";
        let left: (i64, i64) = sqlx::query_as(left)
            .fetch_one(database.pool())
            .await
            .unwrap();
        assert_eq!(left, (450, 0));
    }

    #[tokio::test]
    async fn an_install_touches_only_what_changes() {
        let database = Database::in_memory().await.unwrap();
        let before = row(
            &["a", "b @ git+https://h/b"],
            &[("a", "1"), ("b", "1"), ("c", "1")],
        );
        database.put_environment(&before).await.unwrap();
        assert_eq!(rows(&database).await[1].2, "git");
        // As if it had been long ago.
        let long_ago = "UPDATE python_dependencies SET installed_at = '2001-01-01 00:00:00'";
        sqlx::query(long_ago)
            .execute(database.pool())
            .await
            .unwrap();
        let used = "UPDATE python_environments SET last_used = '2002-01-01 00:00:00'";
        sqlx::query(used).execute(database.pool()).await.unwrap();

        let after = row(
            &["a", "d @ file:///d"],
            &[("a", "1"), ("b", "2"), ("d", "1")],
        );
        database.put_environment(&after).await.unwrap();
        let told: Vec<_> = rows(&database)
            .await
            .into_iter()
            .map(|(name, version, source, at)| (name, version, source, at.starts_with("2001")))
            .collect();
        let expected = [
            ("a", "1", "pip", true),
            ("b", "2", "pip", false),
            ("d", "1", "local", false),
        ];
        let expected = expected.map(|(name, version, source, is_old)| {
            (
                name.to_owned(),
                version.to_owned(),
                source.to_owned(),
                is_old,
            )
        });
        assert_eq!(told, expected);
        let kept = "SELECT status || ' ' || last_used FROM python_environments";
        let kept: (String,) = sqlx::query_as(kept)
            .fetch_one(database.pool())
            .await
            .unwrap();
        assert_eq!(kept.0, "pinned 2002-01-01 00:00:00");

        database.drop_environment("e").await.unwrap();
        assert!(rows(&database).await.is_empty(), "packages go along");
    }
}
