//! How the index is asked: how often, how long, with whose certificates, or not at all.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stepflow_python::{EnvironmentError, InstallPolicy, PipConfig};

use crate::environments::{Bench, bench, bench_on};
use crate::support::tools;

async fn bench_with(pip: PipConfig) -> Bench {
    let state = tempfile::tempdir().unwrap();
    tools(state.path());
    bench_on(state, InstallPolicy::default(), 100, Some(pip)).await
}

/// An index that answers every request with 503, or never; it counts requests for packages.
fn broken_index(answers: bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let mut head = [0; 4096];
            if stream.read(&mut head).unwrap_or(0) == 0 {
                continue;
            }
            count.fetch_add(1, Ordering::SeqCst);
            if answers {
                let answer = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                let _ = stream.write_all(answer.as_bytes());
            } else {
                silent.push(stream);
            }
        }
    });
    (format!("http://{address}/simple"), asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_index_is_asked_again_as_often_as_configured() {
    for retries in [0, 2] {
        let (index, asked) = broken_index(true);
        let bench = bench_with(PipConfig {
            index_url: Some(index),
            retries,
            ..PipConfig::default()
        });
        let error = bench.await.create(&["alpha"]).await.unwrap_err();
        assert!(
            matches!(error, EnvironmentError::Packages { .. }),
            "{error}"
        );
        assert_eq!(asked.load(Ordering::SeqCst), retries as usize + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_never_answers_is_given_up() {
    let (index, asked) = broken_index(false);
    let bench = bench_with(PipConfig {
        index_url: Some(index),
        timeout: Duration::from_secs(1),
        retries: 0,
        ..PipConfig::default()
    });
    let error = bench.await.create(&["alpha"]).await.unwrap_err();
    assert!(
        matches!(error, EnvironmentError::Packages { .. }),
        "{error}"
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// Ends with the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const TLS_INDEX: &str = "
import functools, http.server, ssl, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2] + '/cert.pem', sys.argv[2] + '/key.pem')
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
";

fn tls_index(folder: &Path, certificates: &Path) -> (Killed, u16) {
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args([
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(certificates)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let mut server = Command::new("python3")
        .args(["-c", TLS_INDEX])
        .args([folder, certificates])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = std::io::BufReader::new(server.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut line).unwrap();
    (Killed(server), line.trim().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_trusted_host_may_show_a_certificate_of_its_own() {
    let packages = bench(InstallPolicy::default(), 1).await;
    let folder = packages.state.path().join("index");
    let certificates = tempfile::tempdir().unwrap();
    let (_server, port) = tls_index(&folder, certificates.path());
    let index = format!("https://127.0.0.1:{port}");
    let pip = |trusted_hosts: Vec<String>| PipConfig {
        index_url: Some(index.clone()),
        trusted_hosts,
        retries: 0,
        ..PipConfig::default()
    };
    let distrustful = bench_with(pip(vec![])).await;
    let error = distrustful.create(&["alpha"]).await.unwrap_err();
    assert!(
        matches!(error, EnvironmentError::Packages { .. }),
        "{error}"
    );
    let trusting = bench_with(pip(vec![format!("127.0.0.1:{port}")])).await;
    assert!(trusting.create(&["alpha"]).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_serves_what_was_fetched_before_and_nothing_else() {
    let (index, asked) = broken_index(true);
    let state = tempfile::tempdir().unwrap();
    tools(state.path());
    let offline = InstallPolicy {
        offline: true,
        source_builds: true,
        ..InstallPolicy::default()
    };
    let pip = PipConfig {
        index_url: Some(index),
        ..PipConfig::default()
    };
    let bench = bench_on(state, offline, 100, Some(pip)).await;
    for wanted in ["alpha", "a @ git+https://x.example/a", "conda-forge::a"] {
        let error = bench.create(&[wanted]).await.unwrap_err().to_string();
        assert!(
            error.contains("offline") || error.contains("network"),
            "{error}"
        );
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}
