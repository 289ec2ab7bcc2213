//! What an evicted object held is given back to its neighbours: they share one memory.

use std::time::Instant;

use crate::app::App;
use crate::world::{PATIENCE, Setup, World, live};

/// Lives that an object ends without a word.
const LIVES: u64 = 6;

/// Asked so often a statement is one that is kept, whose text counts.
async fn prepare(app: &App) {
    for _ in 0..3 {
        app.echo("kept").await.unwrap();
    }
}

async fn held(world: &World) -> u64 {
    world.status().await["isolate_held_bytes"].as_u64().unwrap()
}

#[test]
fn what_a_sleeping_object_held_is_given_back() {
    live(async {
        let setup = Setup::new().agent().keys("pool_size=1").inspector().crash_control();
        let world = setup.start().await;
        world.until_links(1).await;
        let app = world.app();
        prepare(&app).await;
        let share = held(&world).await;
        assert!(share > 0, "it holds nothing");
        for _ in 0..LIVES {
            world.woken(1, async || prepare(&app).await).await;
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            world.workerd.heap_collected("coordinator").await.unwrap();
            let held = held(&world).await;
            eprintln!("after {LIVES} more lives: {held} bytes, one life's share is {share}");
            if held < 2 * share {
                break;
            }
            assert!(Instant::now() < deadline, "{held} bytes are held, of {share} in use");
        }
    });
}
