//! Which copy of the coordinator counts (`docs/protocol.md`, 2.4, "Epochs").

use pierhead_wire::tunnel::GoAwayReason;

use super::Agent;
use super::dial::Loss;
use super::io::LinkNo;
use super::link::Link;
#[cfg(sabotage)]
use super::sabotage::{self, Bug};

const ADVICE: &str = "a newer copy of this coordinator has a link to the same agent";

impl Agent {
    /// Compares the copy behind a link that was just welcomed with those behind the others. The
    /// higher epoch stays; with equal epochs the one whose hello was later. False if the new link
    /// is not it, and has ended.
    ///
    /// A wake compares nothing: it changes the object's life on one link after the other, and all
    /// of them are of the copy that woke. Nor does it matter if it overtakes the welcome that the
    /// life before it said on another link.
    pub(super) fn choose_copy(&mut self, no: LinkNo) -> bool {
        #[cfg(sabotage)]
        if sabotage::active(Bug::OlderCopyAccepted) {
            return true;
        }
        let Some(link) = self.links.get(&no) else { return false };
        let Some(copy) = link.copy() else { return false };
        let rank = |link: &Link| link.copy().map(|copy| (copy.epoch, link.hello));
        let others = self.links.values().filter(|other| {
            other.database == link.database
                && other.former != Some(copy)
                && other.copy().is_some_and(|its| its != copy)
        });
        let (older, newer): (Vec<&Link>, Vec<&Link>) =
            others.partition(|other| rank(other) < rank(link));
        if !newer.is_empty() {
            self.end_link(no, Some((GoAwayReason::StaleCopy, ADVICE)), Loss::Stale);
            return false;
        }
        for stale in older.iter().map(|link| link.no).collect::<Vec<_>>() {
            self.end_link(stale, Some((GoAwayReason::StaleCopy, ADVICE)), Loss::Stale);
        }
        true
    }
}
