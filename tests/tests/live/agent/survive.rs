//! Warm sessions outlive the coordinator: the same server processes answer afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::agent::scene::{until, use_sessions};
use crate::world::{PATIENCE, Setup, World, live};

const POOL: usize = 3;
/// Longer than workerd leaves an idle object in memory.
const IDLE: Duration = Duration::from_secs(12);

/// A pool that was warm once, and what it must look like ever after.
struct Warm {
    pids: BTreeSet<i32>,
    connections: u64,
    births: usize,
}

impl Warm {
    async fn up(world: &World) -> Self {
        world.until_links(world.agents.len()).await;
        let pids = use_sessions(&world.app(), POOL).await;
        world.until_parked(POOL).await;
        let connections = world.origin.stats().streams_total;
        assert_eq!(connections, POOL as u64);
        Self { pids, connections, births: world.births("main") }
    }

    /// The same processes answer, over the same connections. `born`: whether it took a new object.
    async fn still(&mut self, world: &World, after: &str, born: bool) {
        assert_eq!(use_sessions(&world.app(), POOL).await, self.pids, "after {after}");
        let connections = world.origin.stats().streams_total;
        assert_eq!(connections, self.connections, "connections were opened after {after}");
        let births = world.births("main");
        assert_eq!(births > self.births, born, "{births} objects so far, after {after}");
        self.births = births;
        eprintln!("after {after}: the same {POOL} processes, no new connection");
        world.until_parked(POOL).await;
        assert_eq!(world.births("main"), births, "it was gone before it was looked at");
    }
}

#[test]
fn sessions_survive_sleep() {
    live(async {
        let world = Setup::new().agent().keys("pool_size=3").crash_control().start().await;
        let mut warm = Warm::up(&world).await;
        tokio::time::sleep(IDLE).await;
        warm.still(&world, "12 idle seconds", true).await;
        for _ in 0..3 {
            world.workerd.hibernate_all_objects().await.unwrap();
            warm.still(&world, "forced eviction", true).await;
        }
        assert_eq!(world.link.stats().streams_total, 1, "one link served it all");
    });
}

#[test]
fn sessions_survive_crashes() {
    live(async {
        let mut world = Setup::new().agent().keys("pool_size=3").crash_control().start().await;
        let mut warm = Warm::up(&world).await;
        for _ in 0..3 {
            world.workerd.abort_all_objects().await.unwrap();
            warm.still(&world, "abort of all objects", true).await;
        }
        for _ in 0..2 {
            world.crash_workerd().await;
            warm.still(&world, "SIGKILL of workerd", true).await;
        }
    });
}

#[test]
fn sessions_survive_lost_links() {
    live(async {
        let world = Setup::new().agent().keys("pool_size=3").crash_control().start().await;
        let mut warm = Warm::up(&world).await;
        for _ in 0..2 {
            lose(&world, || world.link.knobs().cut_all()).await;
            warm.still(&world, "an orderly end of the link", false).await;
            lose(&world, || world.link.knobs().reset_all()).await;
            warm.still(&world, "a reset of the link", false).await;
        }
        let links = world.link.stats().streams_total;
        world.workerd.hibernate_all_objects().await.unwrap();
        world.link.knobs().reset_all();
        until_dialled(&world, links + 1).await;
        warm.still(&world, "a link lost in its sleep", true).await;
    });
}

/// Nobody tells either end that the way between them is gone: the agent's pings do.
#[test]
fn sessions_survive_silence() {
    live(async {
        let world = Setup::new().agent().keys("pool_size=3").start().await;
        let mut warm = Warm::up(&world).await;
        let links = world.link.stats().streams_total;
        world.link.knobs().set(|s| s.silent = true);
        world.agents[0].log().wait_for("no sign of life", Duration::from_secs(60)).await.unwrap();
        world.link.knobs().set(|s| s.silent = false);
        until_dialled(&world, links + 1).await;
        // It slept meanwhile, or not: the silence is about as long as that takes.
        world.until_links(1).await;
        warm.births = world.births("main");
        warm.still(&world, "silence on the link", false).await;
    });
}

/// Breaks the link, and waits until both ends have noticed: a request that is on its way meanwhile
/// has an unknown outcome.
async fn lose(world: &World, breaks: impl FnOnce()) {
    let links = world.link.stats().streams_total;
    let lost = world.status().await["links_lost"].as_u64().unwrap();
    breaks();
    until_dialled(world, links + 1).await;
    world.until_status("lost a link", |status| status["links_lost"] == lost + 1).await;
    world.until_links(1).await;
}

async fn until_dialled(world: &World, links: u64) {
    let dialled = async || world.link.stats().streams_total >= links;
    until("dialled again", dialled).await;
}

/// What is gained, beside the pools that die with the object.
#[test]
fn other_pools_die_with_the_coordinator() {
    live(async {
        let mut world = Setup::new()
            .agent()
            .keys("pool_size=3")
            .database("published")
            .keys("pool_size=3")
            .database("straight")
            .direct("off")
            .keys("pool_size=3")
            .crash_control()
            .start()
            .await;
        world.until_links(1).await;
        let ways = ["main", "published", "straight"];
        let mut before = all(&world, ways).await;
        for event in ["abort of all objects", "SIGKILL of workerd", "cut connections"] {
            match event {
                "abort of all objects" => world.workerd.abort_all_objects().await.unwrap(),
                "SIGKILL of workerd" => world.crash_workerd().await,
                _ => {
                    world.tunnel.knobs().cut_all();
                    world.proxy.knobs().cut_all();
                    lose(&world, || world.link.knobs().cut_all()).await;
                }
            }
            let after = all(&world, ways).await;
            let kept = [0, 1, 2].map(|way| before[way].intersection(&after[way]).count());
            eprintln!("{event}: sessions kept: agent, cloudflared, direct: {kept:?}");
            assert_eq!(kept, [POOL, 0, 0], "{event}");
            before = after;
            world.until_parked(POOL).await;
        }
    });
}

async fn all(world: &World, ways: [&str; 3]) -> [BTreeSet<i32>; 3] {
    let mut pids = [const { BTreeSet::new() }; 3];
    for (pids, way) in pids.iter_mut().zip(ways) {
        *pids = use_sessions(&world.app_of(way).timeout(PATIENCE), POOL).await;
    }
    pids
}
