//! Credit (`docs/protocol.md`, 2.7): what the other side may send, and what we may.

use pierhead_wire::limits::TUNNEL_CREDIT_MAX;

/// What the other side may still send, and what is to be granted to it again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    size: u32,
    left: u32,
    due: u32,
}

/// More than allowed: the link ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Exceeded;

impl Window {
    /// A window of `size` bytes, all of it open.
    pub(super) fn new(size: u32) -> Self {
        let size = size.clamp(1, TUNNEL_CREDIT_MAX);
        Self { size, left: size, due: 0 }
    }

    pub(super) fn size(&self) -> u32 {
        self.size
    }

    pub(super) fn left(&self) -> u32 {
        self.left
    }

    pub(super) fn due(&self) -> u32 {
        self.due
    }

    /// So many bytes arrived.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Exceeded> {
        let bytes = u32::try_from(bytes).map_err(|_| Exceeded)?;
        self.left = self.left.checked_sub(bytes).ok_or(Exceeded)?;
        Ok(())
    }

    /// So many bytes that arrived have left our buffers.
    pub(super) fn give_back(&mut self, bytes: u32) {
        let most = self.size.saturating_sub(self.left);
        self.due = self.due.saturating_add(bytes).min(most);
    }

    /// What to grant now: anything if a message goes out anyway (`riding`), else only half of the
    /// window or more.
    pub(super) fn grant(&mut self, riding: bool) -> Option<u32> {
        let enough = if riding { 1 } else { (self.size / 2).max(1) };
        if self.due < enough {
            return None;
        }
        let due = std::mem::take(&mut self.due);
        self.left = self.left.saturating_add(due);
        Some(due)
    }
}

/// What we may still send.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance(u32);

impl Allowance {
    pub(super) fn new(bytes: u32) -> Self {
        Self(bytes)
    }

    pub(super) fn left(self) -> u32 {
        self.0
    }

    /// So many bytes as a size of a buffer.
    pub(super) fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    pub(super) fn add(&mut self, bytes: u32) -> Result<(), Exceeded> {
        let sum = self.0.checked_add(bytes).filter(|sum| *sum <= TUNNEL_CREDIT_MAX);
        self.0 = sum.ok_or(Exceeded)?;
        Ok(())
    }

    pub(super) fn spend(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
    }
}
