//! Processor time by process, as the kernel counts it (Linux only).

use std::fs;

use anyhow::{Context as _, Result};

use crate::stage::Stage;

/// Of the counters in `/proc`, in a second; the same on every Linux that people run.
const TICKS: f64 = 100.0;

/// The threads of this program that carry bytes for others, by their names.
const TUNNEL_THREADS: [&str; 3] = ["tunnel", "proxy", "delay"];

/// Seconds of processor time so far.
#[derive(Debug, Default)]
pub(crate) struct Times {
    workerd: f64,
    database: f64,
    tunnel: f64,
    agent: f64,
    pgbouncer: f64,
}

impl Times {
    pub(crate) fn now(stage: &Stage) -> Result<Self> {
        Ok(Self {
            workerd: process(stage.workerd().id())?,
            database: family(stage.postgres().id()?)?,
            tunnel: tunnels()?,
            agent: process(stage.agent().id())?,
            pgbouncer: match stage.pgbouncer() {
                Some(pgbouncer) => process(pgbouncer.id())?,
                None => 0.0,
            },
        })
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            workerd: self.workerd - before.workerd,
            database: self.database - before.database,
            tunnel: self.tunnel - before.tunnel,
            agent: self.agent - before.agent,
            pgbouncer: self.pgbouncer - before.pgbouncer,
        }
    }

    /// The agent is a part of its tunnel.
    pub(crate) fn parts(&self) -> [(&'static str, f64); 4] {
        [
            ("workerd", self.workerd),
            ("database", self.database),
            ("tunnel", self.tunnel + self.agent),
            ("pgbouncer", self.pgbouncer),
        ]
    }
}

/// Seconds of processor time that one process has had.
fn process(id: u32) -> Result<f64> {
    Ok(Stat::read(&format!("/proc/{id}/stat"))?.own())
}

/// The same of a process and all its children, those that have ended too.
fn family(id: u32) -> Result<f64> {
    let parent = Stat::read(&format!("/proc/{id}/stat"))?;
    let mut sum = parent.own() + parent.waited_for();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(child) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // It may have ended meanwhile: then its parent has it, or will have it.
        let Ok(stat) = Stat::read(&format!("/proc/{child}/stat")) else { continue };
        if stat.number(PARENT) == f64::from(id) {
            sum += stat.own();
        }
    }
    Ok(sum)
}

/// The same of this program's threads that are tunnels and proxies.
fn tunnels() -> Result<f64> {
    let mut sum = 0.0;
    for entry in fs::read_dir("/proc/self/task")? {
        let directory = entry?.path();
        let Ok(name) = fs::read_to_string(directory.join("comm")) else { continue };
        if TUNNEL_THREADS.contains(&name.trim()) {
            sum += Stat::read(directory.join("stat").to_str().context("an odd path")?)?.own();
        }
    }
    Ok(sum)
}

/// Where the numbers stand behind the name in parentheses.
const PARENT: usize = 1;
const USER: usize = 11;
const SYSTEM: usize = 12;
const CHILDREN_USER: usize = 13;
const CHILDREN_SYSTEM: usize = 14;

struct Stat(Vec<f64>);

impl Stat {
    fn read(path: &str) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
        let (_, numbers) = text.rsplit_once(')').context("no name in a process's stat")?;
        Ok(Self(numbers.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect()))
    }

    fn number(&self, index: usize) -> f64 {
        self.0.get(index).copied().unwrap_or(0.0)
    }

    fn own(&self) -> f64 {
        (self.number(USER) + self.number(SYSTEM)) / TICKS
    }

    fn waited_for(&self) -> f64 {
        (self.number(CHILDREN_USER) + self.number(CHILDREN_SYSTEM)) / TICKS
    }
}
