//! Who gets a child that waits.

use std::time::Duration;

use engine::{ExecutionRequest, PoolStatus};

use crate::support::{Bench, bench, stdout};

fn bare(bench: &Bench) -> PoolStatus {
    let mut pools = bench.engine.pools().into_iter();
    pools.find(|pool| pool.preload == "bare").unwrap()
}

/// The bare preload's pool, once as many wait in it as should.
async fn filled(bench: &Bench) -> PoolStatus {
    let filling = async {
        loop {
            match bare(bench) {
                full if full.ready > 0 && full.ready >= full.wanted => return full,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), filling)
        .await
        .expect("the keeper fills the pool")
}

fn program(source: &str, gives_way: bool) -> ExecutionRequest {
    ExecutionRequest {
        source: source.into(),
        gives_way,
        ..Default::default()
    }
}

#[tokio::test]
async fn who_gives_way_leaves_the_last_waiting_children_to_others() {
    let bench = bench().await;
    bench.engine.warm().await.unwrap();
    let full = filled(&bench).await;
    // While executions run, a pool is filled up to two children only: these leave just those.
    let mut running = Vec::new();
    for _ in 2..full.ready {
        let long = program("import time\ntime.sleep(60)", true);
        running.push(bench.engine.execute(long).await.unwrap());
    }
    for (gives_way, ready, fresh) in [(true, 0, 1), (false, 1, 0)] {
        let before = bare(&bench);
        let report = bench.run_request(program("print(1)", gives_way)).await;
        assert_eq!(stdout(&report), "1\n");
        let after = bare(&bench);
        let leases = (
            after.leases_ready - before.leases_ready,
            after.leases_fresh - before.leases_fresh,
        );
        assert_eq!(leases, (ready, fresh), "gives way: {gives_way}");
    }
    assert_eq!(
        bare(&bench).leases_ready,
        full.leases_ready + running.len() as u64 + 1
    );
}

#[tokio::test]
async fn what_waits_for_the_answer_does_not_wait_for_ever() {
    let bench = bench().await;
    bench.engine.warm().await.unwrap();
    let full = filled(&bench).await;
    // Nobody takes its last event, and all the same its sandbox is swept and the next child is made.
    let unread = bench.engine.execute(program("print(1)", false)).await;
    let refilled = async {
        while bare(&bench).refills == full.refills {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let refilled = tokio::time::timeout(Duration::from_secs(20), refilled).await;
    assert!(refilled.is_ok() && filled(&bench).await.ready == full.ready);
    drop(unread);
}
