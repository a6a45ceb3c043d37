//! `hognose serve`: builds the environment, starts the engine, binds, gives up root, serves.
//!
//! Root is given up between bind and accept: whatever parses a request never is root.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use server::{Bound, KeyMode, ServerConfig};
use stepflow_python::{
    Engine, EngineExecutor, Environment, EnvironmentError, LimitPolicy, Recorder, Requested,
};
use tokio::sync::oneshot;

use crate::arguments::ServeArguments;
use crate::exit;
use crate::output::{self, note};
use crate::records::RecordsWish;
use crate::settings::{Common, Sources};
use crate::signals::Stop;
use crate::start::{self, RequestedWish, Size};

/// How often the engine is asked whether it can still serve.
const PULSE: Duration = Duration::from_secs(1);
/// Longest wait for another process to end its work on the environments.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the engine may take to clean up after the last connection closed.
pub(crate) const FAREWELL: Duration = Duration::from_secs(5);

/// Serves until a signal, or until the engine dies; returns the exit code.
pub(crate) async fn serve(arguments: ServeArguments, sources: &Sources) -> anyhow::Result<u8> {
    stepflow_python::keep_heaps_small();
    let common = sources.common(&arguments.common)?;
    let config = config(&arguments, &common, sources)?;
    let size = Size {
        slots: sources.slots(arguments.slots.as_deref())?,
        pool_bytes: sources.pool_bytes(arguments.pool_bytes.as_deref())?,
    };
    let policy = sources.limit_policy(&arguments.limits)?;
    let floor = sources.policy_floor(arguments.policy_floor.as_deref())?;
    let mut stop = Stop::watch()?;
    let wish = sources.requested()?;
    let parser = sources.parser()?;
    sources.check_executor()?;
    let records = RecordsWish::read(&arguments.records, &common, sources)?;
    let recorder = records.begin(&common).await?;
    let (engine, executor) = tokio::select! {
        engine = async {
            let environment = start::environment(&common).await?;
            start_engine(&common, environment, size, policy, wish).await
        } => engine?,
        () = stop.wanted() => return Ok(exit::CANCELLED),
    };
    say_if_weaker(&engine);
    let (bound, ready) = oneshot::channel();
    let warming = tokio::spawn(warm(engine.clone(), ready));
    let key_file = common.state_dir.join("api-key");
    let on_ready = |told: Bound| {
        give_up_root(&engine);
        announce(&told, &key_file.display().to_string());
        // The receiver only goes with the task.
        let _ = bound.send(());
    };
    let mut death = None;
    let ending = async {
        tokio::select! {
            () = stop.wanted() => {}
            reason = dies(&engine) => death = Some(reason),
        }
    };
    let executor = recorded(
        executor.with_floor(floor).with_parser(&parser),
        recorder.as_ref(),
        &engine,
    );
    let executor = Arc::new(executor.await?);
    let served = server::serve(executor, config, on_ready, ending).await;
    warming.abort();
    // Its clone of the engine has to be gone before the engine can leave.
    let _ = warming.await;
    engine.shutdown(FAREWELL).await;
    if let Some(recorder) = recorder
        && tokio::time::timeout(FAREWELL, recorder.close())
            .await
            .is_err()
    {
        note("the database of records could not be closed in time; whatever was answered is in it");
    }
    served?;
    let Some(reason) = death else { return Ok(0) };
    note(&format!("error: {reason}"));
    Ok(1)
}

/// The folder of environments. It is waited for whoever has it, such as `hognose env create`: a server
/// that began without it would stay without it.
async fn open_requested(common: &Common, wish: &RequestedWish) -> anyhow::Result<Requested> {
    let began = Instant::now();
    let mut is_told = false;
    loop {
        let opened = start::open_requested(common, wish.folder.clone()).await;
        let Err(error) = opened else { return opened };
        if !is_held(&error) || began.elapsed() > PATIENCE {
            return Err(error);
        }
        if !is_told {
            note("waiting for another hognose that manages the environments");
            is_told = true;
        }
        tokio::time::sleep(PULSE).await;
    }
}

fn is_held(error: &anyhow::Error) -> bool {
    let told = error.downcast_ref();
    matches!(told, Some(EnvironmentError::Held))
}

/// The engine and its executor. Without requested environments it serves all the same, and says so;
/// where another process has them, a later start may serve them, so that nothing is served.
async fn start_engine(
    common: &Common,
    environment: Environment,
    size: Size,
    policy: LimitPolicy,
    wish: RequestedWish,
) -> anyhow::Result<(Engine, EngineExecutor)> {
    match open_requested(common, &wish).await {
        Ok(requested) => {
            let wish = (requested, wish);
            let started =
                start::engine_with_requested(common, environment, size, policy, wish).await?;
            let (engine, environments) = started;
            let executor = EngineExecutor::with_environments(engine.clone(), environments);
            Ok((engine, executor))
        }
        Err(error) if is_held(&error) => Err(error),
        Err(error) => {
            note(&format!(
                "only the default environment is served: {error:#}"
            ));
            let engine = start::engine(common, environment, size, policy).await?;
            Ok((engine.clone(), EngineExecutor::new(engine)))
        }
    }
}

/// Has every execution recorded; the records become the serving user's.
async fn recorded(
    executor: EngineExecutor,
    recorder: Option<&Recorder>,
    engine: &Engine,
) -> anyhow::Result<EngineExecutor> {
    let Some(recorder) = recorder else {
        return Ok(executor);
    };
    if let Some(uid) = engine.serving_uid() {
        recorder.database().give_to(uid)?;
    }
    let executor = executor.with_recorder(recorder.clone());
    executor.record_environments().await?;
    Ok(executor)
}

fn config(
    arguments: &ServeArguments,
    common: &Common,
    sources: &Sources,
) -> anyhow::Result<ServerConfig> {
    let key = sources.api_key(arguments.api_key.as_deref())?;
    let key = match (arguments.keyless, key) {
        (true, Some(_)) => bail!("--keyless asks for no key, but HOGNOSE_API_KEY is one: unset it"),
        (true, None) => KeyMode::Keyless,
        (false, key) => key.map_or(KeyMode::Stored, KeyMode::Given),
    };
    let config = ServerConfig {
        listen: Some(sources.listen(arguments.listen.as_deref())?),
        socket: Some(common.socket()),
        key,
        allowed_hosts: arguments.allowed_hosts.clone(),
        ..ServerConfig::new(common.state_dir.clone())
    };
    // Before anything that takes long.
    config.check()?;
    Ok(config)
}

/// Nothing degrades silently. Source: contracts/rulings.md, "Everywhere".
fn say_if_weaker(engine: &Engine) {
    let tier = engine.isolation().tier;
    if tier != "full" {
        note(&format!(
            "this host confines in the tier `{tier}`, not `full`; see `hognose doctor`"
        ));
    }
}

/// Fails closed: a server that cannot give up root does not serve.
fn give_up_root(engine: &Engine) {
    match engine.drop_privileges() {
        Ok(dropped) => tracing::info!(dropped, "serving without root"),
        Err(error) => {
            note(&format!(
                "error: cannot give up root, so nothing is served: {error}"
            ));
            std::process::exit(exit::OWN_ERROR.into());
        }
    }
}

fn announce(bound: &Bound, key_file: &str) {
    if let Some(key) = &bound.key_created {
        note(&format!(
            "API key, made just now and kept in {key_file}: {key}"
        ));
    }
    if let Some(address) = bound.address {
        // A server without a reader of its output serves all the same.
        let _ = output::line(&format!("hognose listening on http://{address}"));
    }
}

/// Warms every zygote once the server is ready, so that no caller waits for imports.
async fn warm(engine: Engine, ready: oneshot::Receiver<()>) {
    if ready.await.is_ok()
        && let Err(error) = engine.warm().await
    {
        tracing::warn!(%error, "cannot warm every preload; they are tried again on first use");
    }
}

/// Resolves with a sentence once the engine cannot serve any more.
async fn dies(engine: &Engine) -> String {
    loop {
        tokio::time::sleep(PULSE).await;
        if let Err(reason) = engine.health().await {
            return reason;
        }
    }
}
