//! Transactions: what they would commit, and how what they did is undone, all of it or back to a
//! savepoint.

use super::settings::Kept;

/// An open transaction, begun by a client or implicit.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// Begun by a command.
    pub(super) explicit: bool,
    pub(super) failed: bool,
    /// A statement of the extended protocol has been executed in it.
    pub(super) pipelining: bool,
    /// What is seen by others once it commits.
    pub(super) work: Work,
    undo: Vec<Undo>,
    savepoints: Vec<Savepoint>,
}

/// What a transaction does to the database.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) inserts: Vec<u64>,
    /// Channel and payload.
    pub(super) notifies: Vec<(String, String)>,
    pub(super) alters: u64,
    pub(super) fails_at_commit: bool,
}

/// How to take one change of the session back.
#[derive(Debug)]
pub(super) enum Undo {
    /// A setting was this.
    Setting(String, Kept),
    /// A variable was this.
    Variable(String, Option<String>),
    /// A table is to go.
    Created(String),
    /// A table is to come back.
    Dropped(String),
    /// A channel is to go.
    Listened(String),
    /// Channels are to come back.
    Unlistened(Vec<String>),
    /// A portal is to go.
    Opened(String),
}

#[derive(Debug)]
struct Savepoint {
    name: String,
    undo: usize,
    inserts: usize,
    notifies: usize,
    alters: u64,
    fails_at_commit: bool,
}

impl Transaction {
    /// Remembers how to take a change back.
    pub(super) fn log(&mut self, undo: Undo) {
        self.undo.push(undo);
    }

    /// Everything to take back, the last change first.
    pub(super) fn into_undo(self) -> impl Iterator<Item = Undo> {
        self.undo.into_iter().rev()
    }

    /// `savepoint name`.
    pub(super) fn save(&mut self, name: &str) {
        self.savepoints.push(Savepoint {
            name: name.to_owned(),
            undo: self.undo.len(),
            inserts: self.work.inserts.len(),
            notifies: self.work.notifies.len(),
            alters: self.work.alters,
            fails_at_commit: self.work.fails_at_commit,
        });
    }

    /// `release name`. False if there is no such savepoint.
    pub(super) fn release(&mut self, name: &str) -> bool {
        let found = self.savepoints.iter().rposition(|savepoint| savepoint.name == name);
        if let Some(index) = found {
            self.savepoints.truncate(index);
        }
        found.is_some()
    }

    /// `rollback to name`: what to take back, the last change first; `None` if there is no such
    /// savepoint.
    pub(super) fn back_to(&mut self, name: &str) -> Option<Vec<Undo>> {
        let index = self.savepoints.iter().rposition(|savepoint| savepoint.name == name)?;
        self.savepoints.truncate(index + 1);
        let savepoint = &self.savepoints[index];
        self.failed = false;
        self.work.inserts.truncate(savepoint.inserts);
        self.work.notifies.truncate(savepoint.notifies);
        self.work.alters = savepoint.alters;
        self.work.fails_at_commit = savepoint.fails_at_commit;
        let mut undo = self.undo.split_off(savepoint.undo);
        undo.reverse();
        Some(undo)
    }
}
