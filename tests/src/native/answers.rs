//! The answers of exchanges, collected for whoever asked.

use std::collections::HashMap;

use bytes::Bytes;
use pierhead_engine::ids::ClientId;
use tokio::sync::oneshot;

/// Where an answer goes.
pub(super) type Reply = oneshot::Sender<Vec<u8>>;

/// Who waits for an answer, and what has come of it.
#[derive(Debug, Default)]
pub(super) struct Answers(HashMap<ClientId, (Vec<u8>, Reply)>);

impl Answers {
    pub(super) fn expect(&mut self, client: ClientId, reply: Reply) {
        self.0.insert(client, (Vec::new(), reply));
    }

    pub(super) fn expects(&self, client: ClientId) -> bool {
        self.0.contains_key(&client)
    }

    pub(super) fn forget(&mut self, client: ClientId) {
        self.0.remove(&client);
    }

    /// True if somebody still waits for it.
    pub(super) fn alive(&self, client: ClientId) -> bool {
        self.0.get(&client).is_some_and(|(_, reply)| !reply.is_closed())
    }

    /// A whole answer; false if nobody was to get one.
    pub(super) fn whole(&mut self, client: ClientId, bytes: &[Bytes]) -> bool {
        self.part(client, bytes, true).is_some()
    }

    /// A part of an answer, and how long it is; `None` if nobody was to get one.
    pub(super) fn part(&mut self, client: ClientId, bytes: &[Bytes], end: bool) -> Option<usize> {
        let (collected, _) = self.0.get_mut(&client)?;
        let before = collected.len();
        bytes.iter().for_each(|bytes| collected.extend_from_slice(bytes));
        let length = collected.len() - before;
        if end {
            let (collected, reply) = self.0.remove(&client)?;
            // Who gave up waiting is not told.
            drop(reply.send(collected));
        }
        Some(length)
    }
}
