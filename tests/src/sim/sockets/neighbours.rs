//! The world of neighbours: two objects of one isolate, each with clients and a database of its own.
//! All that they share is the allowance, a number of bytes. One of them is evicted in the middle.

use pierhead_engine::time::{Instant, Millis};
use pierhead_engine::{Allowance, Engine};

use super::World;
use super::plan::Plan;
use crate::sim::Violation;
use crate::sim::coverage::Coverage;
use crate::sim::rng::Rng;

/// Milliseconds for which one of them runs before the other does.
const TURN: u64 = 20;

/// How the two of a seed meet.
fn plan(seed: u64, allowance: &Allowance) -> Plan {
    let mut plan = Plan { world: "neighbours", ..Plan::of(seed) };
    plan.settings.allowance = allowance.clone();
    if plan.quiet {
        // The neighbour may be in the way.
        plan.quiet = false;
        plan.settings.wait_timeout = Millis(10_000);
        plan.settings.query_timeout = Millis(30_000);
        plan.settings.connect_timeout = Millis(10_000);
    }
    plan
}

fn begin(seed: u64, allowance: &Allowance, traced: bool) -> World {
    let plan = plan(seed, allowance);
    let mut noise = Rng::new(plan.noise);
    let engine = Engine::new(Instant(0), plan.settings.clone(), noise.bytes());
    World::new(plan, Box::new(engine), traced)
}

/// Runs the two of one seed.
///
/// # Errors
/// The rule that was broken.
pub fn run_neighbours(seed: u64, traced: bool) -> Result<Coverage, Box<Violation>> {
    let mut rng = Rng::new(seed ^ 0x6e65_6967_6862_0000);
    let most = rng.pick(&[66_000, 80_000, 300_000]);
    let allowance = Allowance::of(most);
    let mut two = [0, 1].map(|n| begin(seed.wrapping_mul(2).wrapping_add(n), &allowance, traced));
    let evicted_at = rng.below(two[0].plan.horizon + 500);
    let mut now = 0;
    while now < evicted_at {
        now += TURN;
        for index in 0..2 {
            two[index].run_until(now);
            let held = two.iter().map(World::share).sum();
            two[index].check_share(&allowance, held);
            if allowance.held() > most {
                two[index].coverage.add("allowance: exceeded");
            }
            if two[index].violation.is_some() {
                let [first, second] = two;
                return (if index == 0 { first } else { second }).end();
            }
        }
    }
    let [evicted, mut left] = two;
    if evicted.share() > 0 {
        left.coverage.add("allowance: evicted with a share");
    }
    left.coverage.merge(&evicted.coverage);
    drop(evicted);
    left.check_share(&allowance, left.share());
    left.live();
    left.check_share(&allowance, left.share());
    let coverage = left.end()?;
    if allowance.held() > 0 {
        let detail = format!("{} bytes are held by nobody", allowance.held());
        return Err(Box::new(Violation { rule: "allowance", detail, trace: Vec::new() }));
    }
    Ok(coverage)
}

impl World {
    /// Bytes that its engine says it holds.
    fn share(&self) -> usize {
        let status = self.engine.status();
        status.request_bytes + status.answer_bytes + status.client_bytes + status.statement_bytes
    }

    /// What is counted together is what each holds: nobody's bytes free or starve another's.
    fn check_share(&mut self, allowance: &Allowance, held: usize) {
        if allowance.held() != held {
            let detail = format!("{} bytes are counted, {held} are held", allowance.held());
            self.broken("allowance", detail);
        }
    }
}
