//! `/v1/environments` over a scripted service, and the same service from behind the socket.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use server::RemoteExecutor;
use stepflow_python::environment::Progress;
use stepflow_python::{
    Dependency, EnvironmentDescription, EnvironmentError, EnvironmentId, EnvironmentOrder,
    EnvironmentService, ProgressSink, PythonExecutor,
};

use crate::support::served;

const ID: &str = "0b7c1f3e-58a1-4f53-9d5e-2f5b6a1c7d10";
const JSON: [&str; 2] = ["X-API-Key: the-right-key", "Content-Type: application/json"];

/// Has one environment; the package `nowheel` cannot be installed.
#[derive(Default)]
pub(crate) struct Scripted {
    asked: Mutex<Vec<String>>,
}

fn description(packages: &[Dependency]) -> EnvironmentDescription {
    EnvironmentDescription {
        id: ID.parse().unwrap(),
        digest: "ab".repeat(32),
        python: "3.11.7".into(),
        requirements: packages.iter().map(Dependency::to_requirement).collect(),
        packages: vec![("numpy".into(), "1.26.4".into())],
        bytes: 5,
        created_ms: 6,
        used_ms: 7,
        is_active: false,
    }
}

#[async_trait]
impl EnvironmentService for Scripted {
    async fn create(
        &self,
        order: EnvironmentOrder,
        progress: ProgressSink,
    ) -> Result<EnvironmentDescription, EnvironmentError> {
        progress(Progress {
            step: "packages",
            done: 1,
            total: 4,
            text: "reading /srv/cache/x".into(),
        });
        if order.packages.iter().any(|one| one.name == "nowheel") {
            let said = "`nowheel` has no wheels in /srv/cache".into();
            return Err(EnvironmentError::Packages { said });
        }
        Ok(description(&order.packages))
    }

    async fn install(
        &self,
        id: EnvironmentId,
        packages: Vec<Dependency>,
        _: ProgressSink,
    ) -> Result<EnvironmentDescription, EnvironmentError> {
        self.asked.lock().unwrap().push(format!("install {id}"));
        Ok(description(&packages))
    }

    async fn activate(&self, _: EnvironmentId) -> Result<(), EnvironmentError> {
        Ok(())
    }

    async fn remove(&self, id: EnvironmentId) -> Result<(), EnvironmentError> {
        if id.to_string() == ID {
            return Ok(());
        }
        Err(EnvironmentError::Unknown {
            wanted: id.to_string(),
        })
    }

    async fn prune(&self) -> Result<u64, EnvironmentError> {
        Ok(9)
    }

    async fn list(&self) -> Result<Vec<EnvironmentDescription>, EnvironmentError> {
        Ok(vec![description(&[])])
    }

    async fn lock(&self, _: EnvironmentId) -> Result<String, EnvironmentError> {
        Ok("numpy==1.26.4 \\\n    --hash=sha256:ab\n".into())
    }
}

#[tokio::test]
async fn an_environment_is_made_listed_and_removed() {
    let server = served(|_| {}).await;
    let body = r#"{"packages": ["NumPy==1.26.4"]}"#;
    let made = server.send("POST /v1/environments", &JSON, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["id"], ID);
    assert_eq!(made.json()["requirements"][0], "numpy==1.26.4");
    assert_eq!(
        server.get("/v1/environments").await.json()[0]["digest"],
        "ab".repeat(32)
    );
    let lock = server.get(&format!("/v1/environments/{ID}/lock")).await;
    assert!(lock.body.contains("--hash=sha256:ab"), "{lock:?}");
    let gone = server
        .send(&format!("DELETE /v1/environments/{ID}"), &JSON[..1], "")
        .await;
    assert_eq!(gone.status, 204);
    let other = "11111111-58a1-4f53-9d5e-2f5b6a1c7d10";
    for unknown in [other, "x"] {
        let line = format!("DELETE /v1/environments/{unknown}");
        assert_eq!(
            server.send(&line, &JSON[..1], "").await.status,
            404,
            "{unknown}"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_is_named_and_no_host_path_is_told() {
    let server = served(|_| {}).await;
    for (body, status, told) in [
        (r#"{"packages": ["a b"]}"#, 400, "`packages`"),
        (r#"{"pakages": []}"#, 400, "pakages"),
        (
            r#"{"packages": ["nowheel"]}"#,
            422,
            "`nowheel` has no wheels in cache",
        ),
    ] {
        let answer = server.send("POST /v1/environments", &JSON, body).await;
        let message = answer.json()["error"]["message"].to_string();
        assert_eq!(answer.status, status, "{message}");
        assert!(
            message.contains(told) && !message.contains("/srv"),
            "{message}"
        );
    }
    let line = "POST /v1/environments";
    let events = [JSON[0], JSON[1], "Accept: text/event-stream"];
    let answer = server
        .send(line, &events, r#"{"packages": ["nowheel"]}"#)
        .await;
    let progress = answer.body.find("event: progress").unwrap();
    let error = answer.body.find("event: error").unwrap();
    assert!(
        progress < error && !answer.body.contains("/srv"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_remote_service_is_the_same_service() {
    let server = served(|_| {}).await;
    let remote = RemoteExecutor::connect(&server.socket)
        .await
        .unwrap()
        .unwrap();
    let service = remote.environments().unwrap();
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&steps);
    let progress: ProgressSink = Arc::new(move |told| seen.lock().unwrap().push(told.done));
    let packages = vec![Dependency::parse("numpy").unwrap()];
    let order = EnvironmentOrder {
        python: String::new(),
        packages: packages.clone(),
    };
    let made = service.create(order, Arc::clone(&progress)).await.unwrap();
    assert_eq!(made, description(&packages));
    assert_eq!(*steps.lock().unwrap(), [1]);
    let grown = service
        .install(made.id, packages.clone(), progress)
        .await
        .unwrap();
    assert_eq!(grown, made);
    assert_eq!(service.list().await.unwrap(), [description(&[])]);
    assert_eq!(service.prune().await.unwrap(), 9);
    service.activate(made.id).await.unwrap();
    service.remove(made.id).await.unwrap();
    let error = service
        .remove(EnvironmentId::new())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("no environment"), "{error}");
}
