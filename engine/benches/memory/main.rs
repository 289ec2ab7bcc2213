//! How many bytes of memory the engine holds for what does nothing. `docs/benchmarks.md` has the
//! figures and says how they compare.
//!
//! ```sh
//! cargo bench -p pierhead-engine --bench memory
//! ```
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a benchmark that breaks off says where; what it shares it does not use all of"
)]

#[path = "../warm/mod.rs"]
mod warm;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use pierhead_engine::ids::ClientId;
use warm::{Tunnel, World, script};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[allow(unsafe_code, reason = "an allocator is unsafe by nature; this one hands on what it gets")]
// SAFETY: every call is the system allocator's with the arguments unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_add(size, Ordering::Relaxed);
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Bytes that `make` leaves allocated.
fn held<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.load(Ordering::Relaxed);
    let made = make();
    (made, HELD.load(Ordering::Relaxed).saturating_sub(before))
}

fn main() {
    println!("{:<52} {:>8}", "bytes of memory", "each");
    for (name, tunnel) in [("", Tunnel::Direct), (" through an agent", Tunnel::Agent)] {
        let (few, less) = held(|| World::with(tunnel, 10));
        let (many, more) = held(|| World::with(tunnel, 110));
        print(&format!("idle session{name}"), more.saturating_sub(less) / 100);
        drop((few, many));
    }
    sockets();
    statements();
}

fn print(name: &str, bytes: usize) {
    println!("{name:<52} {bytes:>8}");
}

const SOCKETS: usize = 10_000;

fn sockets() {
    let mut world = World::warm(Tunnel::Direct);
    let (clients, bytes) = held(|| (0..SOCKETS).map(|_| world.connect()).collect::<Vec<_>>());
    let own = clients.capacity() * size_of::<ClientId>();
    print("idle socket, started", (bytes - own) / SOCKETS);
    let mut each = |asked: &bytes::Bytes| {
        let ((), more) = held(|| clients.iter().for_each(|&client| world.talk(client, asked)));
        more / SOCKETS
    };
    print("more after its first query", each(&script::simple()));
    print("more after it has prepared a statement", each(&script::prepare("s", 0)));
}

const SESSIONS: usize = 100;
const STATEMENTS: usize = 50;

/// As many clients as sessions, so that each gets one and prepares on it what it runs.
fn statements() {
    let mut world = World::with(Tunnel::Direct, SESSIONS);
    let clients: Vec<_> = (0..SESSIONS).map(|_| world.connect()).collect();
    let name = |n: usize| format!("s{n}");
    let ((), names) = held(|| {
        for (&client, n) in clients.iter().flat_map(|c| (0..STATEMENTS).map(move |n| (c, n))) {
            world.talk(client, &script::prepare(&name(n), n));
        }
    });
    print("statement that a client has prepared", names / SESSIONS / STATEMENTS);
    let ((), held) = held(|| {
        for n in 0..STATEMENTS {
            world.talk_at_once(&clients, &script::prepared(&name(n), 1));
        }
    });
    print("statement on a session", held / SESSIONS / STATEMENTS);
}
