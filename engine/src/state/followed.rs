//! Settings that follow a client from session to session.
//!
//! A client's plain `SET`s are remembered and repeated in whatever session serves it next. The same
//! value describes both sides: what a client wants, and what a session has.

use std::sync::Arc;

use crate::limits::{SETTING_BYTES_MAX, SETTINGS_BYTES_MAX, SETTINGS_MAX};
use crate::sql::{Change, literal};

/// Settings that differ from a session's own defaults. Cheap to clone and to compare.
#[derive(Clone, Debug, Default)]
pub(crate) struct Followed(Option<Arc<Settings>>);

/// More than may be followed; the bounds are in [`crate::limits`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooMany;

/// By name; never empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Settings(Vec<Setting>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Setting {
    name: Box<str>,
    /// SQL, as in [`Change::Set`].
    value: Box<str>,
}

impl PartialEq for Followed {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl Eq for Followed {}

/// Set last and reset first, because it may lack the right to set something else.
const ROLE: &str = "role";

impl Followed {
    /// The settings of a start-up message: names and values as they are, without user, database and
    /// what else is no setting.
    pub(crate) fn from_start_up<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, TooMany> {
        let changes = pairs.into_iter().map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            let value = if is_list(&name) { list(value) } else { literal(value) };
            Change::Set { name, value }
        });
        Self::default().after(&changes.collect::<Vec<_>>())
    }

    /// Of these settings, those that the changes lead back to a session's own defaults.
    pub(crate) fn undone_by(&self, changes: &[Change]) -> Self {
        let undone = |setting: &&Setting| {
            changes.iter().fold(false, |undone, change| match change {
                Change::Set { name, .. } => undone && **name != *setting.name,
                Change::Reset { name } => undone || **name == *setting.name,
                Change::ResetAll => undone || !setting.is_role(),
            })
        };
        let settings: Vec<_> = self.settings().iter().filter(undone).cloned().collect();
        Self((!settings.is_empty()).then(|| Arc::new(Settings(settings))))
    }

    /// These settings, as changes.
    pub(crate) fn as_changes(&self) -> Vec<Change> {
        let change = |s: &Setting| Change::Set { name: (*s.name).into(), value: (*s.value).into() };
        self.settings().iter().map(change).collect()
    }

    /// The value of a setting that is one string; nothing for any other.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let mut named = self.settings().iter().filter(|s| s.name.eq_ignore_ascii_case(name));
        let inside = named.next()?.value.strip_prefix('\'')?.strip_suffix('\'')?;
        Some(inside.replace("''", "'"))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes of all names and values.
    pub(crate) fn bytes(&self) -> usize {
        self.settings().iter().map(Setting::bytes).sum()
    }

    /// The settings' names, in order.
    #[cfg(test)]
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.settings().iter().map(|setting| &*setting.name)
    }

    /// What is set in a session after these changes.
    pub(crate) fn after(&self, changes: &[Change]) -> Result<Self, TooMany> {
        self.after_with(&Self::default(), changes)
    }

    /// What a client wants after these changes, whose resets lead to `defaults`: the settings of
    /// its start-up message.
    pub(crate) fn after_with(&self, defaults: &Self, changes: &[Change]) -> Result<Self, TooMany> {
        if changes.is_empty() {
            return Ok(self.clone());
        }
        let mut settings = Settings(self.settings().to_vec());
        for change in changes {
            settings.apply(change, defaults.settings())?;
        }
        if settings.0 == self.settings() {
            return Ok(self.clone());
        }
        let after = Self((!settings.0.is_empty()).then(|| Arc::new(settings)));
        if after.bytes() > SETTINGS_BYTES_MAX { Err(TooMany) } else { Ok(after) }
    }

    /// The SQL that makes a session with these settings one with `wanted`: one simple query, all
    /// of which happens or nothing. None if there is nothing to do.
    pub(crate) fn to(&self, wanted: &Self) -> Option<String> {
        if self == wanted {
            return None;
        }
        let (has, wants) = (self.settings(), wanted.settings());
        let gone = has.iter().filter(|had| find(wants, &had.name).is_err());
        let other = wants.iter().filter(|wanted| value(has, &wanted.name) != Some(&*wanted.value));
        let (gone, other): (Vec<_>, Vec<_>) = (gone.collect(), other.collect());
        let beside_role = gone.iter().chain(&other).any(|setting| !setting.is_role());

        let mut sql = Script::default();
        let role = gone.iter().any(|setting| setting.is_role());
        let lifted = role || (beside_role && find(has, ROLE).is_ok());
        if lifted {
            sql.reset(ROLE);
        }
        for setting in gone.iter().filter(|setting| !setting.is_role()) {
            sql.reset(&setting.name);
        }
        for setting in other.iter().filter(|setting| !setting.is_role()) {
            sql.set(setting);
        }
        let role = wants.iter().find(|setting| setting.is_role());
        if let Some(role) = role.filter(|role| lifted || value(has, ROLE) != Some(&*role.value)) {
            sql.set(role);
        }
        Some(sql.0)
    }

    #[cfg(test)]
    pub(super) fn shares_with(&self, other: &Self) -> bool {
        self.settings().as_ptr() == other.settings().as_ptr()
    }

    fn settings(&self) -> &[Setting] {
        self.0.as_ref().map_or(&[], |settings| &settings.0)
    }
}

fn find(settings: &[Setting], name: &str) -> Result<usize, usize> {
    settings.binary_search_by(|setting| (*setting.name).cmp(name))
}

fn value<'a>(settings: &'a [Setting], name: &str) -> Option<&'a str> {
    find(settings, name).ok().and_then(|at| settings.get(at)).map(|setting| &*setting.value)
}

impl Setting {
    fn bytes(&self) -> usize {
        self.name.len() + self.value.len()
    }

    fn is_role(&self) -> bool {
        &*self.name == ROLE
    }
}

impl Settings {
    fn apply(&mut self, change: &Change, defaults: &[Setting]) -> Result<(), TooMany> {
        match change {
            Change::Set { name, value } => self.set(name, value),
            Change::Reset { name } => match value(defaults, name) {
                Some(value) => self.set(name, value),
                None => {
                    self.0.retain(|setting| *setting.name != **name);
                    Ok(())
                }
            },
            Change::ResetAll => {
                self.0.retain(Setting::is_role);
                let mut others = defaults.iter().filter(|setting| !setting.is_role());
                others.try_for_each(|setting| self.set(&setting.name, &setting.value))
            }
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), TooMany> {
        if name.len() > SETTING_BYTES_MAX || value.len() > SETTING_BYTES_MAX {
            return Err(TooMany);
        }
        let setting = Setting { name: name.into(), value: value.into() };
        match find(&self.0, name) {
            Ok(at) => {
                if let Some(old) = self.0.get_mut(at) {
                    *old = setting;
                }
            }
            Err(_) if self.0.len() == SETTINGS_MAX => return Err(TooMany),
            Err(at) => self.0.insert(at, setting),
        }
        Ok(())
    }
}

/// Statements, one after the other.
#[derive(Default)]
struct Script(String);

impl Script {
    fn reset(&mut self, name: &str) {
        self.statement(&format!("RESET {}", quoted(name)));
    }

    fn set(&mut self, setting: &Setting) {
        let Setting { name, value } = setting;
        if value.starts_with("INTERVAL ") {
            self.statement(&format!("SET TIME ZONE {value}"));
        } else {
            self.statement(&format!("SET {} TO {value}", quoted(name)));
        }
    }

    fn statement(&mut self, sql: &str) {
        if !self.0.is_empty() {
            self.0.push_str("; ");
        }
        self.0.push_str(sql);
    }
}

/// A name as identifiers: quoted each, so that none is a keyword and none is cut for its length
/// that was not long before.
fn quoted(name: &str) -> String {
    let parts = name.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\"")));
    parts.collect::<Vec<_>>().join(".")
}

/// Settings whose values are identifiers: `SET` quotes each item, so that a start-up's list, which
/// is quoted already, cannot stand there as one literal.
fn is_list(name: &str) -> bool {
    let lists =
        ["local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces"];
    lists.contains(&name)
}

/// The items of a list of identifiers, each as a literal. What is no such list stays one literal,
/// which the server refuses or not.
fn list(value: &str) -> String {
    let items = items(value).unwrap_or_else(|| vec![value.to_owned()]);
    items.iter().map(|item| literal(item)).collect::<Vec<_>>().join(", ")
}

fn items(value: &str) -> Option<Vec<String>> {
    let mut items = Vec::new();
    let mut rest = value.trim_ascii_start();
    loop {
        let (item, behind) = match rest.strip_prefix('"') {
            Some(inner) => quoted_item(inner)?,
            None => {
                let end = rest.find(|c: char| c == ',' || c.is_ascii_whitespace());
                let (item, behind) = rest.split_at(end.unwrap_or(rest.len()));
                (Some(item.to_ascii_lowercase()).filter(|item| !item.is_empty())?, behind)
            }
        };
        items.push(item);
        match behind.trim_ascii_start().strip_prefix(',') {
            Some(next) => rest = next.trim_ascii_start(),
            None => return behind.trim_ascii().is_empty().then_some(items),
        }
    }
}

/// What stands in quotes, and what stands behind them.
fn quoted_item(inner: &str) -> Option<(String, &str)> {
    let mut from = 0;
    loop {
        let at = from + inner.get(from..)?.find('"')?;
        let behind = inner.get(at + 1..)?;
        if !behind.starts_with('"') {
            return Some((inner.get(..at)?.replace("\"\"", "\""), behind));
        }
        from = at + 2;
    }
}
