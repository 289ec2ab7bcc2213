//! Connections to databases: who they belong to, and whether they count.

use super::Agent;
use super::cancel::CancelNo;
use super::io::{ConnId, DatabaseNo, Output};
use pierhead_wire::tunnel::StreamId;

/// Whose connection it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    Stream(StreamId),
    Cancel(CancelNo),
    /// It was told to close, and nobody waits for it.
    Nobody,
}

/// A connection until the shell says that it is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Conn {
    pub(super) database: DatabaseNo,
    pub(super) owner: Owner,
    /// True while it counts towards the cap.
    counted: bool,
    closing: bool,
}

impl Agent {
    /// Asks for a connection; a stream's counts from here on.
    pub(super) fn connect(&mut self, database: DatabaseNo, owner: Owner) -> ConnId {
        self.last_conn = self.last_conn.saturating_add(1);
        let conn = ConnId(self.last_conn);
        let counted = matches!(owner, Owner::Stream(_));
        if counted && let Some(database) = self.database_mut(database) {
            database.counted = database.counted.saturating_add(1);
        }
        self.conns.insert(conn, Conn { database, owner, counted, closing: false });
        self.emit(Output::Connect { conn, database });
        conn
    }

    pub(super) fn owner(&self, conn: ConnId) -> Owner {
        self.conns.get(&conn).map_or(Owner::Nobody, |conn| conn.owner)
    }

    /// The stream whose connection this is.
    pub(super) fn stream_of(&self, conn: ConnId) -> Option<StreamId> {
        if let Owner::Stream(id) = self.owner(conn) { Some(id) } else { None }
    }

    /// The connection's place under the cap is free: the database has ended it.
    pub(super) fn uncount(&mut self, conn: ConnId) {
        let Some(known) = self.conns.get_mut(&conn) else { return };
        if std::mem::replace(&mut known.counted, false) {
            let database = known.database;
            if let Some(database) = self.database_mut(database) {
                database.counted = database.counted.saturating_sub(1);
            }
        }
    }

    /// True if the shell was told to close it: nothing may be asked of it any more.
    pub(super) fn is_closing(&self, conn: ConnId) -> bool {
        self.conns.get(&conn).is_none_or(|known| known.closing)
    }

    /// Closes both directions at once.
    pub(super) fn close(&mut self, conn: ConnId) {
        let Some(known) = self.conns.get_mut(&conn) else { return };
        if !std::mem::replace(&mut known.closing, true) {
            self.emit(Output::Close { conn });
        }
    }

    /// Closes a connection that nobody waits for.
    pub(super) fn abandon(&mut self, conn: ConnId) {
        if let Some(known) = self.conns.get_mut(&conn) {
            known.owner = Owner::Nobody;
        }
        self.close(conn);
    }
}
