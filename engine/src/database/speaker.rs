//! What one client has prepared, by the names that it gave.

use std::sync::Arc;

use bytes::Bytes;

use crate::database::refused::{self, Refused};
use crate::sql::Facts;
use crate::statements::{Interned, Names, StatementId};

/// The statement that a client prepared without a name.
#[derive(Debug, Default)]
pub(crate) enum Unnamed {
    #[default]
    None,
    /// One that sessions keep under a name.
    Interned(StatementId),
    /// One whose text was not seen before.
    Raw(Arc<Raw>),
}

/// A statement that sessions do not keep.
#[derive(Debug)]
pub(crate) struct Raw {
    text: Bytes,
    sql: usize,
    pub(crate) facts: Arc<Facts>,
}

impl Unnamed {
    pub(crate) fn raw(sql: &[u8], types: &[u8], facts: Arc<Facts>) -> Self {
        let text: Bytes = [sql, types].concat().into();
        Self::Raw(Arc::new(Raw { text, sql: sql.len(), facts }))
    }

    /// Lets go of it.
    pub(crate) fn release(self, interned: &mut Interned<Arc<Facts>>) {
        if let Self::Interned(id) = self {
            interned.release(id);
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::None | Self::Interned(_) => 0,
            Self::Raw(raw) => raw.text.len(),
        }
    }
}

impl Raw {
    pub(crate) fn sql(&self) -> &[u8] {
        self.text.get(..self.sql).unwrap_or_default()
    }

    pub(crate) fn sql_bytes(&self) -> Bytes {
        self.text.slice(..self.sql)
    }

    pub(crate) fn types(&self) -> &[u8] {
        self.text.get(self.sql..).unwrap_or_default()
    }
}

/// One client's statements.
#[derive(Debug, Default)]
pub(crate) struct Speaker {
    pub(crate) names: Names,
    pub(crate) unnamed: Unnamed,
}

impl Speaker {
    /// Gives a statement a name; the name takes over a hold on it.
    pub(crate) fn name(
        &mut self,
        name: &[u8],
        id: StatementId,
        interned: &mut Interned<Arc<Facts>>,
    ) -> Result<(), Refused> {
        let refused = if self.names.get(name).is_some() {
            refused::duplicate_statement(name)
        } else if self.names.insert(name, id).is_err() {
            refused::too_many_statements()
        } else {
            return Ok(());
        };
        interned.release(id);
        Err(refused)
    }

    /// Replaces the unnamed statement; it takes over a hold, and so does the one who gets what it
    /// was before.
    pub(crate) fn replace_unnamed(&mut self, unnamed: Unnamed) -> Unnamed {
        std::mem::replace(&mut self.unnamed, unnamed)
    }

    /// Replaces the unnamed statement; it takes over a hold.
    pub(crate) fn set_unnamed(&mut self, unnamed: Unnamed, interned: &mut Interned<Arc<Facts>>) {
        std::mem::replace(&mut self.unnamed, unnamed).release(interned);
    }

    /// Lets go of a name.
    pub(crate) fn unname(&mut self, name: &[u8], interned: &mut Interned<Arc<Facts>>) {
        if let Some(statement) = self.names.remove(name) {
            interned.release(statement);
        }
    }

    /// Gives a statement the name back that it had; it takes over the hold.
    pub(crate) fn name_again(
        &mut self,
        name: &[u8],
        statement: StatementId,
        interned: &mut Interned<Arc<Facts>>,
    ) {
        match self.names.insert(name, statement) {
            Ok(Some(other)) => interned.release(other),
            Ok(None) => {}
            Err(_) => interned.release(statement),
        }
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self, interned: &mut Interned<Arc<Facts>>) {
        self.set_unnamed(Unnamed::None, interned);
        self.clear_names(interned);
    }

    /// Lets go of all names.
    pub(crate) fn clear_names(&mut self, interned: &mut Interned<Arc<Facts>>) {
        if self.names.is_empty() {
            return;
        }
        for id in self.names.clear() {
            interned.release(id);
        }
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.names.bytes() + self.unnamed.bytes()
    }
}
