//! After each input: everything that changed is written, sent, read on, once for each stream and
//! link, so that one moment makes one write and one message.

use std::collections::BTreeSet;

use pierhead_wire::tunnel::{Amount, Credit, LinkCredit, StreamId};

use super::Agent;
use super::io::{LinkNo, Output};
use super::stream::{DatabaseEnd, Phase};

/// What an input has touched.
#[derive(Debug, Default)]
pub(super) struct Changed {
    streams: BTreeSet<StreamId>,
    links: BTreeSet<LinkNo>,
    reads: BTreeSet<StreamId>,
    sends: BTreeSet<LinkNo>,
}

impl Changed {
    /// The stream may have something to write, to send, or to read.
    pub(super) fn stream(&mut self, id: StreamId) {
        self.streams.insert(id);
    }

    /// The link may have something to say.
    pub(super) fn link(&mut self, no: LinkNo) {
        self.links.insert(no);
        self.sends.insert(no);
    }

    /// The stream may be read on.
    pub(super) fn read(&mut self, id: StreamId) {
        self.reads.insert(id);
    }
}

impl Agent {
    pub(super) fn settle(&mut self) {
        loop {
            while let Some(id) = self.changed.streams.pop_first() {
                self.write(id);
                self.enqueue(id);
                self.changed.reads.insert(id);
            }
            let Some(no) = self.changed.links.pop_first() else { break };
            self.pump(no);
        }
        self.check_drained();
        while let Some(id) = self.changed.reads.pop_first() {
            self.read_on(id);
        }
        while let Some(no) = self.changed.sends.pop_first() {
            self.send(no);
        }
    }

    /// Gives the shell what came for the database.
    fn write(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.phase != Phase::Open {
            return;
        }
        let (conn, database) = (stream.conn, stream.database);
        let bytes = std::mem::take(&mut stream.unwritten);
        if stream.database_end == Some(DatabaseEnd::Closed) {
            return;
        }
        let count: usize = bytes.iter().map(bytes::Bytes::len).sum();
        let finish = stream.finish_in && !stream.finished;
        if count > 0 {
            stream.writing = stream.writing.saturating_add(count);
            stream.delivered = stream.delivered.map(|_| true);
        }
        stream.finished |= finish;
        if count > 0 {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            self.emit(Output::Write { conn, bytes });
            self.count(database, |totals| {
                totals.bytes_sent = totals.bytes_sent.saturating_add(count);
            });
        }
        if finish {
            self.emit(Output::Finish { conn });
        }
    }

    /// Sends what is to be said on a link. Small grants ride along with anything else.
    pub(super) fn send(&mut self, no: LinkNo) {
        let Some(link) = self.links.get(&no) else { return };
        let riding = !link.out.is_empty();
        self.put_grants(no, riding);
        let Some(link) = self.links.get(&no) else { return };
        if !riding && !link.out.is_empty() {
            self.put_grants(no, true);
        }
        self.flush(no);
    }

    /// Sends what is to be said on a link, and nothing more.
    pub(super) fn flush(&mut self, no: LinkNo) {
        let Some(link) = self.links.get_mut(&no) else { return };
        let database = link.database;
        for message in link.out.take() {
            self.emit(Output::Send { link: no, message });
            self.count(database, |totals| {
                totals.messages_out = totals.messages_out.saturating_add(1);
            });
        }
    }

    fn put_grants(&mut self, no: LinkNo, riding: bool) {
        let Some(link) = self.links.get_mut(&no) else { return };
        if link.copy().is_none() {
            return;
        }
        if let Some(bytes) = link.window.grant(riding) {
            link.put(LinkCredit { bytes: Amount(bytes) });
        }
        for id in link.grants.clone() {
            // Not for a parked stream: an adoption under way starts its credit afresh, and the
            // grant would come on top.
            let stream = self.streams.get_mut(&id).filter(|stream| stream.phase == Phase::Open);
            if let Some(bytes) = stream.and_then(|stream| stream.window.grant(riding)) {
                link.grants.remove(&id);
                link.put(Credit { stream: id, bytes: Amount(bytes) });
            }
        }
    }
}
