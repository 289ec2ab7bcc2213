//! Settings that hold for one transaction, such as whom row-level security is about.

use std::sync::Arc;

use crate::Error;

/// What a handle sets, and what it refuses to run without.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    /// Names and values.
    pairs: Arc<[(String, String)]>,
    required: Arc<[String]>,
}

impl Settings {
    /// These in addition; of two with the same name the later one counts.
    pub(crate) fn with(&self, added: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut pairs = self.pairs.to_vec();
        for (name, value) in added {
            pairs.retain(|(other, _)| !same(other, &name));
            pairs.push((name, value));
        }
        Self { pairs: pairs.into(), required: self.required.clone() }
    }

    pub(crate) fn requiring(&self, names: impl IntoIterator<Item = String>) -> Self {
        let required = self.required.iter().cloned().chain(names).collect();
        Self { pairs: self.pairs.clone(), required }
    }

    /// Whether there is anything to be set or required.
    pub(crate) fn is_any(&self) -> bool {
        !self.pairs.is_empty() || !self.required.is_empty()
    }

    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// Refuses to run without what is required.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let is_set = |name: &String| self.pairs.iter().any(|(other, _)| same(other, name));
        match self.required.iter().find(|name| !is_set(name)) {
            None => Ok(()),
            Some(name) => Err(Error::request(format!(
                "nothing was sent: this handle requires the setting {name}; make a handle with it \
                 by with_settings([(\"{name}\", …)])"
            ))),
        }
    }
}

/// The database does not tell case in names of settings.
fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn the_later_one_counts() {
        let settings = Settings::default().with([pair("a.b", "1"), pair("c", "2")]);
        let settings = settings.with([pair("A.B", "3")]);
        assert_eq!(settings.pairs(), [pair("c", "2"), pair("A.B", "3")]);
    }

    #[test]
    fn what_is_required_must_be_set() {
        let settings = Settings::default().requiring(["app.tenant".to_owned()]);
        let error = settings.with([pair("app.other", "1")]).check().unwrap_err().to_string();
        assert!(error.contains("requires the setting app.tenant"), "{error}");
        settings.with([pair("app.Tenant", "")]).check().unwrap();
    }
}
