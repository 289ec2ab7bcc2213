//! Memory of an isolate, through the inspector's protocol.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::http::Http;
use crate::websocket::{Client, Message, TEXT};

/// A collection of a large heap on a busy machine.
const ANSWER_TIME: Duration = Duration::from_secs(20);

/// Between two samples of [`super::Workerd::cpu_profile`].
pub const PROFILE_INTERVAL: Duration = Duration::from_micros(500);

/// Memory of one isolate, in bytes. All Durable Objects of a Worker share its isolate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapUsage {
    /// JavaScript objects.
    pub used: u64,
    /// What the JavaScript heap has taken from the system.
    pub total: u64,
    /// Objects that the runtime itself keeps for the isolate.
    pub embedder: u64,
    /// Backing stores of array buffers. A wasm memory is not among them: ask the object's own status
    /// for its size.
    pub backing: u64,
}

impl HeapUsage {
    /// What counts against the memory limit, but for wasm memory: JavaScript, runtime and buffers.
    pub fn sum(&self) -> u64 {
        self.used + self.embedder + self.backing
    }
}

/// Asks the isolate of `worker`; with `visit`, a client for that Worker, only after a garbage
/// collection.
pub(super) async fn heap_usage(
    inspector: SocketAddr,
    worker: &str,
    visit: Option<Http>,
) -> Result<HeapUsage> {
    let asking = async {
        let path = target(inspector, worker).await?;
        let mut client = Client::connect(inspector, &path, &[]).await?;
        if let Some(visit) = visit {
            collect_garbage(&mut client, &visit).await?;
        }
        let usage = call(&mut client, "Runtime.getHeapUsage").await?;
        let field = |name: &str| usage[name].as_f64().map(|bytes| bytes as u64);
        Ok(HeapUsage {
            used: field("usedSize").context("no usedSize in the inspector's answer")?,
            total: field("totalSize").context("no totalSize in the inspector's answer")?,
            embedder: field("embedderHeapUsedSize").unwrap_or_default(),
            backing: field("backingStorageSize").context("no backingStorageSize")?,
        })
    };
    tokio::time::timeout(ANSWER_TIME, asking).await.context("the inspector did not answer")?
}

/// What the isolate of `worker` does for this long, as the inspector's `Profile`: the content of a
/// `.cpuprofile` file.
pub(super) async fn cpu_profile(
    inspector: SocketAddr,
    worker: &str,
    time: Duration,
    visit: Http,
) -> Result<Value> {
    let path = target(inspector, worker).await?;
    let mut client = Client::connect(inspector, &path, &[]).await?;
    let work = async {
        call(&mut client, "Profiler.enable").await?;
        let interval = json!({ "interval": PROFILE_INTERVAL.as_micros() as u64 });
        call_with(&mut client, "Profiler.setSamplingInterval", interval).await?;
        call(&mut client, "Profiler.start").await?;
        tokio::time::sleep(time).await;
        let mut stopped = call(&mut client, "Profiler.stop").await?;
        anyhow::Ok(stopped["profile"].take())
    };
    let visiting = async {
        loop {
            visit.get("/").await.ok();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        profile = work => profile,
        never = visiting => never,
    }
}

/// An isolate collects only when something enters it, so this asks for some page meanwhile.
async fn collect_garbage(client: &mut Client, visit: &Http) -> Result<()> {
    let visiting = async {
        loop {
            visit.get("/").await.ok();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        collected = call(client, "HeapProfiler.collectGarbage") => collected.map(drop),
        () = visiting => Ok(()),
    }
}

/// The path of the inspector's WebSocket for `worker`.
async fn target(inspector: SocketAddr, worker: &str) -> Result<String> {
    let targets = Http::new(inspector).get("/json").await?.json()?;
    let urls: Vec<&str> = targets
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|target| target["webSocketDebuggerUrl"].as_str())
        .collect();
    let found = urls.iter().find(|url| url.rsplit('/').next() == Some(worker));
    let url = found.with_context(|| format!("the inspector has no {worker}, only {urls:?}"))?;
    let (_, path) = url
        .split_once("//")
        .and_then(|(_, rest)| rest.split_once('/'))
        .with_context(|| format!("the inspector's URL is odd: {url}"))?;
    Ok(format!("/{path}"))
}

async fn call(client: &mut Client, method: &str) -> Result<Value> {
    call_with(client, method, json!({})).await
}

async fn call_with(client: &mut Client, method: &str, params: Value) -> Result<Value> {
    let request = json!({ "id": 1, "method": method, "params": params }).to_string();
    client.send(TEXT, request.as_bytes()).await?;
    loop {
        match client.receive().await? {
            Some(Message::Text(text)) => {
                let answer: Value = serde_json::from_slice(&text)?;
                if answer["id"] == 1 {
                    if answer["error"].is_object() {
                        bail!("{method}: {}", answer["error"]);
                    }
                    return Ok(answer["result"].clone());
                }
            }
            Some(_) => {}
            None => bail!("the inspector ended the connection during {method}"),
        }
    }
}
