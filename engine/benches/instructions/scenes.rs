//! What is played.

use crate::warm::{SESSIONS, Tunnel, World, script};

/// Something that is played over and over.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    /// Queries in one round.
    pub(crate) queries: u64,
    tunnel: Tunnel,
    /// Plays so many rounds.
    play: fn(&mut World, u64),
}

pub(crate) const SCENES: &[Scene] = &[
    scene_of("exchange, simple query", 1, Tunnel::Direct, |world, rounds| {
        exchanges(world, rounds, &script::simple());
    }),
    scene_of("exchange, extended query", 1, Tunnel::Direct, |world, rounds| {
        exchanges(world, rounds, &script::extended(1));
    }),
    scene_of("exchange, extended query, 200 waiting", 1, Tunnel::Direct, |world, rounds| {
        crowd(world, 200, rounds);
    }),
    scene_of("exchange, extended query, 400 waiting", 1, Tunnel::Direct, |world, rounds| {
        crowd(world, 400, rounds);
    }),
    scene_of("exchange, ten extended queries", 10, Tunnel::Direct, |world, rounds| {
        exchanges(world, rounds, &script::extended(10));
    }),
    scene_of("exchange, a thousand rows", 1, Tunnel::Direct, |world, rounds| {
        world.rows = 1_000;
        exchanges(world, rounds, &script::simple());
    }),
    scene_of("exchange through an agent, extended query", 1, Tunnel::Agent, |world, rounds| {
        exchanges(world, rounds, &script::extended(1));
    }),
    scene_of("socket, simple query", 1, Tunnel::Direct, |world, rounds| {
        socket(world, rounds, &script::simple());
    }),
    scene_of("socket, extended query", 1, Tunnel::Direct, |world, rounds| {
        socket(world, rounds, &script::extended(1));
    }),
    scene_of("socket, prepared query", 1, Tunnel::Direct, |world, rounds| {
        socket(world, rounds, &script::prepared("s", 1));
    }),
    scene_of("socket, ten prepared queries in a pipeline", 10, Tunnel::Direct, |world, rounds| {
        socket(world, rounds, &script::prepared("s", 10));
    }),
    scene_of("socket, a thousand rows", 1, Tunnel::Direct, |world, rounds| {
        world.rows = 1_000;
        socket(world, rounds, &script::simple());
    }),
    scene_of("socket through an agent, prepared query", 1, Tunnel::Agent, |world, rounds| {
        socket(world, rounds, &script::prepared("s", 1));
    }),
];

const fn scene_of(
    name: &'static str,
    queries: u64,
    tunnel: Tunnel,
    play: fn(&mut World, u64),
) -> Scene {
    Scene { name, queries, tunnel, play }
}

pub(crate) fn scene(name: &str) -> &'static Scene {
    SCENES.iter().find(|scene| scene.name == name).unwrap_or_else(|| panic!("no scene {name:?}"))
}

/// Plays a scene. The pool is warm: its sessions are there before the first round.
pub(crate) fn play(scene: &Scene, rounds: u64) {
    (scene.play)(&mut World::warm(scene.tunnel), rounds);
}

fn exchanges(world: &mut World, rounds: u64, asked: &bytes::Bytes) {
    for _ in 0..rounds {
        world.exchange(asked);
    }
}

/// More exchanges than sessions, with a new one for each that is answered.
fn crowd(world: &mut World, waiting: usize, rounds: u64) {
    let asked = script::extended(1);
    world.crowd(SESSIONS + waiting, &asked);
    for _ in 0..rounds {
        world.exchange_in_turn(&asked);
    }
}

/// One client out of ten, which has prepared a statement.
fn socket(world: &mut World, rounds: u64, asked: &bytes::Bytes) {
    let clients: Vec<_> = (0..10).map(|_| world.connect()).collect();
    let client = clients[4];
    world.talk(client, &script::prepare("s", 0));
    for _ in 0..rounds {
        world.talk(client, asked);
    }
}
