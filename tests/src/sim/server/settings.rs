//! Settings of a session: what `set` changes, what a client is told of it, what `reset` goes back
//! to.

use std::collections::BTreeMap;

use super::reply::Failure;
use super::values::Kind;
use crate::sim::message::{put, put_cstr};

/// One setting that the server knows.
struct Known {
    /// As it is reported and shown.
    name: &'static str,
    default: &'static str,
    /// Whether clients are told of each change.
    reported: bool,
    kind: Kind,
}

const fn known(name: &'static str, default: &'static str, reported: bool, kind: Kind) -> Known {
    Known { name, default, reported, kind }
}

/// In the order in which changes are reported. Settings of an application that always exist
/// (`app.a` and so on) stand for those that a database defines; others exist once they are set.
const KNOWN: [Known; 30] = [
    known("app.a", "", false, Kind::Text),
    known("app.b", "", false, Kind::Text),
    known("app.c", "", false, Kind::Text),
    known("application_name", "", true, Kind::Text),
    known("bytea_output", "hex", false, Kind::OneOf(&["hex", "escape"])),
    known("client_encoding", "UTF8", true, Kind::Encoding),
    known("client_min_messages", "notice", false, Kind::OneOf(&["notice", "warning", "error"])),
    known("DateStyle", "ISO, MDY", true, Kind::DateStyle),
    known("default_transaction_isolation", "read committed", false, Kind::Text),
    known("default_transaction_read_only", "off", true, Kind::Bool),
    known("extra_float_digits", "1", false, Kind::Int),
    known("idle_in_transaction_session_timeout", "0", false, Kind::Milliseconds),
    known("in_hot_standby", "off", true, Kind::Fixed),
    known("integer_datetimes", "on", true, Kind::Fixed),
    known("IntervalStyle", "postgres", true, Kind::OneOf(&["postgres", "iso_8601"])),
    known("is_superuser", "off", true, Kind::Fixed),
    known("jit", "on", false, Kind::Bool),
    known("lock_timeout", "0", false, Kind::Milliseconds),
    known("plan_cache_mode", "auto", false, Kind::OneOf(&["auto", "force_custom_plan"])),
    known("role", "none", false, Kind::Role),
    known("row_security", "on", false, Kind::Bool),
    known("search_path", "\"$user\", public", false, Kind::Text),
    known("server_encoding", "UTF8", true, Kind::Fixed),
    known("server_version", "15.0", true, Kind::Fixed),
    known("session_authorization", "sim", true, Kind::User),
    known("standard_conforming_strings", "on", true, Kind::Bool),
    known("statement_timeout", "0", false, Kind::Milliseconds),
    known("synchronous_commit", "on", false, Kind::Bool),
    known("TimeZone", "UTC", true, Kind::Zone),
    known("work_mem", "4MB", false, Kind::Text),
];

/// What a client may choose only once, and `reset all` leaves alone.
const KEPT_BY_RESET: [&str; 2] = ["role", "session_authorization"];

/// The settings of one session.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// What start-up chose: the values that `reset` goes back to.
    startup: BTreeMap<String, String>,
    set: BTreeMap<String, Kept>,
    /// What the client was last told, in the order of the reported settings.
    told: Vec<String>,
    changed: bool,
}

/// What was chosen for one setting.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Kept {
    /// Until the session ends; `None` for what start-up chose.
    session: Option<String>,
    /// Until the transaction ends.
    local: Option<String>,
}

fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

impl Settings {
    /// The server has a value of its own, which no client changes.
    pub(super) fn fix(&mut self, name: &str, value: &str) {
        self.startup.insert(name.to_owned(), value.to_owned());
    }

    /// Start-up chooses a value.
    pub(super) fn start_with(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let checked = self.checked(name, value)?;
        self.startup.insert(name.to_ascii_lowercase(), checked);
        Ok(())
    }

    /// The value as it is stored, if `name` can have it.
    pub(super) fn checked(&self, name: &str, value: &str) -> Result<String, Failure> {
        match find(name) {
            Some(known) => {
                let user = self.value("session_authorization").unwrap_or_default();
                known
                    .kind
                    .check(value, user)
                    .map_err(|sqlstate| Failure::new(sqlstate, "invalid value for parameter"))
            }
            None if name.contains('.') => Ok(value.to_owned()),
            None => Err(unrecognized()),
        }
    }

    /// The value of `name`, `None` if there is no such setting.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        let kept = self.set.get(&name);
        let chosen = kept.and_then(|kept| kept.local.as_ref().or(kept.session.as_ref()));
        let chosen = chosen.or_else(|| self.startup.get(&name)).map(String::as_str);
        chosen.or_else(|| find(&name).map(|known| known.default)).or(kept.map(|_| ""))
    }

    /// Chooses a value, or what start-up chose; returns what there was before.
    pub(super) fn choose(
        &mut self,
        name: &str,
        value: Option<&str>,
        local: bool,
    ) -> Result<Kept, Failure> {
        let value = match (value, find(name)) {
            (Some(value), _) => Some(self.checked(name, value)?),
            (None, Some(known)) if known.kind == Kind::Fixed => {
                return Err(Failure::new("55P02", "the parameter cannot be changed"));
            }
            (None, None) if !name.contains('.') => return Err(unrecognized()),
            (None, _) => None,
        };
        let fallback = || self.startup.get(name).cloned().or_else(|| Some(default(name)));
        let next = if local {
            let session = self.set.get(name).and_then(|kept| kept.session.clone());
            Kept { session, local: value.or_else(fallback) }
        } else {
            Kept { session: value, local: None }
        };
        self.changed = true;
        Ok(self.set.insert(name.to_owned(), next).unwrap_or_default())
    }

    /// Puts back what [`choose`](Self::choose) returned.
    pub(super) fn undo(&mut self, name: String, before: Kept) {
        self.set.insert(name, before);
        self.changed = true;
    }

    /// `reset all`; returns what there was before.
    pub(super) fn reset_all(&mut self) -> Vec<(String, Kept)> {
        self.changed = true;
        let all = self.set.iter_mut();
        let reset = all.filter(|(name, _)| !KEPT_BY_RESET.contains(&name.as_str()));
        reset.map(|(name, kept)| (name.clone(), std::mem::take(kept))).collect()
    }

    /// `discard all` also goes back to the first user.
    pub(super) fn discard(&mut self) {
        self.set.values_mut().for_each(|kept| *kept = Kept::default());
        self.changed = true;
    }

    /// The transaction has ended, and with it what was chosen for it.
    pub(super) fn end_transaction(&mut self) {
        for kept in self.set.values_mut() {
            self.changed |= kept.local.take().is_some();
        }
    }

    /// Tells the client of all reported settings, or of those that a short greeting has.
    pub(super) fn greet(&mut self, fully: bool, out: &mut Vec<u8>) {
        const SHORT: [&str; 3] = ["server_version", "client_encoding", "TimeZone"];
        self.told = reported().map(|known| self.current(known).to_owned()).collect();
        self.changed = false;
        if fully {
            reported().zip(&self.told).for_each(|(known, value)| report(known.name, value, out));
        } else {
            let value = |name| self.value(name).unwrap_or_default();
            SHORT.iter().for_each(|name| report(name, value(name), out));
        }
    }

    /// Tells the client what has changed since it was last told.
    pub(super) fn report_changes(&mut self, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let mut told = std::mem::take(&mut self.told);
        told.resize_with(reported().count(), String::new);
        for (known, told) in reported().zip(&mut told) {
            let current = self.current(known);
            if current != told {
                report(known.name, current, out);
                current.clone_into(told);
            }
        }
        self.told = told;
    }

    fn current<'a>(&'a self, known: &'a Known) -> &'a str {
        self.value(known.name).unwrap_or_default()
    }
}

fn reported() -> impl Iterator<Item = &'static Known> {
    KNOWN.iter().filter(|known| known.reported)
}

fn default(name: &str) -> String {
    find(name).map(|known| known.default).unwrap_or_default().to_owned()
}

fn report(name: &str, value: &str, out: &mut Vec<u8>) {
    put(out, b'S', |out| {
        put_cstr(out, name);
        put_cstr(out, value);
    });
}

fn unrecognized() -> Failure {
    Failure::new("42704", "unrecognized configuration parameter")
}
