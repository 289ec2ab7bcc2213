//! Who may send which frame when (`docs/protocol.md`, 2.10).

use super::Kind;

/// One end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The program beside the database.
    Agent,
    /// The object.
    Coordinator,
}

/// How far a link is, as the sender of a frame sees it.
///
/// ```text
/// New ──hello──▶ Greeted ──welcome──▶ Settling ──last offer settled──▶ Up
///                                        └───────────drain──────────────┴──▶ Draining
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// The WebSocket is open, nothing was said.
    New,
    /// The hello was sent, or has arrived.
    Greeted,
    /// Welcome; some offered streams are neither adopted nor released.
    Settling,
    /// Streams may be opened.
    Up,
    /// A drain was sent or has arrived.
    Draining,
}

impl LinkState {
    /// Every state, in the order of a link's life.
    pub const ALL: [Self; 5] = [Self::New, Self::Greeted, Self::Settling, Self::Up, Self::Draining];
}

impl Kind {
    /// True if `sender` may send this frame when it sees its link in `state`.
    #[must_use]
    pub const fn allowed(self, sender: Sender, state: LinkState) -> bool {
        use LinkState::{Draining, Greeted, New, Settling, Up};
        use Sender::{Agent, Coordinator};

        let welcome = matches!(state, Settling | Up | Draining);
        match self {
            Self::Hello => matches!((sender, state), (Agent, New)),
            Self::Welcome => matches!((sender, state), (Coordinator, Greeted)),
            Self::GoAway => true,
            Self::Drain => matches!(state, Settling | Up),
            Self::Open => matches!((sender, state), (Coordinator, Up)),
            Self::Adopt => matches!((sender, state), (Coordinator, Settling | Up)),
            Self::Opened | Self::Refused => matches!((sender, state), (Agent, Up | Draining)),
            Self::Offer => matches!(sender, Agent) && !matches!(state, New),
            Self::Describe => match sender {
                Agent => welcome,
                Coordinator => matches!(state, Up | Draining),
            },
            Self::LinkCredit | Self::Data | Self::Credit | Self::Finish | Self::Reset => welcome,
            Self::Here | Self::Gone | Self::Cancelled => matches!(sender, Agent) && welcome,
            Self::Wake | Self::Park | Self::Release | Self::ListParked | Self::Cancel => {
                matches!(sender, Coordinator) && welcome
            }
        }
    }
}
