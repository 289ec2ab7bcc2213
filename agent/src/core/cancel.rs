//! Cancels: a connection of their own, on which the database says nothing but that it is done.

use bytes::Bytes;
use pierhead_wire::tunnel::{Cancelled, StreamId};

use super::Agent;
use super::conn::Owner;
use super::io::{ConnId, DatabaseNo, LinkNo, Output};
use super::limits::{CANCEL_READ, CANCELS_IN_FLIGHT_MAX, CANCELS_QUEUED_MAX};
use super::timers::Timer;

/// Names one cancel, never twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct CancelNo(u64);

/// A cancel, from its order to the end of its connection.
#[derive(Debug)]
pub(super) struct Job {
    stream: StreamId,
    database: DatabaseNo,
    /// Who waits for the outcome; nobody, if the agent itself ends the stream.
    answer: Option<(LinkNo, u32)>,
    state: State,
}

/// ```text
/// Queued ──place free──▶ Connecting ──connected──▶ Waiting ──end of database──▶ proved
/// ```
///
/// Whatever else happens, its time included, proves nothing.
enum State {
    Queued,
    Connecting(ConnId),
    /// So many bytes are still to be taken by the operating system.
    Waiting(ConnId, usize),
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Queued => "Queued",
            Self::Connecting(_) => "Connecting",
            Self::Waiting(..) => "Waiting",
        })
    }
}

impl Agent {
    /// The coordinator's order.
    pub(super) fn cancel(&mut self, no: LinkNo, stream: StreamId, request: u32) {
        if !self.owns(no, stream) || !self.start_cancel(stream, Some((no, request))) {
            self.put(no, Cancelled { stream, request, proved: false });
        }
    }

    /// Cancels what runs on a stream. False if it was not described, or too many wait.
    pub(super) fn start_cancel(&mut self, id: StreamId, answer: Option<(LinkNo, u32)>) -> bool {
        let Some(stream) = self.streams.get(&id) else { return false };
        let described = stream.description.as_ref().is_some_and(|kept| !kept.cancel.0.is_empty());
        let no = stream.database;
        let cancel = CancelNo(self.last_cancel.saturating_add(1));
        let at = self.now + self.settings.cancel_timeout;
        let Some(database) = self.databases.get_mut(no.0) else { return false };
        if !described || database.cancels_queued.len() >= CANCELS_QUEUED_MAX {
            return false;
        }
        database.cancels_queued.push_back(cancel);
        database.totals.cancels = database.totals.cancels.saturating_add(1);
        self.last_cancel = cancel.0;
        let job = Job { stream: id, database: no, answer, state: State::Queued };
        self.cancels.insert(cancel, job);
        self.timers.set(Timer::Cancel(cancel), at);
        self.dial_cancels(no);
        true
    }

    /// Connects for as many cancels as may fly.
    fn dial_cancels(&mut self, no: DatabaseNo) {
        while let Some(database) = self.database_mut(no)
            && database.cancels_flying < CANCELS_IN_FLIGHT_MAX
            && let Some(cancel) = database.cancels_queued.pop_front()
        {
            database.cancels_flying = database.cancels_flying.saturating_add(1);
            let conn = self.connect(no, Owner::Cancel(cancel));
            if let Some(job) = self.cancels.get_mut(&cancel) {
                job.state = State::Connecting(conn);
            }
        }
    }

    pub(super) fn cancel_connected(&mut self, cancel: CancelNo) {
        let Some(job) = self.cancels.get_mut(&cancel) else { return };
        let State::Connecting(conn) = job.state else { return };
        let kept = self.streams.get(&job.stream).and_then(|stream| stream.description.as_ref());
        // A session that has ended has nothing left to cancel.
        let bytes = kept.map(|kept| kept.cancel.0.clone()).unwrap_or_default();
        if bytes.is_empty() {
            return self.cancel_ended(cancel, false);
        }
        job.state = State::Waiting(conn, bytes.len());
        self.emit(Output::Write { conn, bytes: vec![Bytes::copy_from_slice(&bytes)] });
        self.emit(Output::Read { conn, bytes: CANCEL_READ });
    }

    pub(super) fn cancel_wrote(&mut self, cancel: CancelNo, bytes: usize) {
        if let Some(job) = self.cancels.get_mut(&cancel)
            && let State::Waiting(_, left) = &mut job.state
        {
            *left = left.saturating_sub(bytes);
        }
    }

    /// The database has closed a cancel's connection: it is done, if it got all of it.
    pub(super) fn cancel_saw_end(&mut self, cancel: CancelNo) {
        let Some(job) = self.cancels.get(&cancel) else { return };
        let proved = matches!(job.state, State::Waiting(_, 0));
        self.cancel_ended(cancel, proved);
    }

    pub(super) fn cancel_timer(&mut self, cancel: CancelNo) {
        self.cancel_ended(cancel, false);
    }

    /// A cancel is over.
    pub(super) fn cancel_ended(&mut self, cancel: CancelNo, proved: bool) {
        let Some(job) = self.cancels.remove(&cancel) else { return };
        self.timers.clear(Timer::Cancel(cancel));
        let database = job.database;
        match job.state {
            State::Queued => {
                if let Some(database) = self.database_mut(database) {
                    database.cancels_queued.retain(|queued| *queued != cancel);
                }
            }
            State::Connecting(conn) | State::Waiting(conn, _) => {
                self.abandon(conn);
                if let Some(database) = self.database_mut(database) {
                    database.cancels_flying = database.cancels_flying.saturating_sub(1);
                }
            }
        }
        if proved {
            self.count(database, |totals| {
                totals.cancels_proved = totals.cancels_proved.saturating_add(1);
            });
        }
        if let Some((no, request)) = job.answer {
            self.put(no, Cancelled { stream: job.stream, request, proved });
        }
        self.dial_cancels(database);
    }

    /// True while a cancel of the coordinator's is open for the stream.
    pub(super) fn is_cancelling(&self, id: StreamId) -> bool {
        self.cancels.values().any(|job| job.stream == id && job.answer.is_some())
    }

    /// A stream is gone: what would be cancelled and was not begun need not be.
    pub(super) fn drop_queued_cancel(&mut self, id: StreamId) {
        let queued = |job: &Job| job.stream == id && matches!(job.state, State::Queued);
        let found: Vec<CancelNo> =
            self.cancels.iter().filter(|(_, job)| queued(job)).map(|(no, _)| *no).collect();
        for cancel in found {
            self.cancel_ended(cancel, false);
        }
    }

    /// Nobody waits on this link any more for what was ordered on it.
    pub(super) fn forget_answers(&mut self, no: LinkNo) {
        for job in self.cancels.values_mut() {
            if job.answer.is_some_and(|(link, _)| link == no) {
                job.answer = None;
            }
        }
    }
}
