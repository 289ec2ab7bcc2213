//! Commands that change the session rather than the database: transactions, settings, tables,
//! channels, locks.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a function gets its own family's commands only"
)]

use super::command::{Command, Lock};
use super::database::Database;
use super::reply::Failure;
use super::run::{Done, Outcome, done, select, tagged};
use super::session::{How, Rows, Session, undefined_table};
use super::transaction::Undo;

/// What commands leave behind that leave something, whatever it is; other names are settings.
pub(super) const LEFT: [&str; 2] = ["x", "y"];

impl Session {
    pub(super) fn run_transaction(
        &mut self,
        db: &mut Database,
        command: &Command,
        how: How,
        out: &mut Vec<u8>,
    ) -> Outcome {
        match command {
            Command::Begin(tag) => {
                if self.is_explicit() {
                    self.warn("25001", "there is already a transaction in progress", out);
                }
                self.open_transaction().explicit = true;
                done(tag)
            }
            Command::Commit => {
                self.warn_outside(out);
                if self.transaction.as_ref().is_some_and(|transaction| transaction.failed) {
                    self.roll_back();
                    return done("ROLLBACK");
                }
                self.commit(db)?;
                done("COMMIT")
            }
            Command::Rollback => {
                db.seen.rollbacks += 1;
                self.warn_outside(out);
                self.roll_back();
                done("ROLLBACK")
            }
            Command::SetTransaction => {
                if !self.in_block(how) {
                    let text = "SET TRANSACTION can only be used in transaction blocks";
                    self.warn("25P01", text, out);
                }
                done("SET")
            }
            _ => self.run_savepoint(command),
        }
    }

    fn warn_outside(&mut self, out: &mut Vec<u8>) {
        if !self.is_explicit() {
            self.warn("25P01", "there is no transaction in progress", out);
        }
    }

    fn run_savepoint(&mut self, command: &Command) -> Outcome {
        if !self.is_explicit() {
            return Err(Failure::new("25P01", "it can only be used in transaction blocks"));
        }
        let missing = || Failure::new("3B001", "the savepoint does not exist");
        let transaction = self.open_transaction();
        match command {
            Command::Savepoint(name) => {
                transaction.save(name);
                done("SAVEPOINT")
            }
            Command::Release(name) => {
                if transaction.release(name) {
                    done("RELEASE")
                } else {
                    Err(missing())
                }
            }
            Command::RollbackTo(name) => {
                let undo = transaction.back_to(name).ok_or_else(missing)?;
                undo.into_iter().for_each(|undo| self.undo(undo));
                done("ROLLBACK")
            }
            _ => done("SAVEPOINT"),
        }
    }

    pub(super) fn run_setting(
        &mut self,
        command: &Command,
        how: How,
        out: &mut Vec<u8>,
    ) -> Outcome {
        match command {
            Command::Set { name, value, local, tag } => {
                if *local && !self.in_block(how) {
                    let text = "SET LOCAL can only be used in transaction blocks";
                    self.warn("25P01", text, out);
                }
                self.choose(name, value.as_deref(), *local)?;
                done(tag)
            }
            Command::SetConfig { name, value, local } => {
                self.choose(name, Some(value), *local)?;
                select(&Rows::One(self.settings.value(name).map(str::as_bytes)), how, out)
            }
            Command::ResetAll => {
                for (name, before) in self.settings.reset_all() {
                    self.open_transaction().log(Undo::Setting(name, before));
                }
                done("RESET")
            }
            Command::Show(name) => self.show(name, how, out),
            _ => done("SET"),
        }
    }

    fn choose(&mut self, name: &str, value: Option<&str>, local: bool) -> Result<(), Failure> {
        let before = self.settings.choose(name, value, local)?;
        self.open_transaction().log(Undo::Setting(name.to_owned(), before));
        Ok(())
    }

    fn show(&mut self, name: &str, how: How, out: &mut Vec<u8>) -> Outcome {
        self.open_transaction();
        let value = if LEFT.contains(&name) {
            let left = self.variables.get(name).or_else(|| self.loaded.get(name));
            left.map_or("", String::as_str)
        } else {
            self.settings.value(name).unwrap_or_default()
        };
        match tagged(&Rows::One(Some(value.as_bytes())), "SHOW", how, out)? {
            Done::Complete(_) => done("SHOW"),
            other => Ok(other),
        }
    }

    pub(super) fn run_object(
        &mut self,
        db: &mut Database,
        command: &Command,
        how: How,
        out: &mut Vec<u8>,
    ) -> Outcome {
        self.open_transaction();
        match command {
            Command::CreateTemp(name) => {
                if !self.tables.insert(name.clone()) {
                    return Err(Failure::new("42P07", "the relation already exists"));
                }
                self.open_transaction().log(Undo::Created(name.clone()));
                done("CREATE TABLE")
            }
            Command::Drop(name) => {
                if !self.tables.remove(name) {
                    return Err(undefined_table());
                }
                self.open_transaction().log(Undo::Dropped(name.clone()));
                done("DROP TABLE")
            }
            Command::Listen(channel) => {
                if self.listening.insert(channel.clone()) {
                    self.open_transaction().log(Undo::Listened(channel.clone()));
                }
                done("LISTEN")
            }
            Command::Unlisten(channel) => {
                let gone = match channel {
                    Some(channel) => self.listening.take(channel).into_iter().collect(),
                    None => std::mem::take(&mut self.listening).into_iter().collect(),
                };
                self.open_transaction().log(Undo::Unlistened(gone));
                done("UNLISTEN")
            }
            Command::Notify(channel, payload) => {
                let notifies = &mut self.open_transaction().work.notifies;
                notifies.push((channel.clone(), payload.clone()));
                done("NOTIFY")
            }
            Command::Lock(lock, key) => self.lock(db, *lock, *key, how, out),
            _ => done("CREATE TABLE"),
        }
    }

    fn lock(
        &mut self,
        db: &mut Database,
        lock: Lock,
        key: u64,
        how: How,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let letter = |yes| if yes { "t" } else { "f" };
        let value = match lock {
            Lock::Take if !db.lock(self.process, key) => {
                return Err(Failure::new("55P03", "canceling statement due to lock timeout"));
            }
            Lock::Take => "",
            Lock::Try => letter(db.lock(self.process, key)),
            Lock::Unlock => {
                let held = db.unlock(self.process, key);
                if !held {
                    self.warn("01000", "you don't own a lock of type ExclusiveLock", out);
                }
                letter(held)
            }
            Lock::UnlockAll => {
                db.unlock_all(self.process);
                ""
            }
        };
        select(&Rows::One(Some(value.as_bytes())), how, out)
    }
}
