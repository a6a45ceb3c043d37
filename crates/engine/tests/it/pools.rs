//! Who gets a child that waits.

use std::time::Duration;

use engine::{ExecutionRequest, PoolStatus};

use crate::support::{Bench, bench, stdout};

/// The bare preload's pool, once two children wait in it.
async fn filled(bench: &Bench) -> PoolStatus {
    let filling = async {
        loop {
            let pools = bench.engine.pools();
            let bare = pools.into_iter().find(|pool| pool.preload == "bare");
            match bare {
                Some(bare) if bare.ready >= 2 => return bare,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), filling)
        .await
        .expect("the keeper fills the pool")
}

#[tokio::test]
async fn who_gives_way_leaves_the_last_waiting_children_to_others() {
    let bench = bench().await;
    bench.engine.warm().await.unwrap();
    for (gives_way, ready, fresh) in [(true, 0, 1), (false, 1, 0), (true, 0, 1)] {
        let before = filled(&bench).await;
        let report = bench
            .run_request(ExecutionRequest {
                source: "print(1)".into(),
                gives_way,
                ..Default::default()
            })
            .await;
        assert_eq!(stdout(&report), "1\n");
        let after = filled(&bench).await;
        let leases = (
            after.leases_ready - before.leases_ready,
            after.leases_fresh - before.leases_fresh,
        );
        assert_eq!(leases, (ready, fresh), "gives way: {gives_way}");
    }
}
