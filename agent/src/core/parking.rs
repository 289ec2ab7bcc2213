//! Parking: only what is idle and clean at both ends (`docs/protocol.md`, 2.8).

use pierhead_wire::time::Millis;
use pierhead_wire::tunnel::{GoneReason, Park, StreamId};

use super::Agent;
use super::io::{ConnId, LinkNo, Output};
#[cfg(sabotage)]
use super::sabotage::{self, Bug};
use super::shutdown;
use super::stream::{Parked, Phase, Stream};
use super::timers::Timer;

impl Agent {
    /// The coordinator has no use for the stream at present. Ignored if the two sides do not agree
    /// on every byte: what is under way will tell it so.
    pub(super) fn park(&mut self, no: LinkNo, park: &Park) {
        let id = park.stream;
        if !self.owns(no, id) {
            return;
        }
        let until = Parked {
            idle_until: self.now + Millis(park.max_idle_ms.into()),
            expires_at: self.now + Millis(park.expires_in_ms.into()),
            lost_until: None,
        };
        let cancelled = self.is_cancelling(id);
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let agrees = !cancelled && agrees(stream, park);
        if self.phase != shutdown::Phase::Running {
            // What both sides take for idle needs no cancel.
            if agrees && stream.phase == Phase::Open {
                self.enter(id, Phase::Parked(until), "idle");
            }
            return self.end_stream(id, GoneReason::Draining);
        }
        if !agrees {
            return;
        }
        match stream.phase {
            Phase::Parked(_) => {
                stream.phase = Phase::Parked(until);
                self.timers.set(Timer::Stream(id), until.end().0);
            }
            Phase::Open => {
                stream.parking = Some(until);
                self.look_before_parking(id);
            }
            Phase::Connecting | Phase::Ending(_) => {}
        }
    }

    /// Looks whether the database has said anything more, as soon as it has been given everything.
    pub(super) fn look_before_parking(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(&id) else { return };
        if stream.parking.is_some() && stream.is_clear() {
            let conn = stream.conn;
            self.emit(Output::Peek { conn });
        }
    }

    /// The database has said nothing more.
    pub(super) fn quiet(&mut self, conn: ConnId) {
        let Some(id) = self.stream_of(conn) else { return };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.phase != Phase::Open || !stream.is_clear() {
            return;
        }
        let Some(until) = stream.parking.take() else { return };
        let database = stream.database;
        stream.delivered = Some(false);
        self.enter(id, Phase::Parked(until), "idle at both ends");
        self.timers.set(Timer::Stream(id), until.end().0);
        self.count(database, |totals| totals.parked = totals.parked.saturating_add(1));
    }

    /// The coordinator uses the stream again.
    pub(super) fn unpark(&mut self, id: StreamId) {
        if self.streams.get(&id).is_some_and(|stream| stream.parked().is_some()) {
            self.enter(id, Phase::Open, "used again");
        }
    }
}

/// True if neither side has finished, and both count the same bytes.
fn agrees(stream: &Stream, park: &Park) -> bool {
    #[cfg(sabotage)]
    if sabotage::active(Bug::ParkAnyway) {
        return true;
    }
    let finished = stream.finish_in || stream.database_end.is_some();
    !finished && stream.unsent.is_empty() && stream.counters == park.counters
}
