//! What the demo, the benchmark and the test of round trips share: one stage with two Workers that
//! ask the same question, one through the coordinator and one by itself, and the measuring; and
//! another one on which coordinators end and pools survive or do not.

mod burst;
mod samples;
mod stage;
mod survival;
mod table;
mod throughput;

use std::time::Duration;

use anyhow::Result;

pub use burst::{Burst, burst};
pub use samples::{Latency, Samples, latency};
pub use stage::{Stage, StageConfig, Way};
pub use survival::{Event, Outcome, Survival, Tunnels};
pub use table::{Align, Table};
pub use throughput::{Rate, throughput};

/// The emulated round trip of everything measured "far away", in milliseconds: a Worker and a
/// database on the same continent.
pub const FAR_MS: u64 = 40;

/// The statement of `examples/bound`, for the Worker that asks by itself.
pub const QUESTION: &str = "select id, name, berth from ships order by id limit $1";

/// Listens from now on; the future resolves when the user (Ctrl-C) or the system (SIGTERM) wants
/// the program to end. Needs a runtime around the call.
pub fn interrupted() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// A time as people read it: two or three digits that matter, and the unit.
pub fn ms(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1e3;
    if millis >= 999.5 {
        format!("{:.1} s", millis / 1e3)
    } else if millis < 9.95 {
        format!("{millis:.1} ms")
    } else {
        format!("{millis:.0} ms")
    }
}

/// A quotient as people read it: `5.3x`.
pub fn times(quotient: f64) -> String {
    if quotient < 9.95 { format!("{quotient:.1}x") } else { format!("{quotient:.0}x") }
}

/// The middle one of some numbers; 0 of none.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => 0.0,
        n if n % 2 == 1 => numbers[n / 2],
        n => f64::midpoint(numbers[n / 2 - 1], numbers[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(ms(Duration::from_micros(2_345)), "2.3 ms");
        assert_eq!(ms(Duration::from_micros(9_960)), "10 ms");
        assert_eq!(ms(Duration::from_millis(1_179)), "1.2 s");
        assert_eq!((times(5.26), times(123.4)), ("5.3x".into(), "123x".into()));
        assert_eq!((median(vec![3.0, 1.0, 2.0]), median(vec![4.0, 1.0])), (2.0, 2.5));
    }
}
