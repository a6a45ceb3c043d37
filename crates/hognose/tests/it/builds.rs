//! Executions whose packages have to be installed first.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::served::{Server, answer, state};

/// An index that takes every connection and never says a word.
fn silent_index() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut connections = Vec::new();
        connections.extend(listener.incoming().map_while(Result::ok));
    });
    format!("http://{address}/simple")
}

/// Waits until the server has taken so many requests of this kind in.
fn until_taken_in(server: &Server, count: u32) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut asked = 0;
    loop {
        let families = server.get("/metrics");
        asked += 1;
        let all = families.as_array().unwrap().iter();
        let mut all = all.filter(|one| one["name"] == "hognose_http_requests_total");
        let taken = all.next().unwrap()["series"][0]["value"].as_f64().unwrap();
        if taken >= f64::from(count + asked) {
            return;
        }
        assert!(Instant::now() < deadline, "{taken} of {count}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn builds_hold_no_slots() {
    let state = state();
    let index = silent_index();
    let variables = [
        ("HOGNOSE_INDEX_URL", index.as_str()),
        ("HOGNOSE_INDEX_TIMEOUT_SECONDS", "300"),
        ("HOGNOSE_INDEX_RETRIES", "0"),
    ];
    let server = Server::start_with(state.path(), &variables);
    // As many as there are slots, each of which waits for an answer that does not come.
    let _waiting: Vec<_> = (0..8)
        .map(|n| {
            let body = json!({"source": "1", "packages": [format!("package{n}")]});
            server.send("POST", "/v1/executions", &body.to_string())
        })
        .collect();
    until_taken_in(&server, 8);
    for _ in 0..8 {
        let told = answer(server.execute("6 * 7"));
        assert_eq!(told["value"]["json"], 42, "{told}");
    }
}
