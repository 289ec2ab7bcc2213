//! What conversations leave to the next ones: memory, and nothing else.

use super::Talk;
use crate::database::transaction::Transaction;
use crate::limits::{SPARE_ENTRIES_MAX, SPARE_TALKS_MAX};

/// Conversations that are over, whose memory serves the next ones: most are short and alike.
#[derive(Debug, Default)]
#[expect(
    clippy::vec_box,
    reason = "sessions hold them boxed, and so they move from one to another"
)]
pub(crate) struct SpareTalks(Vec<Box<Talk>>);

impl SpareTalks {
    /// A conversation that begins at this position of the stream's bytes.
    pub(crate) fn begin(&mut self, sent_from: u64) -> Box<Talk> {
        let mut talk = self.0.pop().unwrap_or_default();
        talk.sent_from = sent_from;
        talk
    }

    /// Takes one that is over.
    pub(crate) fn put(&mut self, mut talk: Box<Talk>) {
        if self.0.len() < SPARE_TALKS_MAX {
            talk.empty();
            self.0.push(talk);
        }
    }
}

impl Talk {
    /// What is left of a conversation that is over: nothing but memory. Every field is named, so that
    /// none is forgotten.
    fn empty(&mut self) {
        let Self {
            replies,
            sent_from,
            answered,
            transaction,
            unsynced,
            mid_message,
            reset_sent,
            must_reset,
            effects,
            samples,
            sample,
            segment_failed,
            error,
            fatal,
            committed,
            segments,
            kept,
            broken,
            may_commit,
            trying,
            forgets,
            not_set,
            made,
            restore,
            begins,
            has_history,
            forgiving,
            cured,
            voided,
            swallowing,
            unnamed_here,
            unnamed_used,
            parsing,
            dropped,
            plain,
            portals,
        } = self;
        replies.empty();
        kept.stop();
        effects.empty();
        samples.clear();
        parsing.clear();
        made.clear();
        dropped.clear();
        plain.clear();
        portals.clear();
        let room = [samples.capacity(), parsing.capacity(), made.capacity()];
        let more = [dropped.capacity(), plain.capacity(), portals.capacity()];
        if room.iter().chain(&more).any(|&entries| entries > SPARE_ENTRIES_MAX) {
            (*samples, *parsing, *made) = Default::default();
            (*dropped, *plain, *portals) = Default::default();
        }
        for flag in [
            answered,
            unsynced,
            mid_message,
            reset_sent,
            must_reset,
            segment_failed,
            committed,
            may_commit,
            trying,
            forgets,
            begins,
            has_history,
            forgiving,
            cured,
            voided,
            swallowing,
            unnamed_here,
            unnamed_used,
        ] {
            *flag = false;
        }
        (*sent_from, *segments) = (0, 0);
        *transaction = Transaction::None;
        *sample = None;
        *error = None;
        *fatal = None;
        *broken = None;
        *not_set = None;
        *restore = None;
    }
}
