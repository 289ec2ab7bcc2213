//! The way out: no new streams, leases finish, parked streams close, links say so.

use pierhead_wire::tunnel::{GoAwayReason, GoneReason, StreamId};

use super::Agent;
use super::dial::Loss;
use super::io::{ConnId, Level, LinkNo, Output};
use super::limits::EXIT_TIMEOUT;
use super::link;
use super::timers::Timer;

/// How far the process is.
///
/// ```text
/// Running ──shutdown──▶ Draining ──no stream left──▶ Leaving ──links closed──▶ Exited
///                          │ shutdown again                                     ▲
///                          └────────────────────────────────────────────────────┘
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Running,
    /// Leases may finish.
    Draining,
    /// Their time is over, and they were told to end.
    Ending,
    /// The last words are under way.
    Leaving,
    Exited,
}

const ADVICE: &str = "the agent has shut down";

impl Agent {
    pub(super) fn shutdown(&mut self) {
        if self.phase != Phase::Running {
            self.log(Level::Warn, None, None, "told twice to shut down: exits at once");
            return self.exit_at_once();
        }
        self.phase = Phase::Draining;
        let deadline = self.settings.drain_timeout;
        self.log(Level::Info, None, None, format!("drains for at most {} s", deadline.0 / 1000));
        self.timers.set(Timer::Drain, self.now + deadline);
        self.stop_dialling();
        for no in self.link_numbers() {
            match self.links.get(&no).map(|link| link.phase) {
                Some(link::Phase::Welcome(_)) => self.say_drain(no, deadline),
                Some(link::Phase::Greeted) => {
                    self.end_link(no, Some((GoAwayReason::Shutdown, ADVICE)), Loss::Failed);
                }
                Some(link::Phase::Dialling) => self.end_link(no, None, Loss::Failed),
                None => {}
            }
        }
        let idle = self.streams.values().filter(|stream| stream.parked().is_some());
        for id in idle.map(|stream| stream.id).collect::<Vec<_>>() {
            self.end_stream(id, GoneReason::Draining);
        }
    }

    fn stop_dialling(&mut self) {
        for (number, database) in self.databases.iter().enumerate() {
            for slot in 0..database.slots.len() {
                self.timers.clear(Timer::Dial(super::io::DatabaseNo(number), slot));
            }
        }
    }

    fn link_numbers(&self) -> Vec<LinkNo> {
        self.links.keys().copied().collect()
    }

    /// The drain's time is over: leases end now. Or the last words take too long.
    pub(super) fn drain_timer(&mut self) {
        match self.phase {
            Phase::Draining => {
                self.phase = Phase::Ending;
                let count = self.streams.len();
                let text = format!("drain deadline: {count} streams are ended now");
                self.log(Level::Warn, None, None, text);
                for id in self.streams.keys().copied().collect::<Vec<StreamId>>() {
                    self.end_stream(id, GoneReason::Draining);
                }
            }
            Phase::Leaving => self.exit(),
            Phase::Running | Phase::Ending | Phase::Exited => {}
        }
    }

    /// Goes on with the way out when what it waits for has happened.
    pub(super) fn check_drained(&mut self) {
        let draining = matches!(self.phase, Phase::Draining | Phase::Ending);
        if draining && self.streams.is_empty() && self.cancels.is_empty() {
            self.phase = Phase::Leaving;
            self.timers.set(Timer::Drain, self.now + EXIT_TIMEOUT);
            for no in self.link_numbers() {
                self.end_link(no, Some((GoAwayReason::Shutdown, ADVICE)), Loss::Failed);
            }
        }
        if self.phase == Phase::Leaving && self.closing.is_empty() && self.conns.is_empty() {
            self.exit();
        }
    }

    fn exit(&mut self) {
        self.phase = Phase::Exited;
        self.timers.clear(Timer::Drain);
        self.emit(Output::Exit);
    }

    fn exit_at_once(&mut self) {
        for no in self.link_numbers() {
            self.end_link(no, Some((GoAwayReason::Shutdown, ADVICE)), Loss::Failed);
        }
        for conn in self.conns.keys().copied().collect::<Vec<ConnId>>() {
            self.abandon(conn);
        }
        self.streams.clear();
        self.cancels.clear();
        self.timers = super::timers::Timers::default();
        self.exit();
    }
}
