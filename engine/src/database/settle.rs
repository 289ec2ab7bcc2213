//! Keeps the tables of statements true to what became of the messages that changed them.

use std::sync::Arc;

use crate::database::replies::Settled;
use crate::database::speaker::Speaker;
use crate::sql::Facts;
use crate::statements::{Interned, OnSession};

/// Notes what became of statements and names. True if the client's unnamed statement is one that
/// the session does not have.
pub(crate) fn settle(
    settled: impl IntoIterator<Item = Settled>,
    mut speaker: Option<&mut Speaker>,
    on_session: &mut OnSession,
    interned: &mut Interned<Arc<Facts>>,
) -> bool {
    let mut moved = false;
    for one in settled {
        match (one, speaker.as_deref_mut()) {
            (Settled::Prepared(number), _) => on_session.prepared(number),
            (Settled::NotPrepared(number), _) => on_session.failed(number),
            (Settled::NotEvicted(number), _) => on_session.not_closed(number),
            (Settled::NotNamed(name, statement), Some(speaker)) => {
                if speaker.names.get(&name) == Some(statement) {
                    speaker.unname(&name, interned);
                }
            }
            (Settled::NotClosed(name, statement), Some(speaker)) => {
                speaker.name_again(&name, statement, interned);
            }
            (Settled::NotReplaced(before), Some(speaker)) => {
                moved = true;
                speaker.set_unnamed(before, interned);
            }
            (Settled::Replaced(before) | Settled::NotReplaced(before), _) => {
                before.release(interned);
            }
            (Settled::Closed(statement) | Settled::NotClosed(_, statement), _) => {
                interned.release(statement);
            }
            (Settled::NotNamed(..), None) => {}
        }
    }
    moved
}
