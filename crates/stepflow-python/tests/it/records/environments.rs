//! The rows of environments follow the folder, whatever the database has missed.

use std::collections::BTreeSet;

use sqlx::AnyPool;
use stepflow_python::{EnvironmentService, InstallPolicy, Instance, Recorder, Retention};

use super::{Fresh, postgres, sqlite};
use crate::environments::{Bench, bench, silent, wanted};

/// The bench's environments written into `fresh`.
async fn mirrored(fresh: &Fresh, bench: &mut Bench) {
    let instance = Instance::take(bench.state.path()).unwrap();
    let recorder = Recorder::begin(fresh.database.clone(), instance, Retention::default()).await;
    bench.executor = bench.executor.clone().with_recorder(recorder.unwrap());
    bench.executor.record_environments().await.unwrap();
}

/// The table from outside.
struct Rows(AnyPool);

impl Rows {
    async fn execute(&self, text: &'static str) {
        sqlx::query(text).execute(&self.0).await.unwrap();
    }

    /// The database works again only after `meanwhile`.
    async fn missing(&self, meanwhile: impl Future<Output = ()>) {
        self.execute("ALTER TABLE python_environments RENAME TO hidden")
            .await;
        meanwhile.await;
        self.execute("ALTER TABLE hidden RENAME TO python_environments")
            .await;
    }

    async fn ids(&self) -> BTreeSet<String> {
        let all = "SELECT id FROM python_environments";
        let all: Vec<(String,)> = sqlx::query_as(all).fetch_all(&self.0).await.unwrap();
        all.into_iter().map(|(id,)| id).collect()
    }
}

async fn rows_follow_the_folder(fresh: Fresh) {
    let mut bench = bench(InstallPolicy::default(), 100).await;
    mirrored(&fresh, &mut bench).await;
    let rows = Rows(AnyPool::connect(&fresh.url).await.unwrap());
    rows.execute(
        "INSERT INTO python_environments (id, name, python_version, virtual_env_path, instance)
        VALUES ('stranger', 'n', '3.11.7', '/p', 'another server')",
    )
    .await;
    let ids = |own: &[&str]| {
        let all = ["bare", "stranger"].iter().chain(own);
        all.map(|id| (*id).to_owned()).collect::<BTreeSet<_>>()
    };
    let first = bench.create(&["alpha<2"]).await.unwrap().id;
    let second = bench.create(&["gamma"]).await.unwrap().id;
    let (first_id, second_id) = (first.to_string(), second.to_string());
    assert_eq!(rows.ids().await, ids(&[&first_id, &second_id]));

    // What was missed is made good with the next change.
    rows.missing(async { bench.environments.remove(second).await.unwrap() })
        .await;
    assert_eq!(rows.ids().await, ids(&[&first_id, &second_id]));
    let third = bench.create(&["beta"]).await.unwrap().id;
    let third_id = third.to_string();
    assert_eq!(rows.ids().await, ids(&[&first_id, &third_id]));

    // Without one it is in a round, of which this is one: removed, made, changed, activated.
    let mut fourth_id = String::new();
    rows.missing(async {
        bench.environments.remove(third).await.unwrap();
        fourth_id = bench.create(&["gamma"]).await.unwrap().id.to_string();
        let more = wanted(&["gamma"]);
        bench
            .environments
            .install(first, more, silent())
            .await
            .unwrap();
        bench.environments.activate(first).await.unwrap();
    })
    .await;
    assert_eq!(rows.ids().await, ids(&[&first_id, &third_id]));
    bench.executor.record_environments().await.unwrap();
    assert_eq!(rows.ids().await, ids(&[&first_id, &fourth_id]));
    let pinned = "SELECT e.id, COUNT(*) FROM python_environments e
        JOIN python_dependencies d ON d.environment_id = e.id
        WHERE e.status = 'pinned' GROUP BY e.id";
    let pinned: Vec<(String, i64)> = sqlx::query_as(pinned).fetch_all(&rows.0).await.unwrap();
    assert_eq!(pinned, [(first_id.clone(), 2)], "alpha and gamma");

    // What was removed while nobody recorded is gone at the next start.
    let bench = bench.restarted().await;
    bench.environments.remove(first).await.unwrap();
    assert_eq!(rows.ids().await, ids(&[&first_id, &fourth_id]));
    let mut bench = bench.restarted().await;
    mirrored(&fresh, &mut bench).await;
    assert_eq!(rows.ids().await, ids(&[&fourth_id]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_follow_the_folder_in_sqlite() {
    rows_follow_the_folder(sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_follow_the_folder_in_postgres() {
    if let Some(fresh) = postgres().await {
        rows_follow_the_folder(fresh).await;
    }
}
