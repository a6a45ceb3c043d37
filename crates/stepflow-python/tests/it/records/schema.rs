//! Both databases end with the same tables, and these are the seed's.

use std::collections::BTreeSet;

use sqlx::{AnyPool, Row};
use stepflow_python::{Database, DatabaseAddress};

use super::{postgres, sqlite};

/// Facts of a schema, each in one line.
type Facts = BTreeSet<String>;

const SQLITE_COLUMNS: &str = "
    SELECT t.name || '.' || c.name || ' '
        || CASE c.type WHEN 'DATETIME' THEN 'time' WHEN 'TEXT' THEN 'text' ELSE 'integer' END
        || CASE WHEN c.\"notnull\" OR c.pk THEN ' not null' ELSE '' END
        || COALESCE(' default ' || REPLACE(c.dflt_value, '''', ''), '')
    FROM sqlite_schema t, pragma_table_info(t.name) c
    WHERE t.type IN ('table', 'view')
        AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE '_sqlx_%'";
const SQLITE_REFERENCES: &str = "
    SELECT t.name || '.' || f.\"from\" || ' refers to ' || f.\"table\" || '.' || f.\"to\"
        || ' on delete ' || LOWER(f.on_delete)
    FROM sqlite_schema t, pragma_foreign_key_list(t.name) f WHERE t.type = 'table'";
const SQLITE_UNIQUE: &str = "
    SELECT t.name || ' unique ' || GROUP_CONCAT(c.name, ',')
    FROM sqlite_schema t, pragma_index_list(t.name) i, pragma_index_info(i.name) c
    WHERE t.type = 'table' AND i.origin IN ('u', 'pk') AND t.name NOT LIKE '_sqlx_%'
    GROUP BY t.name, i.name
    UNION ALL
    SELECT t.name || ' unique ' || c.name
    FROM sqlite_schema t, pragma_table_info(t.name) c
    WHERE t.type = 'table' AND c.pk AND c.type = 'INTEGER' AND t.name NOT LIKE 'sqlite_%'";
const SQLITE_INDEXES: &str = "
    SELECT i.tbl_name || ' index ' || i.name FROM sqlite_schema i
    WHERE i.type = 'index' AND i.sql IS NOT NULL";

const POSTGRES_COLUMNS: &str = "
    SELECT CAST(table_name || '.' || column_name || ' '
        || CASE data_type WHEN 'timestamp without time zone' THEN 'time' WHEN 'text' THEN 'text'
           ELSE 'integer' END
        || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END
        || COALESCE(' default ' || REPLACE(REPLACE(column_default, '''', ''), '::text', ''), '') AS TEXT)
    FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx\\_%'";
const POSTGRES_REFERENCES: &str = "
    SELECT CAST(c.conrelid::regclass || '.' || a.attname || ' refers to ' || c.confrelid::regclass
        || '.' || b.attname || ' on delete '
        || CASE c.confdeltype WHEN 'c' THEN 'cascade' WHEN 'n' THEN 'set null' ELSE 'other' END AS TEXT)
    FROM pg_constraint c
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1]
    WHERE c.contype = 'f'";
const POSTGRES_UNIQUE: &str = "
    SELECT CAST(c.conrelid::regclass || ' unique ' || STRING_AGG(a.attname, ',' ORDER BY k.place) AS TEXT)
    FROM pg_constraint c
    CROSS JOIN LATERAL UNNEST(c.conkey) WITH ORDINALITY AS k(number, place)
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number
    WHERE c.contype IN ('u', 'p') AND c.connamespace = 'public'::regnamespace
        AND c.conrelid::regclass::text NOT LIKE '\\_sqlx\\_%'
    GROUP BY c.conrelid, c.oid";
const POSTGRES_INDEXES: &str = "
    SELECT CAST(i.tablename || ' index ' || i.indexname AS TEXT) FROM pg_indexes i
    WHERE i.schemaname = 'public' AND NOT EXISTS (
        SELECT 1 FROM pg_constraint c WHERE c.conname = i.indexname)";

async fn facts(url: &str, queries: [&'static str; 4]) -> Facts {
    let pool = AnyPool::connect(url).await.unwrap();
    let mut facts = Facts::new();
    for query in queries {
        for row in sqlx::query(query).fetch_all(&pool).await.unwrap() {
            facts.insert(row.get(0));
        }
    }
    facts
}

async fn sqlite_facts() -> Facts {
    let fresh = sqlite().await;
    let queries = [
        SQLITE_COLUMNS,
        SQLITE_REFERENCES,
        SQLITE_UNIQUE,
        SQLITE_INDEXES,
    ];
    facts(&fresh.url, queries).await
}

#[tokio::test]
async fn the_tables_of_the_seed_are_there_by_the_letter() {
    let facts = sqlite_facts().await;
    let expected = include_str!("seed_tables.txt").lines();
    let missing: Vec<_> = expected.filter(|line| !facts.contains(*line)).collect();
    assert!(missing.is_empty(), "{missing:#?}\nof\n{facts:#?}");
}

#[tokio::test]
async fn both_databases_have_the_same_schema() {
    let Some(postgres) = postgres().await else {
        return;
    };
    let queries = [
        POSTGRES_COLUMNS,
        POSTGRES_REFERENCES,
        POSTGRES_UNIQUE,
        POSTGRES_INDEXES,
    ];
    // The identity columns of PostgreSQL have no default of their own, as SQLite's have none.
    let there = facts(&postgres.url, queries).await;
    let here = sqlite_facts().await;
    let only_here: Vec<_> = here.difference(&there).collect();
    let only_there: Vec<_> = there.difference(&here).collect();
    assert!(
        only_here.is_empty() && only_there.is_empty(),
        "SQLite: {only_here:#?}\nPostgreSQL: {only_there:#?}"
    );
}

#[tokio::test]
async fn a_second_opening_finds_the_tables_made() {
    let fresh = sqlite().await;
    let again = Database::open(fresh.database.address()).await.unwrap();
    again.close().await;
}

#[tokio::test]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let fresh = sqlite().await;
    let DatabaseAddress::File(path) = fresh.database.address() else {
        panic!("not a file");
    };
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
    }
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records.sqlite");
    std::fs::write(
        &path,
        "this is a letter to a friend, and no database at all",
    )
    .unwrap();
    let refused = Database::open(&DatabaseAddress::File(path.clone())).await;
    let said = refused.unwrap_err().to_string();
    assert!(said.contains(&path.display().to_string()), "{said}");
    let none = folder.path().join("none.sqlite");
    let refused = Database::open_to_read(&DatabaseAddress::File(none.clone())).await;
    assert!(refused.is_err());
    assert!(!none.exists(), "reading makes nothing");
}
