//! What clients and sessions hold that do nothing, how soon an object answers that was not in memory, and
//! how many messages its tunnel costs it.

mod client;
mod scene;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use pierhead_tests::postgres::{Postgres, PostgresConfig};
use pierhead_tests::process::{open_files, open_files_max};

use super::Measured;
use crate::plan::Plan;
use crate::progress::Progress;
use client::{Door, come};
use scene::{Carrier, Held, Scene};

/// Nobody is sent away for being silent.
const KEYS: &str = "idle_timeout=10m&client_idle_timeout=off&wait_timeout=60s";
/// Sessions of a pool that is not what is measured.
const POOL: usize = 10;
/// Emulated round trips at which an object is woken, in milliseconds.
const DISTANCES: [u64; 2] = [0, 40];
/// Until an object that was told to end has ended, with its sessions.
const SETTLE: Duration = Duration::from_millis(500);
/// Callers of the messages' queries.
const CALLERS: [usize; 2] = [1, 200];

pub(super) async fn measure(plan: &Plan, progress: &mut Progress) -> Result<Measured> {
    let mut measured = Measured::default();
    let most = plan.sessions.iter().max().unwrap_or(&0) + 20;
    let config = PostgresConfig { max_connections: most.max(50), ..Default::default() };
    let postgres = Postgres::start(config).await?;
    let rounds = plan.rounds.min(ROUNDS);
    for round in 0..rounds {
        for door in Door::ALL {
            progress.at(round, rounds, &format!("clients, {}", door.id()));
            clients(&postgres, plan, door, &mut measured).await?;
        }
        for carrier in Carrier::ALL {
            progress.at(round, rounds, &format!("sessions, {}", carrier.id()));
            sessions(&postgres, plan, carrier, &mut measured).await?;
            let scene = Arc::new(Scene::set(&postgres, carrier, POOL, KEYS).await?);
            messages(&scene, plan, carrier, &mut measured).await?;
            wake(&scene, plan, carrier, &mut measured).await?;
        }
    }
    measured.notes.extend(NOTES.map(String::from));
    Ok(measured)
}

/// Memory hardly differs between two runs, and each takes ten thousand clients.
const ROUNDS: usize = 2;

const NOTES: [&str; 4] = [
    "Of clients: fewer than were planned where the system does not allow so many open files. `socket-…` come by the gateway, which lies in the object's isolate here and need not \
     in production; `object-…` is the object alone. Each has asked once. Memory is what the isolate \
     holds more than with the first twentieth of the smaller number, per client.",
    "Of sessions: those of a pool at rest, against a pool of five; `agent, resident` is what the agent's \
     process grows by, as the system counts it. wasm memory grows by pages of 64 KiB, which makes figures of \
     a hundred sessions coarse.",
    "To wake: an agent's object hibernates and its sessions stay; the others' objects are ended, with their \
     sessions. Milliseconds from the caller's question to its answer.",
    "Messages: on agents' links, which are billed, and on cloudflared's WebSockets, which the object opened \
     itself. TCP has none.",
];

/// What a silent client costs.
async fn clients(
    postgres: &Postgres,
    plan: &Plan,
    door: Door,
    measured: &mut Measured,
) -> Result<()> {
    let scene = Scene::set(postgres, Carrier::Direct, POOL, KEYS).await?;
    let first = plan.clients.first().map_or(1, |clients| (clients / 20).max(1));
    let before_files = open_files(scene.workerd().id())?;
    let mut all = come(scene.workerd(), door, first).await?;
    let before = scene.held().await?;
    for &clients in plan.clients {
        let clients = clients.min(room(&scene, before_files, all.len())?);
        if clients <= all.len() {
            break;
        }
        all.extend(come(scene.workerd(), door, clients - all.len()).await?);
        let each = scene.held().await?.more(before, clients - first);
        let (figures, at) = (&mut measured.figures, clients as f64);
        figures.push("memory/client", door.id(), at, "bytes", each.sum());
        for (part, bytes) in each.parts() {
            figures.push(&format!("client/{part}"), door.id(), at, "bytes", bytes);
        }
    }
    Ok(())
}

/// How many clients workerd has descriptors for, by what those have taken that are there: it ends when
/// it has none left. Whole thousands, so that rounds are of the same number.
fn room(scene: &Scene, before: usize, clients: usize) -> Result<usize> {
    let taken = open_files(scene.workerd().id())?.saturating_sub(before).max(clients);
    let most = open_files_max().saturating_sub(before + SPARE_FILES) * clients / taken;
    Ok(if most < 1_000 { most } else { most / 1_000 * 1_000 })
}

/// Descriptors that workerd wants for other things.
const SPARE_FILES: usize = 200;

/// Sessions of the pool that others are held against.
const FEW: usize = 5;

/// What a session costs that rests.
async fn sessions(
    postgres: &Postgres,
    plan: &Plan,
    carrier: Carrier,
    measured: &mut Measured,
) -> Result<()> {
    let (few, few_at_agent) = pool(postgres, carrier, FEW).await?;
    for &sessions in plan.sessions {
        let (many, many_at_agent) = pool(postgres, carrier, sessions).await?;
        let (figures, at) = (&mut measured.figures, sessions as f64);
        let each = many.more(few, sessions - FEW).sum();
        figures.push("memory/session", carrier.id(), at, "bytes", each);
        if let (Some(few), Some(many)) = (few_at_agent, many_at_agent) {
            let each = many.saturating_sub(few) as f64 / (sessions - FEW) as f64;
            figures.push("memory/session", "agent-process", at, "bytes", each);
        }
    }
    Ok(())
}

/// What a pool of so many sessions at rest holds in the isolate, and in the process of its agent.
async fn pool(
    postgres: &Postgres,
    carrier: Carrier,
    sessions: usize,
) -> Result<(Held, Option<u64>)> {
    let keys = format!("{KEYS}&min_idle={sessions}");
    let scene = Scene::set(postgres, carrier, sessions, &keys).await?;
    scene.at_rest(sessions).await?;
    let at_agent = scene.agent().map(|agent| agent.resident_bytes()).transpose()?;
    Ok((scene.held().await?, at_agent))
}

/// How many messages a thousand queries bring to the object.
async fn messages(
    scene: &Arc<Scene>,
    plan: &Plan,
    carrier: Carrier,
    measured: &mut Measured,
) -> Result<()> {
    for callers in CALLERS {
        let callers = callers.min(plan.queries);
        // The first time, sessions are opened.
        ask(scene, callers, callers).await?;
        scene.at_rest(1).await?;
        let Some(before) = scene.messages(carrier).await? else { return Ok(()) };
        ask(scene, callers, plan.queries).await?;
        scene.at_rest(1).await?;
        let after = scene.messages(carrier).await?.unwrap_or(before);
        let per_thousand = (after - before) as f64 * 1e3 / plan.queries as f64;
        let unit = "messages per 1,000 queries";
        measured.figures.push("messages", carrier.id(), callers as f64, unit, per_thousand);
    }
    Ok(())
}

/// So many queries in all, by so many callers.
async fn ask(scene: &Arc<Scene>, callers: usize, queries: usize) -> Result<()> {
    let asking: Vec<_> = (0..callers)
        .map(|caller| {
            let scene = scene.clone();
            let share = queries / callers + usize::from(caller < queries % callers);
            tokio::spawn(async move {
                for _ in 0..share {
                    scene.ask().await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for caller in asking {
        caller.await??;
    }
    Ok(())
}

/// How soon an object answers that is not in memory.
async fn wake(scene: &Scene, plan: &Plan, carrier: Carrier, measured: &mut Measured) -> Result<()> {
    for distance in DISTANCES {
        scene.set_round_trip_ms(distance);
        for _ in 0..plan.wakes {
            scene.ask().await?;
            scene.at_rest(1).await?;
            match carrier {
                Carrier::Agent => scene.workerd().hibernate_all_objects().await?,
                Carrier::Cloudflared | Carrier::Direct => {
                    scene.workerd().abort_all_objects().await?;
                }
            }
            tokio::time::sleep(SETTLE).await;
            let took = scene.ask().await?.as_secs_f64() * 1e3;
            measured.figures.push("wake", carrier.id(), distance as f64, "ms", took);
        }
    }
    scene.set_round_trip_ms(0);
    Ok(())
}
